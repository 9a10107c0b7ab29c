// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"net/netip"
	"testing"

	"github.com/ovsnet/ovsnet/flows"
)

// BenchmarkOnePeerMore adds and removes a peer of an overlay beside few and beside many.
func BenchmarkOnePeerMore(b *testing.B) {
	n := flows.Network{Tag: 1, ICC: true, Tunnel: &flows.Tunnel{Port: 32767, Limit: 100, Idle: 300}}
	peer := func(number int) flows.Compiled {
		c, err := flows.CompilePeer(flows.Peer{Network: n, ID: uint16(number), Addr: netip.AddrFrom4([4]byte{198, 18, byte(number >> 8), byte(number)})})
		if err != nil {
			b.Fatal(err)
		}
		return c
	}
	for name, peers := range map[string]int{"5 peers": 5, "500 peers": 500} {
		b.Run(name, func(b *testing.B) {
			network, err := flows.CompileNetwork(n)
			if err != nil {
				b.Fatal(err)
			}
			parts := []flows.Compiled{flows.CompileBridge(), network}
			for number := range peers {
				parts = append(parts, peer(number+1))
			}
			all, err := flows.Merge(parts...)
			if err != nil {
				b.Fatal(err)
			}
			var groups []GroupMod
			for _, g := range all.Groups {
				groups = append(groups, GroupMod{Command: GroupAdd, Group: g})
			}
			br, ctx := newBridge(b), testContext(b)
			if err := br.Apply(ctx, Update{Flows: all.Flows, Groups: groups}); err != nil {
				b.Fatal(err)
			}
			one := peer(peers + 1)
			m := one.Members[0]
			for b.Loop() {
				err := br.Apply(ctx, Update{Flows: one.Flows, Groups: []GroupMod{{Command: GroupInsertBucket,
					Group: flows.GroupDesc{ID: m.Group, Buckets: []flows.Bucket{m.Bucket}}}}})
				if err != nil {
					b.Fatal(err)
				}
				err = br.Apply(ctx, Update{Delete: one.Flows, Groups: []GroupMod{{Command: GroupRemoveBucket,
					Group: flows.GroupDesc{ID: m.Group}, BucketID: m.Bucket.ID}}})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
