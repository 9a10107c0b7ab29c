// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"net/netip"
	"testing"

	"github.com/ovsnet/ovsnet/flows"
)

// advert is an advertisement of alice's to bob alone, with a source of choice.
func advert(src, target netip.Addr, code int, options ...[]byte) []byte {
	return v6(aMAC, bMAC, ip6(src, bIP6, 58, 255, icmp6(src, bIP6, 136, code, nd(0x60000000, target, options...))))
}

// solicit is a solicitation of alice's for bob with everything to choose.
func solicit(src netip.Addr, hops, code int, body []byte) []byte {
	dst := solicited(bIP6)
	return v6(aMAC, mcast(dst), ip6(src, dst, 58, hops, icmp6(src, dst, 135, code, body)))
}

func TestTraceSolicitations(t *testing.T) {
	b := bench(t, family(dualNetwork(1, nil)))
	own, foreign := lla(1, aMAC), lla(1, bMAC)
	long := cat([]byte{1, 2}, bMAC, make([]byte, 8))
	bobsAnswer := []string{
		"dl_src=02:42:0a:00:00:03", "dl_dst=02:42:0a:00:00:02", "ipv6_src=fd00::3", "ipv6_dst=fd00::2", "icmp_type=136",
		"nd_target=fd00::3", "nd_tll=02:42:0a:00:00:03", "nw_ttl=255",
	}
	judge(t, b, []attempt{
		{name: "for a neighbour", in: alice, frame: ns(aMAC, aIP6, bIP6, own), row: "answer", out: out(inPort), final: bobsAnswer},
		{name: "for a neighbour's link-local address", in: alice, frame: ns(aMAC, aLL, bLL, own), row: "answer", out: out(inPort), final: []string{"icmp_type=136", "ipv6_dst=fe80::42:aff:fe00:2"}},
		{
			name: "for the gateway", in: alice, frame: ns(aMAC, aIP6, gwIP6, own), row: "answer-gateway", out: out(inPort),
			final: []string{"ipv6_src=fd00::1", "icmp_type=136", "nd_tll=02:42:0a:00:00:01"},
		},
		{name: "for the gateway's link-local address", in: alice, frame: ns(aMAC, aIP6, gwLL, own), row: "answer-gateway", out: out(inPort)},
		{name: "for an address that nobody has", in: alice, frame: ns(aMAC, aIP6, free6, own), row: "ns-own", out: toAll},
		{name: "for a neighbour, from the gateway", in: flows.PortLocal, frame: ns(gwMAC, gwLL, bIP6, lla(1, gwMAC)), row: "answer", out: out(inPort)},
		{name: "for a neighbour, without option", in: alice, frame: ns(aMAC, aIP6, bIP6), row: "probe", out: out(bob)},
		{name: "for the gateway, without option", in: alice, frame: ns(aMAC, aIP6, gwIP6), row: "probe-gateway", out: out(flows.PortLocal)},
		{name: "with another option beside the own", in: alice, frame: ns(aMAC, aIP6, free6, own, []byte{14, 1, 1, 2, 3, 4, 5, 6}), row: "ns-own", out: toAll},

		{name: "duplicate address detection", in: alice, frame: ns(aMAC, none6, aIP6), row: "resolve-own", out: toAll},
		{name: "duplicate address detection of the link-local address", in: alice, frame: ns(aMAC, none6, aLL), row: "resolve-own", out: toAll},
		{name: "duplicate address detection of a free address", in: alice, frame: ns(aMAC, none6, free6), row: "unspecified", out: toAll},
		{
			name: "duplicate address detection of an address in use", in: alice, frame: ns(aMAC, none6, bIP6), row: "defend", out: out(inPort),
			final: []string{"dl_dst=02:42:0a:00:00:02", "ipv6_src=fd00::3", "ipv6_dst=ff02::1", "icmp_type=136", "nd_target=fd00::3"},
		},
		{name: "duplicate address detection of the gateway's address", in: alice, frame: ns(aMAC, none6, gwLL), row: "defend", out: out(inPort)},
		{name: "duplicate address detection of an address in use, from an isolated port", in: carol, frame: ns(hw(4), none6, bLL), row: "defend", out: out(inPort)},
		{name: "duplicate address detection with nonce", in: alice, frame: ns(aMAC, none6, aIP6, []byte{14, 1, 1, 2, 3, 4, 5, 6}), row: "resolve-own", out: toAll},
		{name: "duplicate address detection with the own option", in: alice, frame: ns(aMAC, none6, free6, own), row: "spoofed-ip"},
		{name: "duplicate address detection with another's option", in: alice, frame: ns(aMAC, none6, free6, foreign), row: "nd"},

		{name: "with another's option", in: alice, frame: ns(aMAC, aIP6, free6, foreign), row: "nd"},
		{name: "with the gateway's option", in: alice, frame: ns(aMAC, aIP6, bIP6, lla(1, gwMAC)), row: "nd"},
		{name: "with a broadcast option", in: alice, frame: ns(aMAC, aIP6, bIP6, lla(1, everyone)), row: "nd"},
		{name: "with the own option twice", in: alice, frame: ns(aMAC, aIP6, bIP6, own, own), row: "nd-malformed"},
		{name: "with the own option and another's", in: alice, frame: ns(aMAC, aIP6, bIP6, own, foreign), row: "nd-malformed"},
		{name: "with another's option and the own", in: alice, frame: ns(aMAC, aIP6, bIP6, foreign, own), row: "nd-malformed"},
		{name: "with an option of zeros and another's", in: alice, frame: ns(aMAC, aIP6, bIP6, lla(1, nobody), foreign), row: "nd"},
		{name: "with another's option of twice the length", in: alice, frame: ns(aMAC, aIP6, bIP6, long), row: "probe", out: out(bob)},
		{name: "with an option of no length before another's", in: alice, frame: ns(aMAC, aIP6, bIP6, []byte{1, 0, 0, 0, 0, 0, 0, 0}, foreign), row: "probe", out: out(bob)},
		{name: "from a neighbour's address", in: alice, frame: ns(aMAC, bIP6, free6, own), row: "spoofed-ip"},
		{name: "from the gateway's address", in: alice, frame: ns(aMAC, gwLL, bIP6, own), row: "spoofed-ip"},
		{name: "without target", in: alice, frame: solicit(aIP6, 255, 0, make([]byte, 4)), row: "nd-malformed"},
		{name: "with the unspecified target", in: alice, frame: solicit(aIP6, 255, 0, nd(0, none6, own)), row: "nd-malformed"},
		{name: "with a code", in: alice, frame: solicit(aIP6, 255, 1, nd(0, bIP6, own)), row: "nd"},
		{name: "from afar", in: alice, frame: solicit(aIP6, 64, 0, nd(0, bIP6, own)), row: "ns-own", out: toAll},
		{name: "of a port without IPv6", in: fourOnly, frame: ns(hw(7), llOf(7), bIP6, lla(1, hw(7))), row: "nd"},
		{name: "of an isolated port for a neighbour", in: carol, frame: ns(hw(4), ip6of(4), bIP6, lla(1, hw(4))), row: "resolve-private", out: out(alice, bob, proxy, fourOnly, flows.PortLocal)},
		{name: "of an isolated port for the gateway", in: carol, frame: ns(hw(4), ip6of(4), gwIP6, lla(1, hw(4))), row: "answer-gateway", out: out(inPort)},

		{name: "behind hop-by-hop options, with another's option", in: alice, frame: v6(aMAC, bMAC, ip6(aIP6, bIP6, 0, 255, ext(58, 0), icmp6(aIP6, bIP6, 135, 0, nd(0, bIP6, foreign)))), row: "nd"},
		{name: "behind destination options, with another's option", in: alice, frame: v6(aMAC, bMAC, ip6(aIP6, bIP6, 60, 255, ext(58, 2), icmp6(aIP6, bIP6, 135, 0, nd(0, bIP6, foreign)))), row: "nd"},
		{name: "in a first fragment", in: alice, frame: v6(aMAC, bMAC, ip6(aIP6, bIP6, 44, 255, fragment(58, 0, true), icmp6(aIP6, bIP6, 135, 0, nd(0, bIP6, own)))), row: "nd-fragment"},
		{name: "in the only fragment, with another's option", in: alice, frame: v6(aMAC, bMAC, ip6(aIP6, bIP6, 44, 255, fragment(58, 0, false), icmp6(aIP6, bIP6, 135, 0, nd(0, bIP6, foreign)))), row: "nd"},
	})
}

