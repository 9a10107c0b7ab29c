// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/flows"
)

// TestTraceForwardND: where the switch can't write advertisements, a solicitation goes to who has the address and to
// nobody else, under the same rules as what follows it; and no flow names what the kernel has no key for.
func TestTraceForwardND(t *testing.T) {
	n := dualNetwork(1, func(n *flows.Network) { n.ForwardND = true })
	h := family(n)
	for _, f := range h.compile(t).Flows {
		if text := f.String(); strings.Contains(text, "nd_reserved") || strings.Contains(text, "nd_options_type") {
			t.Error(text)
		}
	}
	b := bench(t, h)
	own := lla(1, aMAC)
	judge(t, b, []attempt{
		{name: "for a neighbour", in: alice, frame: ns(aMAC, aIP6, bIP6, own), row: "probe", out: out(bob)},
		{name: "for a neighbour's link-local address", in: alice, frame: ns(aMAC, aLL, bLL, own), row: "probe", out: out(bob)},
		{name: "for the gateway", in: alice, frame: ns(aMAC, aIP6, gwIP6, own), row: "probe-gateway", out: out(flows.PortLocal)},
		{name: "for a neighbour, from the gateway", in: flows.PortLocal, frame: ns(gwMAC, gwLL, bIP6, lla(1, gwMAC)), row: "probe", out: out(bob)},
		{name: "for a neighbour, without option", in: alice, frame: ns(aMAC, aIP6, bIP6), row: "probe", out: out(bob)},
		{name: "with another's option", in: alice, frame: ns(aMAC, aIP6, bIP6, lla(1, bMAC)), row: "nd"},
		{name: "duplicate address detection of the own address", in: alice, frame: ns(aMAC, none6, aIP6), row: "resolve-own", out: toAll},
		{
			name: "duplicate address detection of an address in use", in: alice, frame: ns(aMAC, none6, bIP6), row: "defend", out: out(inPort),
			final: []string{"dl_dst=02:42:0a:00:00:02", "ipv6_src=fd00::3", "ipv6_dst=ff02::1", "icmp_type=136", "nd_target=fd00::3"},
		},
		{name: "of an isolated port for the gateway", in: carol, frame: ns(hw(4), ip6of(4), gwIP6, lla(1, hw(4))), row: "probe-gateway", out: out(flows.PortLocal)},
		{name: "ARP for a neighbour", in: alice, frame: arp(everyone, aMAC, 1, aMAC, ip4of(2), nobody, ip4of(3)), row: "answer", out: out(inPort)},
	})
}
