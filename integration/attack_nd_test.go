// SPDX-License-Identifier: Apache-2.0

package integration_test

import "net/netip"

// to is an ICMPv6 message to the victim alone.
func (c cast) icmp6(src netip.Addr, hops, kind, code int, body []byte) []byte {
	return ether(c.v.mac, c.a.mac, etherIPv6, ip6(src, c.v.ip6, protoICMPv6, hops, icmp6(src, c.v.ip6, kind, code, body)))
}

// toGroup is one to all nodes, routers, ...
func (c cast) toGroup(src, group netip.Addr, kind, code int, body []byte) []byte {
	return ether(groupMAC(group), c.a.mac, etherIPv6, ip6(src, group, protoICMPv6, 255, icmp6(src, group, kind, code, body)))
}

// advert is the ICMPv6 message that says that the victim's address is the attacker's.
func (c cast) advert() []byte {
	return icmp6(c.a.ip6, c.t.ip6, 136, 0, nd(overrideFlag, c.v.ip6, lla(2, c.a.mac)))
}

// toThird carries it to the bystander behind whatever.
func (c cast) toThird(next int, payload ...[]byte) []byte {
	return ether(c.t.mac, c.a.mac, etherIPv6, ip6(c.a.ip6, c.t.ip6, next, 255, payload...))
}

