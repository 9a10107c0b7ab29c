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
			p.tell(ManagedDoor, nodeE)
		}, []netip.Addr{nodeB, nodeC, nodeD, nodeE}},
		"a plugin starts, and a node leaves and comes back": {func(p *peers, now time.Time) {
			p.begin(ManagedDoor, selfNode, now)
			p.leave(ManagedDoor, nodeB)
			p.tell(ManagedDoor, nodeB)
		}, known},
		"a plugin starts, and one comes back that left before": {func(p *peers, now time.Time) {
			p.begin(ManagedDoor, selfNode, now)
			p.tell(ManagedDoor, nodeB)
		}, known},
		"the engine starts, and a node has left meanwhile": {func(p *peers, now time.Time) {
			p.begin(ManagedDoor, selfNode, now)
			p.tell(ManagedDoor, nodeB)
			p.tell(ManagedDoor, nodeC)
		}, []netip.Addr{nodeB, nodeC}},
		"the same through both doors": {func(p *peers, now time.Time) {
			for _, door := range []string{ManagedDoor, ShortDoor} {
				p.begin(door, selfNode, now)
			}
			for _, door := range []string{ManagedDoor, ShortDoor} {
				p.tell(door, nodeB)
				p.tell(door, nodeC)
				p.tell(door, nodeE)
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
			p.tell(ManagedDoor, nodeE)
		}, []netip.Addr{nodeE}},
		"the engine is told, and a node leaves": {func(p *peers, now time.Time) {
			p.begin(ManagedDoor, selfNode, now)
			for _, n := range known {
				p.tell(ManagedDoor, n)
			}
			p.leave(ManagedDoor, nodeC)
		}, []netip.Addr{nodeB, nodeD}},
		"an engine is killed and starts again": {func(p *peers, now time.Time) {
			p.begin(ManagedDoor, selfNode, now.Add(-time.Hour))
			p.settle(now.Add(-time.Minute))
			p.begin(ShortDoor, selfNode, now)
			for _, door := range []string{ManagedDoor, ShortDoor} {
				p.tell(door, nodeB)
			}
			for _, door := range []string{ManagedDoor, ShortDoor} {
				p.leave(door, nodeB)
			}
		}, known},
		"an engine is killed twice, and does not start again": {func(p *peers, now time.Time) {
			p.begin(ManagedDoor, selfNode, now)
			for _, n := range known {
				p.tell(ManagedDoor, n)
			}
			p.tell(ManagedDoor, nodeB)
			p.leave(ManagedDoor, nodeB)
			p.leave(ManagedDoor, nodeB)
		}, []netip.Addr{nodeC, nodeD}},
		"a plugin starts, and an engine is killed and starts again": {func(p *peers, now time.Time) {
			p.begin(ManagedDoor, selfNode, now)
			p.tell(ManagedDoor, nodeB)
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
