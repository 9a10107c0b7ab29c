// SPDX-License-Identifier: Apache-2.0

package flows

// What a receiving host must know of the port that a frame is from, and cannot know by itself, stands in a VLAN tag that
// the frame has in the tunnel alone: whether the port is isolated (VLAN 1), promiscuous (VLAN 2) or both (3). Frames of
// other ports have none, and no other tag goes into a tunnel. VXLAN's group policy extension would say it without the four
// bytes, but Open vSwitch's userspace datapath does not send it.

// MarkLength is by how many bytes a frame of a marked port is longer in a tunnel.
const MarkLength = 4

// markBits is how many bits of the VLAN hold RegSrcIsolated and RegSrcPromisc, which follow each other in this order.
const markBits = 2

// Marked says that the port's frames are MarkLength longer in a tunnel, which its MTU has to leave room for.
func (p Port) Marked() bool { return p.Network.Tunnel != nil && (p.Isolated || p.Promiscuous) }

// mark puts the tag onto a frame that is about to leave for a peer.
func mark() []Action {
	return []Action{PushVLAN{TPID: 0x8100}, Copy{Src: RegSrcIsolated.Field, SrcOfs: RegSrcIsolated.Ofs, Dst: FieldVLANTCI, Bits: markBits}}
}

// unmark reads the tag and takes it off.
func unmark() []Action {
	return []Action{Copy{Src: FieldVLANTCI, Dst: RegSrcIsolated.Field, DstOfs: RegSrcIsolated.Ofs, Bits: markBits}, PopVLAN{}}
}

// peerGroups is how many groups the peers are spread over. To change one bucket of a group Open vSwitch copies them all, so
// that one more peer would cost the more the more there are.
const peerGroups = 8

// PeerGroup is the flood group of a network's peer, by the peer's number.
func PeerGroup(tag, peer uint16) uint32 { return GroupID(tag, FloodPeers+Flood(peer%peerGroups)) }

func toAllPeers(tag uint16) []Action {
	var all []Action
	for i := range uint16(peerGroups) {
		all = append(all, Group{PeerGroup(tag, i)})
	}
	return all
}

func isTagged() FieldMatch { return UMask(FieldVLANTCI, vlanPresent, vlanPresent) }

// spread gives the rows by which a container's frame gets into the tunnel, marked where it has to be.
func (n Network) spread(add emit) {
	net, container := reg(RegNetwork, uint64(n.Tag)), reg(RegSource, uint64(KindContainer))
	known := reg(RegTarget, uint64(KindTunnel))
	peers := toAllPeers(n.Tag)
	var here []Action // where else an unknown MAC may live
	if n.Unguarded {
		here = append(here, Group{GroupID(n.Tag, FloodUnguarded)})
	}
	add(rowTaggedStays, NewMatch(regs(net), isTagged()))
	for _, special := range []regValue{reg(RegSrcIsolated, 1), reg(RegSrcPromisc, 1)} {
		add(rowMarkToPeer, NewMatch(regs(net, container, known, special)), append(mark(), Goto{TableAdmit})...)
		add(rowMarkToPeers, NewMatch(regs(net, container, special), toMany()), append(mark(), peers...)...)
		add(rowMarkUnknown, NewMatch(regs(net, container, special)), append(append(here[:len(here):len(here)], mark()...), peers...)...)
	}
	add(rowToPeer, NewMatch(regs(net, container, known)), Goto{TableAdmit})
	add(rowToPeers, NewMatch(regs(net, container), toMany()), peers...)
	add(rowUnknownPeers, NewMatch(regs(net, container)), append(here, peers...)...)
}
