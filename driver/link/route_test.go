// SPDX-License-Identifier: Apache-2.0

package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// way gives the namespace a link with addresses on it.
func (s space) way(t *testing.T, name string, mtu int, addrs ...string) *netlink.Veth {
	t.Helper()
	d := &netlink.Veth{PeerName: name + "p"}
	d.Name, d.MTU, d.TxQLen = name, mtu, -1
	if err := s.k.LinkAdd(d); err != nil {
		t.Fatal(err)
	}
	far, err := s.k.LinkByName(d.PeerName)
	if err = errors.Join(err, s.k.LinkSetUp(d), s.k.LinkSetUp(far)); err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		p := netip.MustParsePrefix(a)
		addr := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}, Flags: unix.IFA_F_NODAD}
		if err := s.k.AddrAdd(d, addr); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func TestPathTo(t *testing.T) {
	s := newSpace(t)
	d := s.way(t, "under0", 1600, "192.0.2.1/24", "2001:db8::1/64")
	_, far, _ := net.ParseCIDR("203.0.113.0/24")
	route := netlink.Route{Dst: far, Gw: net.IPv4(192, 0, 2, 9), MTU: 1400}
	route.LinkIndex = d.Index
	if err := s.k.RouteAdd(&route); err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]Path{
		"192.0.2.7":   {Link: "under0", MTU: 1600},
		"2001:db8::7": {Link: "under0", MTU: 1600},
		"203.0.113.5": {Link: "under0", MTU: 1400, Narrow: true}, // the route has an MTU of its own
	} {
		if got, err := s.PathTo(t.Context(), netip.MustParseAddr(to)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", to, got, err)
		}
	}
	for _, to := range []string{"198.51.100.1", "2001:db9::1"} {
		if got, err := s.PathTo(t.Context(), netip.MustParseAddr(to)); !errors.Is(err, ErrNoRoute) {
			t.Errorf("%s: %+v, %v, want ErrNoRoute", to, got, err)
		}
	}
}

func TestAddressesOf(t *testing.T) {
	s := newSpace(t)
	s.way(t, "under0", 1500, "192.0.2.1/24", "2001:db8::1/64")
	s.way(t, "other0", 1500, "192.0.2.2/24")
	got, err := s.AddressesOf(t.Context(), "under0")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range prefixes("192.0.2.1/24", "2001:db8::1/64") {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not among %v", want, got)
		}
	}
	if slices.Contains(got, netip.MustParsePrefix("192.0.2.2/24")) {
		t.Errorf("another link's address is among %v", got)
	}
	if got, err := s.AddressesOf(t.Context(), "none0"); err != nil || got != nil {
		t.Errorf("a link that is not there has %v, %v", got, err)
	}
}

// stir changes a link's MTU to 1400 and back until ctx ends: who is to hear of it may not have subscribed yet.
func (s space) stir(ctx context.Context, d netlink.Link) <-chan error {
	done := make(chan error, 1)
	go func() {
		var err error
		for i := 0; err == nil && ctx.Err() == nil; i++ {
			err = s.k.LinkSetMTU(d, 1400+i%2)
		}
		done <- err
	}()
	return done
}

func TestWatchLinks(t *testing.T) {
	s := newSpace(t)
	d := s.way(t, "under0", 1500)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	done := s.stir(ctx, d)
	told := false
	err := s.Watch(ctx, func(name string, mtu int) {
		if name == "under0" && mtu == 1400 {
			told = true
			cancel()
		}
	}, func() { t.Error("news were lost") })
	if err != nil || !told {
		t.Errorf("told: %v, error %v", told, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestWatchKeepsUp: news of hundreds of links that come at once wait for who is slow to read them.
func TestWatchKeepsUp(t *testing.T) {
	const pairs = 300
	s := newSpace(t)
	d := s.way(t, "first", 1500)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	until, heard := context.WithCancel(ctx)
	defer heard()
	done := s.stir(until, d)
	told := map[string]bool{}
	err := s.Watch(ctx, func(name string, _ int) {
		if !told[name] && name == "first" {
			heard()
			for i := range pairs {
				s.way(t, fmt.Sprintf("h%d", i), 1500)
			}
		}
		if told[name] = true; len(told) == 1+2*pairs {
			cancel()
		}
	}, func() { t.Error("news were lost") })
	if err != nil || len(told) != 1+2*pairs {
		t.Errorf("told of %d links, error %v", len(told), err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
