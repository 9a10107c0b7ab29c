// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// ErrClash marks two flows of one bridge with the same table, priority and match but different actions.
var ErrClash = errors.New("flow compiled twice with different actions")

// Network is what the pipeline needs to know of one network on a bridge.
type Network struct {
	// Tag tells the networks of one bridge apart; 1 to 65535.
	Tag uint16
	// Gateway says that the host takes part in the network through the bridge's LOCAL port.
	Gateway bool
	// GatewayMAC and GatewayAddrs are the LOCAL port's; ARP and ND for them are answered by the switch.
	GatewayMAC   net.HardwareAddr
	GatewayAddrs []netip.Addr
	// ICC lets containers of the network talk to each other.
	ICC bool
	// McastSnooping leaves IP multicast to the bridge's own snooping (ovs-vswitchd.conf.db(5), mcast_snooping_enable),
	// for which the network must have the bridge to itself, ICC, and no isolated ports.
	McastSnooping bool
	// Unguarded says that a port without port security exists: unknown MACs may live behind it.
	Unguarded bool
	// ForwardND says that the switch can't answer neighbour solicitations (RFC 4861): the kernel's datapath has no key for
	// an advertisement's flags and the types of its options. Each goes to who has the address, and to nobody else.
	ForwardND bool
	// Tunnel makes the network an overlay: it goes on behind peers, other hosts with the same network. Nil for a network
	// of this host alone.
	Tunnel *Tunnel
}

// Services are messages that port security stops unless an endpoint may send them.
type Services uint8

// The services that ovs.port.allow may name.
const (
	ServiceDHCPServer  Services = 1 << iota // dhcp-server: DHCPv4 and DHCPv6 server messages
	ServiceRA                               // ra: router advertisements
	ServiceRedirect                         // redirect: ICMP and ICMPv6 redirects
	ServiceLinkControl                      // link-control: STP, LACP, LLDP and their kin
)

// Port is what the pipeline needs to know of one endpoint.
type Port struct {
	Network Network
	// Number is the OpenFlow port, 1 to 65279.
	Number uint16
	MAC    net.HardwareAddr
	// Addrs are the endpoint's own addresses; its link-local address is derived from MAC where IPv6 is set.
	Addrs []netip.Addr
	// IPv6 says that the endpoint speaks IPv6.
	IPv6 bool
	// Allowed are further source prefixes, for endpoints that route.
	Allowed []netip.Prefix
	// Unguarded turns port security off.
	Unguarded   bool
	Isolated    bool
	Promiscuous bool
	Allow       Services
	// BroadcastRate is the number of broadcast and multicast frames a second that the port may send; 0 is unlimited.
	BroadcastRate uint32
}

// Member says that a port is in a flood group.
type Member struct {
	Group  uint32
	Bucket Bucket
}

// Compiled is what one object (bridge, network or port) asks of its switch.
type Compiled struct {
	Flows   []Flow
	Groups  []GroupDesc // groups that the object owns, without the members that other objects add
	Members []Member
	Meters  []MeterDesc
}

// objects in cookies: ports have their own numbers, the rest stands outside of their range.
const (
	objectBridge  uint16 = 0
	objectGateway uint16 = 0xfffe
)

var multicastMAC = net.HardwareAddr{0x01, 0, 0, 0, 0, 0}

const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86dd

	protoICMP   = 1
	protoUDP    = 17
	protoICMPv6 = 58

	icmp6RouterSolicit = 133
	icmp6RouterAdvert  = 134
	icmp6NeighbourSol  = 135
	icmp6NeighbourAdv  = 136
	icmp6Redirect      = 137

	vlanPresent = 0x1000
	fragAny     = 1
)

// flow makes the row's flow for an object, its cookie included.
func (r Row) flow(object uint16, m Match, actions ...Action) Flow {
	f := Flow{Table: r.Table, Priority: r.Priority, Match: m, Actions: actions}
	f.Cookie = Cookie{Row: r.Number, Object: object, Hash: Hash24(f)}.Uint64()
	return f
}

