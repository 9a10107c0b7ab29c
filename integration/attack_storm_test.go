// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/integration"
)

// storms are what an attacker floods the switch with: frames of which the named bytes are different each time, for so
// many seconds, and leave the datapath with so many flows at most, everybody's traffic among them.
var storms = []struct {
	name    string
	seconds int
	flows   int // 0: one for each frame
	frame   func(c cast) []string
}{
	{"a million MACs", 8, 300, func(c cast) []string {
		return []string{random(c.plain4(c.a.mac), srcMAC), random(c.plain6(c.a.mac), srcMAC), random(whoHas(c.a.mac, c.a.ip, c.free4), srcMAC, arpSHA)}
	}},
	{"a million addresses", 8, 400, func(c cast) []string {
		return []string{random(c.plain4(c.a.mac), srcIPv4), random(c.plain6(c.a.mac), srcIPv6), random(c.plain4(c.a.mac), srcMAC, srcIPv4)}
	}},
	{"lies", 4, 0, func(c cast) []string {
		return []string{
			random(arp(c.v.mac, c.a.mac, 2, c.a.mac, c.g.ip, c.v.mac, c.v.ip)), random(arp(c.g.mac, c.a.mac, 2, c.a.mac, c.v.ip, c.g.mac, c.g.ip)),
			random(whoHas(c.a.mac, c.v.ip, c.v.ip), arpSHA, arpSPA), random(arp(everyone, c.v.mac, 2, c.a.mac, c.v.ip, everyone, c.v.ip)),
			random(na(c.a.mac, c.a.ip6, c.v.ip6, lla(2, c.a.mac))), random(na(c.a.mac, c.a.ip6, c.free6, lla(2, c.a.mac)), ndTarget, ndOption),
			random(ns(c.a.mac, c.a.ip6, c.v.ip6, lla(1, c.v.mac)), ndOption),
			random(c.toGroup(c.g.ll, allNodes, 134, 0, ra)), random(c.dhcp(c.g.ip, limitedBroadcast, 67, 68)),
		}
	}},
	{"half a million destinations", 4, 0, func(c cast) []string {
		return []string{random(c.plain4(c.a.mac), dstMAC), random(whoHas(c.a.mac, c.a.ip, c.free4), arpTPA), random(ns(c.a.mac, c.a.ip6, c.free6, lla(1, c.a.mac)), ndTarget)}
	}},
}

// Where in a frame without tags and options something stands.
const (
	dstMAC   = "0-6"
	srcMAC   = "6-12"
	arpSHA   = "22-28"
	arpSPA   = "28-32"
	arpTPA   = "38-42"
	srcIPv4  = "26-30"
	srcIPv6  = "22-38"
	ndTarget = "62-78"
	ndOption = "80-86"
)

// random is a template of probe flood.
func random(frame []byte, ranges ...string) string {
	return strings.Join(append([]string{fmt.Sprintf("%x", frame)}, ranges...), "/")
}

// stormRate is the attacker's, in frames a second: a million in eight seconds. What a flood costs the machine's
// processors is not what is tested.
const stormRate = 125_000

