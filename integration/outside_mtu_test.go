// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"testing"
)

// TestOutsideMTU: containers have the network's MTU and learn of a narrower way out; where nobody may tell them,
// connections stall, unless the MSS is clamped.
func TestOutsideMTU(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []string{"--experimental", "--ip6tables"})
	near := w.outs[0]
	near.Start(t, w.probe+" serve :9000")
	w.net(t, "ovs", "pub", 1)
	w.net(t, "ovs", "oth", 2, "-o", "ovs.bridge.clamp_mss=true")
	w.server(t, "plain", "pub", 1, 10)
	w.server(t, "clamped", "oth", 2, 10)
	want(t, "link", w.Exec(t, "plain", "ip link show eth0"), "mtu 1500")
	w.hears(t, "plain", w.wayOut()...)
	// The way narrows in its middle: neither end has it on its own link.
	w.Run(t, "ip link set out1 mtu 1300")
	servers := []string{near.IPv4 + ":9000", "[" + near.IPv6 + "]:9000"}
	for _, server := range servers {
		w.Exec(t, "plain", "probe tcp "+server+" 1000000")
		w.Exec(t, "clamped", "probe tcp "+server+" 1000000")
	}
	// What a container has learned goes with it.
	w.Docker(t, "rm --force plain")
	w.server(t, "plain", "pub", 1, 11)
	w.Run(t, "nft add table inet mute")
	w.Run(t, "nft", "add chain inet mute out { type filter hook output priority 0; }")
	w.Run(t, "nft add rule inet mute out icmp type destination-unreachable drop")
	w.Run(t, "nft add rule inet mute out icmpv6 type packet-too-big drop")
	for _, server := range servers {
		if out, err := w.TryExec("plain", "timeout 2 probe tcp "+server+" 1000000"); err == nil {
			t.Errorf("a connection that nobody tells of the narrow way: %s", out)
		}
		w.Exec(t, "clamped", "probe tcp "+server+" 1000000")
	}
	w.Run(t, "nft delete table inet mute")
	w.remove(t, "plain clamped", "pub oth")
}
