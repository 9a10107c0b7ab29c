// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration"
)

// count is the number of frames with a sign.
func count(frames [][]byte, sign []byte) int {
	n := 0
	for _, f := range frames {
		if heard([][]byte{f}, sign) {
			n++
		}
	}
	return n
}

// A port sends so many broadcast frames a second and no more; other ports, and what is for one, are not held back.
func testBroadcastRate(t *testing.T, h *integration.Host) { //nolint:thelper // a test, on a host that it shares
	s := newStage(t, h, served.driver, "metered", "-o ovs.bridge.broadcast_rate=50")
	s.addGateway(t)
	loud := s.add(t, "loud")
	v := s.add(t, "victim")
	free := s.add(t, "free", "ovs.port.broadcast_rate=0")
	const frames = 200
	sign := []byte("how many?")
	burst := func(from *actor, frame []byte) (int, time.Duration) {
		t.Helper()
		var all [][]byte
		for range frames {
			all = append(all, append(frame, sign...))
		}
		begin := time.Now()
		from.send(t, all...)
		return count(s.settle(t, from, v)[v.name], sign), time.Since(begin)
	}
	for name, frame := range map[string][]byte{
		"broadcast": udp4(loud.mac, everyone, loud.ip, limitedBroadcast, 4000, 4001, nil),
		"multicast": udp6(loud.mac, groupMAC(allNodes), loud.ip6, allNodes, 4000, 4001, nil),
		"questions": whoHas(loud.mac, loud.ip, last(loud.ip, 200)),
	} {
		// The meter may hold a second's worth, and fills up again meanwhile.
		got, took := burst(loud, frame)
		if most := 50 + int(50*took.Seconds()) + 1; got == 0 || got > most {
			t.Errorf("%s: %d of %d frames in %v, want 1 to %d", name, got, frames, took, most)
		}
		t.Logf("%s: %d of %d frames in %v", name, got, frames, took)
		if got, _ := burst(free, udp4(free.mac, everyone, free.ip, limitedBroadcast, 4000, 4001, nil)); got != frames {
			t.Errorf("a port without limit beside it: %d of %d frames", got, frames)
		}
		// Meanwhile the meter fills up for the next kind, and does not hold back what is for one.
		if out := h.Exec(t, loud.name, "probe ping "+v.ip.String()+" 110 100"); !strings.Contains(out, " 0 lost,") {
			t.Errorf("pings: %s", out)
		}
	}
	if got, _ := burst(loud, udp4(loud.mac, v.mac, loud.ip, v.ip, 4000, 4001, nil)); got != frames {
		t.Errorf("unicast: %d of %d frames", got, frames)
	}
}

// With snooping a group's packets go to its members alone, in both families, and to all while nobody is a member; what
// is for the link (224.0.0.0/24) goes to all.
func testMulticastSnooping(t *testing.T, h *integration.Host) { //nolint:thelper // a test, on a host that it shares
	s := newStage(t, h, served.driver, "snooped", "-o ovs.bridge.mcast_snooping=true")
	s.addGateway(t)
	from, member, other := s.add(t, "sender"), s.add(t, "member"), s.add(t, "other")
	group4, group6 := netip.MustParseAddr("239.7.7.7"), netip.MustParseAddr("ff15::7:7")
	frames := map[netip.Addr][]byte{
		group4: udp4(from.mac, groupMAC(group4), from.ip, group4, 4000, 5000, []byte("to the group")),
		group6: udp6(from.mac, groupMAC(group6), from.ip6, group6, 4000, 5000, []byte("to the group")),
		mdns:   udp4(from.mac, groupMAC(mdns), from.ip, mdns, 4000, 5000, []byte("to the group")),
	}
	hears := func(a *actor, group netip.Addr, want bool) {
		t.Helper()
		got, err := s.fire(t, from, frames[group], s.gateway, member, other)
		if err != nil {
			t.Fatal(err)
		}
		if is := heard(got[a.name], []byte("to the group")); is != want {
			t.Errorf("%s hears %s: %v, want %v", a.name, group, is, want)
		}
	}
	for _, group := range []netip.Addr{group4, group6, mdns} {
		hears(member, group, true)
		hears(other, group, true)
	}
	for _, group := range []netip.Addr{group4, group6} {
		h.Docker(t, "exec --detach "+member.name+" probe group eth0 "+netip.AddrPortFrom(group, 5000).String())
		soon(t, func() error {
			if mdb := h.Run(t, "ovs-appctl mdb/show "+s.bridge); !strings.Contains(mdb, group.String()) {
				return fmt.Errorf("%s is not in %s", group, mdb)
			}
			return nil
		})
		h.Run(t, "ovs-appctl revalidator/wait") // the datapath has heard of it too
		hears(member, group, true)
		hears(other, group, false)
	}
	hears(other, mdns, true)
	s.meet(t, from, member, other, s.gateway)

	h.Container(t, "elsewhere")
	refuses(t, h, "network connect --driver-opt "+isolated+" "+s.network+" elsewhere", "ovs.port.isolated", "mcast_snooping")
	refuses(t, h, "network create --driver ovs -o ovs.bridge.mcast_snooping=true -o ovs.bridge.icc=false contradiction", "mcast_snooping")
}
