// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"
)

func addrs(texts ...string) []netip.Addr {
	out := make([]netip.Addr, 0, len(texts))
	for _, s := range texts {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func TestPeersOf(t *testing.T) {
	p := newPeers([]string{"192.0.2.3", "192.0.2.1", "host-b"}, "")
	p.own = set(addrs("192.0.2.1", "fd00::1"))
	p.self = netip.MustParseAddr("192.0.2.9")
	p.nodes = set(addrs("192.0.2.2", "192.0.2.9", "192.0.2.3"))
	p.found["host-b"] = addrs("192.0.2.4")
	got := p.sources([]string{"fd00::1", "fd00::2", "192.0.2.3"})
	want := map[netip.Addr][]string{
		netip.MustParseAddr("192.0.2.2"): {fromSwarm},
		netip.MustParseAddr("192.0.2.3"): {fromSettings, fromNetwork, fromSwarm},
		netip.MustParseAddr("192.0.2.4"): {fromSettings},
		netip.MustParseAddr("fd00::2"):   {fromNetwork},
	}
	if diff := cmp.Diff(want, got, compareAddr); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := p.of(nil); !slices.Equal(got, addrs("192.0.2.2", "192.0.2.3", "192.0.2.4")) {
		t.Errorf("got %v", got)
	}
}

// nameServer answers for names on a socket of its own, and gives a resolver that asks there.
func nameServer(t *testing.T, names map[string][]netip.Addr) *net.Resolver {
	t.Helper()
	var lc net.ListenConfig
	c, err := lc.ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if answer, err := reply(b[:n], names); err == nil {
				_, _ = c.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = c.Close()
		<-ended
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", c.LocalAddr().String())
	}}
}

func reply(query []byte, names map[string][]netip.Addr) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 {
		return nil, fmt.Errorf("%d questions: %w", len(m.Questions), err)
	}
	q := m.Questions[0]
	m.Response, m.Additionals = true, nil
	all, known := names[q.Name.String()]
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range all {
		h := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60}
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	return m.Pack()
}

// TestLookup: a name is all its addresses of one family, that of the underlay.
func TestLookup(t *testing.T) {
	r := nameServer(t, map[string][]netip.Addr{
		"both.example.":  addrs("192.0.2.3", "192.0.2.2", "fd00::2"),
		"six.example.":   addrs("fd00::3"),
		"wrong.example.": addrs("127.0.0.1", "fe80::1", "224.0.0.1"),
	})
	four, six := newPeers(nil, ""), newPeers([]string{"both.example.", "fd00::9"}, "")
	for _, p := range []*peers{four, six} {
		p.resolver = r
	}
	for _, c := range []struct {
		p    *peers
		name string
		want []netip.Addr
	}{
		{four, "both.example.", addrs("192.0.2.2", "192.0.2.3")},
		{four, "six.example.", addrs("fd00::3")},
		{four, "wrong.example.", nil},
		{six, "both.example.", addrs("fd00::2")},
	} {
		got, err := c.p.lookup(t.Context(), c.name)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
	if got, err := four.lookup(t.Context(), "unknown.example."); err == nil {
		t.Errorf("an unknown name is %v", got)
	}
}

func TestUnderlayFamily(t *testing.T) {
	for _, c := range []struct {
		settings  []string
		own, self string
		want      bool
	}{
		{nil, "", "", false},
		{[]string{"host"}, "", "", false},
		{[]string{"host", "fd00::1"}, "", "", true},
		{[]string{"fd00::1", "192.0.2.1"}, "", "", false},
		{[]string{"192.0.2.1"}, "", "fd00::1", true},
		{nil, "fd00::/64", "192.0.2.1", true},
		{[]string{"fd00::1"}, "192.0.2.0/24", "", false},
		{[]string{"fd00::1"}, "eth0", "", true},
	} {
		p := newPeers(c.settings, c.own)
		if c.self != "" {
			p.self = netip.MustParseAddr(c.self)
		}
		if got := p.six(); got != c.want {
			t.Errorf("%v, self %q: IPv6 %t", c.settings, c.self, got)
		}
	}
}
