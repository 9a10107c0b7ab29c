// SPDX-License-Identifier: Apache-2.0

package flows

// Announcement is a frame that tells the peers of an overlay where an endpoint is, for one that has moved here and does
// not speak by itself: a reverse ARP request (RFC 903), as hypervisors send after a migration, which names the MAC and
// claims no address. The actions send it to every peer.
//
// It has to be sent again after a second. Open vSwitch counts the datapath's packets every half second, and learns from
// them only then: what the endpoint said last where it was before, the peers may learn after the first announcement.
func Announcement(p Port) ([]byte, []Action) {
	frame := make([]byte, 0, minFrame)
	frame = append(frame, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	frame = append(append(frame, p.MAC...), 0x80, 0x35)
	frame = append(frame, 0, 1, 8, 0, 6, 4, 0, 3) // Ethernet, IPv4, their lengths, request reverse
	frame = append(append(frame, p.MAC...), 0, 0, 0, 0)
	frame = append(append(frame, p.MAC...), 0, 0, 0, 0)
	var actions []Action
	if p.Marked() {
		actions = append(actions, setRegs(flagged(RegSrcIsolated, p.Isolated), flagged(RegSrcPromisc, p.Promiscuous)))
		actions = append(actions, mark()...)
	}
	return append(frame, make([]byte, minFrame-len(frame))...), append(actions, toAllPeers(p.Network.Tag)...)
}

// minFrame is the length of the shortest frame of Ethernet, without its checksum (IEEE 802.3, section 3.2.7).
const minFrame = 60
