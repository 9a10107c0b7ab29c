// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// The frames are put together from a link header and the bytes under it. Lengths and checksums are right unless a
// frame is about wrong ones.

var (
	everyone         = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	nobody           = make(net.HardwareAddr, 6)
	limitedBroadcast = netip.MustParseAddr("255.255.255.255")
	none4            = netip.IPv4Unspecified()
	none6            = netip.IPv6Unspecified()
	allNodes         = netip.MustParseAddr("ff02::1")
	allRouters       = netip.MustParseAddr("ff02::2")
	allMLDv2         = netip.MustParseAddr("ff02::16")
)

// Ethertypes, and protocol numbers of IP.
const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86dd

	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58

	hopByHop   = 0
	routing    = 43
	fragmented = 44
	destOpts   = 60
)

func be16(v int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(v)) }

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

// serialize lets gopacket work out lengths and checksums.
func serialize(ls ...gopacket.SerializableLayer) []byte {
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
		return nil // a frame without content is not sent: fire's caller holds it to the header's size
	}
	return buf.Bytes()
}

// ether is a frame of Ethernet II.
func ether(dst, src net.HardwareAddr, ethertype int, payload ...[]byte) []byte {
	return cat(dst, src, be16(ethertype), cat(payload...))
}

// llc is a frame of 802.3, which has its length where Ethernet II has the type.
func llc(dst, src net.HardwareAddr, payload ...[]byte) []byte {
	body := cat(payload...)
	return ether(dst, src, len(body), body)
}

// vlan puts a tag behind the addresses of a frame.
func vlan(tpid, tci int, frame []byte) []byte {
	return cat(frame[:12], be16(tpid), be16(tci), frame[12:])
}

// groupMAC is the MAC of a multicast or broadcast address (RFC 1112, RFC 2464).
func groupMAC(a netip.Addr) net.HardwareAddr {
	b := a.AsSlice()
	switch {
	case a.Is6():
		return append(net.HardwareAddr{0x33, 0x33}, b[12:]...)
	case a.IsMulticast():
		return net.HardwareAddr{1, 0, 0x5e, b[1] & 0x7f, b[2], b[3]}
	}
	return everyone
}

// solicited is the solicited-node group of an address (RFC 4291, section 2.7.1).
func solicited(a netip.Addr) netip.Addr {
	b := a.As16()
	return netip.AddrFrom16([16]byte{0xff, 2, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]})
}

// arp is an ARP frame; the MACs of the link header are given apart, because liars make them differ.
func arp(dst, src net.HardwareAddr, op int, sha net.HardwareAddr, spa netip.Addr, tha net.HardwareAddr, tpa netip.Addr) []byte {
	return ether(dst, src, etherARP, be16(1), be16(etherIPv4), []byte{6, 4}, be16(op), sha, spa.AsSlice(), tha, tpa.AsSlice())
}

// whoHas is an honest request of somebody with that MAC and address.
func whoHas(mac net.HardwareAddr, spa, tpa netip.Addr) []byte {
	return arp(everyone, mac, 1, mac, spa, nobody, tpa)
}

// ip4 is an IPv4 packet. fragment are the flags and the offset of its header: 0x2000 more fragments, and units of 8.
func ip4(src, dst netip.Addr, proto, fragment int, payload []byte) []byte {
	return serialize(&layers.IPv4{
		Version: 4, TTL: 64, Protocol: layers.IPProtocol(proto), SrcIP: src.AsSlice(), DstIP: dst.AsSlice(), Id: 0x0e75,
		Flags: layers.IPv4Flag(fragment >> 13), FragOffset: uint16(fragment & 0x1fff),
	}, gopacket.Payload(payload))
}

// datagram is UDP without a checksum, which IPv4 allows and Open vSwitch does not look at.
func datagram(src, dst int, payload []byte) []byte {
	return cat(be16(src), be16(dst), be16(8+len(payload)), be16(0), payload)
}

