// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"errors"
	"fmt"
	"net/netip"
)

// Tunnel is what makes a network an overlay: the bridge's port to all of its peers. The port takes the peer from the flow
// (remote_ip=flow) and has the network's VNI as its key, so that frames of other VNIs do not come in by it.
type Tunnel struct {
	// Port is the tunnel's OpenFlow port, 1 to 65279.
	Port uint16
	// Limit is the most MACs that are learned from one peer; at least 1. Frames for any more go to all peers, and a MAC
	// that moves to a peer with so many is not followed before it is forgotten.
	Limit uint32
	// Idle is after how many seconds a MAC that has sent nothing is forgotten; at least 1.
	Idle uint16
}

func (t Tunnel) validate() error {
	switch {
	case t.Port == 0 || t.Port >= 0xff00:
		return fmt.Errorf("tunnel port %d: must be 1 to 65279", t.Port)
	case t.Limit == 0 || t.Idle == 0:
		return errors.New("tunnel: learning needs a limit and a time to forget, each at least 1")
	}
	return nil
}

// compileArrival gives the rows of tunnels that are the same for every network.
func compileArrival(add emit) {
	add(rowMarked, NewMatch(isTagged()), append(unmark(), Goto{TableArrive})...)
	add(rowUnmarked, nil, Goto{TableArrive})
	add(rowHello, NewMatch(MAC(FieldEthSrc, helloMAC), eth(etherHello)), Exit{})
	add(rowGroupSource, NewMatch(MACMask(FieldEthSrc, multicastMAC, multicastMAC)), Exit{})
	add(rowArrived, nil, setRegs(reg(RegTarget, 0)))
	add(rowRemoteMiss, nil, setRegs(reg(RegTarget, 0)))
	add(rowSpreadMiss, nil)
}

// overlay gives the rows of a network that goes on behind peers, which CompilePeer gives.
//
// Broadcast reaches a host once and is not sent on (split horizon): only what a container says goes to the peers. The
// gateway is every host's own: what it says stays here, and the LOCAL port is in no flood group, so that only containers
// of this host reach it.
func (n Network) overlay(c *Compiled, add emit) error {
	if err := n.Tunnel.validate(); err != nil {
		return err
	}
	if n.McastSnooping {
		return errors.New("multicast snooping: not on an overlay, whose peers it would not know of; turn it off")
	}
	net := reg(RegNetwork, uint64(n.Tag))
	for i := range uint16(peerGroups) {
		c.Groups = append(c.Groups, GroupDesc{ID: PeerGroup(n.Tag, i), Type: GroupAll})
	}
	add(rowUnknownPeer, NewMatch(U(FieldInPort, uint64(n.Tunnel.Port))))
	n.gatewayStays(add)

	container, tunnel := reg(RegSource, uint64(KindContainer)), reg(RegSource, uint64(KindTunnel))
	for _, source := range []regValue{container, tunnel} {
		n.overlayFloods(add, source)
	}
	add(rowFloodGateway, NewMatch(regs(net, reg(RegSource, uint64(KindGateway))), toMany()), Group{GroupID(n.Tag, FloodAll)})

	if !n.ICC {
		add(rowICC, NewMatch(regs(net, tunnel, reg(RegTarget, uint64(KindContainer)))))
		add(rowICC, NewMatch(regs(net, container, reg(RegTarget, uint64(KindTunnel)))))
		resolvePrivate(add, regs(net, tunnel, flagged(RegSrcPromisc, false)))
	}
	resolvePrivate(add, regs(net, tunnel, reg(RegSrcIsolated, 1), flagged(RegSrcPromisc, false)))

	add(rowElsewhere, NewMatch(regs(net, container)), Resubmit{Table: TableRemote}, Goto{TableSpread})
	n.spread(add)
	return nil
}

// overlayFloods gives the rows for broadcast and multicast of containers, here or behind a tunnel.
func (n Network) overlayFloods(add emit, source regValue) {
	flood := func(r Row, f Flood, match ...regValue) {
		actions := []Action{Group{GroupID(n.Tag, f)}}
		if source.value == uint64(KindContainer) {
			if n.Gateway {
				actions = append(actions, Output{PortLocal})
			}
			actions = append(actions, Goto{TableSpread})
		}
		add(r, NewMatch(regs(append(match, source, reg(RegNetwork, uint64(n.Tag)))...), toMany()), actions...)
	}
	flood(rowFloodPromisc, FloodAll, reg(RegSrcPromisc, 1))
	flood(rowFloodOpen, FloodOpen, reg(RegSrcIsolated, 1))
	flood(rowFlood, FloodAll)
	if !n.ICC {
		flood(rowFloodNoICC, FloodPrivileged)
	}
}

// gatewayStays gives the rows that keep each host's gateway to itself: its frames, what is said about its addresses, and
// on arrival also what is for it.
func (n Network) gatewayStays(add emit) {
	if !n.Gateway {
		return
	}
	net := regs(reg(RegNetwork, uint64(n.Tag)))
	add(rowRemoteGateway, NewMatch(net, MAC(FieldEthDst, n.GatewayMAC)), Exit{})
	// What the host routes for a port that may not reach all passes as the port's own (rowRouted).
	add(rowGatewayStays, NewMatch(net, U(FieldInPort, uint64(PortLocal))))
	both := func(fs ...FieldMatch) {
		add(rowRemoteGateway, with(fs, net), Exit{})
		add(rowGatewayStays, with(fs, net))
	}
	both(MAC(FieldEthSrc, n.GatewayMAC))
	for _, a := range n.GatewayAddrs {
		if a.Is4() {
			both(eth(etherARP), Addr(FieldARPSPA, a))
			both(eth(etherARP), Addr(FieldARPTPA, a))
			continue
		}
		for _, t := range []uint64{icmp6NeighbourSol, icmp6NeighbourAdv} {
			both(eth(etherIPv6), U(FieldIPProto, protoICMPv6), U(FieldICMPv6Type, t), U(FieldICMPv6Code, 0), Addr(FieldNDTarget, a))
		}
	}
}

// tunnelTo sends a frame to a peer when it leaves by the tunnel; it takes IPv4 and IPv6 peers.
func tunnelTo(peer netip.Addr) Action {
	if peer.Is4() {
		return SetField{Addr(FieldTunDst, peer)}
	}
	return SetField{Addr(FieldTunIPv6Dst, peer)}
}

// tunnelFrom matches what a peer sends over a tunnel.
func tunnelFrom(t Tunnel, peer netip.Addr) []FieldMatch {
	in := U(FieldInPort, uint64(t.Port))
	if peer.Is4() {
		return []FieldMatch{in, Addr(FieldTunSrc, peer)}
	}
	return []FieldMatch{in, Addr(FieldTunIPv6Src, peer)}
}

// reach leads a frame to the tunnel.
func (t Tunnel) reach() []Action {
	return []Action{setRegs(reg(RegTarget, uint64(KindTunnel))), setOutput(uint32(t.Port))}
}
