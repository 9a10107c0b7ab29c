// SPDX-License-Identifier: Apache-2.0

package link

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// soon bounds what a test waits for that must happen.
const soon = 20 * time.Second

func prefixes(ss ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range ss {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func sorted(ps []netip.Prefix) string {
	slices.SortFunc(ps, netip.Prefix.Compare)
	var out []string
	for _, p := range ps {
		out = append(out, p.String())
	}
	return strings.Join(out, " ")
}

const gwMAC = "02:42:0a:01:00:01" // its link-local address is fe80::42:aff:fe01:1

func (s space) wantGateway(t *testing.T, g Gateway, want ...string) {
	t.Helper()
	a := s.attrs(t, g.Name)
	if a.HardwareAddr.String() != g.MAC.String() || g.MTU != 0 && a.MTU != g.MTU || a.Flags&net.FlagUp == 0 {
		t.Errorf("%+v", a)
	}
	if got, want := sorted(s.addresses(t, g.Name)), sorted(prefixes(want...)); got != want {
		t.Errorf("addresses: %s\nwant:      %s", got, want)
	}
}

func (s space) differs(t *testing.T, g Gateway, want bool) {
	t.Helper()
	if got, err := s.GatewayDiffers(t.Context(), g); err != nil || got != want {
		t.Errorf("differs is %t, %v; want %t: %+v", got, err, want, g)
	}
}

func TestEnsureGateway(t *testing.T) {
	s := newSpace(t)
	s.bridge(t, "ovsbr-1")
	g := Gateway{Name: "ovsbr-1", MAC: hw(gwMAC), MTU: 1450, Addresses: prefixes("10.1.0.1/24", "fd00:1::1/64")}
	s.differs(t, g, true)
	for range 2 {
		if err := s.EnsureGateway(t.Context(), g); err != nil {
			t.Fatal(err)
		}
		s.wantGateway(t, g, "10.1.0.1/24", "fd00:1::1/64", "fe80::42:aff:fe01:1/64")
	}
	for key, want := range map[string]string{"disable_ipv6": "0", "accept_ra": "0", "accept_dad": "0", "addr_gen_mode": "1"} {
		if got := sysctlOf(t, g.Name, key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}

	s.differs(t, g, false)
	for _, other := range []Gateway{
		{Name: g.Name, MAC: hw("02:00:00:00:00:01"), MTU: 1450, Addresses: g.Addresses},
		{Name: g.Name, MAC: g.MAC, MTU: 1400, Addresses: g.Addresses},
		{Name: g.Name, MAC: g.MAC, MTU: 1450, Addresses: g.Addresses[:1]},
		{Name: g.Name, MAC: g.MAC, MTU: 1450, Addresses: prefixes("10.1.0.1/24", "fd00:1::1/64", "10.1.0.2/24")},
		{Name: "absent", MAC: g.MAC},
	} {
		s.differs(t, other, true)
	}

	g.Addresses = prefixes("10.1.0.1/24", "10.1.0.2/24", "10.2.0.1/16", "fd00:1::1/64", "fd00:2::1/64")
	if err := s.EnsureGateway(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	s.wantGateway(t, g, "10.1.0.1/24", "10.1.0.2/24", "10.2.0.1/16", "fd00:1::1/64", "fd00:2::1/64", "fe80::42:aff:fe01:1/64")

	// The first of a subnet takes the second along when it goes.
	g.Addresses = prefixes("10.1.0.2/24", "fd00:1::1/80")
	g.MAC, g.MTU = hw("02:42:0a:01:00:05"), 0
	if err := s.EnsureGateway(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	s.wantGateway(t, g, "10.1.0.2/24", "fd00:1::1/80", "fe80::42:aff:fe01:5/64")

	g.Addresses = prefixes("10.1.0.2/24")
	if err := s.EnsureGateway(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	s.wantGateway(t, g, "10.1.0.2/24")
	if got := sysctlOf(t, g.Name, "disable_ipv6"); got != "1" {
		t.Errorf("disable_ipv6 is %s", got)
	}

	for range 2 {
		if err := s.ClearGateway(t.Context(), g.Name); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.addresses(t, g.Name); got != nil {
		t.Errorf("addresses after ClearGateway: %v", got)
	}
	if err := s.ClearGateway(t.Context(), "absent"); err != nil {
		t.Error(err)
	}
}

// TestGatewayUndisturbed proves that an address which stays is not taken away
// in between, as connections over it would tell.
func TestGatewayUndisturbed(t *testing.T) {
	s := newSpace(t)
	s.bridge(t, "ovsbr-1")
	g := Gateway{Name: "ovsbr-1", MAC: hw(gwMAC), Addresses: prefixes("10.1.0.1/24", "fd00:1::1/64")}
	if err := s.EnsureGateway(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	news, done := make(chan netlink.AddrUpdate, 64), make(chan struct{}) //nolint:forbidigo // a type, no call
	if err := netlink.AddrSubscribeAt(s.ns, news, done); err != nil {    //nolint:forbidigo // of the right namespace
		t.Fatal(err)
	}
	g.Addresses = prefixes("10.1.0.1/24", "10.3.0.1/24", "fd00:1::1/64")
	if err := s.EnsureGateway(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	for u := range news { // the kernel repeats IPv6 addresses, late
		if !u.NewAddr {
			t.Errorf("taken away: %s", &u.LinkAddress)
		}
		if u.LinkAddress.String() == "10.3.0.1/24" {
			break
		}
	}
	close(done)
	for u := range news {
		if !u.NewAddr {
			t.Errorf("taken away: %s", &u.LinkAddress)
		}
	}
}

// TestGatewayAppears proves that the link is waited for, through the noise of others.
func TestGatewayAppears(t *testing.T) {
	s := newSpace(t)
	made := make(chan error, 1)
	go func() {
		// The subscription is there when a second socket hears our noise; the
		// order of both does not matter to the outcome.
		for _, name := range []string{"noise1", "noise2", "ovsbr-1", "noise3"} {
			b := &netlink.Bridge{}
			b.Name, b.TxQLen = name, -1
			if err := s.k.LinkAdd(b); err != nil {
				made <- err
				return
			}
		}
		made <- nil
	}()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	g := Gateway{Name: "ovsbr-1", MAC: hw(gwMAC), Addresses: prefixes("10.1.0.1/24")}
	if err := s.EnsureGateway(ctx, g); err != nil {
		t.Fatal(err)
	}
	s.wantGateway(t, g, "10.1.0.1/24")
	if err := <-made; err != nil {
		t.Fatal(err)
	}
}

// TestAwaitNews proves that the wait is by subscription: the link comes after
// the wait has begun, for certain.
func TestAwaitNews(t *testing.T) {
	s := newSpace(t)
	waiting := make(chan struct{})
	go func() {
		defer close(waiting)
		// The subscription is a netlink socket with a group; the namespace has no other.
		for end := time.Now().Add(soon); time.Now().Before(end); {
			if subscribed(t) {
				break
			}
		}
		b := &netlink.Bridge{}
		b.Name, b.TxQLen = "ovsbr-1", -1
		if err := s.k.LinkAdd(b); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if err := s.await(ctx, "ovsbr-1"); err != nil {
		t.Error(err)
	}
	<-waiting
}

// subscribed looks for a netlink socket of this process that listens to links.
// /proc/<pid>/net is the namespace of the process's first thread; a thread's
// own is under task.
func subscribed(t *testing.T) bool {
	t.Helper()
	tasks, err := filepath.Glob("/proc/self/task/*/net/netlink")
	if err != nil {
		t.Error(err)
	}
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended
		}
		for _, line := range strings.Split(string(b), "\n") {
			f := strings.Fields(line) // sk Eth Pid Groups ...
			if len(f) > 3 && f[1] == "0" && f[3] == "00000001" {
				return true
			}
		}
	}
	return false
}

func TestGatewayNeverAppears(t *testing.T) {
	s := newSpace(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := s.EnsureGateway(ctx, Gateway{Name: "ovsbr-1", MAC: hw(gwMAC)})
	if !errors.Is(err, context.DeadlineExceeded) || err.Error() != "link ovsbr-1: did not appear: context deadline exceeded; see the log of ovs-vswitchd" {
		t.Error(err)
	}
}

func TestBadGateway(t *testing.T) {
	s := newSpace(t)
	s.bridge(t, "ovsbr-1")
	for want, spoil := range map[string]func(*Gateway){
		`link a b: "a b" is not a link's name`:                                  func(g *Gateway) { g.Name = "a b" },
		`link ovsbr-1: "" is not a MAC address of 6 bytes`:                      func(g *Gateway) { g.MAC = nil },
		`link ovsbr-1: MTU 70000 is not between`:                                func(g *Gateway) { g.MTU = 70000 },
		`link ovsbr-1: MTU 1279 is too small for IPv6`:                          func(g *Gateway) { g.MTU, g.Addresses = 1279, prefixes("fd00::1/64") },
		`link ovsbr-1: fe80::1/64 is not an address for a gateway`:              func(g *Gateway) { g.Addresses = prefixes("fe80::1/64") },
		`link ovsbr-1: 224.0.0.1/24 is not an address for a gateway`:            func(g *Gateway) { g.Addresses = prefixes("224.0.0.1/24") },
		`link ovsbr-1: invalid Prefix is not an address for a gateway`:          func(g *Gateway) { g.Addresses = []netip.Prefix{{}} },
		`link ovsbr-1: setting MAC address ff:ff:ff:ff:ff:ff: cannot assign re`: func(g *Gateway) { g.MAC = hw("ff:ff:ff:ff:ff:ff") },
	} {
		g := Gateway{Name: "ovsbr-1", MAC: hw(gwMAC), Addresses: prefixes("10.1.0.1/24")}
		spoil(&g)
		if err := s.EnsureGateway(t.Context(), g); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// TestGatewayWithoutIPv6 has a /proc/sys without IPv6, as a kernel booted with ipv6.disable=1.
func TestGatewayWithoutIPv6(t *testing.T) {
	s := newSpace(t)
	s.proc = t.TempDir()
	s.bridge(t, "ovsbr-1")
	g := Gateway{Name: "ovsbr-1", MAC: hw(gwMAC), Addresses: prefixes("10.1.0.1/24")}
	if err := s.EnsureGateway(t.Context(), g); err != nil {
		t.Errorf("IPv4 alone: %v", err)
	}
	if err := s.ClearGateway(t.Context(), g.Name); err != nil {
		t.Error(err)
	}
	g.Addresses = prefixes("fd00::1/64")
	if err := s.EnsureGateway(t.Context(), g); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "IPv6 is not available") {
		t.Error(err)
	}
}

// TestGatewayGrows proves that IPv6 works on a link whose MTU was too small for it.
func TestGatewayGrows(t *testing.T) {
	s := newSpace(t)
	s.bridge(t, "ovsbr-1")
	g := Gateway{Name: "ovsbr-1", MAC: hw(gwMAC), MTU: 1000, Addresses: prefixes("10.1.0.1/24")}
	if err := s.EnsureGateway(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	g.MTU, g.Addresses = 1280, prefixes("fd00::1/64")
	if err := s.EnsureGateway(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	s.wantGateway(t, g, "fd00::1/64", "fe80::42:aff:fe01:1/64")
}
