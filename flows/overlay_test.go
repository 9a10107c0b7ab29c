// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// Overlays of the tests: this host is number 1 of the underlay, in both families, and its peers are the following ones.
// A frame that comes from peer n, or leaves for it, has behind(n) where one of a port has the port's number.
const (
	vni        = 77
	tunnelUDP  = 14789
	tunnelPort = 32767
	peersMost  = 9
)

func behind(peer int) uint32 { return 0x10000 + uint32(peer) }

// isBehind is the peer of a behind.
func isBehind(port uint32) (int, bool) {
	return int(port) - 0x10000, port > 0x10000 && port <= 0x10000+peersMost
}

// vtep is the underlay's address of peer n: every third has IPv6.
func vtep(n int) netip.Addr {
	if n%3 == 0 {
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(n)})
	}
	return netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})
}

// behindVTEP is the reverse of vtep.
func behindVTEP(text string) (uint32, error) {
	for n := 2; n <= peersMost; n++ {
		if vtep(n).String() == text {
			return behind(n), nil
		}
	}
	return 0, fmt.Errorf("%s is no peer of the tests", text)
}

// from says in ovs-ofctl's grammar where a frame comes from.
func from(in uint32) string {
	n, tunnel := isBehind(in)
	switch {
	case !tunnel:
		return fmt.Sprintf("in_port=%d", in)
	case vtep(n).Is6():
		return fmt.Sprintf("in_port=%d,tun_id=%d,tun_ipv6_src=%v,tun_ipv6_dst=2001:db8::1", tunnelPort, vni, vtep(n))
	}
	return fmt.Sprintf("in_port=%d,tun_id=%d,tun_src=%v,tun_dst=192.0.2.1", tunnelPort, vni, vtep(n))
}

// overlaid makes a network an overlay.
func overlaid(n flows.Network, limit uint32) flows.Network {
	n.Tunnel = &flows.Tunnel{Port: tunnelPort, Limit: limit, Idle: 300}
	return n
}

func peersOf(n flows.Network, numbers ...int) []flows.Peer {
	var all []flows.Peer
	for _, number := range numbers {
		all = append(all, flows.Peer{Tag: n.Tag, Tunnel: *n.Tunnel, ID: uint16(number), Addr: vtep(number)})
	}
	return all
}

// overlayBench is a switch with a bridge that has a real tunnel, over an underlay of a dummy port, phy.
func overlayBench(t *testing.T, n int) *bridge {
	t.Helper()
	sw := ovstest.StartWith(t, ovstest.Options{Tunnels: true})
	sw.AddBridge(t, "br-phy")
	sw.Ctl(t, "add-port", "br-phy", "phy", "--", "set", "Interface", "phy", "type=dummy", "ofport_request=1")
	sw.OFCtl(t, "add-flow", "br-phy", "in_port=1,actions=LOCAL")
	sw.OFCtl(t, "add-flow", "br-phy", "in_port=LOCAL,actions=output:1")
	sw.AppCtl(t, "netdev-dummy/ip4addr", "br-phy", "192.0.2.1/24")
	sw.AppCtl(t, "netdev-dummy/ip6addr", "br-phy", "2001:db8::1/64")
	sw.AppCtl(t, "ovs/route/add", "192.0.2.0/24", "br-phy")
	sw.AppCtl(t, "ovs/route/add", "2001:db8::/64", "br-phy")
	for peer := 2; peer <= peersMost; peer++ {
		sw.AppCtl(t, "tnl/neigh/set", "br-phy", vtep(peer).String(), hw(100+peer).String())
	}
	b := newBridge(t, sw, "br0", n)
	sw.Ctl(t, "add-port", "br0", "ovt", "--", "set", "Interface", "ovt", "type=vxlan", fmt.Sprintf("ofport_request=%d", tunnelPort),
		"options:remote_ip=flow", fmt.Sprintf("options:key=%d", vni), fmt.Sprintf("options:dst_port=%d", tunnelUDP))
	if got := sw.Ctl(t, "get", "Interface", "ovt", "ofport"); got != fmt.Sprint(tunnelPort) {
		t.Fatalf("the tunnel has port %s: %s", got, strings.TrimSpace(sw.Ctl(t, "get", "Interface", "ovt", "error")))
	}
	return b
}
