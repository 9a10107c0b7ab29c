// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"encoding/binary"
	"net"
	"net/netip"
)

// emit adds a row's flow to what is being compiled.
type emit func(r Row, m Match, actions ...Action)

// linkControl are the destinations that bridges keep to themselves (IEEE 802.1Q table 8-1, MRP) and Cisco's CDP, VTP and PVST+.
var linkControl = []struct{ mac, mask net.HardwareAddr }{
	{net.HardwareAddr{0x01, 0x80, 0xc2, 0, 0, 0}, net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xc0}},
	{net.HardwareAddr{0x01, 0, 0x0c, 0xcc, 0xcc, 0xcc}, net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}},
}

// hiding are the protocol numbers that remain when the chain of IPv6 extension headers was not walked to its end: an
// upper protocol that nothing here can see is not let through (RFC 7112, RFC 9099 section 2.2). 0 is what Open vSwitch
// makes of a broken chain, 59 what the kernel's datapath does; Open vSwitch does not walk past mobility (135), host
// identity (139) and shim6 (140). A later fragment (44) passes: whatever it belongs to had its first one judged.
var hiding = []uint64{0, 59, 135, 139, 140}

// service is a message that a container may not send unless its endpoint is allowed to.
type service struct {
	row   Row
	allow Services
	match []FieldMatch
}

var services = []service{
	{rowRogueRA, ServiceRA, []FieldMatch{U(FieldEthType, etherIPv6), U(FieldIPProto, protoICMPv6), U(FieldICMPv6Type, icmp6RouterAdvert)}},
	{rowRogueRA, ServiceRA, []FieldMatch{U(FieldEthType, etherIPv4), U(FieldIPProto, protoICMP), U(FieldICMPType, 9)}},
	{rowRogueRedirect, ServiceRedirect, []FieldMatch{U(FieldEthType, etherIPv6), U(FieldIPProto, protoICMPv6), U(FieldICMPv6Type, icmp6Redirect)}},
	{rowRogueRedirect, ServiceRedirect, []FieldMatch{U(FieldEthType, etherIPv4), U(FieldIPProto, protoICMP), U(FieldICMPType, 5)}},
	{rowRogueDHCP, ServiceDHCPServer, []FieldMatch{U(FieldEthType, etherIPv4), U(FieldIPProto, protoUDP), U(FieldUDPSrc, 67)}},
	{rowRogueDHCP, ServiceDHCPServer, []FieldMatch{U(FieldEthType, etherIPv6), U(FieldIPProto, protoUDP), U(FieldUDPSrc, 547)}},
	// Clients look at the port that a message is for, whichever it comes from.
	{rowRogueDHCP, ServiceDHCPServer, []FieldMatch{U(FieldEthType, etherIPv4), U(FieldIPProto, protoUDP), U(FieldUDPDst, 68)}},
	{rowRogueDHCP, ServiceDHCPServer, []FieldMatch{U(FieldEthType, etherIPv6), U(FieldIPProto, protoUDP), U(FieldUDPDst, 546)}},
}

func eth(proto uint64) FieldMatch { return U(FieldEthType, proto) }

func with(fs []FieldMatch, more ...FieldMatch) Match {
	return NewMatch(append(append([]FieldMatch(nil), fs...), more...)...)
}

// compileGuard gives the rows of port security that are the same for every port.
func compileGuard(add emit) {
	add(rowTagged, NewMatch(UMask(FieldVLANTCI, vlanPresent, vlanPresent)))
	for _, lc := range linkControl {
		to := MACMask(FieldEthDst, lc.mac, lc.mask)
		for _, proto := range guarded {
			// A host takes them from any group address: they are not to pass because link control may.
			add(rowLinkPayload, NewMatch(to, eth(proto)))
		}
		add(rowLinkControl, NewMatch(to))
	}
	add(rowGuardMiss, nil)
	compileOtherMAC(add)
	add(rowSpoofedMiss, nil)

	compileHidden(add)
	for _, t := range []uint64{icmp6RouterSolicit, icmp6RouterAdvert, icmp6NeighbourSol, icmp6NeighbourAdv, icmp6Redirect} {
		add(rowNDFragment, NewMatch(eth(etherIPv6), U(FieldIPProto, protoICMPv6), U(FieldICMPv6Type, t), UMask(FieldIPFrag, fragAny, fragAny)))
	}
	for _, t := range []uint64{icmp6NeighbourSol, icmp6NeighbourAdv} {
		nd := []FieldMatch{eth(etherIPv6), U(FieldIPProto, protoICMPv6), U(FieldICMPv6Type, t)}
		// OVS shows a message with a broken or repeated option as one without target and options.
		add(rowNDMalformed, with(nd, U(FieldICMPv6Code, 0), Addr(FieldNDTarget, netip.IPv6Unspecified())))
		add(rowND, with(nd))
	}
	for _, s := range services {
		add(s.row, with(s.match))
	}
	add(rowARP, NewMatch(eth(etherARP)))
	add(rowSpeechMiss, nil, Goto{TableAddress})

	add(rowAddressMiss, nil)
}

