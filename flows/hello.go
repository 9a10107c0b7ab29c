// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"net"
	"net/netip"
)

// etherHello is an ethertype for experiments (IEEE 802, section 9.2.4), which no container may send.
const etherHello = 0x88b5

// helloMAC is the source of hellos: a group's, so that a host which does not know them drops them as well.
var helloMAC = net.HardwareAddr{0x03, 0x6f, 0x76, 0x73, 0x6e, 0x74}

// Hello gives a frame for the network's peers that says that this host is there, and the actions that send it to them.
// Nobody answers it: each host says its own, and sees by the row of the peer that the other has spoken.
func Hello(n Network) ([]byte, []Action) {
	frame := make([]byte, 0, minFrame)
	frame = append(frame, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	frame = append(append(frame, helloMAC...), etherHello>>8, etherHello&0xff)
	return append(frame, make([]byte, minFrame-len(frame))...), toAllPeers(n.Tag)
}

// PeerOf says which peer's frames a flow counts, if it is one that does.
func PeerOf(f Flow) (netip.Addr, bool) {
	c, ours := ParseCookie(f.Cookie)
	if !ours || c.Row != rowPeer.Number {
		return netip.Addr{}, false
	}
	if m, ok := f.Match.Get(FieldTunSrc); ok {
		return netip.AddrFrom4([4]byte(m.Value[:4])), true
	}
	m, ok := f.Match.Get(FieldTunIPv6Src)
	return netip.AddrFrom16(m.Value), ok
}
