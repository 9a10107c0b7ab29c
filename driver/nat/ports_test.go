// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// table gives the elements that stand in the kernel.
func (l *lab) table() elements {
	l.Helper()
	e, err := l.f.table.read(l.ctx)
	must(l, err)
	return e
}

// clean wants the audit to find nothing.
func (l *lab) clean() {
	l.Helper()
	if n, err := l.f.Audit(l.ctx); n != 0 || err != nil {
		l.Errorf("audit: %d repairs, %v; want none", n, err)
	}
}

// TestEphemeral: without a host port there is a free one, the same on IPv4 and IPv6, and nobody else can take it.
func TestEphemeral(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	l.network(1, nil)
	c := l.container(1, 2)
	c.serve(80)
	got := c.publish(":80/tcp", ":80/udp")
	if len(got) != 4 {
		t.Fatalf("published: %v", got)
	}
	ports := map[uint8][]uint16{}
	for _, p := range got {
		ports[p.Proto] = append(ports[p.Proto], p.HostPort)
	}
	for proto, p := range ports {
		if p[0] == 0 || p[0] != p[1] {
			t.Errorf("%s: host ports %v", protoName(proto), p)
		}
	}
	tcp, udp := ports[TCP][0], ports[UDP][0]
	for _, a := range []string{host4, host6} {
		if seen, err := ask(l.outside, "tcp", at(a, tcp), patience); err != nil {
			t.Error(seen, err)
		}
		if seen, err := ask(l.outside, "udp", at(a, udp), patience); err != nil {
			t.Error(seen, err)
		}
	}
	if _, err := net.Listen("tcp", fmt.Sprintf(":%d", tcp)); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("listening on a held port: %v", err)
	}
	if _, err := net.ListenPacket("udp", fmt.Sprintf(":%d", udp)); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("listening on a held port: %v", err)
	}
	t.Log("asked again, it is the same")
	if again := c.publish(":80/tcp", ":80/udp"); !slices.Equal(again, got) {
		t.Errorf("published again: %v, was %v", again, got)
	}
	if p := l.f.Published(c.ep.ID); !slices.Equal(p, got) {
		t.Errorf("Published: %v, want %v", p, got)
	}
}

// TestRange: the first free port of a range, and an error when there is none.
func TestRange(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	l.network(1, nil)
	var boxes []*box
	for k := 2; k <= 5; k++ {
		boxes = append(boxes, l.container(1, k))
	}
	other, err := net.Listen("tcp6", "[::]:8001")
	must(t, err)
	defer closing(other)
	for i, want := range []uint16{8000, 8002, 8003} {
		got := boxes[i].publish("8000-8003:80/tcp")
		if got[0].HostPort != want || got[1].HostPort != want {
			t.Errorf("container %d: %v, want port %d", i, got, want)
		}
	}
	_, err = boxes[3].tryPublish("8000-8003:80/tcp", "9000:90/tcp")
	var pe *PortError
	if !errors.As(err, &pe) || !errors.Is(err, syscall.EADDRINUSE) || pe.HostPortEnd != 8003 {
		t.Errorf("a full range: %v", err)
	}
	t.Log("nothing is left of the failed one:", err)
	if _, err := ask(nil, "tcp", at("127.0.0.1", 9000), dropped); err == nil {
		t.Error("its other port stands")
	}
	if p := l.f.Published(boxes[3].ep.ID); p != nil {
		t.Errorf("published: %v", p)
	}
	l.clean()
	t.Log("one that has a port of the range keeps it")
	if got := boxes[1].publish("8000-8003:80/tcp"); got[0].HostPort != 8002 {
		t.Errorf("published again: %v", got)
	}
}

