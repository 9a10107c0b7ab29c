// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"net/netip"
	"testing"

	"github.com/gopacket/gopacket/layers"

	"github.com/ovsnet/ovsnet/flows"
)

// Protocol numbers.
const (
	isICMP = layers.IPProtocolICMPv4
	isUDP  = layers.IPProtocolUDP
	isTCP  = layers.IPProtocolTCP
)

// Fragment bits of IPv4: more fragments, and one that begins at byte 8 or 1480.
const (
	moreFragments = 0x2000
	second        = 1
	third         = 185
)

// say4 and say6 are packets of alice's to bob.
func say4(src netip.Addr, proto layers.IPProtocol, flags int, payload []byte) []byte {
	return v4(aMAC, bMAC, ip4(src, bIP, proto, flags, payload))
}

func say6(src netip.Addr, next int, payload ...[]byte) []byte {
	return v6(aMAC, bMAC, ip6(src, bIP6, next, 255, payload...))
}

// patch replaces bytes of a frame.
func patch(frame []byte, at int, b ...byte) []byte {
	copy(frame[at:], b)
	return frame
}

func TestTraceAddresses(t *testing.T) {
	b := bench(t, family(dualNetwork(1, nil)))
	dhcp := func(src, dst netip.Addr, from, to int) []byte {
		return v4(aMAC, everyone, ip4(src, dst, isUDP, 0, udp(from, to, make([]byte, 240)...)))
	}
	all := ip("255.255.255.255")
	group := func(src, dst netip.Addr, kind, code int) []byte {
		return v6(aMAC, mcast(dst), ip6(src, dst, 58, 255, icmp6(src, dst, kind, code, make([]byte, 20))))
	}
	judge(t, b, []attempt{
		{name: "own IPv4", in: alice, frame: say4(aIP, isTCP, 0, make([]byte, 20)), row: "own-address", out: out(bob)},
		{name: "own IPv4 with options", in: alice, frame: v4(aMAC, bMAC, cat([]byte{0x46, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0}, aIP.AsSlice(), bIP.AsSlice(), []byte{148, 4, 0, 0}, udp(1, 2))), row: "own-address", out: out(bob)},
		{name: "own IPv4 in broadcast", in: alice, frame: dhcp(aIP, ip("10.0.0.255"), 137, 137), row: "own-address", out: toAll},
		{name: "own IPv4 in multicast", in: alice, frame: v4(aMAC, mcast(ip("224.0.0.251")), ip4(aIP, ip("224.0.0.251"), isUDP, 0, udp(5353, 5353))), row: "own-address", out: toAll},
		{name: "a neighbour's IPv4", in: alice, frame: say4(bIP, isUDP, 0, udp(1, 2)), row: "spoofed-ip"},
		{name: "the gateway's IPv4", in: alice, frame: say4(gwIP, isUDP, 0, udp(1, 2)), row: "spoofed-ip"},
		{name: "the next IPv4", in: alice, frame: say4(ip("10.0.1.2"), isUDP, 0, udp(1, 2)), row: "spoofed-ip"},
		{name: "loopback's IPv4", in: alice, frame: say4(ip("127.0.0.1"), isUDP, 0, udp(1, 2)), row: "spoofed-ip"},
		{name: "broadcast's IPv4", in: alice, frame: say4(all, isUDP, 0, udp(1, 2)), row: "spoofed-ip"},
		{name: "multicast's IPv4", in: alice, frame: say4(ip("224.0.0.1"), isUDP, 0, udp(1, 2)), row: "spoofed-ip"},
		{name: "a neighbour's IPv4 in broadcast", in: alice, frame: dhcp(bIP, all, 137, 137), row: "spoofed-ip"},
		{name: "no IPv4", in: alice, frame: say4(none4, isUDP, 0, udp(1, 2)), row: "spoofed-ip"},

		{name: "DHCP discover", in: alice, frame: dhcp(none4, all, 68, 67), row: "dhcp-client", out: toAll},
		{name: "DHCP discover from another port", in: alice, frame: dhcp(none4, all, 1068, 67), row: "spoofed-ip"},
		{name: "DHCP discover to another address", in: alice, frame: dhcp(none4, bIP, 68, 67), row: "spoofed-ip"},
		{name: "DHCP discover from a neighbour", in: alice, frame: dhcp(bIP, all, 68, 67), row: "spoofed-ip"},
		{name: "DHCP request from the own address", in: alice, frame: dhcp(aIP, all, 68, 67), row: "own-address", out: toAll},

		{name: "own IPv6", in: alice, frame: say6(aIP6, 6, make([]byte, 20)), row: "own-address", out: out(bob)},
		{name: "own link-local address", in: alice, frame: say6(aLL, 17, udp(1, 2)), row: "own-address", out: out(bob)},
		{name: "a neighbour's IPv6", in: alice, frame: say6(bIP6, 17, udp(1, 2)), row: "spoofed-ip"},
		{name: "a neighbour's link-local address", in: alice, frame: say6(bLL, 17, udp(1, 2)), row: "spoofed-ip"},
		{name: "a link-local address of one's own making", in: alice, frame: say6(ip("fe80::2"), 17, udp(1, 2)), row: "spoofed-ip"},
		{name: "the gateway's IPv6", in: alice, frame: say6(gwIP6, 17, udp(1, 2)), row: "spoofed-ip"},
		{name: "IPv4-mapped", in: alice, frame: say6(ip("::ffff:10.0.0.2"), 17, udp(1, 2)), row: "spoofed-ip"},
		{name: "IPv4-compatible", in: alice, frame: say6(ip("::10.0.0.2"), 17, udp(1, 2)), row: "spoofed-ip"},
		{name: "multicast's IPv6", in: alice, frame: say6(allNodes, 17, udp(1, 2)), row: "spoofed-ip"},
		{name: "loopback's IPv6", in: alice, frame: say6(ip("::1"), 17, udp(1, 2)), row: "spoofed-ip"},
		{name: "no IPv6 with UDP", in: alice, frame: say6(none6, 17, udp(546, 547)), row: "spoofed-ip"},
		{name: "no IPv6 with an echo request", in: alice, frame: group(none6, allNodes, 128, 0), row: "spoofed-ip"},
		{name: "router solicitation", in: alice, frame: group(aLL, allRtrs, 133, 0), row: "own-address", out: toAll},
		{name: "router solicitation from no address", in: alice, frame: group(none6, allRtrs, 133, 0), row: "unspecified", out: toAll},
		{name: "router solicitation with a code from no address", in: alice, frame: group(none6, allRtrs, 133, 3), row: "spoofed-ip"},
		{name: "router solicitation from a neighbour", in: alice, frame: group(bLL, allRtrs, 133, 0), row: "spoofed-ip"},
		{name: "multicast report from no address", in: alice, frame: group(none6, ip("ff02::16"), 143, 0), row: "unspecified", out: toAll},
		{
			name: "multicast report behind the router alert", in: alice, row: "unspecified", out: toAll,
			frame: v6(aMAC, mcast(ip("ff02::16")), ip6(none6, ip("ff02::16"), 0, 1, []byte{58, 0, 5, 2, 0, 0, 1, 0}, icmp6(none6, ip("ff02::16"), 143, 0, make([]byte, 24)))),
		},
		{name: "multicast query from no address", in: alice, frame: group(none6, allNodes, 130, 0), row: "spoofed-ip"},

		{name: "IPv6 from a port without it", in: fourOnly, frame: v6(hw(7), bMAC, ip6(ip6of(7), bIP6, 17, 64, udp(1, 2))), row: "spoofed-ip"},
		{name: "no IPv6 from a port without it", in: fourOnly, frame: v6(hw(7), mcast(allRtrs), ip6(none6, allRtrs, 58, 255, icmp6(none6, allRtrs, 133, 0, make([]byte, 4)))), row: "spoofed-ip"},
		{name: "own IPv4 from a port without IPv6", in: fourOnly, frame: v4(hw(7), bMAC, ip4(ip4of(7), bIP, isUDP, 0, udp(1, 2))), row: "own-address", out: out(bob)},
	})
}

