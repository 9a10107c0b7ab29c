// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// mtuOf is the MTU of a container's interface.
func mtuOf(tb testing.TB, h *integration.Host, container string) int {
	tb.Helper()
	mtu, err := strconv.Atoi(h.Exec(tb, container, "cat /sys/class/net/eth0/mtu"))
	if err != nil {
		tb.Fatal(err)
	}
	return mtu
}

// carries holds that a container's largest packet fills the underlay's, with the tunnel's overhead, and that there is no larger one.
func (f *fabric) carries(t *testing.T, mtu, underlay int, family string, names ...string) {
	t.Helper()
	one := f.hosts[0]
	if got := mtuOf(t, one, names[0]); got != mtu {
		t.Fatalf("MTU %d, want %d", got, mtu)
	}
	capture := f.lan.Capture(t, one)
	for addr, head := range map[string]int{v4(12): 28, v6(12): 48} {
		one.Exec(t, names[0], fmt.Sprintf("ping -c 1 -W 2 -s %d %s", mtu-head, addr))
	}
	if got := longest(capture.Frames(t)); got != underlay {
		t.Errorf("the largest packet over %s takes %d bytes of the underlay's %d", family, got, underlay)
	}
	macs := [2]string{one.Exec(t, names[0], "cat /sys/class/net/eth0/address"), f.hosts[1].Exec(t, names[1], "cat /sys/class/net/eth0/address")}
	const heads = 28
	if out, err := one.TryExec(names[0], "probe send eth0", frame(t, macs[0], macs[1], v4(11), v4(12), strings.Repeat("x", mtu+1-heads))); err == nil {
		t.Errorf("a packet of %d bytes was sent: %s", mtu+1, out)
	}
	if out := one.Exec(t, names[0], fmt.Sprintf("probe tcp %s:9000 5000000", v4(12))); out == "" {
		t.Error("TCP says nothing")
	}
}

// longest is the size of the longest of the underlay's packets.
func longest(frames [][]byte) int {
	most := 0
	const ethernet = 14
	for _, f := range frames {
		most = max(most, len(f)-ethernet)
	}
	return most
}

// largest: the underlay's 1500 bytes less those of IPv4 (20), UDP (8), VXLAN (8) and Ethernet (14).
func (f *fabric) largest(t *testing.T) { f.carries(t, 1450, 1500, "IPv4", "r1", "r2") }

// gateway: every host is its network's gateway, with the same MAC and addresses, and by its own addresses outside.
func (f *fabric) gateway(t *testing.T) {
	macs := map[string]bool{}
	for i, h := range f.hosts[:members] {
		name, number := fmt.Sprint("r", i+1), i+1
		o := h.Outside(t, number)
		o.Start(t, integration.Probe(t)+" seen :80")
		soon(t, func() error {
			got, err := h.TryExec(name, fmt.Sprintf("probe ask 1500 tcp/%s:80", o.IPv4))
			if err == nil && got != o.HostIPv4 {
				err = errors.New(got)
			}
			return err
		})
		h.Exec(t, name, "ping -c 1 -W 2 10.61.0.1")
		h.Exec(t, name, "ping -c 1 -W 2 fd61::1")
		h.Run(t, "ping -c 1 -W 2 "+v4(11+i))
		_, mac, _ := strings.Cut(h.Exec(t, name, "ip neigh show 10.61.0.1"), "lladdr ")
		macs[strings.Fields(mac + " ?")[0]] = true
		if links := strings.Count(h.Exec(t, name, "ip -o link"), "\n"); links != 1 {
			t.Errorf("%s: more than its network and lo: %s", name, h.Exec(t, name, "ip -o link"))
		}
		if i != 1 {
			continue
		}
		f.container(t, h, "red", "published", 40, "--publish=8080:9000")
		soon(t, func() error {
			_, err := o.Try(integration.Probe(t) + " tcp " + o.HostIPv4 + ":8080 100000")
			return err
		})
		h.Docker(t, "rm --force published")
	}
	if len(macs) != 1 || macs["?"] {
		t.Errorf("the gateway's MACs: %v", macs)
	}
}

// reachedAfter is how long after its start, which the network may precede, a container was reached at the address by one
// that watches.
func reachedAfter(tb testing.TB, h *integration.Host, watch, addr string, start time.Time) time.Duration {
	tb.Helper()
	var took time.Duration
	soon(tb, func() error {
		out, err := h.TryDocker("logs " + watch)
		if err != nil {
			return err
		}
		if time.Since(start) < reachTime {
			return errors.New("what answers might still be another with the address")
		}
		since, err := answersSince(out, addr, start)
		if err != nil {
			return err
		}
		took = max(0, since.Sub(start))
		return nil
	})
	return took
}