// ndAttacks are about who speaks for which IPv6 address.
var ndAttacks = []attack{
	{name: "solicitation for the victim", row: "answer", answer: theVictimsIPv6, why: "answered by the switch: the victim and the others do not hear it", frame: func(c cast) []byte {
		return ns(c.a.mac, c.a.ip6, c.v.ip6, lla(1, c.a.mac))
	}},
	{name: "solicitation for the victim's link-local address", row: "answer", answer: theVictimsLinkLocal, why: "answered by the switch", frame: func(c cast) []byte {
		return ns(c.a.mac, c.a.ll, c.v.ll, lla(1, c.a.mac))
	}},
	{name: "solicitation for the gateway", row: "answer-gateway", answer: theGatewaysIPv6, why: "answered by the switch", frame: func(c cast) []byte {
		return ns(c.a.mac, c.a.ip6, c.g.ip6, lla(1, c.a.mac))
	}},
	{name: "solicitation for the victim without option", row: "probe", to: theVictim, why: "the switch has nothing to make an answer of; the victim alone hears it", frame: func(c cast) []byte {
		return ns(c.a.mac, c.a.ip6, c.v.ip6)
	}},
	{name: "solicitation for the gateway without option", row: "probe-gateway", to: theGateway, why: "the gateway alone hears it", frame: func(c cast) []byte {
		return ns(c.a.mac, c.a.ip6, c.g.ip6)
	}},
	{name: "solicitation for an address that nobody has", row: "ns-own", to: everybody, why: "nobody is known to have it, so all are asked", frame: func(c cast) []byte {
		return ns(c.a.mac, c.a.ip6, c.free6, lla(1, c.a.mac))
	}},
	{name: "duplicate address detection, own address", row: "unspecified", to: everybody, why: "from :: without option (RFC 4862)", frame: func(c cast) []byte {
		return ns(c.a.mac, none6, c.a.ip6)
	}},
	{name: "duplicate address detection, an address that nobody has", row: "unspecified", to: everybody, why: "nobody answers", frame: func(c cast) []byte {
		return ns(c.a.mac, none6, c.free6)
	}},
	{name: "duplicate address detection, the victim's address", row: "defend", answer: theVictimsIPv6, why: "the switch says that it is taken; the victim does not hear of it", frame: func(c cast) []byte {
		return ns(c.a.mac, none6, c.v.ip6)
	}},
	{name: "duplicate address detection with an option", row: "spoofed-ip", frame: func(c cast) []byte { return ns(c.a.mac, none6, c.free6, lla(1, c.a.mac)) }},
	{name: "solicitation with the victim's MAC in its option", row: "nd", frame: func(c cast) []byte { return ns(c.a.mac, c.a.ip6, c.t.ip6, lla(1, c.v.mac)) }},
	{name: "solicitation with the gateway's MAC in its option", row: "nd", frame: func(c cast) []byte { return ns(c.a.mac, c.a.ip6, c.t.ip6, lla(1, c.g.mac)) }},
	{name: "solicitation with both MACs", row: "nd-malformed", frame: func(c cast) []byte {
		return ns(c.a.mac, c.a.ip6, c.t.ip6, lla(1, c.a.mac), lla(1, c.v.mac))
	}},
	{name: "solicitation as the victim", row: "spoofed-ip", frame: func(c cast) []byte { return ns(c.a.mac, c.v.ip6, c.t.ip6, lla(1, c.a.mac)) }},
	{name: "solicitation without target", row: "nd-malformed", bare: true, frame: func(c cast) []byte { return c.icmp6(c.a.ip6, 255, 135, 0, make([]byte, 4)) }},
	{name: "solicitation with a code", row: "nd", frame: func(c cast) []byte { return c.icmp6(c.a.ip6, 255, 135, 1, nd(0, c.t.ip6, lla(1, c.v.mac))) }},

	{name: "advertisement of the own address with override", row: "na-own", to: everybody, why: "own MAC and address", frame: func(c cast) []byte {
		return na(c.a.mac, c.a.ip6, c.a.ip6, lla(2, c.a.mac))
	}},
	{name: "advertisement of the own address without option", row: "na-own", to: everybody, why: "says nothing of a MAC", frame: func(c cast) []byte {
		return na(c.a.mac, c.a.ip6, c.a.ip6)
	}},
	{name: "advertisement of the victim's address with override", row: "nd", frame: func(c cast) []byte { return na(c.a.mac, c.a.ip6, c.v.ip6, lla(2, c.a.mac)) }},
	{name: "advertisement of the victim's address as the victim", row: "nd", frame: func(c cast) []byte { return na(c.a.mac, c.v.ip6, c.v.ip6, lla(2, c.a.mac)) }},
	{name: "advertisement of the victim's address without option", row: "nd", frame: func(c cast) []byte { return na(c.a.mac, c.a.ip6, c.v.ip6) }},
	{name: "advertisement of the gateway's address", row: "nd", frame: func(c cast) []byte { return na(c.a.mac, c.a.ll, c.g.ll, lla(2, c.a.mac)) }},
	{name: "advertisement of an address that nobody has", row: "nd", frame: func(c cast) []byte { return na(c.a.mac, c.a.ip6, c.free6, lla(2, c.a.mac)) }},
	{name: "advertisement of the own address with the victim's MAC", row: "nd", frame: func(c cast) []byte { return na(c.a.mac, c.a.ip6, c.a.ip6, lla(2, c.v.mac)) }},
	{name: "advertisement of the own address with both MACs", row: "nd-malformed", frame: func(c cast) []byte {
		return na(c.a.mac, c.a.ip6, c.a.ip6, lla(2, c.a.mac), lla(2, c.v.mac))
	}},
	{name: "advertisement of the own address, from the victim's", row: "spoofed-ip", frame: func(c cast) []byte { return na(c.a.mac, c.v.ip6, c.a.ip6, lla(2, c.a.mac)) }},
	{name: "unsolicited answer to a duplicate address detection", row: "nd", frame: func(c cast) []byte { return na(c.a.mac, c.a.ll, c.v.ll) }},
	{name: "advertisement of the victim behind hop-by-hop options", row: "nd", frame: func(c cast) []byte { return c.toThird(hopByHop, ext(protoICMPv6, 0), c.advert()) }},
	{name: "advertisement of the victim behind destination options", row: "nd", frame: func(c cast) []byte { return c.toThird(destOpts, ext(protoICMPv6, 3), c.advert()) }},
	{name: "advertisement of the victim behind a routing header", row: "nd", frame: func(c cast) []byte { return c.toThird(routing, ext(protoICMPv6, 0), c.advert()) }},
	{name: "advertisement of the victim in the only fragment", row: "nd", frame: func(c cast) []byte { return c.toThird(fragmented, fragment6(protoICMPv6, 0, false), c.advert()) }},
	{name: "advertisement in a first fragment", row: "nd-fragment", frame: func(c cast) []byte { return c.toThird(fragmented, fragment6(protoICMPv6, 0, true), c.advert()) }},
	{name: "advertisement of the victim behind shim6", row: "hidden-header", frame: func(c cast) []byte { return c.toThird(140, ext(protoICMPv6, 0), c.advert()) }},

	{name: "router solicitation", row: "own-address", to: everybody, why: "hosts may ask for routers", frame: func(c cast) []byte { return c.toGroup(c.a.ll, allRouters, 133, 0, make([]byte, 4)) }},
	{name: "router solicitation from ::", row: "unspecified", to: everybody, why: "a host that has no address yet (RFC 4861)", frame: func(c cast) []byte {
		return c.toGroup(none6, allRouters, 133, 0, make([]byte, 4))
	}},
	{name: "multicast listener report from ::", row: "unspecified", to: everybody, why: "a host that has no address yet (RFC 3590)", frame: func(c cast) []byte {
		return c.toGroup(none6, allMLDv2, 143, 0, make([]byte, 4))
	}},
	{name: "echo request from ::", row: "spoofed-ip", frame: func(c cast) []byte { return c.toGroup(none6, allNodes, 128, 0, make([]byte, 4)) }},
}