func TestTraceServices(t *testing.T) {
	b := bench(t, family(dualNetwork(1, nil)))
	ra := func(src netip.Addr, code int) []byte {
		return v6(aMAC, mcast(allNodes), ip6(src, allNodes, 58, 255, icmp6(src, allNodes, 134, code, make([]byte, 12))))
	}
	raw := icmp6(aLL, bIP6, 134, 0, make([]byte, 24))
	offer := make([]byte, 240)
	judge(t, b, []attempt{
		{name: "router advertisement", in: alice, frame: ra(aLL, 0), row: "rogue-ra"},
		{name: "router advertisement as the gateway", in: alice, frame: ra(gwLL, 0), row: "rogue-ra"},
		{name: "router advertisement with a code", in: alice, frame: ra(aLL, 1), row: "rogue-ra"},
		{name: "router advertisement to one neighbour", in: alice, frame: say6(aLL, 58, raw), row: "rogue-ra"},
		{name: "router advertisement of the gateway", in: flows.PortLocal, frame: v6(gwMAC, mcast(allNodes), ip6(gwLL, allNodes, 58, 255, icmp6(gwLL, allNodes, 134, 0, make([]byte, 12)))), row: "flood-gateway", out: out(1, 2, 3, 4, 5, 6)},
		{name: "router advertisement behind hop-by-hop options", in: alice, frame: say6(aLL, 0, ext(58, 0), raw), row: "rogue-ra"},
		{name: "router advertisement behind long destination options", in: alice, frame: say6(aLL, 60, ext(58, 30), raw), row: "rogue-ra"},
		{name: "router advertisement behind a routing header", in: alice, frame: say6(aLL, 43, ext(58, 0), raw), row: "rogue-ra"},
		{name: "router advertisement behind an authentication header", in: alice, frame: say6(aLL, 51, []byte{58, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1}, raw), row: "rogue-ra"},
		{name: "router advertisement behind many headers", in: alice, frame: say6(aLL, 0, ext(60, 0), ext(43, 0), ext(60, 0), ext(60, 0), ext(60, 0), ext(58, 0), raw), row: "rogue-ra"},
		{name: "router advertisement in the only fragment", in: alice, frame: say6(aLL, 44, fragment(58, 0, false), raw), row: "rogue-ra"},
		{name: "router advertisement in a first fragment", in: alice, frame: say6(aLL, 44, fragment(58, 0, true), raw), row: "nd-fragment"},
		{name: "router advertisement behind options in a first fragment", in: alice, frame: say6(aLL, 44, fragment(60, 0, true), ext(58, 0), raw), row: "nd-fragment"},
		{name: "router advertisement after the first fragment's end", in: alice, frame: say6(aLL, 44, fragment(60, 0, true), ext(58, 0)), row: "hidden-header"},
		{name: "router advertisement after a first fragment that ends in options", in: alice, frame: say6(aLL, 44, fragment(60, 0, true), ext(58, 1)[:8]), row: "hidden-header"},
		{name: "router advertisement behind mobility", in: alice, frame: say6(aLL, 135, ext(58, 0), raw), row: "hidden-header"},
		{name: "router advertisement behind host identity", in: alice, frame: say6(aLL, 139, ext(58, 0), raw), row: "hidden-header"},
		{name: "router advertisement behind shim6", in: alice, frame: say6(aLL, 140, ext(58, 0), raw), row: "hidden-header"},
		{name: "router advertisement after the last header", in: alice, frame: say6(aLL, 59, raw), row: "hidden-header"},
		{name: "router advertisement of IPv4", in: alice, frame: say4(aIP, isICMP, 0, icmp(9, 0)), row: "rogue-ra"},
		{name: "router solicitation of IPv4", in: alice, frame: say4(aIP, isICMP, 0, icmp(10, 0)), row: "own-address", out: out(bob)},
		{name: "redirect of IPv4", in: alice, frame: say4(aIP, isICMP, 0, icmp(5, 1)), row: "rogue-redirect"},
		{name: "redirect of IPv4 as the gateway", in: alice, frame: say4(gwIP, isICMP, 0, icmp(5, 0)), row: "rogue-redirect"},
		{name: "redirect of IPv4 in a first fragment", in: alice, frame: say4(aIP, isICMP, moreFragments, icmp(5, 1)), row: "rogue-redirect"},
		{name: "redirect of IPv6", in: alice, frame: say6(aLL, 58, icmp6(aLL, bIP6, 137, 0, make([]byte, 36))), row: "rogue-redirect"},
		{name: "redirect of IPv6 in a first fragment", in: alice, frame: say6(aLL, 44, fragment(58, 0, true), icmp6(aLL, bIP6, 137, 0, make([]byte, 36))), row: "nd-fragment"},
		{name: "echo request of IPv4", in: alice, frame: say4(aIP, isICMP, 0, icmp(8, 0)), row: "own-address", out: out(bob)},
		{name: "echo reply of IPv4 in a first fragment", in: alice, frame: say4(aIP, isICMP, moreFragments, icmp(0, 0)), row: "own-address", out: out(bob)},
		{name: "unreachable of IPv4", in: alice, frame: say4(aIP, isICMP, 0, icmp(3, 4)), row: "own-address", out: out(bob)},
		{name: "echo request of IPv6", in: alice, frame: say6(aIP6, 58, icmp6(aIP6, bIP6, 128, 0, make([]byte, 20))), row: "own-address", out: out(bob)},
		{name: "echo request of IPv6 in a first fragment", in: alice, frame: say6(aIP6, 44, fragment(58, 0, true), icmp6(aIP6, bIP6, 128, 0, make([]byte, 20))), row: "own-address", out: out(bob)},
		{name: "too big of IPv6", in: alice, frame: say6(aIP6, 58, icmp6(aIP6, bIP6, 2, 0, make([]byte, 44))), row: "own-address", out: out(bob)},
		{name: "ICMPv6 without a type", in: alice, frame: say6(aIP6, 58, []byte{134, 0, 0}), row: "hidden-header"},

		{name: "DHCP offer", in: alice, frame: say4(aIP, isUDP, 0, udp(67, 68, offer...)), row: "rogue-dhcp"},
		{name: "DHCP offer to all", in: alice, frame: v4(aMAC, everyone, ip4(aIP, ip("255.255.255.255"), isUDP, 0, udp(67, 68, offer...))), row: "rogue-dhcp"},
		{name: "DHCP offer as the gateway", in: alice, frame: say4(gwIP, isUDP, 0, udp(67, 68, offer...)), row: "rogue-dhcp"},
		{name: "DHCP offer from another port", in: alice, frame: say4(aIP, isUDP, 0, udp(1067, 68, offer...)), row: "rogue-dhcp"},
		{name: "DHCP offer to another port", in: alice, frame: say4(aIP, isUDP, 0, udp(67, 1068, offer...)), row: "rogue-dhcp"},
		{name: "DHCP offer in a first fragment", in: alice, frame: say4(aIP, isUDP, moreFragments, udp(67, 68, offer...)), row: "rogue-dhcp"},
		{name: "DHCP offer in a first fragment from another port", in: alice, frame: say4(aIP, isUDP, moreFragments, udp(1067, 68, offer...)), row: "rogue-dhcp"},
		{name: "DHCPv6 advertise", in: alice, frame: say6(aLL, 17, udp(547, 546, offer...)), row: "rogue-dhcp"},
		{name: "DHCPv6 advertise from another port", in: alice, frame: say6(aLL, 17, udp(1547, 546, offer...)), row: "rogue-dhcp"},
		{name: "DHCPv6 advertise behind destination options", in: alice, frame: say6(aLL, 60, ext(17, 0), udp(547, 546, offer...)), row: "rogue-dhcp"},
		{name: "DHCPv6 advertise in a first fragment", in: alice, frame: say6(aLL, 44, fragment(17, 0, true), udp(547, 546, offer...)), row: "rogue-dhcp"},
		{name: "DHCPv6 advertise after the first fragment's end", in: alice, frame: say6(aLL, 44, fragment(60, 0, true), ext(17, 0)), row: "hidden-header"},
		{name: "DHCPv6 solicit", in: alice, frame: v6(aMAC, mcast(ip("ff02::1:2")), ip6(aLL, ip("ff02::1:2"), 17, 1, udp(546, 547, offer...))), row: "own-address", out: toAll},
		{name: "DHCPv6 solicit from a neighbour", in: alice, frame: v6(aMAC, mcast(ip("ff02::1:2")), ip6(bLL, ip("ff02::1:2"), 17, 1, udp(546, 547, offer...))), row: "spoofed-ip"},
		{name: "TCP from port 67 to 68", in: alice, frame: say4(aIP, isTCP, 0, cat(be16(67), be16(68), make([]byte, 16))), row: "own-address", out: out(bob)},
	})
}
