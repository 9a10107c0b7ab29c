// SPDX-License-Identifier: Apache-2.0

package flows_test

import "net/netip"

// neighbour is a solicitation or advertisement.
func (s sender) neighbour() []byte {
	if flip(s.t, "fragment", 8) {
		a := ip6of(s.number)
		return ip6(a, allNodes, 44, 255, fragment(58, 0, true), icmp6(a, allNodes, pick(s.t, "type", 133, 134, 135, 136, 137), 0, nd(0, s.addr6(), lla(1, hw(s.number)))))
	}
	src, dst := s.addr6(), pick(s.t, "ND destination", allNodes, solicited(ip6of(s.anyone("for"))), ip6of(s.anyone("for")))
	if flip(s.t, "no source", 4) {
		src = none6
	}
	return ip6(src, dst, 58, pick(s.t, "hops", 255, 255, 255, 255, 64), s.message(src, dst))
}

func (s sender) message(src, dst netip.Addr) []byte {
	kind := pick(s.t, "message", 135, 136)
	target := s.addr6()
	if kind == 135 && !flip(s.t, "own target", 4) || flip(s.t, "another's target", 4) {
		n := s.wanted("target of")
		target = pick(s.t, "target", ip6of(n), llOf(n), gwIP6)
	}
	var options []byte
	for range pick(s.t, "options", 0, 0, 1, 1, 1, 2) {
		o := lla(pick(s.t, "option", byte(kind-134), byte(kind-134), byte(kind-134), 1, 2, 14), s.hw())
		if flip(s.t, "wrong option length", 12) {
			o[1] = pick[byte](s.t, "units", 0, 2)
		}
		options = append(options, o...)
	}
	return icmp6(src, dst, kind, pick(s.t, "code", 0, 0, 0, 0, 0, 1), nd(pick[uint32](s.t, "flags", 0, 0x60000000), target, options))
}

// question asks honestly who has an address, or whether somebody has.
func (s sender) question() []byte {
	n := pick(s.t, "question", s.wanted("about"), s.wanted("about"), s.anyone("about"), 1)
	if flip(s.t, "in IPv4", 2) {
		return who(hw(s.number), pick(s.t, "asker", ip4of(s.number), ip4of(s.number), none4), ip4of(n))
	}
	var option []byte
	if flip(s.t, "with option", 2) {
		option = lla(1, hw(s.number))
	}
	return ns(hw(s.number), pick(s.t, "asker", ip6of(s.number), llOf(s.number), none6), pick(s.t, "target", ip6of(n), llOf(n)), option)
}