// regValue is a register with a value to match or to set.
type regValue struct {
	reg   Register
	value uint64
}

func reg(r Register, v uint64) regValue { return regValue{r, v} }

func flagged(r Register, set bool) regValue {
	if set {
		return regValue{r, 1}
	}
	return regValue{r, 0}
}

// regs joins register values that share one OpenFlow register into one masked field.
func regs(values ...regValue) FieldMatch {
	var v, mask uint64
	for _, rv := range values {
		v |= rv.value << rv.reg.Ofs
		mask |= (1<<rv.reg.Bits - 1) << rv.reg.Ofs
	}
	return UMask(values[0].reg.Field, v, mask)
}

func setRegs(values ...regValue) Action { return SetField{regs(values...)} }

// setOutput chooses the port. OVS reads ports from registers as 16-bit numbers, in which LOCAL is 0xfffe.
func setOutput(port uint32) Action { return setRegs(reg(RegOutput, uint64(port&0xffff))) }

// CompileBridge gives the rows that every bridge has, whatever its networks and ports. They are for reading: all calls
// give the same ones.
func CompileBridge() Compiled { return bridgeRows() }

var bridgeRows = sync.OnceValue(compileBridge)

func compileBridge() Compiled {
	var c Compiled
	add := func(r Row, m Match, actions ...Action) {
		c.Flows = append(c.Flows, r.flow(objectBridge, m, actions...))
	}

	add(rowUnknown, nil)
	compileGuard(add)
	add(rowResolveMiss, nil, Goto{TablePolicy})
	compileReply(add)
	add(rowPolicyMiss, nil, Goto{TableForward})
	add(rowForwardMiss, nil)
	compileArrival(add)
	add(rowAdmitPromisc, NewMatch(regs(reg(RegSrcPromisc, 1))), Goto{TableOutput})
	add(rowAdmitPromisc, NewMatch(regs(reg(RegDstPromisc, 1))), Goto{TableOutput})
	add(rowIsolated, NewMatch(regs(reg(RegSrcIsolated, 1), reg(RegDstIsolated, 1))))
	add(rowAdmitMiss, nil, Goto{TableOutput})
	add(rowNoOutput, NewMatch(U(RegOutput.Field, 0)))
	add(rowOutput, nil, OutputField{Field: RegOutput.Field, Ofs: RegOutput.Ofs, Bits: RegOutput.Bits})
	return c
}

// CompileNetwork gives the rows and flood groups of a network, without its ports.
func CompileNetwork(n Network) (Compiled, error) {
	var c Compiled
	if n.Tag == 0 {
		return c, errors.New("network tag 0: must be 1 to 65535")
	}
	add := func(r Row, m Match, actions ...Action) {
		c.Flows = append(c.Flows, r.flow(objectGateway, m, actions...))
	}
	net := reg(RegNetwork, uint64(n.Tag))
	for _, f := range []Flood{FloodAll, FloodOpen, FloodPrivileged, FloodUnguarded} {
		c.Groups = append(c.Groups, GroupDesc{ID: GroupID(n.Tag, f), Type: GroupAll})
	}
	if n.Gateway {
		if len(n.GatewayMAC) != 6 {
			return c, fmt.Errorf("gateway MAC %q: must have 6 bytes", n.GatewayMAC)
		}
		if n.Tunnel == nil {
			for _, f := range []Flood{FloodAll, FloodOpen, FloodPrivileged} {
				c.Members = append(c.Members, member(n.Tag, f, PortLocal))
			}
		}
		add(rowGateway, NewMatch(U(FieldInPort, uint64(PortLocal))),
			setRegs(net, reg(RegSource, uint64(KindGateway))), Goto{TableResolve})
		add(rowToGateway, NewMatch(regs(net), MAC(FieldEthDst, n.GatewayMAC)), toGateway(), setOutput(PortLocal), Goto{TableAdmit})
		for _, a := range n.GatewayAddrs {
			resolveGateway(add, n, a)
		}
	}
	if n.McastSnooping {
		compileSnoop(add, n)
	}
	container := reg(RegSource, uint64(KindContainer))
	if !n.ICC {
		add(rowICC, NewMatch(regs(net, container, reg(RegTarget, uint64(KindContainer)))))
		resolvePrivate(add, regs(net, container, flagged(RegSrcPromisc, false)))
	}
	resolvePrivate(add, regs(net, container, reg(RegSrcIsolated, 1), flagged(RegSrcPromisc, false)))
	if n.Tunnel != nil {
		if err := n.overlay(&c, add); err != nil {
			return c, err
		}
	} else {
		n.floods(add)
	}
	if n.Unguarded {
		add(rowUnknownMAC, NewMatch(regs(net)), Group{GroupID(n.Tag, FloodUnguarded)})
	}
	return c, nil
}

