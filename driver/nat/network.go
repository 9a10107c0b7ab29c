// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// validate holds a network against what the table can hold.
func (n Network) validate() error {
	if n.ID == "" {
		return fmt.Errorf("network without an id: %w", ErrInvalid)
	}
	if !linkName(n.Bridge) {
		return fmt.Errorf("network %s: link name %q: %w", short(n.ID), n.Bridge, ErrInvalid)
	}
	for _, v6 := range []bool{false, true} {
		f := n.family(v6)
		switch f.mode() {
		case ModeNAT, ModeNATUnprotected, ModeRouted, ModeIsolated:
		default:
			return fmt.Errorf("network %s: gateway mode %q: %w; one of nat, nat-unprotected, routed, isolated", short(n.ID), f.Mode, ErrInvalid)
		}
		for _, p := range f.Subnets {
			if !p.IsValid() || p.Addr().Is4() == v6 {
				return fmt.Errorf("network %s: subnet %v is not of its family: %w", short(n.ID), p, ErrInvalid)
			}
		}
		for _, a := range []netip.Addr{f.Gateway, f.HostBinding} {
			if a.IsValid() && a.Is4() == v6 {
				return fmt.Errorf("network %s: address %v is not of its family: %w", short(n.ID), a, ErrInvalid)
			}
		}
	}
	return nil
}

// linkName tells whether a name can be a link's and stand in a rule as it is.
func linkName(s string) bool {
	return s != "" && len(s) < 16 && s != "." && s != ".." && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`/:"*\`, r)
	})
}

// short gives the start of an id, as docker ps does.
func short(id string) string { return id[:min(len(id), 12)] }

// clone copies the network so that the caller's slices can change.
func (n Network) clone() Network {
	for _, f := range []*Family{&n.IPv4, &n.IPv6} {
		f.Subnets = slices.Clone(f.Subnets)
		for i, p := range f.Subnets {
			f.Subnets[i] = p.Masked()
		}
	}
	n.Peers = slices.Clone(n.Peers)
	return n
}

// equal tells whether two networks ask for the same.
func (n Network) equal(o Network) bool {
	return n.ID == o.ID && n.Bridge == o.Bridge && n.IPv4.equal(o.IPv4) && n.IPv6.equal(o.IPv6) &&
		slices.Equal(n.Peers, o.Peers) && n.ClampMSS == o.ClampMSS
}

func (f Family) equal(o Family) bool {
	return f.mode() == o.mode() && slices.Equal(f.Subnets, o.Subnets) && f.Gateway == o.Gateway &&
		f.Masquerade == o.Masquerade && f.HostBinding == o.HostBinding
}

// active tells whether the family is in use at all.
func (f Family) active() bool { return len(f.Subnets) > 0 }

// forwards tells whether the host has to forward for the family.
func (f Family) forwards() bool { return f.active() && f.mode() != ModeIsolated }

// peers tells whether two networks may reach each other.
func peers(a, b Network) bool {
	return slices.Contains(a.Peers, b.ID) || slices.Contains(b.Peers, a.ID)
}

// networkElements gives all that the table holds because of the networks themselves.
func networkElements(networks map[string]Network) elements {
	e := elements{}
	for _, v6 := range []bool{false, true} {
		s := "4"
		if v6 {
			s = "6"
		}
		var subnets, masquerade []netip.Prefix
		for _, n := range networks {
			f := n.family(v6)
			subnets = append(subnets, f.Subnets...)
			if f.Masquerade && f.translates() {
				masquerade = append(masquerade, f.Subnets...)
			}
			n.familyElements(e, networks, v6)
		}
		for _, p := range widest(subnets) {
			e.put(setSubnets+s, prefixText(p))
		}
		for _, p := range widest(masquerade) {
			e.put(setMasquerade+s, prefixText(p))
		}
	}
	return e
}

// familyElements adds what one family of one network needs, but for its subnets.
func (n Network) familyElements(e elements, all map[string]Network, v6 bool) {
	f, proto := n.family(v6), nfproto(v6)
	e.put(setLinks, n.Bridge)
	if n.ClampMSS {
		e.put(setClamp, n.Bridge)
	}
	switch f.mode() {
	case ModeIsolated:
		e.put(setIsolated, proto, n.Bridge)
	case ModeNATUnprotected:
		e.put(setUnprotected, proto, n.Bridge)
	case ModeRouted:
		e.put(setRouted, proto, n.Bridge)
	case ModeNAT:
	}
	if g := f.Gateway; g.IsValid() {
		e.put(setGateways+suffix(g), g.String())
	}
	for _, o := range all {
		of := o.family(v6)
		open := f.mode() != ModeIsolated && of.mode() != ModeIsolated && peers(n, o)
		if o.ID != n.ID && !open {
			continue
		}
		e.put(setPaths, proto, n.Bridge, o.Bridge)
		if g := of.Gateway; g.IsValid() {
			e.put(setOwn+suffix(g), n.Bridge, g.String())
		}
	}
}
