// SPDX-License-Identifier: Apache-2.0

package integration_test

import "net"

// linkAttacks are about the link header: who sends, what kind of frame.
var linkAttacks = []attack{
	{name: "UDP over IPv4 to the victim", row: "own-address", to: theVictim, why: "own MAC and address", frame: func(c cast) []byte { return c.plain4(c.a.mac) }},
	{name: "UDP over IPv6 to the victim", row: "own-address", to: theVictim, why: "own MAC and address", frame: func(c cast) []byte { return c.plain6(c.a.mac) }},
	{name: "UDP to everybody", row: "flood", to: everybody, why: "broadcast is for all; a meter bounds how much", frame: func(c cast) []byte {
		return udp4(c.a.mac, everyone, c.a.ip, limitedBroadcast, 4000, 4001, nil)
	}},
	{name: "UDP to an IPv4 group", row: "flood", to: everybody, why: "multicast is for all without snooping", frame: func(c cast) []byte {
		return udp4(c.a.mac, groupMAC(mdns), c.a.ip, mdns, 5353, 5353, nil)
	}},
	{name: "UDP to oneself", row: "output", why: "a switch does not send a frame back to where it came from", frame: func(c cast) []byte {
		return udp4(c.a.mac, c.a.mac, c.a.ip, c.a.ip, 4000, 4001, nil)
	}},
	{name: "UDP to a MAC that nobody has", row: "unknown-destination", frame: func(c cast) []byte {
		return udp4(c.a.mac, stranger, c.a.ip, c.v.ip, 4000, 4001, nil)
	}},
	{name: "the longest frame, 1,514 bytes", row: "own-address", to: theVictim, why: "fits the MTU", frame: func(c cast) []byte {
		return udp4(c.a.mac, c.v.mac, c.a.ip, c.v.ip, 4000, 4001, make([]byte, 1472-len(mark(0))))
	}},
	{name: "a jumbo frame, 9,014 bytes", refused: true, why: "longer than the MTU: the container's own kernel refuses it", frame: func(c cast) []byte {
		return udp4(c.a.mac, c.v.mac, c.a.ip, c.v.ip, 4000, 4001, make([]byte, 8972))
	}},

	{name: "the victim's MAC as source", row: "spoofed-mac", frame: func(c cast) []byte { return c.plain4(c.v.mac) }},
	{name: "the victim's MAC and address as source", row: "spoofed-mac", frame: func(c cast) []byte {
		return udp4(c.v.mac, c.t.mac, c.v.ip, c.t.ip, 4000, 4001, nil)
	}},
	{name: "the gateway's MAC as source", row: "spoofed-mac", frame: func(c cast) []byte { return c.plain4(c.g.mac) }},
	{name: "a MAC that nobody has as source", row: "spoofed-mac", frame: func(c cast) []byte { return c.plain6(stranger) }},
	{name: "the own MAC but for one bit", row: "spoofed-mac", frame: func(c cast) []byte { return c.plain4(flip(c.a.mac, 5, 1)) }},
	{name: "the own MAC with the group bit", row: "spoofed-mac", frame: func(c cast) []byte { return c.plain4(flip(c.a.mac, 0, 1)) }},
	{name: "broadcast as source", row: "spoofed-mac", frame: func(c cast) []byte { return c.plain4(everyone) }},
	{name: "zero as source", row: "spoofed-mac", frame: func(c cast) []byte { return c.plain4(nobody) }},

	{name: "802.1Q, VLAN 10", row: "tagged", frame: func(c cast) []byte { return vlan(0x8100, 10, c.plain4(c.a.mac)) }},
	{name: "802.1Q, VLAN 0 with a priority", row: "tagged", frame: func(c cast) []byte { return vlan(0x8100, 0xa000, c.plain4(c.a.mac)) }},
	{name: "802.1ad, one tag", row: "tagged", frame: func(c cast) []byte { return vlan(0x88a8, 10, c.plain6(c.a.mac)) }},
	{name: "802.1Q twice", row: "tagged", frame: func(c cast) []byte { return vlan(0x8100, 1, vlan(0x8100, 10, c.plain4(c.a.mac))) }},
	{name: "802.1Q in 802.1ad", row: "tagged", frame: func(c cast) []byte { return vlan(0x88a8, 1, vlan(0x8100, 10, c.plain4(c.a.mac))) }},
	{name: "802.1Q, ARP as the gateway under it", row: "tagged", frame: func(c cast) []byte {
		return vlan(0x8100, 1, arp(c.v.mac, c.a.mac, 2, c.a.mac, c.g.ip, c.v.mac, c.v.ip))
	}},
	{name: "802.1Q from the victim's MAC", row: "tagged", frame: func(c cast) []byte { return vlan(0x8100, 1, c.plain4(c.v.mac)) }},
	{name: "the old type of double tags, 0x9100", row: "ethertype", frame: func(c cast) []byte { return vlan(0x9100, 1, c.plain4(c.a.mac)) }},

	{name: "STP", row: "link-control", frame: func(c cast) []byte { return llc(bridges(0), c.a.mac, bpdu) }},
	{name: "STP as the victim", row: "spoofed-mac", frame: func(c cast) []byte { return llc(bridges(0), c.v.mac, bpdu) }},
	{name: "pause", row: "link-control", frame: func(c cast) []byte { return ether(bridges(1), c.a.mac, 0x8808, []byte{0, 1, 0xff, 0xff}) }},
	{name: "LACP", row: "link-control", frame: func(c cast) []byte { return ether(bridges(2), c.a.mac, 0x8809, []byte{1, 1}) }},
	{name: "EAPOL", row: "link-control", frame: func(c cast) []byte { return ether(bridges(3), c.a.mac, 0x888e, []byte{1, 1, 0, 0}) }},
	{name: "LLDP", row: "link-control", frame: func(c cast) []byte { return ether(bridges(0x0e), c.a.mac, 0x88cc, []byte{2, 7, 4}) }},
	{name: "MVRP", row: "link-control", frame: func(c cast) []byte { return ether(bridges(0x21), c.a.mac, 0x88f5, []byte{0}) }},
	{name: "CDP", row: "link-control", frame: func(c cast) []byte { return llc(cisco(0xcc), c.a.mac, ciscoSNAP) }},
	{name: "PVST+", row: "link-control", frame: func(c cast) []byte { return llc(cisco(0xcd), c.a.mac, ciscoSNAP) }},
	{name: "IPv4 to the address of STP", row: "link-control-payload", frame: func(c cast) []byte {
		return udp4(c.a.mac, bridges(0), c.a.ip, c.v.ip, 4000, 4001, nil)
	}},
	{name: "ARP as the gateway to the address of LLDP", row: "link-control-payload", frame: func(c cast) []byte {
		return arp(bridges(0x0e), c.a.mac, 2, c.a.mac, c.g.ip, c.v.mac, c.v.ip)
	}},
	{name: "IPv4 beyond the addresses of link control", row: "flood", to: everybody, why: "an ordinary group address", frame: func(c cast) []byte {
		return udp4(c.a.mac, bridges(0x40), c.a.ip, c.v.ip, 4000, 4001, nil)
	}},
	{name: "LLDP to the victim alone", row: "ethertype", frame: func(c cast) []byte { return ether(c.v.mac, c.a.mac, 0x88cc, []byte{2, 7, 4}) }},

	{name: "802.3 LLC to the victim", row: "ethertype", frame: func(c cast) []byte { return llc(c.v.mac, c.a.mac, bpdu) }},
	{name: "802.3 LLC to everybody", row: "ethertype", frame: func(c cast) []byte { return llc(everyone, c.a.mac, []byte{0xf0, 0xf0, 0x03, 0}) }},
	{name: "802.3 SNAP with the victim's ARP", row: "arp", frame: func(c cast) []byte {
		return llc(c.t.mac, c.a.mac, snap, arp(c.t.mac, c.a.mac, 2, c.a.mac, c.v.ip, c.t.mac, c.t.ip)[12:])
	}},
	{name: "802.3 SNAP with the victim's IPv4", row: "spoofed-ip", frame: func(c cast) []byte {
		return llc(c.t.mac, c.a.mac, snap, udp4(c.a.mac, c.t.mac, c.v.ip, c.t.ip, 4000, 4001, nil)[12:])
	}},
	{name: "RARP", row: "ethertype", frame: func(c cast) []byte {
		return ether(everyone, c.a.mac, 0x8035, arp(everyone, c.a.mac, 3, c.a.mac, c.a.ip, c.a.mac, c.a.ip)[14:])
	}},
	{name: "MPLS with IPv4", row: "ethertype", frame: func(c cast) []byte {
		return ether(c.v.mac, c.a.mac, 0x8847, []byte{0, 1, 1, 64}, c.plain4(c.a.mac)[14:])
	}},
	{name: "PPPoE discovery", row: "ethertype", frame: func(c cast) []byte { return ether(everyone, c.a.mac, 0x8863, []byte{0x11, 9, 0, 0, 0, 0}) }},
	{name: "wake on LAN", row: "ethertype", frame: func(c cast) []byte { return ether(everyone, c.a.mac, 0x0842, everyone, c.v.mac) }},
	{name: "a type for experiments, 0x88b5", row: "ethertype", frame: func(c cast) []byte { return ether(c.v.mac, c.a.mac, 0x88b5) }},
	{name: "IPv4 under the type of IPv6", row: "hidden-header", frame: func(c cast) []byte { return ether(c.v.mac, c.a.mac, etherIPv6, c.plain4(c.a.mac)[14:]) }},
	{name: "IPv6 under the type of IPv4", row: "hidden-header", frame: func(c cast) []byte { return ether(c.v.mac, c.a.mac, etherIPv4, c.plain6(c.a.mac)[14:]) }},
	{name: "ARP under the type of IPv4", row: "hidden-header", frame: func(c cast) []byte {
		return ether(everyone, c.a.mac, etherIPv4, whoHas(c.a.mac, c.v.ip, c.t.ip)[14:])
	}},
	{name: "IPv4 under the type of ARP", row: "arp", frame: func(c cast) []byte { return ether(c.v.mac, c.a.mac, etherARP, c.plain4(c.a.mac)[14:]) }},
	{name: "nothing under the type of IPv4", row: "hidden-header", bare: true, frame: func(c cast) []byte { return ether(c.v.mac, c.a.mac, etherIPv4) }},
	{name: "half a header under the type of IPv6", row: "hidden-header", bare: true, frame: func(c cast) []byte { return c.plain6(c.a.mac)[:34] }},
	{name: "half an ARP message", row: "arp", bare: true, frame: func(c cast) []byte { return whoHas(c.a.mac, c.a.ip, c.v.ip)[:28] }},
}

var (
	stranger  = net.HardwareAddr{0x02, 0, 0, 0x0e, 0x75, 0x01}
	bpdu      = []byte{0x42, 0x42, 0x03, 0, 0, 0, 0, 0}
	snap      = []byte{0xaa, 0xaa, 0x03, 0, 0, 0}
	ciscoSNAP = []byte{0xaa, 0xaa, 0x03, 0, 0, 0x0c, 0x20, 0}
)

// bridges is an address that bridges keep to themselves (IEEE 802.1Q, table 8-1), or one close to it.
func bridges(last byte) net.HardwareAddr { return net.HardwareAddr{0x01, 0x80, 0xc2, 0, 0, last} }

func cisco(last byte) net.HardwareAddr { return net.HardwareAddr{0x01, 0, 0x0c, 0xcc, 0xcc, last} }

// flip turns a bit of a MAC over.
func flip(mac net.HardwareAddr, at int, bit byte) net.HardwareAddr {
	m := append(net.HardwareAddr{}, mac...)
	m[at] ^= bit
	return m
}
