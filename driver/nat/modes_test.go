// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"net/netip"
	"testing"
)

func modes(m Mode) func(*Network) {
	return func(n *Network) { n.IPv4.Mode, n.IPv6.Mode = m, m }
}

// TestModes: what each gateway mode lets in and out.
func TestModes(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	sh(t, "ip -n outside route add default via "+host4+" && ip -n outside route add default via "+host6)
	l.network(1, modes(ModeNAT))
	l.network(2, modes(ModeNATUnprotected))
	l.network(3, modes(ModeRouted))
	l.network(4, modes(ModeIsolated))
	l.outside.serve(90)
	boxes := map[int]*box{}
	for i := 1; i <= 4; i++ {
		b := l.container(i, 2)
		b.serve(80)
		b.serve(81)
		boxes[i] = b
		b.publish("808"+string(rune('0'+i))+":80/tcp", "808"+string(rune('0'+i))+":80/udp")
	}
	v4 := func(i int) string { return boxes[i].v4.String() }
	v6 := func(i int) string { return boxes[i].v6.String() }

	t.Log("nat-unprotected: published ports are translated, every port is open")
	for _, port := range []uint16{80, 81} {
		sees(t, l.outside, at(v4(2), port), outside4)
		sees(t, l.outside, at(v6(2), port), outside6)
	}
	sees(t, l.outside, at(host4, 8082), outside4)
	sees(t, l.outside, at(host6, 8082), outside6)
	sees(t, boxes[2].space, at(outside4, 90), host4)

	t.Log("routed: published ports are open, nothing is translated in either direction")
	sees(t, l.outside, at(v4(3), 80), outside4)
	sees(t, l.outside, at(v6(3), 80), outside6)
	refused(t, l.outside, at(v4(3), 81))
	refused(t, l.outside, at(v6(3), 81))
	refused(t, l.outside, at(host4, 8083))
	sees(t, boxes[3].space, at(outside4, 90), v4(3))
	sees(t, boxes[3].space, at(outside6, 90), v6(3))
	sh(t, "ip netns exec outside ping -c1 -W2 "+v4(3)+" && ip netns exec outside ping -c1 -W2 "+v6(3))
	want := []Published{
		{Proto: TCP, HostIP: netip.IPv4Unspecified(), Target: netip.AddrPortFrom(boxes[3].v4, 80)},
		{Proto: TCP, HostIP: netip.IPv6Unspecified(), Target: netip.AddrPortFrom(boxes[3].v6, 80)},
	}
	for i, p := range l.f.Published(boxes[3].ep.ID)[:2] {
		if p != want[i] {
			t.Errorf("published on a routed network: %v, want %v", p, want[i])
		}
	}

	t.Log("isolated: nothing in, nothing out, not even to ports that are published by others")
	refused(t, l.outside, at(v4(4), 80))
	refused(t, l.outside, at(v6(4), 80))
	refused(t, l.outside, at(host4, 8084))
	refused(t, boxes[4].space, at(outside4, 90))
	refused(t, boxes[4].space, at(outside6, 90))
	refused(t, boxes[4].space, at("10.4.0.1", 8081))
	refused(t, boxes[4].space, at("fd00:4::1", 8081))
	sees(t, nil, at(v4(4), 80), "10.4.0.1")

	t.Log("no mode lets one network into another")
	for i := 1; i <= 4; i++ {
		for k := 1; k <= 4; k++ {
			if i != k {
				refused(t, boxes[i].space, at(v4(k), 80))
			}
		}
	}
	refused(t, boxes[1].space, at(v6(3), 80))
}

// TestNoMasquerade: packets leave with the container's address, and answers find back.
func TestNoMasquerade(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	l.network(1, func(n *Network) { n.IPv4.Masquerade, n.IPv6.Masquerade = false, false })
	c, neighbour := l.container(1, 2), l.container(1, 3)
	l.outside.serve(90)
	c.serve(80)
	sees(t, c.space, at(outside4, 90), "10.1.0.2")
	sees(t, c.space, at(outside6, 90), "fd00:1::2")
	c.publish("8080:80/tcp", "8080:80/udp")
	sees(t, l.outside, at(host4, 8080), outside4)
	sees(t, neighbour.space, at(host4, 8080), "10.1.0.1")
	refused(t, l.outside, at("10.1.0.2", 80))
}

