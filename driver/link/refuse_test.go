// SPDX-License-Identifier: Apache-2.0

package link

import (
	"errors"
	"net"
	"strings"
	"testing"
)

// TestTaken proves that links of others are left alone.
func TestTaken(t *testing.T) {
	s := newSpace(t)
	s.bridge(t, "stranger")
	other := sample
	other.Alias = "ovsnet:other:net1:ep1"
	if err := s.EnsureVeth(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	d, err := s.k.LinkByName("stranger")
	if err != nil {
		t.Fatal(err)
	}
	// Even with an alias of ours, what is no veth is not ours.
	if err = s.k.LinkSetAlias(d, sample.Alias); err != nil {
		t.Fatal(err)
	}
	if err = s.k.LinkAddAltName(d, "other-name"); err != nil {
		t.Fatal(err)
	}
	before := s.linkNames(t)
	for name, v := range map[string]Veth{
		"link stranger: exists and is not ovsnet's: a bridge with alias":                            {Name: "stranger", Peer: "p", Alias: sample.Alias},
		"link other-name: exists and is not ovsnet's: it is another name of stranger":               {Name: "other-name", Peer: "p", Alias: sample.Alias},
		"link ovs0123456789ab: exists and is not ovsnet's: a veth with alias \"ovsnet:other:":       sample,
		"link new: its peer stranger exists and is not ovsnet's; remove that link":                  {Name: "new", Peer: "stranger", Alias: sample.Alias},
		"link ovs0123456789ab: exists and is not ovsnet's: a veth with alias \"ovsnet:other:net1:e": {Name: sample.Name, Peer: "p2", Alias: sample.Alias},
	} {
		err = s.EnsureVeth(t.Context(), v)
		if !errors.Is(err, ErrTaken) || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("got  %v\nwant %s", err, name)
		}
		if v.Name == "new" {
			continue
		}
		if err = s.DeleteVeth(t.Context(), v.Name, v.Alias); !errors.Is(err, ErrTaken) {
			t.Errorf("DeleteVeth %s: %v", v.Name, err)
		}
	}
	// A peer that came back under another name, while its own was taken.
	p, err := s.k.LinkByName(other.Peer)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.k.LinkSetName(p, "eth0"); err != nil {
		t.Fatal(err)
	}
	s.bridge(t, other.Peer)
	if err := s.EnsureVeth(t.Context(), other); !errors.Is(err, ErrTaken) {
		t.Errorf("its peer's name taken: %v", err)
	}
	if before == "" {
		t.Error("no links")
	}
	if got := s.attrs(t, "stranger"); got.Flags&net.FlagUp != 0 || got.Alias != sample.Alias {
		t.Errorf("the stranger was changed: %+v", got)
	}
}

func TestBadVeth(t *testing.T) {
	s := newSpace(t)
	before := s.linkNames(t)
	for want, spoil := range map[string]func(*Veth){
		`link : "" is not a link's name of 1 to 15 bytes`:                     func(v *Veth) { v.Name = "" },
		`link ovs0123456789abc: "ovs0123456789abc" is not a link's name`:      func(v *Veth) { v.Name = "ovs0123456789abc" },
		`link a/b: "a/b" is not a link's name: it has a space, a slash`:       func(v *Veth) { v.Name = "a/b" },
		`link ovs0123456789ab: peer: "a b" is not a link's name`:              func(v *Veth) { v.Peer = "a b" },
		`link ovs0123456789ab: the two ends have the same name`:               func(v *Veth) { v.Peer = v.Name },
		`link ovs0123456789ab: the alias has 0 bytes, want 1 to 255`:          func(v *Veth) { v.Alias = "" },
		`link ovs0123456789ab: the alias has 256 bytes`:                       func(v *Veth) { v.Alias = strings.Repeat("a", 256) },
		`link ovs0123456789ab: "02:00" is not a MAC address of 6 bytes`:       func(v *Veth) { v.PeerMAC = v.PeerMAC[:2] },
		`link ovs0123456789ab: MTU 67 is not between 68 and 65535`:            func(v *Veth) { v.MTU = 67 },
		`link ovs0123456789ab: making the pair: cannot assign requested addr`: func(v *Veth) { v.PeerMAC = hw("ff:ff:ff:ff:ff:ff") },
	} {
		v := sample
		v.PeerMAC = hw("02:00:00:00:00:01")
		spoil(&v)
		if len(v.PeerMAC) == 2 {
			v.PeerMAC = net.HardwareAddr{2, 0}
		}
		if err := s.EnsureVeth(t.Context(), v); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	// The longest of everything, the smallest MTU (too small for IPv6), and the kernel's choice of the rest.
	for i, v := range []Veth{
		{Name: "012345678901234", Peer: "a12345678901234", Alias: strings.Repeat("a", 255), MTU: 65535, PeerMAC: hw("fe:00:00:00:00:01")},
		{Name: "a", Peer: "b", Alias: "x", MTU: 68},
	} {
		for range 2 {
			if err := s.EnsureVeth(t.Context(), v); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		}
		if err := s.DeleteVeth(t.Context(), v.Name, v.Alias); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	if got := s.linkNames(t); got != before {
		t.Errorf("links before: %s; after: %s", before, got)
	}
}
