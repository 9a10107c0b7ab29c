// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"testing"

	"github.com/ovsnet/ovsnet/flows"
)

// arpWith is alice's ARP request for bob with some bytes replaced.
func arpWith(at int, b ...byte) []byte {
	f := who(aMAC, aIP, bIP)
	copy(f[at:], b)
	return f
}

func TestTraceARP(t *testing.T) {
	b := bench(t, family(dualNetwork(1, nil)))
	bobsAnswer := []string{
		"dl_src=02:42:0a:00:00:03", "dl_dst=02:42:0a:00:00:02", "arp_op=2",
		"arp_spa=10.0.0.3", "arp_tpa=10.0.0.2", "arp_sha=02:42:0a:00:00:03", "arp_tha=02:42:0a:00:00:02",
	}
	judge(t, b, []attempt{
		{name: "request for a neighbour", in: alice, frame: who(aMAC, aIP, bIP), row: "answer", out: out(inPort), final: bobsAnswer},
		{name: "request for a neighbour, to it alone", in: alice, frame: arp(bMAC, aMAC, 1, aMAC, aIP, bMAC, bIP), row: "answer", out: out(inPort), final: bobsAnswer},
		{
			name: "request for the gateway", in: alice, frame: who(aMAC, aIP, gwIP), row: "answer-gateway", out: out(inPort),
			final: []string{"dl_src=02:42:0a:00:00:01", "dl_dst=02:42:0a:00:00:02", "arp_op=2", "arp_spa=10.0.0.1", "arp_tpa=10.0.0.2", "arp_sha=02:42:0a:00:00:01"},
		},
		{name: "request for an address that nobody has", in: alice, frame: who(aMAC, aIP, free4), row: "arp-own", out: toAll},
		{name: "request for a neighbour, from the gateway", in: flows.PortLocal, frame: who(gwMAC, gwIP, bIP), row: "answer", out: out(inPort)},
		{name: "request for nobody, from the gateway", in: flows.PortLocal, frame: who(gwMAC, gwIP, free4), row: "flood-gateway", out: out(1, 2, 3, 4, 5, 6)},
		{name: "announcement of the gateway by the gateway", in: flows.PortLocal, frame: who(gwMAC, gwIP, gwIP), row: "resolve-own", out: out(1, 2, 3, 4, 5, 6)},

		{name: "reply", in: alice, frame: arp(bMAC, aMAC, 2, aMAC, aIP, bMAC, bIP), row: "arp-own", out: out(bob)},
		{name: "reply to all", in: alice, frame: arp(everyone, aMAC, 2, aMAC, aIP, bMAC, bIP), row: "arp-own", out: toAll},
		{name: "gratuitous request", in: alice, frame: who(aMAC, aIP, aIP), row: "resolve-own", out: toAll},
		{name: "gratuitous reply", in: alice, frame: arp(everyone, aMAC, 2, aMAC, aIP, everyone, aIP), row: "arp-own", out: toAll},

		{name: "probe for the own address", in: alice, frame: who(aMAC, none4, aIP), row: "resolve-own", out: toAll},
		{name: "probe for an address that nobody has", in: alice, frame: who(aMAC, none4, free4), row: "arp-probe", out: toAll},
		{
			name: "probe for an address in use", in: alice, frame: who(aMAC, none4, bIP), row: "defend", out: out(inPort),
			final: []string{"arp_op=2", "arp_spa=10.0.0.3", "arp_tpa=0.0.0.0", "arp_sha=02:42:0a:00:00:03"},
		},
		{name: "probe for the gateway's address", in: alice, frame: who(aMAC, none4, gwIP), row: "defend", out: out(inPort)},
		{name: "probe for an address in use, from an isolated port", in: carol, frame: who(hw(carol+1), none4, bIP), row: "defend", out: out(inPort)},
		{name: "probe with another's MAC", in: alice, frame: arp(everyone, aMAC, 1, bMAC, none4, nobody, bIP), row: "arp"},
		{name: "probe as a reply", in: alice, frame: arp(everyone, aMAC, 2, aMAC, none4, bMAC, bIP), row: "arp"},

		{name: "request as a neighbour", in: alice, frame: who(aMAC, bIP, free4), row: "arp"},
		{name: "request as the gateway", in: alice, frame: who(aMAC, gwIP, bIP), row: "arp"},
		{name: "request as nobody we know", in: alice, frame: who(aMAC, free4, bIP), row: "arp"},
		{name: "request with another's MAC inside", in: alice, frame: arp(everyone, aMAC, 1, bMAC, aIP, nobody, free4), row: "arp"},
		{name: "request with another's MAC outside", in: alice, frame: arp(everyone, bMAC, 1, aMAC, aIP, nobody, free4), row: "spoofed-mac"},
		{name: "reply as a neighbour", in: alice, frame: arp(hw(5), aMAC, 2, aMAC, bIP, hw(5), ip4of(5)), row: "arp"},
		{name: "reply as the gateway", in: alice, frame: arp(bMAC, aMAC, 2, aMAC, gwIP, bMAC, bIP), row: "arp"},
		{name: "reply as the gateway with its MAC", in: alice, frame: arp(bMAC, aMAC, 2, gwMAC, gwIP, bMAC, bIP), row: "arp"},
		{name: "reply with another's MAC inside", in: alice, frame: arp(bMAC, aMAC, 2, hw(9), aIP, bMAC, bIP), row: "arp"},
		{name: "reply with no MAC inside", in: alice, frame: arp(bMAC, aMAC, 2, nobody, aIP, bMAC, bIP), row: "arp"},
		{name: "gratuitous request of a neighbour's address", in: alice, frame: who(aMAC, bIP, bIP), row: "arp"},
		{name: "gratuitous reply of the gateway's address", in: alice, frame: arp(everyone, aMAC, 2, aMAC, gwIP, everyone, gwIP), row: "arp"},

		{name: "operation 0", in: alice, frame: arpWith(20, 0, 0), row: "arp"},
		{name: "reverse request", in: alice, frame: arpWith(20, 0, 3), row: "arp"},
		{name: "operation with a high byte", in: alice, frame: arpWith(20, 1, 1), row: "arp"},
		{name: "hardware type of 802", in: alice, frame: arpWith(14, 0, 6), row: "arp"},
		{name: "protocol IPv6", in: alice, frame: arpWith(16, 0x86, 0xdd), row: "arp"},
		{name: "hardware addresses of 8 bytes", in: alice, frame: arpWith(18, 8), row: "arp"},
		{name: "protocol addresses of 16 bytes", in: alice, frame: arpWith(19, 16), row: "arp"},
		{name: "cut short", in: alice, frame: who(aMAC, aIP, bIP)[:41], row: "arp"},

		{name: "an isolated port asks for a neighbour", in: carol, frame: who(hw(4), ip4of(4), bIP), row: "resolve-private", out: out(alice, bob, proxy, fourOnly, flows.PortLocal)},
		{name: "an isolated port asks for the gateway", in: carol, frame: who(hw(4), ip4of(4), gwIP), row: "answer-gateway", out: out(inPort)},
		{name: "a promiscuous port asks for an isolated one", in: proxy, frame: who(hw(6), ip4of(6), ip4of(4)), row: "answer", out: out(inPort)},
		{name: "a port without IPv6 asks", in: fourOnly, frame: who(hw(7), ip4of(7), bIP), row: "answer", out: out(inPort)},
	})
}