// compileOtherMAC gives, for each bit of a MAC, a row for frames whose source differs from their port's there. To match the
// whole MAC would do as well, but then the datapath needs a flow, and ovs-vswitchd's attention, for each MAC that somebody
// makes up: a classifier remembers what it looked at, and here that ends with the first bit that differs.
func compileOtherMAC(add emit) {
	for bit := range uint16(48) {
		register := Register{Field: RegMACLow.Field, Ofs: RegMACLow.Ofs + bit, Bits: 1}
		if bit >= 32 {
			register = Register{Field: RegMACHigh.Field, Ofs: RegMACHigh.Ofs + bit - 32, Bits: 1}
		}
		mask := make(net.HardwareAddr, 6)
		mask[5-bit/8] = 1 << (bit % 8)
		zero := make(net.HardwareAddr, 6)
		add(rowOtherMAC, NewMatch(regs(reg(register, 0)), MACMask(FieldEthSrc, mask, mask)), Goto{TableSpoofed})
		add(rowOtherMAC, NewMatch(regs(reg(register, 1)), MACMask(FieldEthSrc, zero, mask)), Goto{TableSpoofed})
	}
}

// setMAC tells compileOtherMAC's rows which MAC the port has.
func (p Port) setMAC() []Action {
	high, low := binary.BigEndian.Uint16(p.MAC), binary.BigEndian.Uint32(p.MAC[2:])
	return []Action{setRegs(reg(RegMACHigh, uint64(high))), setRegs(reg(RegMACLow, uint64(low)))}
}

// compileHidden gives the rows for packets that do not show what they carry. Of fragments Open vSwitch shows ports and
// types only in the first, and only if it was told to (nx-match of ovs-ofctl set-frags); else they are zero in all.
// No honest packet has them so, but for ICMP's echo reply; ICMP's own services need a router's source address.
func compileHidden(add emit) {
	for _, proto := range hiding {
		add(rowHiddenHeader, NewMatch(eth(etherIPv6), U(FieldIPProto, proto)))
	}
	add(rowHiddenHeader, NewMatch(eth(etherIPv4), U(FieldIPProto, 0)))
	add(rowHiddenHeader, NewMatch(eth(etherIPv6), U(FieldIPProto, protoICMPv6), U(FieldICMPv6Type, 0)))
	for _, family := range []uint64{etherIPv4, etherIPv6} {
		add(rowHiddenHeader, NewMatch(eth(family), U(FieldIPProto, protoUDP), UMask(FieldIPFrag, 0, FragLater), U(FieldUDPSrc, 0), U(FieldUDPDst, 0)))
	}
}

// guarded are the ethertypes that the guard understands; the rest does not pass.
var guarded = []uint64{etherIPv4, etherIPv6, etherARP}

// guard gives the rows of port security of one endpoint.
func (p Port) guard(add emit, in FieldMatch) {
	mac := MAC(FieldEthSrc, p.MAC)
	for _, proto := range guarded {
		add(rowOwnMAC, NewMatch(in, mac, eth(proto)), Goto{TableSpeech})
	}
	add(rowEthertype, NewMatch(in, mac))
	add(rowSpoofedMAC, NewMatch(in))
	if p.Allow&ServiceLinkControl != 0 {
		for _, lc := range linkControl {
			add(rowLinkControlAllowed, NewMatch(in, mac, MACMask(FieldEthDst, lc.mac, lc.mask)), Goto{TableResolve})
		}
	}
	for _, s := range services {
		if p.Allow&s.allow != 0 {
			add(rowServiceAllowed, with(s.match, in), Goto{TableAddress})
		}
	}
	if p.speaks4() {
		p.guardIPv4(add, in)
	}
	if p.speaks6() {
		p.guardIPv6(add, in)
	}
	add(rowSpoofedIP, NewMatch(in))
}

