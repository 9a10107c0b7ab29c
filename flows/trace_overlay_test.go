// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/ovsnet/ovsnet/flows"
)

// erin and frank are containers on other hosts; grace is one that somebody has given, with her addresses, at peer 2.
const (
	erin  = 20
	frank = 21
	grace = 26
)

// overlayHouse is family as an overlay with three peers and grace.
func overlayHouse(n flows.Network) house {
	h := family(n)
	h.peers = peersOf(n, 2, 3, 4)
	h.given = []flows.Neighbour{{Network: n, ID: 1, Peer: vtep(2), MAC: hw(grace), Addrs: []netip.Addr{ip4of(grace), ip6of(grace), llOf(grace)}}}
	return h
}

// toPeers is everybody on other hosts.
var toPeers = out(behind(2), behind(3), behind(4))

func and(lists ...[]uint32) []uint32 { return slices.Concat(lists...) }

func isolatedMark(frame []byte) []byte    { return tagged(0x8100, 1, frame) }
func promiscuousMark(frame []byte) []byte { return tagged(0x8100, 2, frame) }

func TestTraceOverlay(t *testing.T) {
	h := overlayHouse(overlaid(dualNetwork(1, nil), 100))
	b := overlayBench(t, len(h.ports)+1)
	b.load(t, h.compile(t))
	hidden := out(bob, carol, dave, proxy, fourOnly)
	broadcast := func(src int) []byte {
		return v4(hw(src), everyone, ip4(ip4of(src), ip("255.255.255.255"), isUDP, 0, udp(1, 2)))
	}
	hello, _ := flows.Hello(overlaid(dualNetwork(1, nil), 100))
	plain, isMarked := []string{"vlan_tci=0x0000,"}, []string{"dl_vlan=1,"}
	judge(t, b, []attempt{
		{name: "to all", in: alice, frame: broadcast(2), row: "to-peers", out: and(toAll, toPeers), final: plain},
		{name: "to all from an isolated port", in: carol, frame: broadcast(4), row: "mark-to-peers", out: and(out(alice, bob, proxy, fourOnly, flows.PortLocal), toPeers), final: isMarked},
		{name: "to all from a promiscuous port", in: proxy, frame: broadcast(6), row: "mark-to-peers", out: and(out(alice, bob, carol, dave, fourOnly, flows.PortLocal), toPeers), final: []string{"dl_vlan=2,"}},
		{name: "to all from the gateway", in: flows.PortLocal, frame: broadcast(1), row: "flood-gateway", out: and(hidden, out(alice))},
		{name: "to an unknown MAC", in: alice, frame: fromTo(2, erin), row: "unknown-to-peers", out: toPeers},
		{name: "to an unknown MAC from an isolated port", in: carol, frame: fromTo(4, erin), row: "mark-unknown", out: toPeers, final: isMarked},
		{name: "to an unknown MAC from the gateway", in: flows.PortLocal, frame: fromTo(1, erin), row: "unknown-destination"},
		{name: "ARP for an unknown address", in: alice, frame: who(aMAC, aIP, ip4of(erin)), row: "to-peers", out: and(toAll, toPeers)},
		{name: "ARP for a neighbour of this host", in: alice, frame: who(aMAC, aIP, bIP), row: "answer", out: out(inPort)},
		{name: "ARP for the gateway", in: alice, frame: who(aMAC, aIP, gwIP), row: "answer-gateway", out: out(inPort)},
		{name: "solicitation for the gateway", in: alice, frame: ns(aMAC, aIP6, gwIP6, lla(1, aMAC)), row: "answer-gateway", out: out(inPort)},
		{name: "solicitation for the gateway without option", in: alice, frame: ns(aMAC, aIP6, gwIP6), row: "probe-gateway", out: out(flows.PortLocal)},
		{name: "the gateway's own ARP", in: flows.PortLocal, frame: who(gwMAC, gwIP, ip4of(erin)), row: "flood-gateway", out: and(hidden, out(alice))},

		{name: "to a given MAC", in: alice, frame: fromTo(2, grace), row: "neighbour", out: out(behind(2)), final: plain},
		{name: "to a given MAC from an isolated port", in: carol, frame: fromTo(4, grace), row: "mark-to-peer", out: out(behind(2)), final: isMarked},
		{name: "ARP for a given address", in: alice, frame: who(aMAC, aIP, ip4of(grace)), row: "answer-neighbour", out: out(inPort), final: []string{"arp_sha=" + hw(grace).String()}},
		{name: "solicitation for a given address", in: alice, frame: ns(aMAC, aIP6, ip6of(grace), lla(1, aMAC)), row: "answer-neighbour", out: out(inPort), final: []string{"nd_tll=" + hw(grace).String()}},
		{name: "solicitation for a given address without option", in: alice, frame: ns(aMAC, aIP6, ip6of(grace)), row: "probe-neighbour", out: out(behind(2))},
		{name: "probe for duplicates of a given address", in: alice, frame: who(aMAC, none4, ip4of(grace)), row: "defend-neighbour", out: out(inPort)},
		{name: "DAD of a given address", in: alice, frame: ns(aMAC, none6, ip6of(grace)), row: "defend-neighbour", out: out(inPort)},
		{name: "ARP for a given address from an isolated port", in: carol, frame: who(hw(4), ip4of(4), ip4of(grace)), row: "resolve-private", out: and(out(alice, bob, proxy, fourOnly, flows.PortLocal), toPeers)},
		{name: "a given MAC from its peer", in: behind(2), frame: fromTo(grace, 3), row: "neighbour-frame", out: out(bob)},
		{name: "a given MAC from another peer", in: behind(3), frame: fromTo(grace, 3), row: "spoofed-neighbour"},
		{name: "a given address asked for by a peer", in: behind(3), frame: who(hw(frank), ip4of(frank), ip4of(grace)), row: "flood", out: and(hidden, out(alice))},

		{name: "from a stranger", in: behind(5), frame: fromTo(erin, 3), row: "unknown-peer"},
		{name: "from a stranger with a tag", in: behind(5), frame: isolatedMark(fromTo(erin, 3)), row: "unknown-peer"},
		{name: "from a peer", in: behind(2), frame: fromTo(erin, 3), row: "arrived", out: out(bob), final: plain},
		{name: "back to it", in: bob, frame: fromTo(3, erin), row: "learned", out: out(behind(2))},
		{name: "from a peer with IPv6", in: behind(3), frame: fromTo(frank, 3), row: "arrived", out: out(bob)},
		{name: "back to that", in: bob, frame: fromTo(3, frank), row: "learned", out: out(behind(3))},
		{name: "from the peer that it moved to", in: behind(4), frame: fromTo(frank, 3), row: "arrived", out: out(bob)},
		{name: "after it", in: bob, frame: fromTo(3, frank), row: "learned", out: out(behind(4))},
		{name: "from a peer to all", in: behind(2), frame: broadcast(erin), row: "flood", out: and(hidden, out(alice)), final: plain},
		{name: "from a peer to a MAC of another", in: behind(2), frame: fromTo(erin, frank), row: "unknown-destination"},
		{name: "from a peer to an unknown MAC", in: behind(2), frame: fromTo(erin, 77), row: "unknown-destination"},
		{name: "from a peer to the gateway", in: behind(2), frame: fromTo(erin, 1), row: "remote-gateway"},
		{name: "from another gateway", in: behind(2), frame: fromTo(1, 3), row: "remote-gateway"},
		{name: "another gateway's ARP", in: behind(2), frame: who(gwMAC, gwIP, bIP), row: "remote-gateway"},
		{name: "ARP as the gateway", in: behind(2), frame: who(hw(erin), gwIP, bIP), row: "remote-gateway"},
		{name: "ARP for the gateway from a peer", in: behind(2), frame: who(hw(erin), ip4of(erin), gwIP), row: "remote-gateway"},
		{name: "solicitation for the gateway from a peer", in: behind(2), frame: ns(hw(erin), ip6of(erin), gwLL, lla(1, hw(erin))), row: "remote-gateway"},
		{name: "advertisement of the gateway from a peer", in: behind(2), frame: na(hw(erin), ip6of(erin), gwIP6, lla(2, hw(erin))), row: "remote-gateway"},
		{name: "ARP for the gateway from a new MAC", in: behind(2), frame: who(hw(28), ip4of(28), gwIP), row: "remote-gateway"},
		{name: "to that MAC, of which nothing was learned", in: alice, frame: fromTo(2, 28), row: "unknown-to-peers", out: toPeers},
		{name: "a group as source", in: behind(2), frame: v4(mcast(allNodes), bMAC, ip4(ip4of(erin), bIP, isUDP, 0, udp(1, 2))), row: "group-source"},
		{name: "hello", in: behind(3), frame: hello, row: "hello"},
		{name: "hello from a stranger", in: behind(5), frame: hello, row: "unknown-peer"},
		{name: "hello from a container", in: alice, frame: hello, row: "spoofed-mac"},
		{name: "ARP for a port", in: behind(2), frame: who(hw(erin), ip4of(erin), bIP), row: "answer", out: out(inPort), final: []string{"arp_sha=" + bMAC.String()}},
		{name: "solicitation for a port", in: behind(3), frame: ns(hw(frank), ip6of(frank), bIP6, lla(1, hw(frank))), row: "answer", out: out(inPort), final: []string{"nd_tll=" + bMAC.String()}},
		{name: "DAD of a port's address", in: behind(2), frame: ns(hw(erin), none6, bIP6), row: "defend", out: out(inPort)},
		{name: "ARP for an isolated port", in: behind(2), frame: who(hw(erin), ip4of(erin), ip4of(4)), row: "resolve-marked", out: and(hidden, out(alice))},

		{name: "from an isolated port of a peer", in: behind(2), frame: isolatedMark(fromTo(22, 3)), row: "marked", out: out(bob), final: plain},
		{name: "from an isolated port of a peer to another", in: behind(2), frame: isolatedMark(fromTo(22, 4)), row: "isolated"},
		{name: "from an isolated port of a peer to all", in: behind(2), frame: isolatedMark(broadcast(22)), row: "flood-isolated", out: out(alice, bob, proxy, fourOnly)},
		{name: "from an isolated port to it", in: carol, frame: fromTo(4, 22), row: "isolated"},
		{name: "from another port to it", in: alice, frame: fromTo(2, 22), row: "to-peer", out: out(behind(2))},
		{name: "from a promiscuous port to it", in: proxy, frame: fromTo(6, 22), row: "mark-to-peer", out: out(behind(2)), final: []string{"dl_vlan=2,"}},
		{name: "from a promiscuous port of a peer to an isolated one", in: behind(3), frame: promiscuousMark(fromTo(23, 4)), row: "admit-promiscuous", out: out(carol)},

		{name: "routed for an isolated port to another host", in: flows.PortLocal, frame: routed(4, erin), row: "gateway-stays"},
		{name: "routed to another host", in: flows.PortLocal, frame: routed(2, erin), row: "unknown-destination"},
	})
}