// TestConflict: a port that somebody has is an error that names him, and everything stays as it was.
func TestConflict(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	l.network(1, nil)
	c, d := l.container(1, 2), l.container(1, 3)
	c.serve(80)
	c.publish("8080:80/tcp", "8080:80/udp")
	before := l.table()
	for port, want := range map[string]string{
		"8080:80/tcp":           "0.0.0.0:8080/tcp: already in use by the container with endpoint " + short(c.ep.ID) + "; choose another host port",
		"127.0.0.1:8080:80/udp": "127.0.0.1:8080/udp: already in use by the container with endpoint",
	} {
		_, err := d.tryPublish("9090:90/tcp", port)
		var pe *PortError
		if !errors.As(err, &pe) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", port, err)
		}
	}
	other, err := net.Listen("tcp4", "127.0.0.1:8081")
	must(t, err)
	defer closing(other)
	_, err = d.tryPublish("8081:80/tcp")
	if err == nil || !strings.Contains(err.Error(), "0.0.0.0:8081/tcp: already in use by process") || !strings.Contains(err.Error(), "nat.test") {
		t.Errorf("a port of another program: %v", err)
	}
	_, err = d.tryPublish("203.0.113.1:8082:80/tcp")
	if !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("an address that is not the host's: %v", err)
	}
	for _, bad := range []Port{{Proto: 1, TargetPort: 80}, {Proto: TCP}, {Proto: TCP, TargetPort: 80, HostPort: 9, HostPortEnd: 8}} {
		d.ep.Ports = []Port{bad}
		if _, err := l.f.Publish(l.ctx, d.ep); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if _, err := l.f.Publish(l.ctx, Endpoint{ID: "e", Network: "nowhere"}); !errors.Is(err, ErrUnknownNetwork) {
		t.Errorf("an unknown network: %v", err)
	}
	if after := l.table(); len(after) != len(before) || len(after.without(before)) > 0 {
		t.Errorf("the table has changed: %v", after.without(before))
	}
	sees(t, l.outside, at(host4, 8080), outside4)

	t.Log("when the first one lets go, the second one gets it")
	must(t, l.f.Unpublish(l.ctx, c.ep.ID))
	d.serve(80)
	d.publish("8080:80/tcp", "8080:80/udp")
	sees(t, l.outside, at(host4, 8080), outside4)
	l.clean()
}

// TestReplace: Publish replaces what an endpoint had, and what stays is not touched.
func TestReplace(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	l.network(1, nil)
	c := l.container(1, 2)
	c.serve(80)
	c.serve(81)
	c.publish("8080:80/tcp", "8080:80/udp", "8081:80/tcp", "8081:80/udp")
	c.publish("8080:81/tcp", "8080:81/udp", "127.0.0.1:8081:80/tcp", "127.0.0.1:8081:80/udp")
	sees(t, l.outside, at(host4, 8080), outside4)
	sees(t, nil, at("::1", 8080), "fd00:1::1")
	sees(t, nil, at("127.0.0.1", 8081), "10.1.0.1")
	refused(t, l.outside, at(host4, 8081))
	l.clean()
	t.Log("a replacement that fails leaves what was")
	other, err := net.Listen("tcp4", ":8082")
	must(t, err)
	defer closing(other)
	if got, perr := c.tryPublish("0.0.0.0:8081:81/tcp", "8082:80/tcp"); perr == nil {
		t.Fatalf("published: %v", got)
	}
	sees(t, l.outside, at(host4, 8080), outside4)
	sees(t, nil, at("127.0.0.1", 8081), "10.1.0.1")
	refused(t, l.outside, at(host4, 8081))
	l.clean()
	must(t, l.f.Unpublish(l.ctx, c.ep.ID))
	must(t, l.f.Unpublish(l.ctx, c.ep.ID))
	if e := l.table(); slices.ContainsFunc(e.sorted(), func(k element) bool { return setByName[k.set].value != "" }) {
		t.Errorf("the table still has ports: %v", e)
	}
	ln, err := net.Listen("tcp", ":8080")
	must(t, err)
	closing(ln)
}

// TestContext: a call whose time is over gives up, also while it waits for another.
func TestContext(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	n := l.network(1, nil)
	must(t, l.f.enter(l.ctx))
	ctx, cancel := context.WithTimeout(l.ctx, 50*time.Millisecond)
	defer cancel()
	if err := l.f.EnsureNetwork(ctx, n); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting: %v", err)
	}
	l.f.leave()
	if _, err := l.f.Publish(ctx, Endpoint{ID: "e", Network: n.ID}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("too late: %v", err)
	}
	must(t, l.f.Close())
	if _, err := l.f.Audit(l.ctx); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestPlan: which addresses of the host a port is published on.
