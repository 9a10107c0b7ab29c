// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/flows/openflow"
	"github.com/ovsnet/ovsnet/integration/ovstest"
	"github.com/ovsnet/ovsnet/ovsdb"
)

// crowds runs a benchmark with few and with many peers and networks; all networks have all peers.
func crowds(b *testing.B, run func(b *testing.B, sw *ovstest.Switch, d *Driver, peers []string)) {
	b.Helper()
	for _, size := range []struct{ peers, networks int }{{5, 1}, {500, 1}, {5, 100}, {500, 100}} {
		b.Run(fmt.Sprintf("peers=%d/networks=%d", size.peers, size.networks), func(b *testing.B) {
			sw := ovstest.Start(b)
			var all []string
			for a := netip.MustParseAddr("203.0.112.1"); len(all) < size.peers; a = a.Next() {
				all = append(all, a.String())
			}
			d := start(b, sw, all...)
			for i := range size.networks {
				create(b, d, fmt.Sprintf("%03dabcdef01234567", i), fmt.Sprintf("ovs.tunnel.vni=%d", i+1))
			}
			run(b, sw, d, all)
		})
	}
}

// BenchmarkPeer is the time for one peer to come and to go, with so many others and networks: all of them have it.
func BenchmarkPeer(b *testing.B) {
	crowds(b, func(b *testing.B, _ *ovstest.Switch, d *Driver, peers []string) {
		more := append(slices.Clone(peers), "203.0.115.1")
		for b.Loop() {
			for _, list := range [][]string{more, peers} {
				if err := d.SetPeers(b.Context(), list); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// BenchmarkOverlay is the time to make a network across hosts with so many peers, beside others, and in the same run the
// time that Open vSwitch takes for the same: rows in one transaction, then flows and groups in one bundle, all made ready
// before. Reported are medians.
func BenchmarkOverlay(b *testing.B) {
	crowds(b, func(b *testing.B, sw *ovstest.Switch, d *Driver, _ []string) {
		const id = "fffabcdef01234567"
		n := create(b, d, id, "ovs.tunnel.vni=4096")
		f := floorOf(b, sw, d, n)
		remove(b, d, id)
		var ours, least []float64
		for b.Loop() {
			begin := time.Now()
			create(b, d, id, "ovs.tunnel.vni=4096")
			ours = append(ours, millis(begin))
			remove(b, d, id)
			begin = time.Now()
			f.make(b)
			least = append(least, millis(begin))
			f.remove(b)
		}
		slices.Sort(ours)
		slices.Sort(least)
		o, l := ours[len(ours)/2], least[len(least)/2]
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(o, "ms")
		b.ReportMetric(l, "floor-ms")
		b.ReportMetric(o/l, "times-floor")
	})
}

func millis(since time.Time) float64 { return float64(time.Since(since)) / float64(time.Millisecond) }

// floor is a network as Open vSwitch is asked for it.
type floor struct {
	d      *Driver
	rows   []ovsdb.Change
	update openflow.Update
	path   string
}

// floorOf is what a network that stands is made of.
func floorOf(b *testing.B, sw *ovstest.Switch, d *Driver, n network) floor {
	b.Helper()
	bridge, err := d.bridgeRow(n)
	if err != nil {
		b.Fatal(err)
	}
	br := d.loop.bridge(n.Bridge)
	if err = br.hold(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer br.letGo()
	all, err := flows.Merge(slices.Collect(maps.Values(br.objects))...)
	if err != nil {
		b.Fatal(err)
	}
	f := floor{
		d: d, rows: []ovsdb.Change{ovsdb.EnsureBridge{Bridge: bridge}, ovsdb.EnsurePort{Port: d.tunnelPort(n, netip.Addr{})}},
		update: openflow.Update{Flows: all.Flows}, path: filepath.Join(sw.Dir, n.Bridge+".mgmt"),
	}
	for _, g := range all.Groups {
		f.update.Groups = append(f.update.Groups, openflow.GroupMod{Command: openflow.GroupAdd, Group: g})
	}
	return f
}

func (f floor) commit(b *testing.B, rows ...ovsdb.Change) {
	b.Helper()
	var errs []error
	for _, r := range f.d.ovs.Commit(b.Context(), rows) {
		errs = append(errs, r.Err)
	}
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
}

func (f floor) make(b *testing.B) {
	b.Helper()
	f.commit(b, f.rows...)
	conn, err := openflow.Dial(b.Context(), f.path, nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := errors.Join(conn.Apply(b.Context(), f.update), conn.Close()); err != nil {
		b.Fatal(err)
	}
}

func (f floor) remove(b *testing.B) {
	b.Helper()
	f.commit(b, ovsdb.RemoveBridge{Name: f.rows[0].(ovsdb.EnsureBridge).Name}) //nolint:forcetypeassert // floorOf put it there
}