func (p Port) speaks4() bool { return hasFamily(p.Addrs, p.Allowed, netip.Addr.Is4) }

func (p Port) speaks6() bool { return p.IPv6 || hasFamily(p.Addrs, p.Allowed, netip.Addr.Is6) }

func hasFamily(addrs []netip.Addr, prefixes []netip.Prefix, is func(netip.Addr) bool) bool {
	for _, a := range addrs {
		if is(a) {
			return true
		}
	}
	for _, pfx := range prefixes {
		if is(pfx.Addr()) {
			return true
		}
	}
	return false
}

// sources are the prefixes that the endpoint may speak for.
func (p Port) sources(is func(netip.Addr) bool) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range p.addrs() {
		if is(a) {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	for _, pfx := range p.Allowed {
		if is(pfx.Addr()) {
			out = append(out, pfx.Masked())
		}
	}
	return out
}

func (p Port) guardIPv4(add emit, in FieldMatch) {
	arp := []FieldMatch{in, eth(etherARP), MAC(FieldARPSHA, p.MAC)}
	add(rowARPProbe, with(arp, U(FieldARPOp, 1), Addr(FieldARPSPA, netip.IPv4Unspecified())), Goto{TableResolve})
	for _, pfx := range p.sources(netip.Addr.Is4) {
		for op := uint64(1); op <= 2; op++ {
			add(rowARPOwn, with(arp, U(FieldARPOp, op), Prefix(FieldARPSPA, pfx)), Goto{TableResolve})
		}
		add(rowOwnAddress, NewMatch(in, eth(etherIPv4), Prefix(FieldIPv4Src, pfx)), Goto{TableResolve})
	}
	add(rowDHCPClient, NewMatch(in, eth(etherIPv4), U(FieldIPProto, protoUDP),
		Addr(FieldIPv4Src, netip.IPv4Unspecified()), Addr(FieldIPv4Dst, netip.AddrFrom4([4]byte{255, 255, 255, 255})),
		U(FieldUDPSrc, 68), U(FieldUDPDst, 67)), Goto{TableResolve})
}

func (p Port) guardIPv6(add emit, in FieldMatch) {
	none := make(net.HardwareAddr, 6)
	icmp6 := func(t uint64) []FieldMatch {
		return []FieldMatch{in, eth(etherIPv6), U(FieldIPProto, protoICMPv6), U(FieldICMPv6Type, t)}
	}
	code := U(FieldICMPv6Code, 0)
	for _, hw := range []net.HardwareAddr{p.MAC, none} {
		add(rowNSOwn, with(icmp6(icmp6NeighbourSol), code, MAC(FieldNDSLL, hw)), Goto{TableAddress})
	}
	for _, pfx := range p.sources(netip.Addr.Is6) {
		for _, hw := range []net.HardwareAddr{p.MAC, none} {
			add(rowNAOwn, with(icmp6(icmp6NeighbourAdv), code, Prefix(FieldNDTarget, pfx), MAC(FieldNDTLL, hw)), Goto{TableAddress})
		}
		add(rowOwnAddress, NewMatch(in, eth(etherIPv6), Prefix(FieldIPv6Src, pfx)), Goto{TableResolve})
	}
	unspecified := Addr(FieldIPv6Src, netip.IPv6Unspecified())
	// A solicitation from :: must not carry the source option (RFC 4861, section 4.3).
	add(rowUnspecified, with(icmp6(icmp6NeighbourSol), code, unspecified, MAC(FieldNDSLL, none)), Goto{TableResolve})
	for _, t := range []uint64{icmp6RouterSolicit, 131, 132, 143} {
		add(rowUnspecified, with(icmp6(t), code, unspecified), Goto{TableResolve})
	}
}
