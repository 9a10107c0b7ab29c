// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// The frames of the tests are put together from small parts: a link header and the bytes under it. Lengths and
// checksums are right unless a frame is about wrong ones.

var (
	everyone = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	nobody   = net.HardwareAddr{0, 0, 0, 0, 0, 0}
	allNodes = netip.MustParseAddr("ff02::1")
	allRtrs  = netip.MustParseAddr("ff02::2")
	none6    = netip.IPv6Unspecified()
	none4    = netip.IPv4Unspecified()
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func mac(s string) net.HardwareAddr {
	hw, _ := net.ParseMAC(s) // a wrong one is an empty one, which no test expects
	return hw
}

// mcast is the group MAC of a multicast address (RFC 1112, RFC 2464), the broadcast MAC of IPv4's.
func mcast(a netip.Addr) net.HardwareAddr {
	b := a.AsSlice()
	if a.Is6() {
		return append(net.HardwareAddr{0x33, 0x33}, b[12:]...)
	}
	if a.IsMulticast() {
		return net.HardwareAddr{1, 0, 0x5e, b[1] & 0x7f, b[2], b[3]}
	}
	return everyone
}

// solicited is the solicited-node group of an address (RFC 4291, section 2.7.1).
func solicited(a netip.Addr) netip.Addr {
	b := a.As16()
	return netip.AddrFrom16([16]byte{0xff, 2, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]})
}

func be16(v int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(v)) }

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

// ether is a frame of Ethernet II, padded to the 60 bytes that every wire has.
func ether(dst, src net.HardwareAddr, ethertype int, payload ...[]byte) []byte {
	f := cat(dst, src, be16(ethertype), cat(payload...))
	return append(f, make([]byte, max(0, 60-len(f)))...)
}

// llc is a frame of 802.3 with its length where Ethernet II has the type.
func llc(dst, src net.HardwareAddr, payload ...[]byte) []byte {
	body := cat(payload...)
	return ether(dst, src, len(body), body)
}

// tagged puts a VLAN tag under the MACs of a frame.
func tagged(tpid, tci int, frame []byte) []byte {
	return cat(frame[:12], be16(tpid), be16(tci), frame[12:])
}

func serialize(ls ...gopacket.SerializableLayer) []byte {
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
		return nil // an empty frame fails the test that wanted it
	}
	return buf.Bytes()
}

// arp is an ARP frame; the link header's MACs are given apart, because liars make them differ.
func arp(dst, src net.HardwareAddr, op uint16, sha net.HardwareAddr, spa netip.Addr, tha net.HardwareAddr, tpa netip.Addr) []byte {
	return ether(dst, src, 0x0806, serialize(&layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: op,
		SourceHwAddress: sha, SourceProtAddress: spa.AsSlice(), DstHwAddress: tha, DstProtAddress: tpa.AsSlice(),
	}))
}

// who is an honest ARP request.
func who(src net.HardwareAddr, spa, tpa netip.Addr) []byte {
	return arp(everyone, src, 1, src, spa, nobody, tpa)
}

// ip4 is an IPv4 packet. flags are the fragment bits of its header: 0x2000 more fragments, and the offset in units of 8.
func ip4(src, dst netip.Addr, proto layers.IPProtocol, flags int, payload []byte) []byte {
	return serialize(&layers.IPv4{
		Version: 4, TTL: 64, Protocol: proto, SrcIP: src.AsSlice(), DstIP: dst.AsSlice(),
		Flags: layers.IPv4Flag(flags >> 13), FragOffset: uint16(flags & 0x1fff),
	}, gopacket.Payload(payload))
}

func udp(src, dst int, payload ...byte) []byte {
	return cat(be16(src), be16(dst), be16(8+len(payload)), be16(0), payload)
}

func icmp(kind, code int) []byte {
	return serialize(&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(uint8(kind), uint8(code)), Id: 1, Seq: 1}, gopacket.Payload(make([]byte, 28)))
}

// ip6 is an IPv6 packet; next is the protocol number of what payload begins with.
func ip6(src, dst netip.Addr, next, hops int, payload ...[]byte) []byte {
	body := cat(payload...)
	return cat([]byte{0x60, 0, 0, 0}, be16(len(body)), []byte{byte(next), byte(hops)}, src.AsSlice(), dst.AsSlice(), body)
}

// ext is an IPv6 extension header of 8 bytes and more, in units of 8, filled with PadN.
func ext(next, more int) []byte {
	h := make([]byte, 8+8*more)
	h[0], h[1], h[2], h[3] = byte(next), byte(more), 1, byte(len(h)-4)
	return h
}

// fragment is the IPv6 fragment header (RFC 8200, section 4.5); offset is in units of 8.
func fragment(next, offset int, more bool) []byte {
	word := offset << 3
	if more {
		word |= 1
	}
	return cat([]byte{byte(next), 0}, be16(word), []byte{0, 0, 0, 7})
}

// icmp6 is an ICMPv6 message with its checksum.
func icmp6(src, dst netip.Addr, kind, code int, body []byte) []byte {
	layer := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(uint8(kind), uint8(code))}
	if err := layer.SetNetworkLayerForChecksum(&layers.IPv6{SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}); err != nil {
		return nil // as serialize
	}
	return serialize(layer, gopacket.Payload(body))
}

// lla is the source (1) or target (2) link-layer address option of ND.
func lla(kind byte, hw net.HardwareAddr) []byte { return cat([]byte{kind, 1}, hw) }

// nd is the body of a neighbour solicitation or advertisement.
func nd(flags uint32, target netip.Addr, options ...[]byte) []byte {
	return cat(binary.BigEndian.AppendUint32(nil, flags), target.AsSlice(), cat(options...))
}

// ns is a solicitation to the target's group.
func ns(hw net.HardwareAddr, src, target netip.Addr, options ...[]byte) []byte {
	dst := solicited(target)
	return ether(mcast(dst), hw, 0x86dd, ip6(src, dst, 58, 255, icmp6(src, dst, 135, 0, nd(0, target, options...))))
}

// na is an advertisement to all nodes.
func na(hw net.HardwareAddr, src, target netip.Addr, options ...[]byte) []byte {
	return ether(mcast(allNodes), hw, 0x86dd, ip6(src, allNodes, 58, 255, icmp6(src, allNodes, 136, 0, nd(0x20000000, target, options...))))
}

// v6 is a frame with an IPv6 packet to a group or, with a MAC given, to a neighbour.
func v6(hw net.HardwareAddr, dstMAC net.HardwareAddr, packet []byte) []byte {
	return ether(dstMAC, hw, 0x86dd, packet)
}

// v4 is a frame with an IPv4 packet.
func v4(hw net.HardwareAddr, dstMAC net.HardwareAddr, packet []byte) []byte {
	return ether(dstMAC, hw, 0x0800, packet)
}