// TestTraceOverlayUnguarded is about ports without port security, which may say anything, but not to other hosts.
func TestTraceOverlayUnguarded(t *testing.T) {
	n := overlaid(dualNetwork(1, func(n *flows.Network) { n.Unguarded = true }), 100)
	open := func(p *flows.Port) { p.Unguarded = true }
	h := house{nets: []flows.Network{n}, ports: []flows.Port{dualPort(n, alice, open), dualPort(n, bob, open), dualPort(n, carol, nil)}, peers: peersOf(n, 2, 3)}
	b := overlayBench(t, len(h.ports)+1)
	b.load(t, h.compile(t))
	both := out(behind(2), behind(3))
	judge(t, b, []attempt{
		{name: "to an unknown MAC", in: alice, frame: fromTo(2, erin), row: "unknown-to-peers", out: and(out(bob), both)},
		{name: "a tag to all", in: alice, frame: tagged(0x8100, 2, who(aMAC, aIP, free4)), row: "flood", out: out(bob, carol, flows.PortLocal)},
		{name: "a tag to an unknown MAC", in: alice, frame: tagged(0x8100, 2, fromTo(2, erin)), row: "tagged-stays"},
		{name: "as the gateway to all", in: alice, frame: arp(everyone, gwMAC, 2, gwMAC, gwIP, everyone, gwIP), row: "flood", out: out(bob, carol, flows.PortLocal)},
		{name: "ARP as the gateway to all", in: alice, frame: arp(everyone, aMAC, 2, aMAC, gwIP, everyone, gwIP), row: "flood", out: out(bob, carol, flows.PortLocal)},
		{name: "an advertisement of the gateway", in: alice, frame: na(aMAC, aIP6, gwIP6, lla(2, aMAC)), row: "flood", out: out(bob, carol, flows.PortLocal)},
		{name: "from a peer to an unknown MAC", in: behind(2), frame: fromTo(erin, 77), row: "unknown-mac", out: out(alice, bob)},
		{name: "from the gateway to an unknown MAC", in: flows.PortLocal, frame: fromTo(1, 77), row: "unknown-mac", out: out(alice, bob)},
	})
}

