// SPDX-License-Identifier: Apache-2.0

package flows

import "net/netip"

var (
	multicast4 = netip.MustParsePrefix("224.0.0.0/4")
	multicast6 = netip.MustParsePrefix("ff00::/8")
	// The groups that do not leave the link (RFC 5771 section 4, RFC 4291 section 2.7).
	linkGroups4 = netip.MustParsePrefix("224.0.0.0/24")
	linkGroups6 = netip.MustParsePrefix("ff02::/16")
)

const protoIGMP = 2

// membership are the ICMPv6 types of MLD: query, report, done, and the report of version 2 (RFC 2710, RFC 3810).
var membership = []uint64{130, 131, 132, 143}

// compileSnoop gives the rows of a network that leaves multicast to the bridge's snooping. What keeps a link together
// (neighbour discovery, routers, mDNS) must not depend on who asked for it and when, so the groups of the link are flooded
// here, as RFC 4541 section 2.1.2 has it for IPv4; but for IGMP and MLD themselves, of which snooping lives.
func compileSnoop(add emit, n Network) {
	to := []FieldMatch{regs(reg(RegNetwork, uint64(n.Tag))), MACMask(FieldEthDst, multicastMAC, multicastMAC)}
	all4, all6 := Prefix(FieldIPv4Dst, multicast4), Prefix(FieldIPv6Dst, multicast6)
	add(rowMembership, with(to, eth(etherIPv4), all4, U(FieldIPProto, protoIGMP)), Output{PortNormal})
	for _, t := range membership {
		add(rowMembership, with(to, eth(etherIPv6), all6, U(FieldIPProto, protoICMPv6), U(FieldICMPv6Type, t)), Output{PortNormal})
	}
	add(rowLinkGroup, with(to, eth(etherIPv4), Prefix(FieldIPv4Dst, linkGroups4)), Group{GroupID(n.Tag, FloodAll)})
	add(rowLinkGroup, with(to, eth(etherIPv6), Prefix(FieldIPv6Dst, linkGroups6)), Group{GroupID(n.Tag, FloodAll)})
	add(rowSnoop, with(to, eth(etherIPv4), all4), Output{PortNormal})
	add(rowSnoop, with(to, eth(etherIPv6), all6), Output{PortNormal})
}
