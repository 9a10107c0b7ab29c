// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/ovsnet/ovsnet/driver"
	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/integration"
)

// cast is who takes part in an attack: attacker, victim, a bystander (third), gateway, and addresses of the network
// that nobody has.
type cast struct {
	a, v, t, g   *actor
	free4, free6 netip.Addr
}

func (c cast) plain4(src net.HardwareAddr) []byte {
	return udp4(src, c.v.mac, c.a.ip, c.v.ip, 4000, 4001, nil)
}

func (c cast) plain6(src net.HardwareAddr) []byte {
	return udp6(src, c.v.mac, c.a.ip6, c.v.ip6, 4000, 4001, nil)
}

// attack is a frame of the attacker's and what must become of it.
type attack struct {
	name  string
	frame func(cast) []byte
	// row is the one that decides; if it drops, it alone of all that drop must count the frame.
	row string
	// to says who gets the frame as it is; nobody where it is empty.
	to reach
	// answer is what the switch itself says to it.
	answer *answer
	// why is for the table; of a frame that is dropped the row says it.
	why string
	// bare frames are not marked, because what would carry the mark is missing.
	bare bool
	// refused says that the attacker's own kernel does not send it.
	refused bool
}

type reach string

const (
	theVictim  reach = "reaches the victim alone"
	theGateway reach = "reaches the gateway alone"
	everybody  reach = "reaches everybody"
)

func (r reach) hearers(c cast) []*actor {
	switch r {
	case theVictim:
		return []*actor{c.v}
	case theGateway:
		return []*actor{c.g}
	case everybody:
		return []*actor{c.v, c.t, c.g}
	}
	return nil
}

// answer says whose address and MAC the switch tells the attacker.
type answer struct {
	what string
	of   func(cast) (netip.Addr, net.HardwareAddr)
}

var (
	theVictimsIPv4      = &answer{"the victim's MAC", func(c cast) (netip.Addr, net.HardwareAddr) { return c.v.ip, c.v.mac }}
	theVictimsIPv6      = &answer{"the victim's MAC", func(c cast) (netip.Addr, net.HardwareAddr) { return c.v.ip6, c.v.mac }}
	theVictimsLinkLocal = &answer{"the victim's MAC", func(c cast) (netip.Addr, net.HardwareAddr) { return c.v.ll, c.v.mac }}
	theGatewaysIPv4     = &answer{"the gateway's MAC", func(c cast) (netip.Addr, net.HardwareAddr) { return c.g.ip, c.g.mac }}
	theGatewaysIPv6     = &answer{"the gateway's MAC", func(c cast) (netip.Addr, net.HardwareAddr) { return c.g.ip6, c.g.mac }}
)

// on is the attack on a datapath: where the switch can't write advertisements, who would be answered for hears what is
// asked (docs/datapath.md).
func (a attack) on(p driver.Datapath) attack {
	if p.WritesND || !strings.HasPrefix(a.name, "solicitation") || a.answer == nil {
		return a
	}
	switch a.row {
	case "answer":
		a.row, a.to, a.answer = "probe", theVictim, nil
	case "answer-gateway":
		a.row, a.to, a.answer = "probe-gateway", theGateway, nil
	}
	return a
}

// scenes are the attacks by what they are about.
var scenes = []struct {
	name    string
	attacks []attack
}{
	{"Link", linkAttacks},
	{"ARP", arpAttacks},
	{"Source addresses, fragments and extension headers", ipAttacks},
	{"Neighbour discovery", ndAttacks},
	{"Routers and servers", serviceAttacks},
}

// mark tells the frames of the suite apart. It stands behind the packet, where Ethernet has its padding.
func mark(i int) string { return fmt.Sprintf("ovs#%04d", i) }

func TestAttacks(t *testing.T) {
	t.Parallel()
	h := served.host(t)
	s := newStage(t, h, served.driver, "lan", "")
	s.addGateway(t)
	c := cast{g: s.gateway, v: s.add(t, "victim"), t: s.add(t, "third"), a: s.add(t, "mallory")}
	c.free4, c.free6 = last(c.a.ip, 200), last(c.a.ip6, 200)
	before := s.counters(t)
	number := 0
	for _, scene := range scenes {
		t.Run(scene.name, func(t *testing.T) {
			for _, a := range scene.attacks {
				a = a.on(integration.Datapath(t))
				number++
				t.Run(a.name, func(t *testing.T) {
					before = a.launch(t, s, c, number, before)
				})
			}
		})
	}
	// After all that, everybody still reaches everybody.
	for _, from := range []*actor{c.v, c.t, c.a} {
		s.meet(t, from, c.g, c.v, c.t)
	}
}

// meet holds that an actor reaches others in both families.
func (s *stage) meet(t *testing.T, from *actor, others ...*actor) {
	t.Helper()
	for _, to := range others {
		for _, addr := range []netip.Addr{to.ip, to.ip6} {
			s.h.Exec(t, from.name, "ping -c 1 -W 5 "+addr.String())
		}
	}
}

// last is an address with another last byte.
func last(a netip.Addr, b byte) netip.Addr {
	raw := a.AsSlice()
	raw[len(raw)-1] = b
	other, _ := netip.AddrFromSlice(raw) // of a length that it had
	return other
}