// TestHostAddress: a port published on one address of the host answers there only.
func TestHostAddress(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	sh(t, "ip addr add 192.0.2.11/24 dev eth0")
	l.network(1, nil)
	c, d := l.container(1, 2), l.container(1, 3)
	c.serve(80)
	d.serve(80)
	c.publish("192.0.2.11:8080:80/tcp", "192.0.2.11:8080:80/udp", "127.0.0.1:8081:80/tcp", "127.0.0.1:8081:80/udp",
		"[::1]:8082:80/tcp", "[::1]:8082:80/udp", "["+host6+"]:8083:80/tcp", "["+host6+"]:8083:80/udp")
	sees(t, l.outside, at("192.0.2.11", 8080), outside4)
	sees(t, nil, at("192.0.2.11", 8080), host4) // the address that the route to it prefers
	refused(t, l.outside, at(host4, 8080))
	refused(t, l.outside, at(host6, 8080))
	t.Log("on 127.0.0.1: the host alone, no neighbour can send to it")
	sees(t, nil, at("127.0.0.1", 8081), "10.1.0.1")
	refused(t, l.outside, at(host4, 8081))
	sh(t, "ip -n c1-3 route add 127.0.0.1/32 via 10.1.0.1 dev eth0 table 100 && ip -n c1-3 rule add pref 1 to 127.0.0.1 table 100"+
		" && ip -n c1-3 rule del pref 0 && ip -n c1-3 rule add pref 2 table local"+
		" && ip netns exec c1-3 sysctl -qw net.ipv4.conf.all.route_localnet=1")
	refused(t, d.space, at("127.0.0.1", 8081))
	t.Log("on ::1 and on one address of IPv6")
	sees(t, nil, at("::1", 8082), "fd00:1::1")
	refused(t, nil, at(host6, 8082))
	sees(t, l.outside, at(host6, 8083), outside6)
	t.Log("the same port on another address is another's")
	d.publish(host4+":8080:80/tcp", host4+":8080:80/udp")
	sees(t, l.outside, at(host4, 8080), outside4)
	sees(t, l.outside, at("192.0.2.11", 8080), outside4)
}

// TestHostBinding: ports that name no address are published on the network's.
func TestHostBinding(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	l.network(1, func(n *Network) { n.IPv4.HostBinding = netip.MustParseAddr("127.0.0.1") })
	c := l.container(1, 2)
	c.serve(80)
	c.publish("8080:80/tcp", "8080:80/udp")
	sees(t, nil, at("127.0.0.1", 8080), "10.1.0.1")
	refused(t, nil, at(host4, 8080))
	refused(t, nil, at("::1", 8080))
	c.publish("0.0.0.0:8080:80/tcp", "0.0.0.0:8080:80/udp")
	sees(t, l.outside, at(host4, 8080), outside4)
	refused(t, l.outside, at(host6, 8080))
}

// TestIPv4Only: in front of a container without IPv6, the host's IPv6 addresses are relayed to it.
func TestIPv4Only(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	l.network(1, func(n *Network) { n.IPv6 = Family{} })
	c := l.container(1, 2)
	c.serve(80)
	c.ep.Addrs = c.ep.Addrs[:1]
	got := c.publish("8080:80/tcp", "8080:80/udp")
	if len(got) != 4 || got[1].HostIP != netip.IPv6Unspecified() || got[1].Target.Addr() != c.v4 {
		t.Errorf("published: %v", got)
	}
	sees(t, l.outside, at(host4, 8080), outside4)
	sees(t, l.outside, at(host6, 8080), "10.1.0.1")
	sees(t, nil, at("::1", 8080), "10.1.0.1")
}