// answersSince gives, from what a watching container says, the beginning of the first time that the address answered and
// that had not ended before the start.
func answersSince(told, addr string, start time.Time) (time.Time, error) {
	up := time.Time{}
	for line := range strings.Lines(told) {
		f := strings.Fields(line)
		if len(f) != 3 || f[0] != addr || f[1] == "twice" {
			continue
		}
		ms, err := strconv.ParseInt(f[2], 10, 64)
		if err != nil {
			return up, err
		}
		switch at := time.UnixMilli(ms); {
		case f[1] == "up":
			up = at
		case !at.Before(start):
			return up, nil
		default:
			up = time.Time{}
		}
	}
	if up.IsZero() {
		return up, fmt.Errorf("%s does not answer: %s", addr, told)
	}
	return up, nil
}

// reachTime is how long after its start an address must be reached from everywhere, on an ordinary machine a second.
var reachTime = ovstest.Limit(time.Second)

// started is when a container's program was started.
func started(tb testing.TB, h *integration.Host, container string) time.Time {
	tb.Helper()
	at, err := time.Parse(time.RFC3339Nano, h.Docker(tb, "inspect --format {{.State.StartedAt}}", container))
	if err != nil {
		tb.Fatal(err)
	}
	return at
}

// watching runs a container that asks addresses twenty times a second. It asks for a neighbour's MAC as often, so that
// what is measured is the network's time and not the pause between its kernel's questions.
func watching(tb testing.TB, h *integration.Host, name string, options []string, addrs ...string) {
	tb.Helper()
	args := append(append([]string{name}, options...), integration.Image, "probe", "watch", "50")
	h.Docker(tb, "run --detach --name", append(args, addrs...)...)
	pid := h.Docker(tb, "inspect --format {{.State.Pid}} "+name)
	if pid == "0" {
		out, err := h.TryDocker("logs " + name)
		tb.Fatalf("host %s: container %s has ended: %s\n%s %v", h.Name, name, h.Docker(tb, "inspect --format", "{{json .State}}", name), out, err)
	}
	// The engine takes no such setting.
	h.Run(tb, "nsenter --net=/proc/"+pid+"/ns/net sh -ec",
		"for family in ipv4 ipv6; do echo 50 >/proc/sys/net/$family/neigh/eth0/retrans_time_ms; done")
}

// moves: a container that comes up on another host with its MAC and addresses is found there at once, though it says
// nothing itself, and asked by who has talked to it before.
func (f *fabric) moves(t *testing.T) {
	three := f.hosts[2]
	watching(t, three, "watch", []string{"--network=red", "--ip=" + v4(60), "--ip6=" + v6(60)}, v4(50), v6(50))
	for turn, h := range []*integration.Host{f.hosts[0], f.hosts[1], f.hosts[2], f.hosts[0]} {
		f.container(t, h, "red", "mover", 50)
		begin := started(t, h, "mover")
		for _, a := range []string{v4(50), v6(50)} {
			if took := reachedAfter(t, three, "watch", a, begin); took > reachTime {
				t.Errorf("turn %d, on %s: %s is reached %v after its start", turn, h.Name, a, took)
			}
		}
		h.Docker(t, "rm --force mover")
	}
	if out := three.Docker(t, "logs watch"); strings.Contains(out, "twice") {
		t.Error("frames came twice: ", out)
	}
	three.Docker(t, "rm --force watch")
}