// floods gives the rows for the broadcast and multicast of a network of this host alone.
func (n Network) floods(add emit) {
	flood := func(r Row, f Flood, match ...regValue) {
		add(r, NewMatch(regs(append(match, reg(RegNetwork, uint64(n.Tag)))...), toMany()), Group{GroupID(n.Tag, f)})
	}
	flood(rowFloodPromisc, FloodAll, reg(RegSrcPromisc, 1))
	flood(rowFloodGateway, FloodAll, reg(RegSource, uint64(KindGateway)))
	flood(rowFloodOpen, FloodOpen, reg(RegSrcIsolated, 1))
	flood(rowFlood, FloodAll)
	if !n.ICC {
		flood(rowFloodNoICC, FloodPrivileged, reg(RegSource, uint64(KindContainer)))
	}
}

// toMany matches broadcast and multicast.
func toMany() FieldMatch { return MACMask(FieldEthDst, multicastMAC, multicastMAC) }

func toGateway() Action { return setRegs(reg(RegTarget, uint64(KindGateway))) }

// toPort marks the destination's attributes for admit.
func (p Port) toPort() Action {
	return setRegs(reg(RegTarget, uint64(KindContainer)), flagged(RegDstIsolated, p.Isolated), flagged(RegDstPromisc, p.Promiscuous))
}

func member(network uint16, f Flood, port uint32, actions ...Action) Member {
	if actions == nil {
		actions = []Action{Output{port}}
	}
	return Member{Group: GroupID(network, f), Bucket: Bucket{ID: bucketID(port), Actions: actions}}
}

// bucketID is the port's number in a group; the LOCAL port's own number is out of a bucket's range.
func bucketID(port uint32) uint32 {
	if port == PortLocal {
		return 0xfffe
	}
	return port
}