func (a attack) launch(t *testing.T, s *stage, c cast, number int, before map[string]uint64) map[string]uint64 {
	t.Helper()
	frame := a.frame(c)
	if len(frame) < 14 {
		t.Fatal("the frame could not be built")
	}
	sign := frame
	if !a.bare {
		sign = []byte(mark(number))
		frame = append(frame, sign...)
	}
	got, err := s.fire(t, c.a, frame, c.g, c.v, c.t)
	if (err != nil) != a.refused {
		t.Errorf("sending: %v", err)
	}
	for _, hearer := range []*actor{c.v, c.t, c.g} {
		heard := slices.IndexFunc(got[hearer.name], func(f []byte) bool { return bytes.Contains(f, sign) })
		switch should := slices.Contains(a.to.hearers(c), hearer); {
		case heard < 0 && should:
			t.Errorf("%s did not get it", hearer.name)
		case heard >= 0 && !should:
			t.Errorf("%s got it: %x", hearer.name, got[hearer.name][heard])
		case heard >= 0 && !bytes.Equal(got[hearer.name][heard], frame):
			t.Errorf("%s got %x, sent was %x", hearer.name, got[hearer.name][heard], frame)
		}
	}
	a.answered(t, c, got[c.a.name])
	after := s.counters(t)
	if a.refused {
		return after
	}
	if after[a.row] == before[a.row] {
		t.Errorf("row %s did not count it", a.row)
	}
	var drops []string
	if r := rowOf(a.row); r.Drop != "" {
		drops = []string{a.row}
	}
	if d := dropped(before, after); !slices.Equal(d, drops) {
		t.Errorf("dropped by %v, want %v", d, drops)
	}
	return after
}

// answered holds what the attacker was told: the answer, and nothing that is not so. Its own kernel asks now and then, too.
func (a attack) answered(t *testing.T, c cast, frames [][]byte) {
	t.Helper()
	var told []string
	for _, f := range frames {
		text := tells(f)
		if text != "" && !c.isSo(text) {
			t.Errorf("the attacker was told that %s", text)
		}
		told = append(told, text)
	}
	if a.answer == nil {
		return
	}
	addr, mac := a.answer.of(c)
	if want := says(addr, mac); !slices.Contains(told, want) {
		t.Errorf("the attacker was told %q, want %q", told, want)
	}
}

func says(addr netip.Addr, mac net.HardwareAddr) string { return fmt.Sprint(addr, " is at ", mac) }

// isSo tells whether somebody has an address where it is said to be.
func (c cast) isSo(text string) bool {
	for _, x := range []*actor{c.a, c.v, c.t, c.g} {
		if text == says(x.ip, x.mac) || text == says(x.ip6, x.mac) || text == says(x.ll, x.mac) {
			return true
		}
	}
	return false
}

// hostEnd is the MAC of the host's end of an actor's veth pair.
func hostEnd(a *actor) net.HardwareAddr { return append(net.HardwareAddr{0xfe}, a.mac[1:]...) }

// tells is what an ARP reply or a neighbour advertisement says. Without target option it is about its sender.
func tells(frame []byte) string {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	eth, _ := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	if reply, ok := p.Layer(layers.LayerTypeARP).(*layers.ARP); ok && reply.Operation == layers.ARPReply {
		return fmt.Sprint(net.IP(reply.SourceProtAddress), " is at ", net.HardwareAddr(reply.SourceHwAddress))
	}
	advert, ok := p.Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement)
	if !ok || eth == nil {
		return ""
	}
	mac := eth.SrcMAC
	for _, o := range advert.Options {
		if o.Type == layers.ICMPv6OptTargetAddress {
			mac = o.Data
		}
	}
	return fmt.Sprint(advert.TargetAddress, " is at ", mac)
}

func rowOf(name string) flows.Row {
	for _, r := range flows.Rows() {
		if r.Name == name {
			return r
		}
	}
	return flows.Row{}
}

// Every attack is told apart, and decided by a row that there is.
func TestAttackTable(t *testing.T) {
	seen := map[string]bool{}
	for _, scene := range scenes {
		for _, a := range scene.attacks {
			if seen[a.name] {
				t.Errorf("two attacks are called %q", a.name)
			}
			seen[a.name] = true
			r := rowOf(a.row)
			if !a.refused && r.Number == 0 {
				t.Errorf("%s: no row is called %q", a.name, a.row)
			}
			if r.Drop != "" && (a.to != "" || a.answer != nil) {
				t.Errorf("%s: dropped and heard", a.name)
			}
			if r.Drop == "" && a.why == "" {
				t.Errorf("%s: passes, but why?", a.name)
			}
		}
	}
	if len(seen) < 60 {
		t.Errorf("%d attacks, want 60 at least", len(seen))
	}
	checkPage(t, "attacks", attackTable())
}

// attackTable is the table of the document on isolation.
func attackTable() string {
	var s strings.Builder
	for _, scene := range scenes {
		fmt.Fprintf(&s, "### %s\n\n| Frame | What becomes of it | Row | Why |\n|---|---|---|---|\n", scene.name)
		for _, a := range scene.attacks {
			r := rowOf(a.row)
			fate, row, why := string(a.to), fmt.Sprintf("%d %s", r.Number, r.Name), a.why
			switch {
			case a.refused:
				fate, row = "is not sent", ""
			case a.answer != nil:
				fate = "answered: " + a.answer.what
			case r.Drop != "":
				fate, why = "dropped as "+r.Drop, r.Purpose
			case a.to == "":
				fate = "reaches nobody"
			}
			fmt.Fprintf(&s, "| %s | %s | %s | %s |\n", a.name, fate, row, why)
		}
		s.WriteString("\n")
	}
	return s.String()
}
