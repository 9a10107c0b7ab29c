// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/ovsnet/ovsnet/integration"
)

func TestIsolation(t *testing.T) {
	t.Parallel()
	h := served.host(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *integration.Host)
	}{
		{"inter-container communication off", testNoICC},
		{"isolated ports", testIsolatedPorts},
		{"allowed services", testAllowedServices},
		{"allowed addresses", testAllowedAddresses},
		{"port security off", testSecurityOff},
		{"broadcast rate", testBroadcastRate},
		{"multicast snooping", testMulticastSnooping},
		{"internal network", testInternal},
		{"duplicate addresses", testDuplicateAddresses},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, h) })
	}
}

// With inter-container communication off nothing of what the attack suite knows gets from one container to another:
// the frames that may be sent no more than those that may not. The gateway and a promiscuous port stay reachable.
func testNoICC(t *testing.T, h *integration.Host) { //nolint:thelper // a test, on a host that it shares
	s := newStage(t, h, served.driver, "quiet", "-o ovs.bridge.icc=false")
	s.addGateway(t)
	c := cast{g: s.gateway, v: s.add(t, "victim"), t: s.add(t, "proxy", promiscuous), a: s.add(t, "mallory")}
	c.free4, c.free6 = last(c.a.ip, 200), last(c.a.ip6, 200)
	s.keepsFrom(t, c)
	s.meet(t, c.a, c.g, c.t)
	s.meet(t, c.v, c.g, c.t)
	s.meet(t, c.t, c.g, c.v)
	h.Exec(t, c.t.name, "probe tcp "+c.v.ip.String()+":9000 100000")
	s.apart(t, c.a, c.v)
}

// Isolated ports are to each other as without inter-container communication, and to the others as any port.
func testIsolatedPorts(t *testing.T, h *integration.Host) { //nolint:thelper // a test, on a host that it shares
	s := newStage(t, h, served.driver, "private", "")
	s.addGateway(t)
	c := cast{g: s.gateway, v: s.add(t, "victim", isolated), t: s.add(t, "open"), a: s.add(t, "mallory", isolated)}
	proxy := s.add(t, "proxy", promiscuous)
	c.free4, c.free6 = last(c.a.ip, 200), last(c.a.ip6, 200)
	s.keepsFrom(t, c)
	for _, x := range []*actor{c.a, c.v} {
		s.meet(t, x, c.g, c.t, proxy)
	}
	s.meet(t, c.t, c.a, c.v, proxy)
	s.meet(t, proxy, c.a, c.v, c.t)
	s.apart(t, c.a, c.v)
	s.apart(t, c.v, c.a)
	// What an open port broadcasts, isolated ones hear.
	mark := []byte("from the open port")
	got, err := s.fire(t, c.t, udp4(c.t.mac, everyone, c.t.ip, limitedBroadcast, 4000, 4001, mark), c.g, c.a, c.v, proxy)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []*actor{c.a, c.v, c.g, proxy} {
		if !heard(got[a.name], mark) {
			t.Errorf("%s does not hear an open port's broadcast", a.name)
		}
	}
}

// The options of a port.
const (
	isolated    = "ovs.port.isolated=true"
	promiscuous = "ovs.port.promiscuous=true"
)

// keepsFrom fires every attack and holds that the victim hears none, while the others still hear what is for them.
func (s *stage) keepsFrom(t *testing.T, c cast) {
	t.Helper()
	number := 0
	for _, scene := range scenes {
		for _, a := range scene.attacks {
			number++
			frame := a.frame(c)
			sign := frame
			if !a.bare {
				sign = []byte(mark(number))
				frame = append(frame, sign...)
			}
			got, err := s.fire(t, c.a, frame, c.g, c.v, c.t)
			if (err != nil) != a.refused {
				t.Errorf("%s: sending: %v", a.name, err)
			}
			if heard(got[c.v.name], sign) {
				t.Errorf("%s: the victim got it", a.name)
			}
			for _, other := range a.to.hearers(c) {
				if other != c.v && !heard(got[other.name], sign) {
					t.Errorf("%s: %s did not get it", a.name, other.name)
				}
			}
			for _, f := range got[c.a.name] {
				if text := tells(f); text == says(c.v.ip, c.v.mac) && a.row != "defend" || text != "" && !c.isSo(text) {
					t.Errorf("%s: the attacker was told that %s", a.name, text)
				}
			}
		}
	}
}

func heard(frames [][]byte, sign []byte) bool {
	for _, f := range frames {
		if bytes.Contains(f, sign) {
			return true
		}
	}
	return false
}

// apart holds that one container cannot reach another, neither as neighbours do nor by way of the gateway, which would
// route between them.
func (s *stage) apart(t *testing.T, from, to *actor) {
	t.Helper()
	before := s.counters(t)
	s.silent(t, from, to)
	for _, verb := range []string{"add", "del"} {
		s.h.Exec(t, from.name, fmt.Sprintf("ip route %s %s via %s", verb, to.ip, s.gateway.ip))
		s.h.Exec(t, from.name, fmt.Sprintf("ip -6 route %s %s via %s", verb, to.ip6, s.gateway.ip6))
		if verb == "add" {
			s.silent(t, from, to)
		}
	}
	// A frame to the neighbour's MAC, which the attacker knows or guesses.
	mark := []byte("to the neighbour's MAC")
	got, err := s.fire(t, from, udp4(from.mac, to.mac, from.ip, to.ip, 4000, 4001, mark), s.gateway, to)
	if err != nil {
		t.Fatal(err)
	}
	if heard(got[to.name], mark) {
		t.Errorf("%s hears %s", to.name, from.name)
	}
	if d := dropped(before, s.counters(t)); len(d) == 0 {
		t.Error("no row counts what was dropped")
	}
}

// silent holds that an actor does not reach another in either family.
func (s *stage) silent(t *testing.T, from, to *actor) {
	t.Helper()
	var wg sync.WaitGroup
	for _, addr := range []netip.Addr{to.ip, to.ip6} {
		wg.Go(func() { cut(t, s.h, from.name, addr.String()) })
	}
	wg.Wait()
}