// CompilePort gives the rows and memberships of one endpoint.
func CompilePort(p Port) (Compiled, error) {
	var c Compiled
	switch {
	case p.Network.Tag == 0:
		return c, errors.New("network tag 0: must be 1 to 65535")
	case p.Number == 0 || p.Number >= 0xff00:
		return c, fmt.Errorf("OpenFlow port %d: must be 1 to 65279", p.Number)
	case len(p.MAC) != 6 || p.MAC[0]&1 == 1 || [6]byte(p.MAC) == [6]byte{}:
		return c, fmt.Errorf("MAC %q: must be a unicast MAC of 6 bytes", p.MAC)
	}
	n := p.Network.Tag
	add := func(r Row, m Match, actions ...Action) { c.Flows = append(c.Flows, r.flow(p.Number, m, actions...)) }
	in := U(FieldInPort, uint64(p.Number))

	source := setRegs(reg(RegNetwork, uint64(n)), reg(RegSource, uint64(KindContainer)),
		flagged(RegSrcIsolated, p.Isolated), flagged(RegSrcPromisc, p.Promiscuous))
	classify := []Action{source, Goto{TableResolve}}
	if !p.Unguarded {
		classify = append(append([]Action{source}, p.setMAC()...), Goto{TableGuard})
	}
	add(rowContainer, NewMatch(in), classify...)
	if p.BroadcastRate > 0 {
		c.Meters = append(c.Meters, MeterDesc{ID: uint32(p.Number), PacketsPerSecond: true, Rate: p.BroadcastRate, Burst: p.BroadcastRate})
		add(rowStorm, NewMatch(in, toMany()), append([]Action{Meter{uint32(p.Number)}}, classify...)...)
	}
	if !p.Unguarded {
		p.guard(add, in)
		p.resolve(add, in)
	}
	net := regs(reg(RegNetwork, uint64(n)))
	port := uint32(p.Number)
	p.routed(add, source)
	add(rowToPort, NewMatch(net, MAC(FieldEthDst, p.MAC)), p.toPort(), setOutput(port), Goto{TableAdmit})

	c.Members = append(c.Members, member(n, FloodAll, port))
	if !p.Isolated || p.Promiscuous {
		c.Members = append(c.Members, member(n, FloodOpen, port))
	}
	if p.Promiscuous {
		c.Members = append(c.Members, member(n, FloodPrivileged, port))
	}
	if p.Unguarded {
		c.Members = append(c.Members, member(n, FloodUnguarded, port, p.toPort(), setOutput(port), Resubmit{Table: TableAdmit}))
	}
	return c, nil
}

// routed gives a packet of the endpoint's that comes back through the gateway the source that it had: what may not reach
// a neighbour must not do so by way of the host, which routes wherever it can.
func (p Port) routed(add emit, source Action) {
	if p.Promiscuous || p.Network.ICC && !p.Isolated {
		return
	}
	gateway := regs(reg(RegNetwork, uint64(p.Network.Tag)), reg(RegSource, uint64(KindGateway)))
	for _, a := range p.Addrs {
		family, field := eth(etherIPv4), FieldIPv4Src
		if a.Is6() {
			family, field = eth(etherIPv6), FieldIPv6Src
		}
		add(rowRouted, NewMatch(gateway, family, Addr(field, a)), source, Goto{TableForward})
	}
}

// addrs are the endpoint's addresses, with the link-local one that its MAC gives it (RFC 4291 appendix A).
func (p Port) addrs() []netip.Addr {
	all := slices.Clone(p.Addrs)
	if p.IPv6 {
		all = append(all, LinkLocal(p.MAC))
	}
	return all
}

// LinkLocal is the link-local address with the modified EUI-64 of a 6-byte MAC (RFC 4291, appendix A).
func LinkLocal(mac net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5]})
}

// Merge joins what the objects of one bridge ask for, in their order; the same flow with different actions is ErrClash.
func Merge(parts ...Compiled) (Compiled, error) {
	var all Compiled
	count := 0
	for _, c := range parts {
		count += len(c.Flows)
	}
	all.Flows = make([]Flow, 0, count)
	seen := make(map[string]int, count) // the place in all.Flows
	for _, c := range parts {
		for _, f := range c.Flows {
			id := f.ID()
			if i, ok := seen[id]; ok {
				if old := all.Flows[i]; Hash24(old) != Hash24(f) {
					return all, fmt.Errorf("%w: %s and %s", ErrClash, old, f)
				}
				continue
			}
			seen[id] = len(all.Flows)
			all.Flows = append(all.Flows, f)
		}
		all.Groups = append(all.Groups, c.Groups...)
		all.Members = append(all.Members, c.Members...)
		all.Meters = append(all.Meters, c.Meters...)
	}
	for i := range all.Groups {
		g := &all.Groups[i]
		g.Buckets = slices.Clone(g.Buckets)
		for _, m := range all.Members {
			if m.Group == g.ID {
				g.Buckets = append(g.Buckets, m.Bucket)
			}
		}
		slices.SortFunc(g.Buckets, func(a, b Bucket) int { return int(a.ID) - int(b.ID) })
	}
	return all, nil
}
