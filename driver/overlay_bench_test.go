// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// BenchmarkPeer is the time for one peer to come and to go, with so many others and networks: all of them have it.
func BenchmarkPeer(b *testing.B) {
	for _, size := range []struct{ peers, networks int }{{5, 1}, {500, 1}, {5, 100}, {500, 100}} {
		b.Run(fmt.Sprintf("peers=%d/networks=%d", size.peers, size.networks), func(b *testing.B) {
			sw := ovstest.Start(b)
			var all []string
			first := netip.MustParseAddr("203.0.112.1")
			for a := first; len(all) < size.peers; a = a.Next() {
				all = append(all, a.String())
			}
			d := start(b, sw, all...)
			for i := range size.networks {
				create(b, d, fmt.Sprintf("%03dabcdef01234567", i), fmt.Sprintf("ovs.tunnel.vni=%d", i+1))
			}
			more := append(slices.Clone(all), "203.0.115.1")
			for b.Loop() {
				for _, list := range [][]string{more, all} {
					if err := d.SetPeers(b.Context(), list); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// BenchmarkOverlay is the time to make and remove a network across hosts with so many peers, beside others.
func BenchmarkOverlay(b *testing.B) {
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
			for b.Loop() {
				create(b, d, "fffabcdef01234567", "ovs.tunnel.vni=4096")
				b.StopTimer()
				remove(b, d, "fffabcdef01234567")
				b.StartTimer()
			}
		})
	}
}
