// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/ovsnet/ovsnet/integration"
)

// What an option allows passes; its neighbours in the attack suite stay closed.
func testAllowedServices(t *testing.T, h *integration.Host) { //nolint:thelper // a test, on a host that it shares
	s := newStage(t, h, served.driver, "served", "")
	s.addGateway(t)
	c := cast{g: s.gateway, v: s.add(t, "victim"), t: s.add(t, "third")}
	c.free4, c.free6 = last(c.v.ip, 200), last(c.v.ip6, 200)
	opens := map[string][]string{
		"ra":           {"router advertisement", "router advertisement behind hop-by-hop options", "router advertisement of IPv4"},
		"redirect":     {"redirect", "redirect of IPv4"},
		"dhcp-server":  {"DHCP offer", "DHCP offer to a relay", "DHCPv6 advertise", "DHCPv6 advertise in a first fragment"},
		"link-control": {"STP", "LACP", "LLDP", "CDP"},
	}
	closed := []string{
		"router advertisement as the gateway", "redirect as the gateway", "DHCP offer as the gateway",
		"STP as the victim", "IPv4 to the address of STP", "LLDP to the victim alone", "reply to the victim: the gateway is here",
	}
	for service := range opens {
		c.a = s.add(t, service, "ovs.port.allow="+service)
		for other, names := range opens {
			for _, name := range names {
				if got := s.reachesVictim(t, c, name); got != (other == service) {
					t.Errorf("ovs.port.allow=%s, %s: reaches the victim: %v", service, name, got)
				}
			}
		}
		for _, name := range closed {
			if s.reachesVictim(t, c, name) {
				t.Errorf("ovs.port.allow=%s, %s: reaches the victim", service, name)
			}
		}
	}
	c.a = s.add(t, "all", "ovs.port.allow=dhcp-server,ra")
	for _, name := range []string{"DHCP offer", "router advertisement"} {
		if !s.reachesVictim(t, c, name) {
			t.Errorf("ovs.port.allow=dhcp-server,ra, %s: does not reach the victim", name)
		}
	}
}

// reachesVictim fires an attack by its name.
func (s *stage) reachesVictim(t *testing.T, c cast, name string) bool {
	t.Helper()
	for _, scene := range scenes {
		for i, a := range scene.attacks {
			if a.name != name {
				continue
			}
			sign := []byte(mark(1000 + i))
			got, err := s.fire(t, c.a, append(a.frame(c), sign...), c.g, c.v)
			if err != nil {
				t.Fatal(err)
			}
			return heard(got[c.v.name], sign)
		}
	}
	t.Fatalf("no attack is called %q", name)
	return false
}

// A container that routes may use the addresses behind it, and no others.
func testAllowedAddresses(t *testing.T, h *integration.Host) { //nolint:thelper // a test, on a host that it shares
	s := newStage(t, h, served.driver, "routed", "")
	s.addGateway(t)
	router := s.add(t, "router", "ovs.port.allowed_addresses=172.30.0.0/24,172.31.0.7,fd99::/64")
	v := s.add(t, "victim")
	for _, addr := range []string{"172.30.0.9/32", "172.31.0.7/32", "172.31.0.8/32", "fd99::9/128", "fd98::9/128"} {
		h.Exec(t, router.name, "ip addr add "+addr+" dev eth0")
	}
	// The victim reaches what is behind the router as what is on its own network: by asking for it.
	h.Exec(t, v.name, "ip route add 172.30.0.0/15 dev eth0")
	h.Exec(t, v.name, "ip -6 route add fd98::/15 dev eth0")
	for _, addr := range []string{"172.30.0.9", "172.31.0.7", "fd99::9"} {
		h.Exec(t, v.name, "ping -c 1 -W 5 "+addr)
		h.Exec(t, router.name, "ping -c 1 -W 5 -I "+addr+" "+same4or6(v, addr))
	}
	var wg sync.WaitGroup
	for _, addr := range []string{"172.31.0.8", "fd98::9"} {
		wg.Go(func() { cut(t, h, v.name, addr) })
		wg.Go(func() { cut(t, h, router.name, "-I "+addr+" "+same4or6(v, addr)) })
	}
	wg.Wait()
	// Not even a router speaks for its neighbours.
	before := s.counters(t)
	router.send(t, whoHas(router.mac, v.ip, v.ip), udp4(router.mac, s.gateway.mac, v.ip, s.gateway.ip, 4000, 4001, nil))
	s.settle(t, router, s.gateway, v)
	if d := dropped(before, s.counters(t)); !slices.Equal(d, []string{"arp", "spoofed-ip"}) {
		t.Errorf("dropped by %v", d)
	}
}

// same4or6 is the actor's address of the family of another.
func same4or6(a *actor, other string) string {
	if netip.MustParseAddr(other).Is4() {
		return a.ip.String()
	}
	return a.ip6.String()
}

// Without port security a container may be a network function: a bridge, with others behind it.
func testSecurityOff(t *testing.T, h *integration.Host) { //nolint:thelper // a test, on a host that it shares
	s := newStage(t, h, served.driver, "bridged", "")
	s.addGateway(t)
	bridge := s.add(t, "bridge", "ovs.port.security=off")
	v := s.add(t, "victim")
	behind := actor{mac: net.HardwareAddr{0x02, 0, 0, 0, 0, 0x77}, ip: last(v.ip, 77), ip6: last(v.ip6, 77)}
	hears := func(from, to *actor, frame []byte) bool {
		t.Helper()
		got, err := s.fire(t, from, append(frame, "network function"...), s.gateway, to)
		if err != nil {
			t.Fatal(err)
		}
		return heard(got[to.name], []byte("network function"))
	}
	// What is behind it speaks with its own MAC and address, and is spoken to.
	if !hears(bridge, v, udp4(behind.mac, v.mac, behind.ip, v.ip, 4000, 4001, nil)) {
		t.Error("what is behind an unguarded port does not reach the victim")
	}
	if !hears(v, bridge, udp4(v.mac, behind.mac, v.ip, behind.ip, 4000, 4001, nil)) {
		t.Error("a MAC that nobody is known to have is not sent to an unguarded port")
	}
	// The victim stays guarded, its MAC is still its own.
	before := s.counters(t)
	if hears(v, bridge, udp4(behind.mac, bridge.mac, v.ip, bridge.ip, 4000, 4001, nil)) {
		t.Error("a guarded port sends as what is behind an unguarded one")
	}
	if d := dropped(before, s.counters(t)); len(d) != 1 || d[0] != "spoofed-mac" {
		t.Errorf("dropped by %v", d)
	}
}
