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

// cluster is a host with so many networks, all of which have so many peers.
type cluster struct{ peers, networks int }

var clusters = []cluster{{5, 1}, {500, 1}, {5, 100}, {500, 100}}

func (c cluster) String() string { return fmt.Sprintf("peers=%d/networks=%d", c.peers, c.networks) }

// gather starts a driver that has it all, and gives the peers.
func (c cluster) gather(b *testing.B) (sw *ovstest.Switch, d *Driver, peers []string) {
	b.Helper()
	for a := netip.MustParseAddr("203.0.112.1"); len(peers) < c.peers; a = a.Next() {
		peers = append(peers, a.String())
	}
	sw = ovstest.Start(b)
	d = start(b, sw, peers...)
	for i := range c.networks {
		create(b, d, fmt.Sprintf("%03dabcdef01234567", i), fmt.Sprintf("ovs.tunnel.vni=%d", i+1))
	}
	return sw, d, peers
}

// BenchmarkPeer is the time for one peer to come and to go, with so many others and networks: all of them have it.
func BenchmarkPeer(b *testing.B) {
	for _, c := range clusters {
		b.Run(c.String(), func(b *testing.B) {
			_, d, peers := c.gather(b)
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
}

// BenchmarkOverlay is the time to make a network across hosts with so many peers, beside others, and in the same run the
// time that Open vSwitch takes for the same: rows in one transaction, then flows and groups in one bundle, all made ready
// before; and for a bridge with nothing on it. Reported are medians.
func BenchmarkOverlay(b *testing.B) {
	const id = "fffabcdef01234567"
	for _, c := range clusters {
		b.Run(c.String(), func(b *testing.B) {
			sw, d, _ := c.gather(b)
			f := floorOf(b, sw, d, create(b, d, id, "ovs.tunnel.vni=4096"))
			remove(b, d, id)
			var ours, least, bare []float64
			for b.Loop() {
				begin := time.Now()
				create(b, d, id, "ovs.tunnel.vni=4096")
				ours = append(ours, millis(begin))
				remove(b, d, id)
				begin = time.Now()
				f.make(b)
				least = append(least, millis(begin))
				f.remove(b)
				begin = time.Now()
				f.commit(b, f.rows[0])
				bare = append(bare, millis(begin))
				f.remove(b)
			}
			for _, times := range [][]float64{ours, least, bare} {
				slices.Sort(times)
			}
			o, l := ours[len(ours)/2], least[len(least)/2]
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(o, "ms")
			b.ReportMetric(l, "floor-ms")
			b.ReportMetric(o/l, "times-floor")
			b.ReportMetric(bare[len(bare)/2], "bridge-ms")
		})
	}
}

func millis(since time.Time) float64 { return float64(time.Since(since)) / float64(time.Millisecond) }

// floor is a network as Open vSwitch is asked for it.
type floor struct {
	d      *Driver
	bridge string
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
		d: d, bridge: n.Bridge, rows: []ovsdb.Change{ovsdb.EnsureBridge{Bridge: bridge}, ovsdb.EnsurePort{Port: d.tunnelPort(n, netip.Addr{})}},
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
	f.commit(b, ovsdb.RemoveBridge{Name: f.bridge})
}