func TestTraceAdvertisements(t *testing.T) {
	b := bench(t, family(dualNetwork(1, nil)))
	own, foreign := lla(2, aMAC), lla(2, bMAC)
	judge(t, b, []attempt{
		{name: "to a neighbour", in: alice, frame: advert(aIP6, aIP6, 0, own), row: "na-own", out: out(bob)},
		{name: "of the link-local address", in: alice, frame: advert(aLL, aLL, 0, own), row: "na-own", out: out(bob)},
		{name: "of one own address from another", in: alice, frame: advert(aLL, aIP6, 0, own), row: "na-own", out: out(bob)},
		{name: "with override, to all", in: alice, frame: na(aMAC, aIP6, aIP6, own), row: "na-own", out: toAll},
		{name: "without option", in: alice, frame: na(aMAC, aIP6, aIP6), row: "na-own", out: toAll},
		{name: "of a neighbour's address", in: alice, frame: na(aMAC, aIP6, bIP6, own), row: "nd"},
		{name: "of a neighbour's address with its MAC", in: alice, frame: na(aMAC, aIP6, bIP6, foreign), row: "nd"},
		{name: "of a neighbour's address without option", in: alice, frame: na(aMAC, aIP6, bIP6), row: "nd"},
		{name: "of a neighbour's address from it", in: alice, frame: na(aMAC, bIP6, bIP6, own), row: "nd"},
		{name: "of the gateway's address", in: alice, frame: na(aMAC, aLL, gwLL, own), row: "nd"},
		{name: "of an address that nobody has", in: alice, frame: na(aMAC, aIP6, free6, own), row: "nd"},
		{name: "of an IPv4-mapped address", in: alice, frame: na(aMAC, aIP6, ip("::ffff:10.0.0.2"), own), row: "nd"},
		{name: "of the unspecified address", in: alice, frame: na(aMAC, aIP6, none6, own), row: "nd-malformed"},
		{name: "of the own address with another's MAC", in: alice, frame: na(aMAC, aIP6, aIP6, foreign), row: "nd"},
		{name: "of the own address with the gateway's MAC", in: alice, frame: na(aMAC, aIP6, aIP6, lla(2, gwMAC)), row: "nd"},
		{name: "of the own address with both MACs", in: alice, frame: na(aMAC, aIP6, aIP6, own, foreign), row: "nd-malformed"},
		{name: "of the own address with the own MAC twice", in: alice, frame: na(aMAC, aIP6, aIP6, own, own), row: "nd-malformed"},
		{name: "from a neighbour's address", in: alice, frame: na(aMAC, bIP6, aIP6, own), row: "spoofed-ip"},
		{name: "from no address", in: alice, frame: na(aMAC, none6, aIP6, own), row: "spoofed-ip"},
		{name: "with a code", in: alice, frame: advert(aIP6, aIP6, 1, own), row: "nd"},
		{name: "cut short", in: alice, frame: v6(aMAC, bMAC, ip6(aIP6, bIP6, 58, 255, icmp6(aIP6, bIP6, 136, 0, make([]byte, 12)))), row: "nd-malformed"},
		{name: "of a port without IPv6", in: fourOnly, frame: na(hw(7), llOf(7), llOf(7), lla(2, hw(7))), row: "nd"},
		{name: "in a first fragment", in: alice, frame: v6(aMAC, bMAC, ip6(aIP6, bIP6, 44, 255, fragment(58, 0, true), icmp6(aIP6, bIP6, 136, 0, nd(0x20000000, aIP6, own)))), row: "nd-fragment"},
		{name: "of a neighbour behind three extension headers", in: alice, frame: v6(aMAC, bMAC, ip6(aIP6, bIP6, 0, 255, ext(43, 0), ext(60, 1), ext(58, 0), icmp6(aIP6, bIP6, 136, 0, nd(0x20000000, bIP6, own)))), row: "nd"},
		{name: "by the gateway", in: flows.PortLocal, frame: na(gwMAC, gwLL, gwLL, lla(2, gwMAC)), row: "flood-gateway", out: out(1, 2, 3, 4, 5, 6)},
	})
}
