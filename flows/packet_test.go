// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
)

// packet is what a switch can see of a frame, written after the documents of the protocols and ovs-fields(7), not after the
// code that it judges. What cannot be seen is zero.
type packet struct {
	dst, src  net.HardwareAddr
	tagged    bool
	ethertype int // 0x05ff for 802.3 without a SNAP header of Ethernet

	arp *arpPart
	ip  *ipPart // IPv4 or IPv6
}

type arpPart struct {
	op       int
	sha, tha net.HardwareAddr
	spa, tpa netip.Addr
}

type ipPart struct {
	six         bool
	src, dst    netip.Addr
	proto, hops int
	fragment    bool // part of a packet
	later       bool // not its first part
	// ports of UDP, type and code of ICMP
	from, to int
	nd       *ndPart
}

// ndPart is a neighbour solicitation or advertisement.
type ndPart struct {
	target   netip.Addr
	sll, tll net.HardwareAddr
}

func u16(b []byte) int { return int(binary.BigEndian.Uint16(b)) }

func isVLAN(ethertype int) bool { return ethertype == 0x8100 || ethertype == 0x88a8 }

func look(frame []byte) packet {
	p := packet{dst: frame[:6], src: frame[6:12]}
	b := frame[12:]
	if isVLAN(u16(b)) && len(b) >= 6 {
		p.tagged = true
		b = b[4:]
	}
	p.ethertype, b = u16(b), b[2:]
	if p.ethertype < 0x600 {
		p.ethertype, b = lookLLC(b)
	}
	switch p.ethertype {
	case 0x0806:
		p.arp = lookARP(b)
	case 0x0800:
		p.ip = lookIPv4(b)
	case 0x86dd:
		p.ip = lookIPv6(b)
	}
	return p
}

func lookLLC(b []byte) (int, []byte) {
	if len(b) >= 8 && bytes.Equal(b[:6], []byte{0xaa, 0xaa, 3, 0, 0, 0}) && u16(b[6:]) >= 0x600 {
		return u16(b[6:]), b[8:]
	}
	return 0x05ff, b
}

func lookARP(b []byte) *arpPart {
	a := &arpPart{spa: none4, tpa: none4, sha: nobody, tha: nobody}
	if len(b) < 28 || !bytes.Equal(b[:6], []byte{0, 1, 8, 0, 6, 4}) {
		return a
	}
	if a.op = u16(b[6:]); a.op > 255 {
		a.op = 0
	}
	a.sha, a.spa = b[8:14], netip.AddrFrom4([4]byte(b[14:18]))
	a.tha, a.tpa = b[18:24], netip.AddrFrom4([4]byte(b[24:28]))
	return a
}

func lookIPv4(b []byte) *ipPart {
	p := &ipPart{src: none4, dst: none4}
	if len(b) < 20 {
		return p
	}
	head, total := int(b[0]&15)*4, u16(b[2:])
	if head < 20 || head > total || total > len(b) {
		return p
	}
	p.src, p.dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	p.hops, p.proto = int(b[8]), int(b[9])
	p.fragment, p.later = u16(b[6:])&0x3fff != 0, u16(b[6:])&0x1fff != 0
	p.lookUpper(b[head:total])
	return p
}

func lookIPv6(b []byte) *ipPart {
	p := &ipPart{six: true, src: none6, dst: none6}
	if len(b) < 40 || 40+u16(b[4:]) > len(b) {
		return p
	}
	p.src, p.dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	proto, hops := int(b[6]), int(b[7])
	b = b[40 : 40+u16(b[4:])]
	for slices.Contains([]int{0, 43, 44, 51, 60}, proto) && !p.later {
		if len(b) < 8 {
			p.fragment = false // the end of the chain cannot be seen, nor anything that it said
			return p
		}
		size := 8 + 8*int(b[1])
		switch proto {
		case 44:
			size = 8
			p.fragment = p.fragment || u16(b[2:]) != 0
			p.later = u16(b[2:])&^7 != 0
		case 51:
			size = 8 + 4*int(b[1])
		}
		if len(b) < size {
			p.fragment, p.later = false, false
			return p
		}
		proto, b = int(b[0]), b[size:]
	}
	if p.later {
		proto = 44
	}
	p.proto, p.hops = proto, hops
	p.lookUpper(b)
	return p
}

func (p *ipPart) lookUpper(b []byte) {
	icmp := p.proto == 1
	if p.six {
		icmp = p.proto == 58
	}
	switch {
	case p.later || len(b) < 8:
	case p.proto == 17:
		p.from, p.to = u16(b), u16(b[2:])
	case icmp:
		p.from, p.to = int(b[0]), int(b[1])
		if p.six && (p.from == 135 || p.from == 136) && p.to == 0 {
			p.nd = lookND(b[8:])
		}
	}
}

func lookND(b []byte) *ndPart {
	blank := &ndPart{target: none6, sll: nobody, tll: nobody}
	if len(b) < 16 {
		return blank
	}
	n := &ndPart{target: netip.AddrFrom16([16]byte(b[:16])), sll: nobody, tll: nobody}
	for b = b[16:]; len(b) >= 8; {
		size := 8 * int(b[1])
		if size == 0 || size > len(b) {
			break
		}
		for kind, have := range map[byte]*net.HardwareAddr{1: &n.sll, 2: &n.tll} {
			if b[0] != kind || size != 8 {
				continue
			}
			if !bytes.Equal(*have, nobody) {
				return blank // the same option twice
			}
			*have = b[2:8]
		}
		b = b[size:]
	}
	return n
}
