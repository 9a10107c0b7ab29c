// SPDX-License-Identifier: Apache-2.0

package integration_test

import "net"

// arpAttacks are about who speaks for which IPv4 address.
var arpAttacks = []attack{
	{name: "request for the victim", row: "answer", answer: theVictimsIPv4, why: "answered by the switch: the victim and the others do not hear it", frame: func(c cast) []byte {
		return whoHas(c.a.mac, c.a.ip, c.v.ip)
	}},
	{name: "request for the victim, to it alone", row: "answer", answer: theVictimsIPv4, why: "answered by the switch", frame: func(c cast) []byte {
		return arp(c.v.mac, c.a.mac, 1, c.a.mac, c.a.ip, c.v.mac, c.v.ip)
	}},
	{name: "request for the gateway", row: "answer-gateway", answer: theGatewaysIPv4, why: "answered by the switch", frame: func(c cast) []byte {
		return whoHas(c.a.mac, c.a.ip, c.g.ip)
	}},
	{name: "request for an address that nobody has", row: "arp-own", to: everybody, why: "nobody is known to have it, so all are asked", frame: func(c cast) []byte {
		return whoHas(c.a.mac, c.a.ip, c.free4)
	}},
	{name: "probe for the own address", row: "arp-probe", to: everybody, why: "duplicate address detection (RFC 5227): the switch does not answer the owner", frame: func(c cast) []byte {
		return whoHas(c.a.mac, none4, c.a.ip)
	}},
	{name: "probe for an address that nobody has", row: "arp-probe", to: everybody, why: "duplicate address detection: nobody answers", frame: func(c cast) []byte {
		return whoHas(c.a.mac, none4, c.free4)
	}},
	{name: "probe for the victim's address", row: "defend", answer: theVictimsIPv4, why: "the switch says that it is taken; a victim that is itself still probing does not hear of it", frame: func(c cast) []byte {
		return whoHas(c.a.mac, none4, c.v.ip)
	}},
	{name: "probe for the gateway's address", row: "defend", answer: theGatewaysIPv4, why: "the switch says that it is taken", frame: func(c cast) []byte {
		return whoHas(c.a.mac, none4, c.g.ip)
	}},
	{name: "announcement of the own address (gratuitous request)", row: "arp-own", to: everybody, why: "own MAC and address", frame: func(c cast) []byte {
		return whoHas(c.a.mac, c.a.ip, c.a.ip)
	}},
	{name: "gratuitous reply of the own address", row: "arp-own", to: everybody, why: "own MAC and address", frame: func(c cast) []byte {
		return arp(everyone, c.a.mac, 2, c.a.mac, c.a.ip, everyone, c.a.ip)
	}},
	{name: "reply of the own address to the victim", row: "arp-own", to: theVictim, why: "own MAC and address", frame: func(c cast) []byte {
		return arp(c.v.mac, c.a.mac, 2, c.a.mac, c.a.ip, c.v.mac, c.v.ip)
	}},
	{name: "reply of the own address to the gateway", row: "arp-own", to: theGateway, why: "own MAC and address", frame: func(c cast) []byte {
		return arp(c.g.mac, c.a.mac, 2, c.a.mac, c.a.ip, c.g.mac, c.g.ip)
	}},

	{name: "announcement of the victim's address", row: "arp", frame: func(c cast) []byte { return whoHas(c.a.mac, c.v.ip, c.v.ip) }},
	{name: "gratuitous reply of the victim's address", row: "arp", frame: func(c cast) []byte {
		return arp(everyone, c.a.mac, 2, c.a.mac, c.v.ip, everyone, c.v.ip)
	}},
	{name: "announcement of the gateway's address", row: "arp", frame: func(c cast) []byte { return whoHas(c.a.mac, c.g.ip, c.g.ip) }},
	{name: "announcement of an address that nobody has", row: "arp", frame: func(c cast) []byte { return whoHas(c.a.mac, c.free4, c.free4) }},
	{name: "reply to the victim: the gateway is here", row: "arp", frame: func(c cast) []byte {
		return arp(c.v.mac, c.a.mac, 2, c.a.mac, c.g.ip, c.v.mac, c.v.ip)
	}},
	{name: "reply to the gateway: the victim is here", row: "arp", frame: func(c cast) []byte {
		return arp(c.g.mac, c.a.mac, 2, c.a.mac, c.v.ip, c.g.mac, c.g.ip)
	}},
	{name: "request as the victim for the gateway", row: "arp", frame: func(c cast) []byte { return whoHas(c.a.mac, c.v.ip, c.g.ip) }},
	{name: "reply of the own address with the victim's MAC inside", row: "arp", frame: func(c cast) []byte {
		return arp(c.t.mac, c.a.mac, 2, c.v.mac, c.a.ip, c.t.mac, c.t.ip)
	}},
	{name: "reply of the own address with no MAC inside", row: "arp", frame: func(c cast) []byte {
		return arp(c.v.mac, c.a.mac, 2, nobody, c.a.ip, c.v.mac, c.v.ip)
	}},
	{name: "reply of the own address with broadcast inside", row: "arp", frame: func(c cast) []byte {
		return arp(c.v.mac, c.a.mac, 2, everyone, c.a.ip, c.v.mac, c.v.ip)
	}},
	{name: "all the victim's: MACs and address", row: "spoofed-mac", frame: func(c cast) []byte {
		return arp(everyone, c.v.mac, 2, c.v.mac, c.v.ip, everyone, c.v.ip)
	}},
	{name: "reply from no address", row: "arp", frame: func(c cast) []byte {
		return arp(c.v.mac, c.a.mac, 2, c.a.mac, none4, c.v.mac, c.v.ip)
	}},
	{name: "probe with the victim's MAC inside", row: "arp", frame: func(c cast) []byte {
		return arp(everyone, c.a.mac, 1, c.v.mac, none4, nobody, c.free4)
	}},
	{name: "reverse request (operation 3)", row: "arp", frame: func(c cast) []byte {
		return arp(everyone, c.a.mac, 3, c.a.mac, c.a.ip, c.a.mac, c.a.ip)
	}},
	{name: "inverse reply (operation 9)", row: "arp", frame: func(c cast) []byte {
		return arp(c.v.mac, c.a.mac, 9, c.a.mac, c.a.ip, c.v.mac, c.v.ip)
	}},
	{name: "operation 258, a reply but for its high byte", row: "arp", frame: func(c cast) []byte {
		return arp(c.v.mac, c.a.mac, 258, c.a.mac, c.g.ip, c.v.mac, c.v.ip)
	}},
	{name: "reply with hardware addresses of 8 bytes", row: "arp", frame: func(c cast) []byte {
		long := func(mac net.HardwareAddr) []byte { return cat(mac, []byte{0, 0}) }
		return ether(c.v.mac, c.a.mac, etherARP, be16(1), be16(etherIPv4), []byte{8, 4}, be16(2), long(c.a.mac), c.g.ip.AsSlice(), long(c.v.mac), c.v.ip.AsSlice())
	}},
	{name: "reply for the protocol IPv6", row: "arp", frame: func(c cast) []byte {
		f := arp(c.v.mac, c.a.mac, 2, c.a.mac, c.g.ip, c.v.mac, c.v.ip)
		copy(f[16:], be16(etherIPv6))
		return f
	}},
}
