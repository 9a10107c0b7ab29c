// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"encoding/hex"
	"net/netip"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// igmpReport says that somebody is a member of a group (RFC 2236).
func igmpReport(group netip.Addr) []byte {
	m := cat([]byte{0x16, 0, 0, 0}, group.AsSlice())
	sum := u16(m) + u16(m[4:]) + u16(m[6:])
	return cat(m[:2], be16(^(sum>>16 + sum)), m[4:])
}

// mld is a message of MLD from alice about a group, behind the router alert that it must have (RFC 2710, section 3).
func mld(kind int, src, dst, group netip.Addr) []byte {
	body := cat(make([]byte, 4), group.AsSlice())
	return v6(aMAC, mcast(dst), ip6(src, dst, 0, 1, []byte{58, 0, 5, 2, 0, 0, 1, 0}, icmp6(src, dst, kind, 0, body)))
}

// TestTraceSnooping is about a network whose bridge snoops: a group reaches those that asked for it, once somebody has.
func TestTraceSnooping(t *testing.T) {
	n := dualNetwork(1, func(n *flows.Network) { n.McastSnooping = true })
	b := newBridge(t, ovstest.Start(t), "br0", 3) // no other port: NORMAL would reach it too
	b.load(t, house{nets: []flows.Network{n}, ports: []flows.Port{dualPort(n, alice, nil), dualPort(n, bob, nil), dualPort(n, carol, nil)}}.compile(t))
	b.sw.Ctl(t, "set", "Bridge", b.name, "mcast_snooping_enable=true")
	group := ip("239.1.2.3")
	stream := v4(aMAC, mcast(group), ip4(aIP, group, isUDP, 0, udp(5000, 5000)))
	rest := out(bob, carol, flows.PortLocal)
	judge(t, b, []attempt{
		{name: "a group that nobody asked for", in: alice, frame: stream, row: "snoop", out: rest},
		{name: "another's address to a group", in: alice, frame: v4(aMAC, mcast(group), ip4(bIP, group, isUDP, 0, udp(1, 2))), row: "spoofed-ip"},
		{name: "to all", in: alice, frame: v4(aMAC, everyone, ip4(aIP, ip("255.255.255.255"), isUDP, 0, udp(1, 2))), row: "flood", out: rest},
		{name: "neighbour advertisement to all", in: alice, frame: na(aMAC, aIP6, aIP6, lla(2, aMAC)), row: "link-group", out: rest},
		{name: "mDNS", in: alice, frame: v4(aMAC, mcast(ip("224.0.0.251")), ip4(aIP, ip("224.0.0.251"), isUDP, 0, udp(5353, 5353))), row: "link-group", out: rest},
		{name: "the last group of the link", in: alice, frame: v4(aMAC, mcast(ip("224.0.0.255")), ip4(aIP, ip("224.0.0.255"), isUDP, 0, udp(1, 2))), row: "link-group", out: rest},
		{name: "the first group beyond the link", in: alice, frame: v4(aMAC, mcast(ip("224.0.1.0")), ip4(aIP, ip("224.0.1.0"), isUDP, 0, udp(1, 2))), row: "snoop", out: rest},
		{name: "a group of the link to a MAC that is none", in: alice, frame: v4(aMAC, bMAC, ip4(aIP, ip("224.0.0.251"), isUDP, 0, udp(1, 2))), row: "to-port", out: out(bob)},
		{name: "a group of the node", in: alice, frame: v6(aMAC, mcast(ip("ff01::1")), ip6(aIP6, ip("ff01::1"), 17, 64, udp(1, 2))), row: "snoop", out: rest},
		{name: "a group of the site", in: alice, frame: v6(aMAC, mcast(ip("ff05::1:3")), ip6(aIP6, ip("ff05::1:3"), 17, 64, udp(1, 2))), row: "snoop", out: rest},
		{name: "duplicate address detection", in: alice, frame: ns(aMAC, none6, ip("fd00::99")), row: "link-group", out: rest},
		{name: "IGMP report", in: alice, frame: v4(aMAC, mcast(group), ip4(aIP, group, 2, 0, igmpReport(group))), row: "membership"},
		{name: "IGMP to all routers", in: alice, frame: v4(aMAC, mcast(ip("224.0.0.2")), ip4(aIP, ip("224.0.0.2"), 2, 0, igmpReport(group))), row: "membership"},
		{name: "MLD report", in: alice, frame: mld(131, aLL, ip("ff15::1"), ip("ff15::1")), row: "membership"},
		{name: "MLD done", in: alice, frame: mld(132, aLL, ip("ff02::2"), ip("ff15::1")), row: "membership"},
		{name: "MLDv2 report from an address that is not there yet", in: alice, frame: mld(143, none6, ip("ff02::16"), ip("ff15::1")), row: "membership"},
		{name: "MLD query", in: alice, frame: mld(130, aLL, allNodes, none6), row: "membership", out: rest},
		{name: "echo request to all nodes", in: alice, frame: mld(128, aLL, allNodes, none6), row: "link-group", out: rest},
		{name: "unicast", in: alice, frame: fromTo(2, 3), row: "to-port", out: out(bob)},
	})
	join := v4(bMAC, mcast(group), ip4(bIP, group, 2, 0, igmpReport(group)))
	if _, err := b.control.call("netdev-dummy/receive", "br0-2", hex.EncodeToString(join)); err != nil {
		t.Fatal(err)
	}
	joined := attempt{row: "snoop", out: out(bob)}
	err := ovstest.Poll(10*time.Second, func() error {
		d, err := b.trace(alice, stream)
		if err != nil {
			return err
		}
		return joined.check(b, d)
	})
	if err != nil {
		t.Errorf("a group that one asked for: %v\n%s", err, b.sw.AppCtl(t, "mdb/show", b.name))
	}
}
