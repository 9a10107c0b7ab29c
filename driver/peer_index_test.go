// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestPeersBecome: after any sequence of lists, the peers are the last one, each with a number of its own that it has had
// since it came, and the differences told add up to that.
func TestPeersBecome(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x, told := newPeerIndex(), map[netip.Addr]uint16{}
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			var want []netip.Addr
			for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, 300), 0, 60, rapid.ID).Draw(t, "peers") {
				a := netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)})
				if i%3 == 0 {
					a = netip.AddrFrom16([16]byte{0x20, 1, 14: byte(i >> 8), 15: byte(i)})
				}
				want = append(want, a)
			}
			slices.SortFunc(want, netip.Addr.Compare)
			same := x.are(want)
			come, gone, err := x.become(want)
			if err != nil {
				t.Fatal(err)
			}
			if same != (len(come)+len(gone) == 0) {
				t.Fatalf("are says %v, come %v, gone %v", same, come, gone)
			}
			for _, a := range gone {
				delete(told, a)
			}
			for _, k := range come {
				if _, had := told[k.addr]; had {
					t.Fatalf("%s comes twice", k.addr)
				}
				told[k.addr] = k.id
			}
			ids := map[uint16]bool{0: true}
			for i, k := range x.all {
				if k.addr != want[i] || told[k.addr] != k.id || ids[k.id] {
					t.Fatalf("peer %d is %+v, want %s with number %d, alone", i, k, want[i], told[k.addr])
				}
				ids[k.id] = true
			}
			if len(x.all) != len(want) || len(told) != len(want) || len(x.ids) != len(want) {
				t.Fatalf("%d peers, %d told, %d numbers, want %d", len(x.all), len(told), len(x.ids), len(want))
			}
		}
	})
}

// TestPeerNumbersOutliveRestart: peers that came one by one have, read back all at once, the same numbers, but for the few
// whose addresses want the same.
func TestPeerNumbersOutliveRestart(t *testing.T) {
	t.Parallel()
	var all []netip.Addr
	for i := range 500 {
		all = append(all, netip.MustParseAddr(fmt.Sprintf("10.0.%d.%d", i/250, i%250+1)))
	}
	slices.SortFunc(all, netip.Addr.Compare)
	grown, atOnce := newPeerIndex(), newPeerIndex()
	for i := range all {
		if _, _, err := grown.become(all[len(all)-1-i:]); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := atOnce.become(all); err != nil {
		t.Fatal(err)
	}
	other := 0
	for i := range all {
		if grown.all[i] != atOnce.all[i] {
			other++
		}
	}
	if other > 10 {
		t.Errorf("%d of 500 peers have other numbers after a restart", other)
	}
}