func TestTraceOverlayICCOff(t *testing.T) {
	h := overlayHouse(overlaid(dualNetwork(1, func(n *flows.Network) { n.ICC = false }), 100))
	b := overlayBench(t, len(h.ports)+1)
	b.load(t, h.compile(t))
	ask := who(hw(erin), ip4of(erin), ip4of(77))
	judge(t, b, []attempt{
		{name: "from a port of a peer", in: behind(2), frame: fromTo(erin, 3), row: "icc"},
		{name: "to it", in: bob, frame: fromTo(3, erin), row: "icc"},
		{name: "from a port of a peer to a promiscuous one", in: behind(2), frame: fromTo(erin, 6), row: "admit-promiscuous", out: out(proxy)},
		{name: "from a port of a peer to all", in: behind(2), frame: ask, row: "flood-private", out: out(proxy)},
		{name: "ARP of a port of a peer", in: behind(2), frame: who(hw(erin), ip4of(erin), bIP), row: "resolve-private", out: out(proxy)},
		{name: "from a promiscuous port of a peer", in: behind(3), frame: promiscuousMark(fromTo(frank, 3)), row: "admit-promiscuous", out: out(bob)},
		{name: "back to it", in: bob, frame: fromTo(3, frank), row: "to-peer", out: out(behind(3))},
		{name: "from a promiscuous port of a peer to all", in: behind(3), frame: promiscuousMark(who(hw(frank), ip4of(frank), free4)), row: "flood-promiscuous", out: out(alice, bob, carol, dave, proxy, fourOnly)},
		{name: "to all", in: alice, frame: who(aMAC, aIP, free4), row: "flood-private", out: and(privileged, toPeers)},
		{name: "to a given MAC", in: alice, frame: fromTo(2, grace), row: "icc"},
		{name: "routed to another host", in: flows.PortLocal, frame: routed(2, erin), row: "gateway-stays"},
		{name: "routed to all", in: flows.PortLocal, frame: v4(gwMAC, everyone, ip4(aIP, ip("10.0.0.255"), isUDP, 0, udp(1, 2))), row: "flood-private", out: out(proxy)},
	})
}
