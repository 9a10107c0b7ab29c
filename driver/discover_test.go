// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/driver/api"
)

var (
	selfNode     = netip.MustParseAddr("192.0.2.1")
	nodeB, nodeC = netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3")
	nodeD, nodeE = netip.MustParseAddr("192.0.2.4"), netip.MustParseAddr("192.0.2.5")
	known        = []netip.Addr{nodeB, nodeC, nodeD}
	midnight     = time.Unix(1e9, 0)
)

// TestSessions: which nodes are left when all that a Swarm tells at a start has been told.
func TestSessions(t *testing.T) {
	for name, c := range map[string]struct {
		story func(p *peers, now time.Time)
		want  []netip.Addr
	}{
		"a plugin starts, and is told nothing": {func(p *peers, now time.Time) {
			p.begin(ManagedDoor, selfNode, now)
		}, known},
		"a plugin starts, and a new node joins": {func(p *peers, now time.Time) {
			p.begin(ManagedDoor, selfNode, now)
			p.tell(ManagedDoor, nodeE, now)
		}, []netip.Addr{nodeB, nodeC, nodeD, nodeE}},
		"a plugin starts, and a node leaves and comes back": {func(p *peers, now time.Time) {
			p.begin(ManagedDoor, selfNode, now)
			p.leave(ManagedDoor, nodeB)
			p.tell(ManagedDoor, nodeB, now)
		}, known},
		"a plugin starts, and one comes back that left before": {func(p *peers, now time.Time) {
			p.begin(ManagedDoor, selfNode, now)
			p.tell(ManagedDoor, nodeB, now)
		}, known},
		"the engine starts, and a node has left meanwhile": {func(p *peers, now time.Time) {
			p.begin(ManagedDoor, selfNode, now)
			p.tell(ManagedDoor, nodeB, now)
			p.tell(ManagedDoor, nodeC, now)
		}, []netip.Addr{nodeB, nodeC}},
		"the same through both doors": {func(p *peers, now time.Time) {
			for _, door := range []string{ManagedDoor, ShortDoor} {
				p.begin(door, selfNode, now)
			}
			for _, door := range []string{ManagedDoor, ShortDoor} {
				p.tell(door, nodeB, now)
				p.tell(door, nodeC, now)
				p.tell(door, nodeE, now)
			}
		}, []netip.Addr{nodeB, nodeC, nodeE}},
		"the short door opens late": {func(p *peers, now time.Time) {
			p.begin(ShortDoor, selfNode, now)
			p.begin(ShortDoor, selfNode, now)
		}, known},
		"the engine joins another Swarm": {func(p *peers, now time.Time) {
			p.begin(ManagedDoor, selfNode, now.Add(-time.Hour))
			p.settle(now.Add(-time.Minute))
			p.begin(ManagedDoor, selfNode, now)
			p.tell(ManagedDoor, nodeE, now)
		}, []netip.Addr{nodeE}},
		"the engine starts, and is told of a node before it says who it is": {func(p *peers, now time.Time) {
			p.begin(ManagedDoor, selfNode, now.Add(-time.Second))
			p.tell(ManagedDoor, nodeB, now.Add(-time.Second))
			p.begin(ManagedDoor, selfNode, now)
			p.tell(ManagedDoor, nodeC, now)
			p.tell(ManagedDoor, nodeD, now)
		}, known},
		"so it is, and of the node's former run": {func(p *peers, now time.Time) {
			p.tell(ManagedDoor, nodeB, now)
			p.tell(ManagedDoor, nodeB, now)
			p.begin(ManagedDoor, selfNode, now)
			p.tell(ManagedDoor, nodeC, now)
			p.tell(ManagedDoor, nodeD, now)
			p.leave(ManagedDoor, nodeB)
		}, known},
		"the engine joins another Swarm after a node of its own has come": {func(p *peers, now time.Time) {
			p.begin(ManagedDoor, selfNode, now.Add(-time.Hour))
			p.tell(ManagedDoor, nodeB, now.Add(-earlyTime-1))
			p.begin(ManagedDoor, selfNode, now)
			p.tell(ManagedDoor, nodeE, now)
		}, []netip.Addr{nodeE}},
		"the engine is told, and a node leaves": {func(p *peers, now time.Time) {
			p.begin(ManagedDoor, selfNode, now)
			for _, n := range known {
				p.tell(ManagedDoor, n, now)
			}
			p.leave(ManagedDoor, nodeC)
		}, []netip.Addr{nodeB, nodeD}},
		"an engine is killed and starts again": {func(p *peers, now time.Time) {
			p.begin(ManagedDoor, selfNode, now.Add(-time.Hour))
			p.settle(now.Add(-time.Minute))
			p.begin(ShortDoor, selfNode, now)
			for _, door := range []string{ManagedDoor, ShortDoor} {
				p.tell(door, nodeB, now)
			}
			for _, door := range []string{ManagedDoor, ShortDoor} {
				p.leave(door, nodeB)
			}
		}, known},
		"an engine is killed twice, and does not start again": {func(p *peers, now time.Time) {
			p.begin(ManagedDoor, selfNode, now)
			for _, n := range known {
				p.tell(ManagedDoor, n, now)
			}
			p.tell(ManagedDoor, nodeB, now)
			p.leave(ManagedDoor, nodeB)
			p.leave(ManagedDoor, nodeB)
		}, []netip.Addr{nodeC, nodeD}},
		"a plugin starts, and an engine is killed and starts again": {func(p *peers, now time.Time) {
			p.begin(ManagedDoor, selfNode, now)
			p.tell(ManagedDoor, nodeB, now)
			p.leave(ManagedDoor, nodeB)
		}, known},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeers(nil, "")
			p.nodes = set(known)
			c.story(p, midnight)
			if at, ok := p.settles(); !ok || !at.Equal(midnight.Add(settleTime)) {
				t.Errorf("settles at %v, %t", at, ok)
			}
			before := p.of(nil)
			p.settle(midnight.Add(settleTime - 1))
			if got := p.of(nil); !slices.Equal(got, before) {
				t.Errorf("too early: %v became %v", before, got)
			}
			p.settle(midnight.Add(settleTime))
			if got := p.of(nil); !slices.Equal(got, c.want) {
				t.Errorf("left are %v, want %v", got, c.want)
			}
			if at, ok := p.settles(); ok {
				t.Errorf("settles again at %v", at)
			}
		})
	}
}

func TestSelfAddress(t *testing.T) {
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1")
	for _, c := range []struct{ address, bind, want netip.Addr }{
		{a, a, a}, {a, netip.Addr{}, a}, {a, netip.IPv4Unspecified(), a}, {b, a, a},
	} {
		if got := selfAddress(api.DiscoveryNotification{Address: c.address, BindAddress: c.bind}); got != c.want {
			t.Errorf("address %v, bound to %v: %v", c.address, c.bind, got)
		}
	}
}
