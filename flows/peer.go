// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Peer is another host with the same network, at the other end of its tunnel.
//
// Peers that are equal have the same flows, whatever else is different of their networks.
type Peer struct {
	Tag    uint16 // the network's
	Tunnel Tunnel // likewise
	// ID is the peer's number, 1 to 65535, its own among the peers of the bridge for as long as it is one of them, and the
	// same after a restart: what was learned from a peer is forgotten when its number changes.
	ID uint16
	// Addr is where the peer ends its tunnels, IPv4 or IPv6.
	Addr netip.Addr
}

// CompilePeer gives the rows of one peer and its place among those that broadcast goes to. No other object's flows
// change with the peers, so that one more costs the same however many there are. When a peer's flows are deleted, the
// switch itself deletes what it learned from that peer.
func CompilePeer(p Peer) (Compiled, error) {
	var c Compiled
	t, n := p.Tunnel, p.Tag
	if err := checkPeer(n, t, p.ID, p.Addr); err != nil {
		return c, fmt.Errorf("peer %v: %w", p.Addr, err)
	}
	add := func(r Row, m Match, actions ...Action) { c.Flows = append(c.Flows, r.flow(p.ID, m, actions...)) }
	from := tunnelFrom(t, p.Addr)
	// The switch answers questions for endpoints of this host where they came from.
	// What arrive drops comes back from there to nothing, least of all to being learned from.
	add(rowPeer, with(from), setRegs(reg(RegNetwork, uint64(n)), reg(RegSource, uint64(KindTunnel))), tunnelTo(p.Addr),
		Resubmit{Table: TableUnmark}, p.learn(), Goto{TableResolve})
	c.Members = append(c.Members, Member{Group: PeerGroup(n, p.ID),
		Bucket: Bucket{ID: uint32(p.ID), Actions: []Action{tunnelTo(p.Addr), Output{uint32(t.Port)}}}})
	return c, nil
}

// checkPeer checks what peers and neighbours have in common.
func checkPeer(tag uint16, t Tunnel, id uint16, peer netip.Addr) error {
	switch {
	case tag == 0:
		return errors.New("network tag 0: must be 1 to 65535")
	case t == Tunnel{}:
		return errors.New("the network has no tunnel")
	case id == 0:
		return errors.New("number 0: must be 1 to 65535")
	case !peer.IsValid() || peer.Is4In6() || peer.IsUnspecified() || peer.IsMulticast() || peer.Zone() != "":
		return errors.New("must be a unicast address without a zone")
	}
	return t.validate()
}

// learn keeps in remote that the source MAC is behind the peer, with what is known of the port there, for as long as
// frames come from it. Who sends to the MAC does not keep it: a container that is gone would never be forgotten.
//
// The match does not name the peer, so a frame from another one moves the MAC. The cookie does: the switch counts the
// limit by it, and deletes by it what a peer taught when the peer's own flow is deleted.
func (p Peer) learn() Learn {
	t, tag := p.Tunnel, reg(RegNetwork, uint64(p.Tag))
	l := Learn{
		Table: rowLearned.Table, Priority: rowLearned.Priority, HardTimeout: t.Idle, Limit: t.Limit, DeleteLearned: true,
		Cookie: Cookie{Row: rowLearned.Number, Object: p.ID, Hash: uint32(p.Tag)}.Uint64(),
		Specs: []LearnSpec{
			learnReg(LearnMatch, tag), LearnMatchField(FieldEthDst, FieldEthSrc),
			LearnLoadField(FieldTunDst, FieldTunSrc), learnReg(LearnLoad, reg(RegTarget, uint64(KindTunnel))),
			learnReg(LearnLoad, reg(RegOutput, uint64(t.Port))),
			{Kind: LearnLoad, Src: RegSrcIsolated.Field, SrcOfs: RegSrcIsolated.Ofs, Dst: RegDstIsolated.Field, DstOfs: RegDstIsolated.Ofs, Bits: markBits},
		},
	}
	if p.Addr.Is6() {
		l.Specs[2] = LearnLoadField(FieldTunIPv6Dst, FieldTunIPv6Src)
	}
	return l
}

// learnReg matches or loads a register of the pipeline's.
func learnReg(kind LearnKind, v regValue) LearnSpec {
	return LearnSpec{Kind: kind, Dst: v.reg.Field, DstOfs: v.reg.Ofs, Bits: v.reg.Bits, Value: U(FieldTunID, v.value).number()}
}

// Learned says that a flow with this cookie was made by the switch, which learned where a MAC is. Such flows are ovsnet's,
// but no object asks for them: who compares a switch with what is wanted leaves them alone. They outlive a restart of
// ovsnet, age by themselves, and go with the peer that they are about.
func Learned(cookie uint64) bool {
	c, ours := ParseCookie(cookie)
	return ours && c.Row == rowLearned.Number
}

// Neighbour is a MAC behind a peer, and its addresses, that somebody has given (ovs.tunnel.static) instead of leaving it
// to be learned.
type Neighbour struct {
	Network Network // an overlay: it has a Tunnel
	ID      uint16  // the neighbour's number among the network's, 1 to 65535
	// Peer is where the MAC is. It needs a Peer of its own to be heard.
	Peer  netip.Addr
	MAC   net.HardwareAddr
	Addrs []netip.Addr
}

// CompileNeighbour gives the rows of one neighbour. Its MAC is never learned from another peer, whose frames with it are
// dropped; an endpoint of this host with the MAC or an address of it comes first. ARP and ND for its addresses are
// answered here.
func CompileNeighbour(nb Neighbour) (Compiled, error) {
	var c Compiled
	var t Tunnel
	if nb.Network.Tunnel != nil {
		t = *nb.Network.Tunnel
	}
	err := checkPeer(nb.Network.Tag, t, nb.ID, nb.Peer)
	switch {
	case err != nil:
		return c, fmt.Errorf("neighbour %v at %v: %w", nb.MAC, nb.Peer, err)
	case len(nb.MAC) != 6 || nb.MAC[0]&1 == 1 || [6]byte(nb.MAC) == [6]byte{}:
		return c, fmt.Errorf("MAC %q: must be a unicast MAC of 6 bytes", nb.MAC)
	}
	add := func(r Row, m Match, actions ...Action) { c.Flows = append(c.Flows, r.flow(nb.ID, m, actions...)) }
	net := regs(reg(RegNetwork, uint64(nb.Network.Tag)))
	add(rowNeighbourFrame, with(tunnelFrom(t, nb.Peer), net, MAC(FieldEthSrc, nb.MAC)), Resubmit{Table: TableResolve}, Exit{})
	add(rowSpoofedNeighbour, NewMatch(net, MAC(FieldEthSrc, nb.MAC)), Exit{})
	to := append([]Action{tunnelTo(nb.Peer)}, t.reach()...)
	add(rowNeighbour, NewMatch(net, MAC(FieldEthDst, nb.MAC)), to...)

	// A peer that asks for a neighbour asks the one that has it too.
	container := regs(reg(RegNetwork, uint64(nb.Network.Tag)), reg(RegSource, uint64(KindContainer)))
	for _, a := range nb.Addrs {
		probe, denial := nb.Network.defend(a, nb.MAC, naOverride)
		add(rowDefendNeighbour, with(probe, container), denial...)
		if nb.Network.answers(a) {
			add(rowAnswerNeighbour, with(asks(a), container), answer(a, nb.MAC, naSolicited|naOverride)...)
		}
		if a.Is6() {
			add(rowProbeNeighbour, nb.Network.unanswered(a, container), append(to[:len(to):len(to)], Goto{TableSpread})...)
		}
	}
	return c, nil
}