func TestPlan(t *testing.T) {
	t.Parallel()
	v4, v6 := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")
	nat4 := Family{Subnets: prefixes("10.0.0.0/24")}
	nat6 := Family{Subnets: prefixes("fd00::/64")}
	bound := func(f Family, a string) Family { f.HostBinding = netip.MustParseAddr(a); return f }
	mode := func(f Family, m Mode) Family { f.Mode = m; return f }
	for name, c := range map[string]struct {
		n     Network
		addrs []netip.Addr
		port  string
		want  string
	}{
		"both families":               {Network{IPv4: nat4, IPv6: nat6}, []netip.Addr{v4, v6}, "1:2/tcp", "0.0.0.0:1->10.0.0.2:2 [::]:1->[fd00::2]:2"},
		"any IPv4":                    {Network{IPv4: nat4, IPv6: nat6}, []netip.Addr{v4, v6}, "0.0.0.0:1:2/tcp", "0.0.0.0:1->10.0.0.2:2"},
		"any IPv6":                    {Network{IPv4: nat4, IPv6: nat6}, []netip.Addr{v4, v6}, "[::]:1:2/tcp", "[::]:1->[fd00::2]:2"},
		"IPv4 behind IPv6":            {Network{IPv4: nat4}, []netip.Addr{v4}, "[::]:1:2/tcp", "[::]:1->10.0.0.2:2"},
		"IPv4 only":                   {Network{IPv4: nat4}, []netip.Addr{v4}, "1:2/tcp", "0.0.0.0:1->10.0.0.2:2 [::]:1->10.0.0.2:2"},
		"IPv6 only":                   {Network{IPv6: nat6}, []netip.Addr{v6}, "1:2/tcp", "[::]:1->[fd00::2]:2"},
		"IPv6 behind IPv4":            {Network{IPv6: nat6}, []netip.Addr{v6}, "0.0.0.0:1:2/tcp", ""},
		"binding IPv4":                {Network{IPv4: bound(nat4, "127.0.0.1"), IPv6: nat6}, []netip.Addr{v4, v6}, "1:2/tcp", "127.0.0.1:1->10.0.0.2:2"},
		"binding any IPv4":            {Network{IPv4: bound(nat4, "0.0.0.0"), IPv6: nat6}, []netip.Addr{v4, v6}, "1:2/tcp", "0.0.0.0:1->10.0.0.2:2 [::]:1->[fd00::2]:2"},
		"binding IPv6":                {Network{IPv4: nat4, IPv6: bound(nat6, "::1")}, []netip.Addr{v4, v6}, "1:2/tcp", "[::1]:1->[fd00::2]:2"},
		"binding both":                {Network{IPv4: bound(nat4, "127.0.0.1"), IPv6: bound(nat6, "::1")}, []netip.Addr{v4, v6}, "1:2/tcp", "127.0.0.1:1->10.0.0.2:2 [::1]:1->[fd00::2]:2"},
		"binding and an address":      {Network{IPv4: bound(nat4, "127.0.0.1"), IPv6: nat6}, []netip.Addr{v4, v6}, "192.0.2.1:1:2/tcp", "192.0.2.1:1->10.0.0.2:2"},
		"routed":                      {Network{IPv4: mode(nat4, ModeRouted), IPv6: nat6}, []netip.Addr{v4, v6}, "1:2/tcp", "[::]:1->[fd00::2]:2 0.0.0.0:0->10.0.0.2:2"},
		"routed and an address":       {Network{IPv4: mode(nat4, ModeRouted)}, []netip.Addr{v4}, "192.0.2.1:1:2/tcp", "0.0.0.0:0->10.0.0.2:2"},
		"isolated":                    {Network{IPv4: mode(nat4, ModeIsolated), IPv6: mode(nat6, ModeIsolated)}, []netip.Addr{v4, v6}, "1:2/tcp", ""},
		"mapped":                      {Network{IPv4: nat4}, []netip.Addr{netip.MustParseAddr("::ffff:10.0.0.2")}, "0.0.0.0:1:2/tcp", "0.0.0.0:1->10.0.0.2:2"},
		"IPv4 behind IPv6, unrouted":  {Network{IPv4: nat4, IPv6: mode(Family{}, ModeRouted)}, []netip.Addr{v4}, "1:2/tcp", "0.0.0.0:1->10.0.0.2:2"},
		"IPv4 behind IPv6, isolated6": {Network{IPv4: nat4, IPv6: mode(Family{}, ModeIsolated)}, []netip.Addr{v4}, "1:2/tcp", "0.0.0.0:1->10.0.0.2:2"},
	} {
		p := parsePort(t, c.port)
		groups, err := plan(c.n, Endpoint{ID: "e", Addrs: c.addrs, Ports: []Port{p, p}})
		must(t, err)
		var got []string
		for _, g := range groups {
			for _, b := range g {
				got = append(got, fmt.Sprintf("%v->%v", netip.AddrPortFrom(b.hostIP, b.from), b.target))
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s, want %s", name, s, c.want)
		}
	}
}
