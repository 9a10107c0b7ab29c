// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"testing"
)

// fragments are the frames whose upper protocol is not, or not wholly, in them.
func fragments() []attempt {
	data := make([]byte, 240)
	return []attempt{
		{name: "IPv4, a later fragment", in: alice, frame: say4(aIP, isUDP, moreFragments|third, data), row: "own-address", out: out(bob)},
		{name: "IPv4, a later fragment with a port in its first bytes", in: alice, frame: say4(aIP, isUDP, third, udp(67, 68, data...)), row: "own-address", out: out(bob)},
		{name: "IPv4, the last fragment", in: alice, frame: say4(aIP, isUDP, third, data), row: "own-address", out: out(bob)},
		{name: "IPv4, a later fragment of another", in: alice, frame: say4(bIP, isUDP, second, data), row: "spoofed-ip"},
		{name: "IPv4, a first fragment without the ports", in: alice, frame: say4(aIP, isUDP, moreFragments, []byte{0, 67}), row: "hidden-header"},
		{name: "IPv6, a later fragment", in: alice, frame: say6(aIP6, 44, fragment(17, third, true), data), row: "own-address", out: out(bob)},
		{name: "IPv6, the last fragment", in: alice, frame: say6(aIP6, 44, fragment(58, third, false), data), row: "own-address", out: out(bob)},
		{name: "IPv6, a later fragment behind options", in: alice, frame: say6(aIP6, 0, ext(44, 0), fragment(58, second, false), data), row: "own-address", out: out(bob)},
		{name: "IPv6, a later fragment of another", in: alice, frame: say6(bIP6, 44, fragment(17, third, true), data), row: "spoofed-ip"},
		{name: "IPv6, a first fragment without the ports", in: alice, frame: say6(aIP6, 44, fragment(17, 0, true), []byte{2, 34}), row: "hidden-header"},
		{name: "IPv6, a first fragment without the type", in: alice, frame: say6(aIP6, 44, fragment(58, 0, true)), row: "hidden-header"},
		{name: "IPv6, half a fragment header", in: alice, frame: say6(aIP6, 44, fragment(58, 0, true)[:4]), row: "hidden-header"},
	}
}

func TestTraceFragments(t *testing.T) {
	b := bench(t, family(dualNetwork(1, nil)))
	data := make([]byte, 240)
	judge(t, b, append(fragments(), []attempt{
		{name: "IPv4, a first fragment", in: alice, frame: say4(aIP, isUDP, moreFragments, udp(1000, 2000, data...)), row: "own-address", out: out(bob)},
		{name: "IPv4, a first fragment of a TCP segment", in: alice, frame: say4(aIP, isTCP, moreFragments, make([]byte, 24)), row: "own-address", out: out(bob)},
		{name: "IPv6, a first fragment", in: alice, frame: say6(aIP6, 44, fragment(17, 0, true), udp(1000, 2000, data...)), row: "own-address", out: out(bob)},
		{name: "IPv6, the only fragment", in: alice, frame: say6(aIP6, 44, fragment(17, 0, false), udp(1000, 2000, data...)), row: "own-address", out: out(bob)},
	}...))
}

// TestTraceFragmentsUnseen is about a switch that nobody told to show the ports of first fragments: what may hide there
// is dropped, so that a forgotten setting costs large datagrams, not safety.
func TestTraceFragmentsUnseen(t *testing.T) {
	b := bench(t, family(dualNetwork(1, nil)))
	b.sw.OFCtl(t, "set-frags", b.name, "normal")
	data := make([]byte, 240)
	judge(t, b, append(fragments(), []attempt{
		{name: "IPv4, a first fragment", in: alice, frame: say4(aIP, isUDP, moreFragments, udp(1000, 2000, data...)), row: "hidden-header"},
		{name: "IPv4, a first fragment of a DHCP offer", in: alice, frame: say4(aIP, isUDP, moreFragments, udp(67, 68, data...)), row: "hidden-header"},
		{name: "IPv4, a first fragment of a TCP segment", in: alice, frame: say4(aIP, isTCP, moreFragments, make([]byte, 24)), row: "own-address", out: out(bob)},
		{name: "IPv6, a first fragment", in: alice, frame: say6(aIP6, 44, fragment(17, 0, true), udp(1000, 2000, data...)), row: "hidden-header"},
		{name: "IPv6, a first fragment of a DHCPv6 advertise", in: alice, frame: say6(aLL, 44, fragment(17, 0, true), udp(547, 546, data...)), row: "hidden-header"},
		{name: "IPv6, a first fragment of a router advertisement", in: alice, frame: say6(aLL, 44, fragment(58, 0, true), icmp6(aLL, bIP6, 134, 0, data)), row: "hidden-header"},
		{name: "IPv6, a first fragment of an advertisement of another", in: alice, frame: say6(aLL, 44, fragment(58, 0, true), icmp6(aLL, bIP6, 136, 0, nd(0, bIP6, lla(2, aMAC)))), row: "hidden-header"},
	}...))
}

// TestTraceLengths is about packets whose lengths do not fit their frame. Where Open vSwitch sees nothing in them, the
// guard sees nothing good.
func TestTraceLengths(t *testing.T) {
	b := bench(t, family(dualNetwork(1, nil)))
	offer := func() []byte { return say4(aIP, isUDP, 0, udp(67, 68, make([]byte, 40)...)) }
	solicit := func() []byte { return say6(aLL, 17, udp(547, 546, make([]byte, 40)...)) }
	plain4 := func() []byte { return say4(aIP, isUDP, 0, udp(1, 2, make([]byte, 40)...)) }
	judge(t, b, []attempt{
		{name: "IPv4, padded", in: alice, frame: cat(plain4(), make([]byte, 200)), row: "own-address", out: out(bob)},
		{name: "IPv4, offer longer than its frame", in: alice, frame: patch(offer(), 16, 5), row: "hidden-header"},
		{name: "IPv4, offer shorter than its header", in: alice, frame: patch(offer(), 16, 0, 19), row: "hidden-header"},
		{name: "IPv4, offer with a short header", in: alice, frame: patch(offer(), 14, 0x44), row: "hidden-header"},
		{name: "IPv4, offer with a header beyond the frame", in: alice, frame: patch(cat(offer()[:14+40]), 14, 0x4f), row: "hidden-header"},
		{name: "IPv6, offer longer than its frame", in: alice, frame: patch(solicit(), 18, 5), row: "hidden-header"},
		{name: "IPv6, options beyond the frame", in: alice, frame: say6(aLL, 60, patch(ext(17, 0), 1, 20), udp(547, 546)), row: "hidden-header"},
		{name: "IPv6, options beyond the packet", in: alice, frame: cat(say6(aLL, 60, patch(ext(17, 0), 1, 1)), udp(547, 546)), row: "hidden-header"},
		{name: "IPv6, a jumbogram", in: alice, frame: patch(say6(aLL, 0, []byte{17, 0, 0xc2, 4, 0, 1, 0, 0}, udp(547, 546)), 18, 0, 0), row: "hidden-header"},
		{name: "IPv6, cut in its header", in: alice, frame: say6(aLL, 17, udp(547, 546))[:50], row: "hidden-header"},
	})
}