// udp4 is a whole frame with UDP over IPv4.
func udp4(src, dst net.HardwareAddr, from, to netip.Addr, sport, dport int, payload []byte) []byte {
	return ether(dst, src, etherIPv4, ip4(from, to, protoUDP, 0, datagram(sport, dport, payload)))
}

// icmp is a message of ICMP over IPv4.
func icmp(kind, code int, body []byte) []byte {
	return serialize(&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(uint8(kind), uint8(code)), Id: 1, Seq: 1}, gopacket.Payload(body))
}

// ip6 is an IPv6 packet; next is the number of what the payload begins with.
func ip6(src, dst netip.Addr, next, hops int, payload ...[]byte) []byte {
	body := cat(payload...)
	return cat([]byte{0x60, 0, 0, 0}, be16(len(body)), []byte{byte(next), byte(hops)}, src.AsSlice(), dst.AsSlice(), body)
}

// udp6 is a whole frame with UDP over IPv6.
func udp6(src, dst net.HardwareAddr, from, to netip.Addr, sport, dport int, payload []byte) []byte {
	u := &layers.UDP{SrcPort: layers.UDPPort(sport), DstPort: layers.UDPPort(dport)}
	if u.SetNetworkLayerForChecksum(&layers.IPv6{SrcIP: from.AsSlice(), DstIP: to.AsSlice()}) != nil {
		return nil // as serialize
	}
	return ether(dst, src, etherIPv6, ip6(from, to, protoUDP, 64, serialize(u, gopacket.Payload(payload))))
}

// ext is an IPv6 extension header of 8 bytes and more, in units of 8, filled with PadN.
func ext(next, more int) []byte {
	h := make([]byte, 8+8*more)
	h[0], h[1], h[2], h[3] = byte(next), byte(more), 1, byte(len(h)-4)
	return h
}

// fragment6 is the fragment header of IPv6 (RFC 8200, section 4.5); offset is in units of 8.
func fragment6(next, offset int, more bool) []byte {
	word := offset << 3
	if more {
		word |= 1
	}
	return cat([]byte{byte(next), 0}, be16(word), []byte{0, 0, 0x0e, 0x75})
}

// icmp6 is an ICMPv6 message with its checksum.
func icmp6(src, dst netip.Addr, kind, code int, body []byte) []byte {
	layer := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(uint8(kind), uint8(code))}
	if layer.SetNetworkLayerForChecksum(&layers.IPv6{SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}) != nil {
		return nil // as serialize
	}
	return serialize(layer, gopacket.Payload(body))
}

// lla is the source (1) or target (2) link-layer address option (RFC 4861, section 4.6.1).
func lla(kind byte, mac net.HardwareAddr) []byte { return cat([]byte{kind, 1}, mac) }

// nd is the body of a solicitation or an advertisement.
func nd(flags uint32, target netip.Addr, options ...[]byte) []byte {
	return cat(binary.BigEndian.AppendUint32(nil, flags), target.AsSlice(), cat(options...))
}

// ns is a solicitation, to the target's group.
func ns(mac net.HardwareAddr, src, target netip.Addr, options ...[]byte) []byte {
	dst := solicited(target)
	return ether(groupMAC(dst), mac, etherIPv6, ip6(src, dst, protoICMPv6, 255, icmp6(src, dst, 135, 0, nd(0, target, options...))))
}

// The flags of an advertisement.
const (
	solicitedFlag = 0x40000000
	overrideFlag  = 0x20000000
)

// na is an advertisement with override, to all nodes.
func na(mac net.HardwareAddr, src, target netip.Addr, options ...[]byte) []byte {
	return ether(groupMAC(allNodes), mac, etherIPv6,
		ip6(src, allNodes, protoICMPv6, 255, icmp6(src, allNodes, 136, 0, nd(overrideFlag, target, options...))))
}
