// SPDX-License-Identifier: Apache-2.0

package link

import (
	"net/netip"
	"slices"
	"testing"
)

func TestAddresses(t *testing.T) {
	s := newSpace(t)
	s.bridge(t, "br0")
	want := []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64")}
	g := Gateway{Name: "br0", MAC: hw("02:00:00:00:00:01"), MTU: 1500, Addresses: want}
	if err := s.EnsureGateway(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	got, err := s.Addresses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range want {
		if !slices.Contains(got, p.Addr()) {
			t.Errorf("%s is missing from %v", p.Addr(), got)
		}
	}
	if err = s.ClearGateway(t.Context(), "br0"); err != nil {
		t.Fatal(err)
	}
	if got, err = s.Addresses(t.Context()); err != nil || slices.Contains(got, want[0].Addr()) {
		t.Errorf("%v, %v: an address that has gone", got, err)
	}
}
