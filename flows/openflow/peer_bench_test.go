// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/ovsnet/ovsnet/flows"
)

// overlayOf compiles an overlay with so many peers, and one more peer.
func overlayOf(b *testing.B, peers int) (all, more flows.Compiled) {
	b.Helper()
	n := flows.Network{Tag: 1, ICC: true, Tunnel: &flows.Tunnel{Port: 32767, Limit: 100, Idle: 300}}
	network, err := flows.CompileNetwork(n)
	if err != nil {
		b.Fatal(err)
	}
	parts := []flows.Compiled{flows.CompileBridge(), network}
	for number := range peers + 1 {
		more, err = flows.CompilePeer(flows.Peer{Tag: n.Tag, Tunnel: *n.Tunnel, ID: uint16(number + 1), Addr: netip.AddrFrom4([4]byte{198, 18, byte(number >> 8), byte(number)})})
		if err != nil {
			b.Fatal(err)
		}
		parts = append(parts, more)
	}
	if all, err = flows.Merge(parts[:len(parts)-1]...); err != nil {
		b.Fatal(err)
	}
	return all, more
}

// whole is the update that makes all of it, and away the one that takes it back.
func whole(all flows.Compiled) (add, away Update) {
	add.Flows, away.Delete = all.Flows, all.Flows
	for _, g := range all.Groups {
		add.Groups = append(add.Groups, GroupMod{Command: GroupAdd, Group: g})
		away.Groups = append(away.Groups, GroupMod{Command: GroupDelete, Group: g})
	}
	return add, away
}

// peerCounts are the sizes that the benchmarks compare.
var peerCounts = []int{5, 500}

// BenchmarkAllPeers makes an overlay with all its peers on an empty bridge: what the switch charges for the rows of each.
func BenchmarkAllPeers(b *testing.B) {
	for _, peers := range peerCounts {
		b.Run(fmt.Sprintf("peers=%d", peers), func(b *testing.B) {
			all, _ := overlayOf(b, peers)
			add, away := whole(all)
			br, ctx := newBridge(b), testContext(b)
			for b.Loop() {
				if err := br.Apply(ctx, add); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := br.Apply(ctx, away); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkOnePeerMore adds and removes a peer of an overlay beside few and beside many.
func BenchmarkOnePeerMore(b *testing.B) {
	for _, peers := range peerCounts {
		b.Run(fmt.Sprintf("peers=%d", peers), func(b *testing.B) {
			all, one := overlayOf(b, peers)
			add, _ := whole(all)
			br, ctx := newBridge(b), testContext(b)
			if err := br.Apply(ctx, add); err != nil {
				b.Fatal(err)
			}
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
