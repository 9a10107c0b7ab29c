// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

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
		{name: "neighbour advertisement to all", in: alice, frame: na(aMAC, aIP6, aIP6, lla(2, aMAC)), row: "snoop", out: rest},
		{name: "unicast", in: alice, frame: fromTo(2, 3), row: "to-port", out: out(bob)},
	})
	join := v4(bMAC, mcast(group), ip4(bIP, group, 2, 0, cat([]byte{0x16, 0, 0xf8, 0xfa}, group.AsSlice())))
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
