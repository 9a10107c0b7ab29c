// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"net"
	"net/netip"
)

// naRouter, naSolicited and naOverride are the flags of a neighbour advertisement (RFC 4861, section 4.4).
const (
	naRouter    = 0x80000000
	naSolicited = 0x40000000
	naOverride  = 0x20000000
)

// asks matches an ARP request or a neighbour solicitation for an address.
func asks(a netip.Addr) []FieldMatch {
	if a.Is4() {
		return []FieldMatch{eth(etherARP), U(FieldARPOp, 1), Addr(FieldARPTPA, a)}
	}
	return append(solicits(), Addr(FieldNDTarget, a))
}

func solicits() []FieldMatch {
	return []FieldMatch{eth(etherIPv6), U(FieldIPProto, protoICMPv6), U(FieldIPTTL, 255),
		U(FieldICMPv6Type, icmp6NeighbourSol), U(FieldICMPv6Code, 0)}
}

// withoutSource matches what has no source link-layer option, so that there is nothing to turn into an answer.
func withoutSource() FieldMatch { return MAC(FieldNDSLL, make(net.HardwareAddr, 6)) }

// answers says whether the switch itself answers a request for a on the network.
func (n Network) answers(a netip.Addr) bool { return a.Is4() || !n.ForwardND }

// unanswered matches the solicitations for a that go to who has it: those from which no answer can be made.
func (n Network) unanswered(a netip.Addr, more ...FieldMatch) Match {
	if n.ForwardND {
		return with(asks(a), more...)
	}
	return with(append(asks(a), withoutSource()), more...)
}

// answer turns a request for a into its answer and sends it back.
func answer(a netip.Addr, mac net.HardwareAddr, flags uint64) []Action {
	if a.Is4() {
		return []Action{
			Copy{Src: FieldEthSrc, Dst: FieldEthDst, Bits: 48}, SetField{MAC(FieldEthSrc, mac)},
			SetField{U(FieldARPOp, 2)},
			Copy{Src: FieldARPSHA, Dst: FieldARPTHA, Bits: 48}, SetField{MAC(FieldARPSHA, mac)},
			Copy{Src: FieldARPSPA, Dst: FieldARPTPA, Bits: 32}, SetField{Addr(FieldARPSPA, a)},
			Output{PortInPort},
		}
	}
	// OVS takes the target option only from an advertisement, which this is in the next table alone.
	return []Action{
		Copy{Src: FieldEthSrc, Dst: FieldEthDst, Bits: 48}, SetField{MAC(FieldEthSrc, mac)},
		Copy{Src: FieldIPv6Src, Dst: FieldIPv6Dst, Bits: 128}, SetField{Addr(FieldIPv6Src, a)},
		SetField{U(FieldNDOptionsType, ndTargetOption)}, SetField{U(FieldNDReserved, flags)},
		SetField{U(FieldICMPv6Type, icmp6NeighbourAdv)},
		Goto{TableReply},
	}
}

// ndTargetOption is the type of the target link-layer address option (RFC 4861, section 4.6.1).
const ndTargetOption = 2

// compileReply gives the row that finishes every advertisement that answer began.
func compileReply(add emit) {
	add(rowAdvertise, NewMatch(eth(etherIPv6), U(FieldIPProto, protoICMPv6), U(FieldICMPv6Type, icmp6NeighbourAdv), U(FieldICMPv6Code, 0)),
		Copy{Src: FieldEthSrc, Dst: FieldNDTLL, Bits: 48}, Output{PortInPort})
	add(rowReplyMiss, nil)
}

// defend matches a probe and answers it: a probe for duplicates of an address in use (RFC 5227, RFC 4862 section 5.4.3), so that it does not reach
// the owner: one that is itself still probing would give the address up.
func (n Network) defend(a netip.Addr, mac net.HardwareAddr, flags uint64) (Match, []Action) {
	if a.Is4() {
		return with(asks(a), Addr(FieldARPSPA, netip.IPv4Unspecified())), answer(a, mac, 0)
	}
	// The answer has no option to put the MAC into, and needs none: it says that the address is taken. It is for all
	// nodes, because the prober has no address (RFC 4861, section 7.2.4), but goes to the prober alone. Its flags matter
	// to nobody (RFC 4862, section 5.4.4), so it can do without.
	denial := []Action{
		Copy{Src: FieldEthSrc, Dst: FieldEthDst, Bits: 48}, SetField{MAC(FieldEthSrc, mac)},
		SetField{Addr(FieldIPv6Src, a)}, SetField{Addr(FieldIPv6Dst, netip.IPv6LinkLocalAllNodes())},
	}
	if n.answers(a) {
		denial = append(denial, SetField{U(FieldNDReserved, flags)})
	}
	return with(asks(a), withoutSource(), Addr(FieldIPv6Src, netip.IPv6Unspecified())),
		append(denial, SetField{U(FieldICMPv6Type, icmp6NeighbourAdv)}, Output{PortInPort})
}

// resolveGateway answers for one address of the gateway.
func resolveGateway(add emit, n Network, a netip.Addr) {
	net := regs(reg(RegNetwork, uint64(n.Tag)))
	add(rowResolveOwn, with(asks(a), U(FieldInPort, uint64(PortLocal))), Goto{TablePolicy})
	probe, denial := n.defend(a, n.GatewayMAC, naRouter|naOverride)
	add(rowDefend, with(probe, net), denial...)
	if n.answers(a) {
		add(rowAnswerGateway, with(asks(a), net), answer(a, n.GatewayMAC, naRouter|naSolicited|naOverride)...)
	}
	if a.Is6() {
		add(rowProbeGateway, n.unanswered(a, net), toGateway(), setOutput(PortLocal), Goto{TableAdmit})
	}
}

// resolvePrivate keeps a source that may not reach its neighbours from being told where they are.
func resolvePrivate(add emit, source FieldMatch) {
	add(rowResolvePrivate, NewMatch(source, eth(etherARP), U(FieldARPOp, 1)), Goto{TablePolicy})
	add(rowResolvePrivate, with(solicits(), source), Goto{TablePolicy})
}

// resolve answers for the endpoint's own addresses, but not to itself: who asks for its own address probes for duplicates.
func (p Port) resolve(add emit, in FieldMatch) {
	net := regs(reg(RegNetwork, uint64(p.Network.Tag)))
	for _, a := range p.addrs() {
		add(rowResolveOwn, with(asks(a), in), Goto{TablePolicy})
		if p.Marked() {
			add(rowResolveMarked, with(asks(a), regs(reg(RegNetwork, uint64(p.Network.Tag)), reg(RegSource, uint64(KindTunnel)))), Goto{TablePolicy})
		}
		probe, denial := p.Network.defend(a, p.MAC, naOverride)
		add(rowDefend, with(probe, net), denial...)
		if p.Network.answers(a) {
			add(rowAnswer, with(asks(a), net), answer(a, p.MAC, naSolicited|naOverride)...)
		}
		if a.Is6() {
			add(rowProbe, p.Network.unanswered(a, net), p.toPort(), setOutput(uint32(p.Number)), Goto{TableAdmit})
		}
	}
}
