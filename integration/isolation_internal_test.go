// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/integration"
)

// An internal network has no way out and no way in, and the host is no neighbour.
func testInternal(t *testing.T, h *integration.Host) { //nolint:thelper // a test, on a host that it shares
	s := newStage(t, h, served.driver, "inside", "--internal")
	a, b, c := s.add(t, "a"), s.add(t, "b"), s.add(t, "c")
	s.meet(t, a, b, c)
	outside := newStage(t, h, served.driver, "outside", "")
	outside.addGateway(t)
	neighbour := outside.add(t, "neighbour")
	if text := h.Run(t, "ip addr show dev "+s.bridge); strings.Contains(text, "inet") {
		t.Errorf("the host has an address on the network: %s", text)
	}

	// Even if the host's administrator wants in, and a container out.
	h.Run(t, "ip link set "+s.bridge+" up")
	h.Run(t, "ip addr add "+s.gateways[0]+"/24 dev "+s.bridge)
	host := newActor(t, "host", h.Run(t, "cat /sys/class/net/"+s.bridge+"/address"), s.gateways[0], s.gateways[1])
	s.lend(t, host)
	before := s.counters(t)
	host.send(t, whoHas(host.mac, host.ip, a.ip), udp4(host.mac, a.mac, host.ip, a.ip, 4000, 4001, []byte("way in")),
		udp4(host.mac, everyone, host.ip, limitedBroadcast, 4000, 4001, []byte("way in")))
	a.send(t, udp4(a.mac, host.mac, a.ip, host.ip, 4000, 4001, []byte("way out")),
		udp4(a.mac, everyone, a.ip, limitedBroadcast, 4000, 4001, []byte("way out")), whoHas(a.mac, a.ip, host.ip))
	got := s.settle(t, a, b, c)
	if !heard(got[b.name], []byte("way out")) {
		t.Error("a neighbour does not hear a broadcast")
	}
	if heard(got[a.name], []byte("way in")) || heard(got[b.name], []byte("way in")) {
		t.Error("the host is heard")
	}
	after := s.counters(t)
	if after["unknown-port"] == before["unknown-port"] || after["unknown-destination"] == before["unknown-destination"] {
		t.Errorf("dropped by %v", dropped(before, after))
	}
	for range len(host.frames) {
		if f := <-host.frames; heard([][]byte{f}, []byte("way out")) {
			t.Errorf("the host hears %x", f)
		}
	}
	h.Exec(t, a.name, "ip route add default via "+host.ip.String())
	for _, to := range []string{host.ip.String(), outside.gateways[0], neighbour.ip.String()} {
		cut(t, h, a.name, to)
	}
	if _, err := h.Try("ping -c 2 -i 0.2 -W 1 " + a.ip.String()); err == nil {
		t.Error("the host reaches in")
	}
}

// Duplicate address detection finds what is in use on the network, whether it is the kernel's of IPv6 or arping's of
// IPv4, and nothing else.
func testDuplicateAddresses(t *testing.T, h *integration.Host) { //nolint:thelper // a test, on a host that it shares
	s := newStage(t, h, served.driver, "twice", "")
	s.addGateway(t)
	a, v := s.add(t, "prober"), s.add(t, "victim")
	used6 := map[string]bool{
		v.ip6.String(): true, v.ll.String(): true, s.gateway.ip6.String(): true, s.gateway.ll.String(): true,
		last(a.ip6, 200).String(): false, "fe80::200": false,
	}
	for addr := range used6 {
		h.Exec(t, a.name, "ip -6 addr add "+addr+"/64 dev eth0")
	}
	var states string
	soon(t, func() error {
		states = h.Exec(t, a.name, "ip -6 addr show dev eth0")
		if probing := strings.ReplaceAll(states, "tentative dadfailed", ""); strings.Contains(probing, "tentative") {
			return errors.New("still probing: " + states)
		}
		return nil
	})
	for addr, used := range used6 {
		_, state, _ := strings.Cut(states, " "+addr+"/64 ")
		state, _, _ = strings.Cut(state, "\n")
		if state == "" || strings.Contains(state, "dadfailed") != used {
			t.Errorf("%s is used: %v; the prober says %q", addr, used, state)
		}
		h.Exec(t, a.name, "ip -6 addr del "+addr+"/64 dev eth0")
	}
	for addr, used := range map[string]bool{v.ip.String(): true, s.gateway.ip.String(): true, last(a.ip, 200).String(): false, a.ip.String(): false} {
		out, err := h.TryExec(a.name, "arping -D -I eth0 -c 1 -w 1 "+addr)
		if (err != nil) != used {
			t.Errorf("%s is used: %v; arping says %v %s", addr, used, err, out)
		}
	}
	s.meet(t, v, a, s.gateway)
}
