// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"net/netip"
)

var mdns = netip.MustParseAddr("224.0.0.251")

// Fragment bits of IPv4: more fragments, and one that begins at byte 1480.
const (
	moreFragments = 0x2000
	laterOffset   = 185
)

// from4 and from6 are packets to the victim with a source of choice, under the own MAC.
func (c cast) from4(src netip.Addr, proto, fragment int, payload []byte) []byte {
	return ether(c.v.mac, c.a.mac, etherIPv4, ip4(src, c.v.ip, proto, fragment, payload))
}

func (c cast) from6(src netip.Addr, next int, payload ...[]byte) []byte {
	return ether(c.v.mac, c.a.mac, etherIPv6, ip6(src, c.v.ip6, next, 64, payload...))
}

// dhcp is a DHCP message in a broadcast.
func (c cast) dhcp(src, dst netip.Addr, sport, dport int) []byte {
	return udp4(c.a.mac, everyone, src, dst, sport, dport, make([]byte, 240))
}

var ipAttacks = []attack{
	{name: "ICMP echo request", row: "own-address", to: theVictim, why: "own address", frame: func(c cast) []byte { return c.from4(c.a.ip, protoICMP, 0, icmp(8, 0, nil)) }},
	{name: "TCP SYN", row: "own-address", to: theVictim, why: "own address", frame: func(c cast) []byte { return c.from4(c.a.ip, protoTCP, 0, syn) }},
	{name: "UDP with record route", row: "own-address", to: theVictim, why: "options do not change whose it is", frame: func(c cast) []byte {
		return ether(c.v.mac, c.a.mac, etherIPv4, []byte{0x47, 0, 0, 36, 0, 0, 0, 0, 64, 17, 0, 0}, c.a.ip.AsSlice(), c.v.ip.AsSlice(), []byte{7, 7, 4, 0, 0, 0, 0, 0}, datagram(4000, 4001, nil))
	}},
	{name: "source: the victim", row: "spoofed-ip", frame: func(c cast) []byte { return c.from4(c.v.ip, protoUDP, 0, talk) }},
	{name: "source: the bystander", row: "spoofed-ip", frame: func(c cast) []byte { return c.from4(c.t.ip, protoTCP, 0, syn) }},
	{name: "source: the gateway", row: "spoofed-ip", frame: func(c cast) []byte { return c.from4(c.g.ip, protoICMP, 0, icmp(8, 0, nil)) }},
	{name: "source: an address of the subnet that nobody has", row: "spoofed-ip", frame: func(c cast) []byte { return c.from4(c.free4, protoUDP, 0, talk) }},
	{name: "source: an address of the Internet", row: "spoofed-ip", frame: func(c cast) []byte { return c.from4(netip.MustParseAddr("8.8.8.8"), protoUDP, 0, talk) }},
	{name: "source: loopback", row: "spoofed-ip", frame: func(c cast) []byte { return c.from4(netip.MustParseAddr("127.0.0.1"), protoUDP, 0, talk) }},
	{name: "source: broadcast", row: "spoofed-ip", frame: func(c cast) []byte { return c.from4(limitedBroadcast, protoUDP, 0, talk) }},
	{name: "source: a group", row: "spoofed-ip", frame: func(c cast) []byte { return c.from4(mdns, protoUDP, 0, talk) }},
	{name: "source: 0.0.0.0", row: "spoofed-ip", frame: func(c cast) []byte { return c.from4(none4, protoUDP, 0, talk) }},
	{name: "echo request to all as the victim (smurf)", row: "spoofed-ip", frame: func(c cast) []byte {
		return ether(everyone, c.a.mac, etherIPv4, ip4(c.v.ip, limitedBroadcast, protoICMP, 0, icmp(8, 0, nil)))
	}},
	{name: "to the gateway as the victim", row: "spoofed-ip", frame: func(c cast) []byte { return udp4(c.a.mac, c.g.mac, c.v.ip, c.g.ip, 4000, 53, nil) }},

	{name: "first fragment", row: "own-address", to: theVictim, why: "own address, and its ports can be seen", frame: func(c cast) []byte {
		return c.from4(c.a.ip, protoUDP, moreFragments, datagram(4000, 4001, make([]byte, 24)))
	}},
	{name: "later fragment", row: "own-address", to: theVictim, why: "own address; its first fragment was judged", frame: func(c cast) []byte { return c.from4(c.a.ip, protoUDP, laterOffset, make([]byte, 24)) }},
	{name: "first fragment as the victim", row: "spoofed-ip", frame: func(c cast) []byte { return c.from4(c.v.ip, protoUDP, moreFragments, talk) }},
	{name: "later fragment as the victim", row: "spoofed-ip", frame: func(c cast) []byte { return c.from4(c.v.ip, protoUDP, laterOffset, make([]byte, 24)) }},
	{name: "first fragment too short for its ports", row: "hidden-header", bare: true, frame: func(c cast) []byte { return c.from4(c.a.ip, protoUDP, moreFragments, []byte{0, 67}) }},

	{name: "source: own link-local address", row: "own-address", to: theVictim, why: "an own address", frame: func(c cast) []byte { return c.from6(c.a.ll, protoUDP, talk) }},
	{name: "source: the victim's IPv6", row: "spoofed-ip", frame: func(c cast) []byte { return c.from6(c.v.ip6, protoUDP, talk) }},
	{name: "source: the victim's link-local address", row: "spoofed-ip", frame: func(c cast) []byte { return c.from6(c.v.ll, protoUDP, talk) }},
	{name: "source: the gateway's link-local address", row: "spoofed-ip", frame: func(c cast) []byte { return c.from6(c.g.ll, protoUDP, talk) }},
	{name: "source: an IPv6 of the subnet that nobody has", row: "spoofed-ip", frame: func(c cast) []byte { return c.from6(c.free6, protoUDP, talk) }},
	{name: "source: IPv4-mapped, the victim's", row: "spoofed-ip", frame: func(c cast) []byte { return c.from6(mapped(c.v.ip), protoUDP, talk) }},
	{name: "source: IPv4-mapped, one's own", row: "spoofed-ip", frame: func(c cast) []byte { return c.from6(mapped(c.a.ip), protoUDP, talk) }},
	{name: "source: IPv6 loopback", row: "spoofed-ip", frame: func(c cast) []byte { return c.from6(netip.IPv6Loopback(), protoUDP, talk) }},
	{name: "source: an IPv6 group", row: "spoofed-ip", frame: func(c cast) []byte { return c.from6(allNodes, protoUDP, talk) }},
	{name: "source: :: with UDP", row: "spoofed-ip", frame: func(c cast) []byte { return c.from6(none6, protoUDP, talk) }},

	{name: "hop-by-hop and destination options before UDP", row: "own-address", to: theVictim, why: "the chain ends in what can be seen", frame: func(c cast) []byte {
		return c.from6(c.a.ip6, hopByHop, ext(destOpts, 0), ext(protoUDP, 1), talk)
	}},
	{name: "IPv6 first fragment of UDP", row: "own-address", to: theVictim, why: "own address, and its ports can be seen", frame: func(c cast) []byte {
		return c.from6(c.a.ip6, fragmented, fragment6(protoUDP, 0, true), datagram(4000, 4001, make([]byte, 24)))
	}},
	{name: "IPv6 later fragment", row: "own-address", to: theVictim, why: "own address; its first fragment was judged", frame: func(c cast) []byte {
		return c.from6(c.a.ip6, fragmented, fragment6(protoUDP, laterOffset, false), make([]byte, 24))
	}},
	{name: "IPv6 later fragment as the victim", row: "spoofed-ip", frame: func(c cast) []byte {
		return c.from6(c.v.ip6, fragmented, fragment6(protoUDP, laterOffset, false), make([]byte, 24))
	}},
	{name: "destination options as the victim", row: "spoofed-ip", frame: func(c cast) []byte { return c.from6(c.v.ip6, destOpts, ext(protoUDP, 0), talk) }},
	{name: "no next header", row: "hidden-header", frame: func(c cast) []byte { return c.from6(c.a.ip6, 59, talk) }},
	{name: "mobility header", row: "hidden-header", frame: func(c cast) []byte { return c.from6(c.a.ip6, 135, ext(59, 0)) }},
	{name: "host identity before UDP", row: "hidden-header", frame: func(c cast) []byte { return c.from6(c.a.ip6, 139, ext(protoUDP, 0), talk) }},
	{name: "options that go on beyond the packet", row: "hidden-header", bare: true, frame: func(c cast) []byte { return c.from6(c.a.ip6, destOpts, []byte{protoUDP, 9, 1, 4, 0, 0, 0, 0}) }},
	{name: "IPv6 first fragment that ends before its protocol", row: "hidden-header", bare: true, frame: func(c cast) []byte {
		return c.from6(c.a.ip6, fragmented, fragment6(destOpts, 0, true), ext(protoUDP, 0))
	}},
}

var (
	talk = datagram(4000, 4001, make([]byte, 8))
	syn  = cat(be16(4000), be16(9000), make([]byte, 8), []byte{0x50, 2, 0xff, 0xff, 0, 0, 0, 0})
)

func mapped(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) }
