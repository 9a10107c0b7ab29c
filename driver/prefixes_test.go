// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/integration/ovstest"
	"github.com/ovsnet/ovsnet/ovsdb"
)

// TestSourceFlood: a container that makes up IPv6 sources costs the datapath a flow for each length of prefix, on a bridge
// with the rows and flows that the driver gives it; and one for each address without the prefixes of its tables.
func TestSourceFlood(t *testing.T) {
	sw := ovstest.Start(t)
	d := &Driver{cfg: config.Daemon{Owner: "ovsnet"}}
	w := newWorld()
	rec := testRecord("net1")
	rec.IPv6 = true
	rec.Pools = append(rec.Pools, pool{Subnet: pfx("fd00:1::/64"), Gateway: pfx("fd00:1::1/64")})
	if err := w.addNetwork(rec); err != nil {
		t.Fatal(err)
	}
	var ends []endpoint
	for _, a := range []string{"2", "3"} {
		e := testEndpoint("e"+a, "10.1.0."+a+"/24")
		e.Addresses = append(e.Addresses, pfx("fd00:1::"+a+"/64"))
		e, err := w.addEndpoint(e)
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, e)
	}
	n := w.networks[rec.ID]
	build(t, d, sw, n, ends)
	from, to := ends[0], ends[1]
	flood := func() int {
		sw.AppCtl(t, "revalidator/purge")
		before := lookups(t, sw)
		random := rand.New(rand.NewPCG(1, 2))
		for range 10 {
			// A dummy device's queue holds a hundred frames.
			line := []string{"netdev-dummy/receive", from.Link}
			for range 50 {
				src := differing(random, from.Addresses[1].Addr())
				line = append(line, hex.EncodeToString(datagram(from.MAC, to.MAC, src, to.Addresses[1].Addr())))
			}
			sw.AppCtl(t, line...)
		}
		err := ovstest.Poll(10*time.Second, func() error {
			if got := lookups(t, sw) - before; got < 500 {
				return fmt.Errorf("only %d frames of 500 were looked at", got)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(sw.AppCtl(t, "dpctl/dump-flows"), "recirc_id(")
	}
	with := flood()
	n.IPv6 = false
	if row, err := d.bridgeRow(n); err != nil || row.Prefixes != nil {
		t.Errorf("a network without IPv6 has prefixes %v, %v", row.Prefixes, err)
	}
	sw.Ctl(t, "clear", "Bridge", n.Bridge, "flow_tables")
	without := flood()
	t.Logf("datapath flows of 500 sources: %d, without prefixes %d", with, without)
	if with > 140 {
		t.Errorf("%d datapath flows, want one for each of 128 bits and few more", with)
	}
	if without < 300 {
		t.Errorf("%d datapath flows without prefixes: the flood is none", without)
	}
}

// lookups is the number of frames that the datapath has had in its hands.
func lookups(t *testing.T, sw *ovstest.Switch) int {
	t.Helper()
	_, text, _ := strings.Cut(sw.AppCtl(t, "dpctl/show"), "lookups: ")
	var hit, missed, lost int
	if _, err := fmt.Sscanf(text, "hit:%d missed:%d lost:%d", &hit, &missed, &lost); err != nil {
		t.Fatal(err)
	}
	return hit + missed + lost
}

// build makes the network's bridge on a switch, with its endpoints' ports and all flows, as settle and attach do.
func build(t *testing.T, d *Driver, sw *ovstest.Switch, n network, ends []endpoint) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	db := ovsdb.New(ovsdb.Options{Endpoint: sw.DB})
	ended := make(chan error, 1)
	go func() { ended <- db.Run(ctx) }()
	if err := db.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	row, err := d.bridgeRow(n)
	if err != nil {
		t.Fatal(err)
	}
	rows := []ovsdb.Change{ovsdb.EnsureBridge{Bridge: row}}
	fcs, err := networkFlows(n, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range ends {
		fc, failed := compileEndpoint(n, e)
		if failed != nil {
			t.Fatal(failed)
		}
		rows, fcs = append(rows, ovsdb.EnsurePort{Port: d.port(n, e)}), append(fcs, fc)
	}
	for i, r := range db.Commit(ctx, rows) {
		if r.Err != nil {
			t.Fatalf("row %d: %v", i, r.Err)
		}
	}
	b := newBridge(n.Bridge, filepath.Dir(sw.Mgmt(n.Bridge)), new(arrivals), slog.New(slog.DiscardHandler))
	defer b.close()
	if err := b.apply(ctx, fcs); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// differing is an address that differs from another for the first time in a random bit, and in any way after it.
func differing(random *rand.Rand, from netip.Addr) netip.Addr {
	a := from.As16()
	bit := random.IntN(128)
	a[bit/8] ^= 0x80 >> (bit % 8)
	for i := bit + 1; i < 128; i++ {
		if random.IntN(2) == 1 {
			a[i/8] ^= 0x80 >> (i % 8)
		}
	}
	return netip.AddrFrom16(a)
}

// datagram is a frame with an empty UDP datagram over IPv6.
func datagram(src, dst net.HardwareAddr, from, to netip.Addr) []byte {
	udp := binary.BigEndian.AppendUint16(nil, 1)
	udp = binary.BigEndian.AppendUint16(udp, 2)
	udp = append(udp, 0, 8, 0, 0)
	return bytes.Join([][]byte{dst, src, {0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 17, 64}, from.AsSlice(), to.AsSlice(), udp}, nil)
}