// fourth: a host joins and leaves by the settings of the others, who lose nothing of what they say to each other.
func (f *fabric) fourth(t *testing.T) {
	four := f.hosts[3]
	f.settings(t, four, "h1", "h2", "h3", "h4")
	four.ReloadServe(t)
	f.network(t, four, "red", "--opt ovs.tunnel.vni=100 --opt ovs.bridge.name=red")
	f.container(t, four, "red", "r4", 14)
	if err := answers(four, "r4", 11); err == nil {
		t.Error("who is no peer is answered")
	}
	capture := f.lan.Capture(t, f.hosts[0])
	round := [][2]int{{1, 2}, {2, 3}, {3, 1}}
	f.steady(t, round, func() {
		for _, h := range f.hosts[:members] {
			f.settings(t, h, "h1", "h2", "h3", "h4")
			h.ReloadServe(t)
		}
		soon(t, func() error { return answers(four, "r4", 11, 12, 13) })
	})
	f.allTalk(t, "r", 1, 2, 3, 4)
	capture.Frames(t)
	f.steady(t, round, func() {
		for _, h := range f.hosts[:members] {
			f.settings(t, h, "h1", "h2", "h3")
			h.ReloadServe(t)
		}
		soon(t, func() error {
			if err := answers(four, "r4", 11); err == nil {
				return errors.New("who is no peer any more is answered")
			}
			return nil
		})
	})
	capture.Frames(t)
	f.allTalk(t, "r", 1, 2, 3)
	for _, p := range capture.Tunnelled(t, tunnelPort) {
		if p.To.String() == four.IPv4 {
			t.Errorf("to who is no peer any more: %+v", p)
		}
	}
}

// jumbo: the networks follow their underlay; containers that start from then on have its larger packets.
func (f *fabric) jumbo(t *testing.T) {
	f.lan.SetMTU(t, 9000)
	for i, h := range f.hosts[:2] {
		name := fmt.Sprint("r", i+1)
		soon(t, func() error {
			h.Docker(t, "rm --force "+name)
			f.container(t, h, "red", name, 11+i)
			if mtu := mtuOf(t, h, name); mtu != 8950 {
				return fmt.Errorf("%s on %s: MTU %d", name, h.Name, mtu)
			}
			return nil
		})
	}
	f.carries(t, 8950, 9000, "IPv4", "r1", "r2")
	f.lan.SetMTU(t, 1500)
}

// six: the same hosts by their IPv6 addresses.
func (f *fabric) six(t *testing.T) {
	capture := f.lan.Capture(t, f.hosts[0])
	for _, h := range f.hosts[:members] {
		var peers []string
		for _, o := range f.hosts[:members] {
			peers = append(peers, o.IPv6)
		}
		f.settings(t, h, peers...)
		h.ReloadServe(t)
	}
	for i, h := range f.hosts[:members] {
		name := fmt.Sprint("r", i+1)
		soon(t, func() error {
			h.Docker(t, "rm --force "+name)
			f.container(t, h, "red", name, 11+i)
			if mtu := mtuOf(t, h, name); mtu != 1430 {
				return fmt.Errorf("%s on %s: MTU %d", name, h.Name, mtu)
			}
			return nil
		})
	}
	capture.Frames(t)
	f.allTalk(t, "r", 1, 2, 3)
	seen := 0
	for _, p := range capture.Tunnelled(t, tunnelPort) {
		if !p.To.Is6() {
			t.Errorf("to %s, which is no peer any more", p.To)
		}
		seen++
	}
	if seen == 0 {
		t.Error("nothing was captured")
	}
	f.carries(t, 1430, 1500, "IPv6", "r1", "r2")
}

// isolated: ports that are isolated on different hosts do not reach each other, promiscuous ones reach all, and what
// tells them apart on the wire has its room.
func (f *fabric) isolated(t *testing.T) {
	one, two, three := f.hosts[0], f.hosts[1], f.hosts[2]
	add := func(h *integration.Host, name string, k int, option string) {
		h.Container(t, name, fmt.Sprintf("--network=name=red,ip=%s,ip6=%s,driver-opt=%s=true", v4(k), v6(k), option))
	}
	add(one, "i1", 71, "ovs.port.isolated")
	add(two, "i2", 72, "ovs.port.isolated")
	add(three, "p3", 73, "ovs.port.promiscuous")
	for _, a := range []string{v4(72), v6(72)} {
		cut(t, one, "i1", a)
	}
	for name, numbers := range map[string][]int{"i1": {12, 13, 73}, "p3": {71, 72, 11}} {
		h := map[string]*integration.Host{"i1": one, "p3": three}[name]
		if err := poll(func() error { return answers(h, name, numbers...) }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	capture := f.lan.Capture(t, one)
	mtu := mtuOf(t, one, "i1")
	for addr, head := range map[string]int{v4(73): 28, v6(73): 48} {
		one.Exec(t, "i1", fmt.Sprintf("ping -c 1 -W 2 -s %d %s", mtu-head, addr))
	}
	if got := longest(capture.Frames(t)); got > 1500 {
		t.Errorf("the largest packet takes %d bytes of the underlay's 1500", got)
	}
	one.Docker(t, "rm --force i1")
	two.Docker(t, "rm --force i2")
	three.Docker(t, "rm --force p3")
}
