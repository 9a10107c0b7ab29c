// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"strings"
	"testing"
)

// TestPeers: networks that are told so reach each other, both ways and with their own addresses; a third does not.
func TestPeers(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	a := l.network(1, nil)
	l.network(2, nil)
	l.network(3, func(n *Network) { n.Peers = []string{"network2"} })
	c1, c2, c3 := l.container(1, 2), l.container(2, 2), l.container(3, 2)
	for _, c := range []*box{c1, c2, c3} {
		c.serve(80)
	}
	t.Log("named by one of the two is enough")
	for _, p := range [][2]*box{{c2, c3}, {c3, c2}} {
		sees(t, p[0].space, at(p[1].v4.String(), 80), p[0].v4.String())
		sees(t, p[0].space, at(p[1].v6.String(), 80), p[0].v6.String())
	}
	sh(t, "ip netns exec c2-2 ping -c1 -W2 10.3.0.1 && ip netns exec c2-2 ping -c1 -W2 fd00:3::1")
	t.Log("the third reaches none, and no gateway but its own")
	for _, p := range [][2]*box{{c1, c2}, {c1, c3}, {c2, c1}, {c3, c1}} {
		refused(t, p[0].space, at(p[1].v4.String(), 80))
		refused(t, p[0].space, at(p[1].v6.String(), 80))
	}
	for _, gw := range []string{"10.2.0.1", "fd00:2::1", "10.3.0.1", "fd00:3::1"} {
		if out := sh(t, "ip netns exec c1-2 ping -c1 -W1 "+gw+" || true"); !strings.Contains(out, " 0 received") {
			t.Errorf("network 1 reaches the gateway %s:\n%s", gw, out)
		}
	}
	sh(t, "ip netns exec c1-2 ping -c1 -W2 10.1.0.1 && ip netns exec c1-2 ping -c1 -W2 fd00:1::1")
	t.Log("peering that is taken back, ends")
	b := l.nets["network3"]
	b.Peers = nil
	must(t, l.f.EnsureNetwork(l.ctx, b))
	refused(t, c2.space, at(c3.v4.String(), 80))
	t.Log("and one that is given later, begins, also by an id that came later")
	a.Peers = []string{"network3", "network9"}
	must(t, l.f.EnsureNetwork(l.ctx, a))
	sees(t, c3.space, at(c1.v6.String(), 80), c3.v6.String())
	l.clean()
	t.Log("isolated wins over peers")
	b.IPv4.Mode = ModeIsolated
	must(t, l.f.EnsureNetwork(l.ctx, b))
	refused(t, c3.space, at(c1.v4.String(), 80))
	sees(t, c3.space, at(c1.v6.String(), 80), c3.v6.String())
}

// TestNotOurs: what neither comes from nor goes to our networks is none of our business.
func TestNotOurs(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	other := newSpace(t, "other")
	sh(t, `
		sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
		ip link add eth1 type veth peer name eth0 netns other
		ip addr add 198.51.100.1/24 dev eth1 && ip addr add 2001:db8:1::1/64 dev eth1 nodad && ip link set eth1 up
		ip -n other addr add 198.51.100.2/24 dev eth0 && ip -n other addr add 2001:db8:1::2/64 dev eth0 nodad && ip -n other link set eth0 up
		ip -n other route add default via 198.51.100.1 && ip -n other route add default via 2001:db8:1::1
		ip -n outside route add default via 192.0.2.1 && ip -n outside route add default via 2001:db8::1`)
	l.network(1, nil)
	other.serve(80)
	sees(t, l.outside, at("198.51.100.2", 80), outside4)
	sees(t, l.outside, at("2001:db8:1::2", 80), outside6)
	if s := l.f.State(l.ctx); len(s.Done) != 0 {
		t.Errorf("changed on a host that forwards already: %v", s.Done)
	}
	must(t, l.f.RemoveNetwork(l.ctx, "network1"))
	sees(t, l.outside, at("198.51.100.2", 80), outside4)
	if got := sh(t, "sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding"); got != "1\n1\n" {
		t.Errorf("forwarding after the last network: %s", got)
	}
}
