// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"net"
	"testing"

	"github.com/ovsnet/ovsnet/flows"
)

// The ports of the house that most attempts are made in. Port n has the addresses of n+1.
const (
	alice    = 1 // tries everything
	bob      = 2 // the victim
	carol    = 3 // isolated
	dave     = 4 // isolated
	proxy    = 5 // promiscuous
	fourOnly = 6 // without IPv6
	stranger = 7 // a port of the switch that is not ours
)

func family(n flows.Network) house {
	return house{nets: []flows.Network{n}, ports: []flows.Port{
		dualPort(n, alice, nil),
		dualPort(n, bob, nil),
		dualPort(n, carol, func(p *flows.Port) { p.Isolated = true }),
		dualPort(n, dave, func(p *flows.Port) { p.Isolated = true }),
		dualPort(n, proxy, func(p *flows.Port) { p.Promiscuous = true }),
		dualPort(n, fourOnly, func(p *flows.Port) { p.IPv6, p.Addrs = false, p.Addrs[:1] }),
	}}
}

// toAll are the ports that alice's broadcast reaches.
var toAll = out(bob, carol, dave, proxy, fourOnly, flows.PortLocal)

// Alice's and bob's addresses.
var (
	aMAC, bMAC     = hw(alice + 1), hw(bob + 1)
	aIP, bIP       = ip4of(alice + 1), ip4of(bob + 1)
	aIP6, bIP6     = ip6of(alice + 1), ip6of(bob + 1)
	aLL, bLL       = llOf(alice + 1), llOf(bob + 1)
	free4, free6   = ip4of(77), ip6of(77)
	gwIP, gwIP6    = ip4of(1), ip6of(1)
	plain4, plain6 = plain(aMAC, bMAC)
)

// plain are two frames that alice may send to bob.
func plain(src, dst net.HardwareAddr) (four, six []byte) {
	return v4(src, dst, ip4(aIP, bIP, 17, 0, udp(1000, 2000))), v6(src, dst, ip6(aIP6, bIP6, 17, 64, udp(1000, 2000)))
}