// serviceAttacks are what only routers and servers say.
var serviceAttacks = []attack{
	{name: "router advertisement", row: "rogue-ra", frame: func(c cast) []byte { return c.toGroup(c.a.ll, allNodes, 134, 0, ra) }},
	{name: "router advertisement as the gateway", row: "rogue-ra", frame: func(c cast) []byte { return c.toGroup(c.g.ll, allNodes, 134, 0, ra) }},
	{name: "router advertisement to the victim alone", row: "rogue-ra", frame: func(c cast) []byte { return c.icmp6(c.a.ll, 255, 134, 0, ra) }},
	{name: "router advertisement behind hop-by-hop options", row: "rogue-ra", frame: func(c cast) []byte { return c.from6(c.a.ll, hopByHop, ext(protoICMPv6, 0), c.ra()) }},
	{name: "router advertisement behind six headers", row: "rogue-ra", frame: func(c cast) []byte {
		return c.from6(c.a.ll, hopByHop, ext(destOpts, 0), ext(routing, 0), ext(destOpts, 0), ext(destOpts, 2), ext(destOpts, 0), ext(protoICMPv6, 0), c.ra())
	}},
	{name: "router advertisement in the only fragment", row: "rogue-ra", frame: func(c cast) []byte { return c.from6(c.a.ll, fragmented, fragment6(protoICMPv6, 0, false), c.ra()) }},
	{name: "router advertisement in a first fragment", row: "nd-fragment", frame: func(c cast) []byte { return c.from6(c.a.ll, fragmented, fragment6(protoICMPv6, 0, true), c.ra()) }},
	{name: "router advertisement after a first fragment's end", row: "hidden-header", bare: true, frame: func(c cast) []byte {
		return c.from6(c.a.ll, fragmented, fragment6(destOpts, 0, true), ext(protoICMPv6, 0))
	}},
	{name: "router advertisement of IPv4", row: "rogue-ra", frame: func(c cast) []byte { return c.from4(c.a.ip, protoICMP, 0, icmp(9, 0, make([]byte, 12))) }},
	{name: "redirect", row: "rogue-redirect", frame: func(c cast) []byte {
		return c.icmp6(c.a.ll, 255, 137, 0, cat(make([]byte, 4), c.a.ll.AsSlice(), c.t.ip6.AsSlice()))
	}},
	{name: "redirect as the gateway", row: "rogue-redirect", frame: func(c cast) []byte {
		return c.icmp6(c.g.ll, 255, 137, 0, cat(make([]byte, 4), c.a.ll.AsSlice(), c.t.ip6.AsSlice()))
	}},
	{name: "redirect of IPv4", row: "rogue-redirect", frame: func(c cast) []byte { return c.from4(c.a.ip, protoICMP, 0, icmp(5, 1, make([]byte, 28))) }},
	{name: "DHCP discover", row: "dhcp-client", to: everybody, why: "a client that has no address yet (RFC 2131)", frame: func(c cast) []byte { return c.dhcp(none4, limitedBroadcast, 68, 67) }},
	{name: "DHCP discover to one address", row: "spoofed-ip", frame: func(c cast) []byte { return c.dhcp(none4, c.v.ip, 68, 67) }},
	{name: "DHCP discover as the victim", row: "spoofed-ip", frame: func(c cast) []byte { return c.dhcp(c.v.ip, limitedBroadcast, 68, 67) }},
	{name: "DHCP offer", row: "rogue-dhcp", frame: func(c cast) []byte { return c.dhcp(c.a.ip, limitedBroadcast, 67, 68) }},
	{name: "DHCP offer from another port", row: "rogue-dhcp", frame: func(c cast) []byte { return c.dhcp(c.a.ip, limitedBroadcast, 6767, 68) }},
	{name: "DHCP offer to a relay", row: "rogue-dhcp", frame: func(c cast) []byte { return udp4(c.a.mac, c.v.mac, c.a.ip, c.v.ip, 67, 67, nil) }},
	{name: "DHCP offer in a first fragment", row: "rogue-dhcp", frame: func(c cast) []byte {
		return c.from4(c.a.ip, protoUDP, moreFragments, datagram(67, 68, make([]byte, 24)))
	}},
	{name: "DHCP offer with IPv4 options", row: "rogue-dhcp", frame: func(c cast) []byte {
		return ether(c.v.mac, c.a.mac, etherIPv4, []byte{0x46, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0}, c.a.ip.AsSlice(), c.v.ip.AsSlice(), []byte{148, 4, 0, 0}, datagram(67, 68, nil))
	}},
	{name: "DHCP offer as the gateway", row: "rogue-dhcp", frame: func(c cast) []byte { return c.dhcp(c.g.ip, limitedBroadcast, 67, 68) }},
	{name: "DHCPv6 solicit", row: "own-address", to: everybody, why: "hosts may ask for servers", frame: func(c cast) []byte {
		return udp6(c.a.mac, groupMAC(dhcpServers), c.a.ll, dhcpServers, 546, 547, make([]byte, 8))
	}},
	{name: "DHCPv6 advertise", row: "rogue-dhcp", frame: func(c cast) []byte { return udp6(c.a.mac, c.v.mac, c.a.ll, c.v.ll, 547, 546, make([]byte, 8)) }},
	{name: "DHCPv6 advertise from another port", row: "rogue-dhcp", frame: func(c cast) []byte { return udp6(c.a.mac, c.v.mac, c.a.ll, c.v.ll, 1547, 546, make([]byte, 8)) }},
	{name: "DHCPv6 advertise behind destination options", row: "rogue-dhcp", frame: func(c cast) []byte {
		return c.from6(c.a.ll, destOpts, ext(protoUDP, 0), datagram(547, 546, make([]byte, 8)))
	}},
	{name: "DHCPv6 advertise in a first fragment", row: "rogue-dhcp", frame: func(c cast) []byte {
		return c.from6(c.a.ll, fragmented, fragment6(protoUDP, 0, true), datagram(547, 546, make([]byte, 24)))
	}},
}

var (
	dhcpServers = netip.MustParseAddr("ff02::1:2")
	// ra is the body of an advertisement of a router for an hour.
	ra = cat([]byte{64, 0}, be16(3600), make([]byte, 8))
)

func (c cast) ra() []byte { return icmp6(c.a.ll, c.v.ip6, 134, 0, ra) }