// The victim loses nothing, and the switch learns nothing, whatever the attacker sends.
func TestStorms(t *testing.T) {
	h := served.host(t)
	s := newStage(t, h, served.driver, "lan", "")
	s.addGateway(t)
	c := cast{g: s.gateway, v: s.add(t, "victim"), t: s.add(t, "third"), a: s.add(t, "mallory")}
	c.free4, c.free6 = last(c.a.ip, 200), last(c.a.ip6, 200)
	rules := s.rules(t)
	for i, storm := range storms {
		t.Run(storm.name, func(t *testing.T) {
			before := s.counters(t)
			to := targets(c, i)
			if integration.Datapath(t).Name == config.DatapathSystem {
				// What the kernel does not know goes by ovs-vswitchd, with all that the attacker makes up.
				for _, a := range to {
					h.Exec(t, c.v.name, fmt.Sprintf("probe ping %s 10 100", a))
				}
			}
			var storming sync.WaitGroup
			defer storming.Wait() // also when the test ends early
			storming.Go(func() {
				line := fmt.Sprintf("exec %s probe flood eth0 %d %d", c.a.name, storm.seconds, storm.seconds*stormRate)
				sent, err := h.TryDocker(line, storm.frame(c)...)
				t.Log(sent, err)
			})
			calm := pings(t, h, c, storm.seconds, to, &storming)
			most := megaflows(t, h)
			for done := false; !done; {
				select {
				case <-calm:
					done = true
				default:
					if coming := i%2 == 1; coming {
						h.Docker(t, "run --rm --network="+s.network+" "+integration.Image+" true")
					} else if got := s.rules(t); got != rules {
						t.Errorf("%d flows, before the storm %d", got, rules)
					}
					most = max(most, megaflows(t, h))
				}
			}
			storming.Wait()
			t.Logf("datapath flows: %d at most; rules: %d; drops: %v", most, s.rules(t), dropped(before, s.counters(t)))
			if storm.flows > 0 && most > storm.flows {
				t.Errorf("%d datapath flows, want at most %d", most, storm.flows)
			}
			if got := s.rules(t); got != rules {
				t.Errorf("%d flows, before the storm %d", got, rules)
			}
			if fdb := h.Run(t, "ovs-appctl fdb/show "+s.bridge); strings.Count(fdb, "\n") != 0 {
				t.Errorf("the switch learned: %.500s", fdb)
			}
			c.knows(t, h)
		})
	}
}

// targets are the bystander in one family and the gateway in the other.
func targets(c cast, turn int) []netip.Addr {
	if turn%2 == 1 {
		return []netip.Addr{c.t.ip6, c.g.ip}
	}
	return []netip.Addr{c.t.ip, c.g.ip6}
}

// pings has the victim ping each a hundred times a second, and closes the channel when it is over, which all waits for.
// Not one may be lost.
func pings(tb testing.TB, h *integration.Host, c cast, seconds int, to []netip.Addr, all *sync.WaitGroup) <-chan struct{} {
	tb.Helper()
	var wg sync.WaitGroup
	for _, a := range to {
		wg.Go(func() {
			out, err := h.TryExec(c.v.name, fmt.Sprintf("probe ping %s %d 100", a, 100*seconds))
			if err != nil || !strings.Contains(out, " 0 lost,") {
				tb.Errorf("victim to %s: %s %v", a, out, err)
			}
			tb.Logf("victim to %s: %s", a, out)
		})
	}
	done := make(chan struct{})
	all.Go(func() { wg.Wait(); close(done) })
	return done
}

// knows holds that the victim has been told nothing wrong about its neighbours.
func (c cast) knows(tb testing.TB, h *integration.Host) {
	tb.Helper()
	for line := range strings.Lines(h.Exec(tb, c.v.name, "ip neigh show dev eth0")) {
		f := strings.Fields(line)
		at := slices.Index(f, "lladdr")
		if at < 0 || at+1 >= len(f) {
			continue
		}
		addr, err := netip.ParseAddr(f[0])
		if err != nil {
			tb.Fatal(err)
		}
		if text := fmt.Sprint(addr, " is at ", f[at+1]); !c.isSo(text) {
			tb.Errorf("the victim believes that %s", text)
		}
	}
}

// rules is the number of the switch's flows of OpenFlow.
func (s *stage) rules(tb testing.TB) int {
	tb.Helper()
	return strings.Count(s.h.Flows(tb, s.bridge), "\n")
}

var datapathFlows = regexp.MustCompile(`\(current (\d+)\)`)

// megaflows is the number of flows that the datapath holds.
func megaflows(tb testing.TB, h *integration.Host) int {
	tb.Helper()
	text := h.Run(tb, "ovs-appctl upcall/show")
	m := datapathFlows.FindStringSubmatch(text)
	if m == nil {
		tb.Fatalf("no number of flows in %s", text)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		tb.Fatal(err)
	}
	return n
}