func TestTraceLink(t *testing.T) {
	b := bench(t, family(dualNetwork(1, nil)))
	stp := []byte{0x42, 0x42, 0x03, 0, 0, 0, 0, 0}
	snap := []byte{0xaa, 0xaa, 0x03, 0, 0, 0}
	cisco := []byte{0xaa, 0xaa, 0x03, 0, 0, 0x0c, 0x20, 0}
	from := func(src net.HardwareAddr) []byte { f, _ := plain(src, bMAC); return f }
	to := func(dst string, ethertype int) []byte { return ether(mac(dst), aMAC, ethertype) }
	judge(t, b, []attempt{
		{name: "IPv4", in: alice, frame: plain4, row: "own-mac", out: out(bob)},
		{name: "IPv6", in: alice, frame: plain6, row: "own-mac", out: out(bob)},
		{name: "jumbo", in: alice, frame: v4(aMAC, bMAC, ip4(aIP, bIP, 17, 0, udp(1, 2, make([]byte, 8900)...))), row: "own-address", out: out(bob)},
		{name: "from a port that is not ours", in: stranger, frame: plain4, row: "unknown-port"},

		{name: "VLAN", in: alice, frame: tagged(0x8100, 10, plain4), row: "tagged"},
		{name: "VLAN 0, priority alone", in: alice, frame: tagged(0x8100, 0xa000, plain4), row: "tagged"},
		{name: "VLAN 0 without priority", in: alice, frame: tagged(0x8100, 0, plain4), row: "tagged"},
		{name: "service VLAN", in: alice, frame: tagged(0x88a8, 10, plain4), row: "tagged"},
		{name: "double VLAN", in: alice, frame: tagged(0x8100, 1, tagged(0x8100, 10, plain4)), row: "tagged"},
		{name: "double VLAN, service outside", in: alice, frame: tagged(0x88a8, 1, tagged(0x8100, 10, plain4)), row: "tagged"},
		{name: "triple VLAN", in: alice, frame: tagged(0x8100, 1, tagged(0x8100, 2, tagged(0x8100, 3, plain4))), row: "tagged"},
		{name: "VLAN with ARP of another", in: alice, frame: tagged(0x8100, 1, arp(everyone, aMAC, 2, bMAC, bIP, aMAC, aIP)), row: "tagged"},
		{name: "VLAN of another's MAC", in: alice, frame: tagged(0x8100, 1, from(bMAC)), row: "tagged"},
		{name: "VLAN with LLDP", in: alice, frame: tagged(0x8100, 1, to("01:80:c2:00:00:0e", 0x88cc)), row: "tagged"},
		{name: "old double VLAN type", in: alice, frame: tagged(0x9100, 1, plain4), row: "ethertype"},
		{name: "VLAN type at the frame's end", in: alice, frame: cat(bMAC, aMAC, be16(0x8100), be16(1)), row: "ethertype"},

		{name: "another's MAC", in: alice, frame: from(bMAC), row: "spoofed-mac"},
		{name: "the gateway's MAC", in: alice, frame: from(gwMAC), row: "spoofed-mac"},
		{name: "own MAC but for a bit", in: alice, frame: from(net.HardwareAddr{2, 0x42, 0x0a, 0, 1, 2}), row: "spoofed-mac"},
		{name: "own MAC from another port", in: bob, frame: from(aMAC), row: "spoofed-mac"},
		{name: "broadcast as source", in: alice, frame: from(everyone), row: "spoofed-mac"},
		{name: "multicast as source", in: alice, frame: from(mcast(allNodes)), row: "spoofed-mac"},
		{name: "own MAC with the group bit", in: alice, frame: from(net.HardwareAddr{3, 0x42, 0x0a, 0, 0, 2}), row: "spoofed-mac"},
		{name: "zero as source", in: alice, frame: from(nobody), row: "spoofed-mac"},
		{name: "another's MAC to all", in: alice, frame: arp(everyone, bMAC, 1, bMAC, bIP, nobody, free4), row: "spoofed-mac"},

		{name: "STP", in: alice, frame: llc(mac("01:80:c2:00:00:00"), aMAC, stp), row: "link-control"},
		{name: "STP of another's MAC", in: alice, frame: llc(mac("01:80:c2:00:00:00"), bMAC, stp), row: "spoofed-mac"},
		{name: "pause", in: alice, frame: to("01:80:c2:00:00:01", 0x8808), row: "link-control"},
		{name: "LACP", in: alice, frame: to("01:80:c2:00:00:02", 0x8809), row: "link-control"},
		{name: "EAPOL", in: alice, frame: to("01:80:c2:00:00:03", 0x888e), row: "link-control"},
		{name: "LLDP", in: alice, frame: to("01:80:c2:00:00:0e", 0x88cc), row: "link-control"},
		{name: "MVRP", in: alice, frame: to("01:80:c2:00:00:21", 0x88f5), row: "link-control"},
		{name: "CFM", in: alice, frame: to("01:80:c2:00:00:3f", 0x8902), row: "link-control"},
		{name: "CDP", in: alice, frame: llc(mac("01:00:0c:cc:cc:cc"), aMAC, cisco), row: "link-control"},
		{name: "PVST+", in: alice, frame: llc(mac("01:00:0c:cc:cc:cd"), aMAC, cisco), row: "link-control"},
		{name: "IPv4 to a link control address", in: alice, frame: v4(aMAC, mac("01:80:c2:00:00:0e"), ip4(aIP, bIP, 17, 0, udp(1, 2))), row: "link-control-payload"},
		{name: "beyond the link control addresses", in: alice, frame: v4(aMAC, mac("01:80:c2:00:00:40"), ip4(aIP, bIP, 17, 0, udp(1, 2))), row: "flood", out: toAll},
		{name: "LLDP to a neighbour", in: alice, frame: ether(bMAC, aMAC, 0x88cc), row: "ethertype"},

		{name: "802.3 LLC", in: alice, frame: llc(bMAC, aMAC, stp), row: "ethertype"},
		{name: "802.3 LLC to all", in: alice, frame: llc(everyone, aMAC, stp), row: "ethertype"},
		{name: "802.3 SNAP of Cisco", in: alice, frame: llc(bMAC, aMAC, cisco), row: "ethertype"},
		{name: "802.3 SNAP with IPv4", in: alice, frame: llc(bMAC, aMAC, snap, be16(0x0800), ip4(aIP, bIP, 17, 0, udp(1, 2))), row: "own-address", out: out(bob)},
		{name: "802.3 SNAP with another's IPv4", in: alice, frame: llc(bMAC, aMAC, snap, be16(0x0800), ip4(bIP, bIP, 17, 0, udp(1, 2))), row: "spoofed-ip"},
		{name: "802.3 SNAP with another's ARP", in: alice, frame: llc(everyone, aMAC, snap, arp(bMAC, aMAC, 2, bMAC, bIP, aMAC, aIP)[12:]), row: "arp"},
		{name: "RARP", in: alice, frame: ether(everyone, aMAC, 0x8035, arp(everyone, aMAC, 3, aMAC, aIP, aMAC, aIP)[14:]), row: "ethertype"},
		{name: "MPLS", in: alice, frame: ether(bMAC, aMAC, 0x8847, []byte{0, 0, 0x11, 64}), row: "ethertype"},
		{name: "PPPoE", in: alice, frame: ether(everyone, aMAC, 0x8863), row: "ethertype"},
		{name: "wake on LAN", in: alice, frame: ether(everyone, aMAC, 0x0842), row: "ethertype"},
		{name: "a type of one's own", in: alice, frame: ether(bMAC, aMAC, 0x88b5), row: "ethertype"},

		{name: "IPv4 under IPv6's type", in: alice, frame: ether(bMAC, aMAC, 0x86dd, ip4(aIP, bIP, 17, 0, udp(1, 2))), row: "hidden-header"},
		{name: "IPv6 under IPv4's type", in: alice, frame: ether(bMAC, aMAC, 0x0800, ip6(aIP6, bIP6, 17, 64, udp(1, 2))), row: "hidden-header"},
		{name: "ARP under IPv4's type", in: alice, frame: ether(everyone, aMAC, 0x0800, who(aMAC, aIP, bIP)[14:]), row: "hidden-header"},
		{name: "IPv4 under ARP's type", in: alice, frame: ether(everyone, aMAC, 0x0806, ip4(aIP, bIP, 17, 0, udp(1, 2))), row: "arp"},
		{name: "nothing under IPv4's type", in: alice, frame: cat(bMAC, aMAC, be16(0x0800)), row: "hidden-header"},
		{name: "nothing under IPv6's type", in: alice, frame: cat(bMAC, aMAC, be16(0x86dd)), row: "hidden-header"},
		{name: "nothing under ARP's type", in: alice, frame: cat(everyone, aMAC, be16(0x0806)), row: "arp"},
	})
}
