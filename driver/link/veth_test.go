// SPDX-License-Identifier: Apache-2.0

package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

var sample = Veth{
	Name: "ovs0123456789ab", Peer: "ovp0123456789ab", Alias: "ovsnet:ovsnet:net1:ep1",
	PeerMAC: net.HardwareAddr{0x02, 0x42, 0x0a, 0x01, 0x00, 0x02}, MTU: 1450,
}

// good holds a pair, with its peer in the namespace of k, to sample.
func good(t *testing.T, s space, k *netlink.Handle, v Veth) {
	t.Helper()
	h := s.attrs(t, v.Name)
	if h.Alias != v.Alias || h.Flags&net.FlagUp == 0 || h.MTU != v.MTU || h.TxQLen != queueLen || h.Group != group || h.HardwareAddr.String() != v.hostMAC().String() {
		t.Errorf("host end: %+v", h)
	}
	p := attrs(t, k, v.Peer)
	if p.HardwareAddr.String() != v.PeerMAC.String() || p.MTU != v.MTU || p.TxQLen != queueLen || p.Alias != "" || p.Flags&net.FlagUp != 0 {
		t.Errorf("peer: %+v", p)
	}
	if got := s.addresses(t, v.Name); got != nil {
		t.Errorf("the host end has addresses: %v", got)
	}
}

func TestEnsureVeth(t *testing.T) {
	s := newSpace(t)
	for range 2 { // the second time it exists
		if err := s.EnsureVeth(t.Context(), sample); err != nil {
			t.Fatal(err)
		}
		good(t, s, s.k, sample)
	}
	// With its peer up, the host end would get its link-local address now.
	p, err := s.k.LinkByName(sample.Peer)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.k.LinkSetUp(p); err != nil {
		t.Fatal(err)
	}
	if got := s.addresses(t, sample.Name); got != nil {
		t.Errorf("the host end has addresses: %v", got)
	}
	if got := s.attrs(t, sample.Name).OperState; got != netlink.OperUp {
		t.Errorf("the host end is %s", got)
	}
}

func TestTxOffload(t *testing.T) {
	ethtool := ovstest.NeedTool(t, "ethtool", "ethtool")
	s := newSpace(t)
	for i, on := range []bool{false, true} {
		v := sample
		v.TxOffload = on
		v.Name, v.Peer = fmt.Sprintf("h%d", i), fmt.Sprintf("p%d", i)
		if err := s.EnsureVeth(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		for _, end := range []string{v.Name, v.Peer} {
			cmd := exec.Command(ethtool, "-k", end)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			want := map[bool]string{false: "off", true: "on"}[on]
			for _, f := range []string{"tx-checksumming", "tx-tcp-segmentation", "tx-tcp6-segmentation"} {
				if !strings.Contains(string(out), f+": "+want) {
					t.Errorf("%s with TxOffload %v: %s is not %s:\n%s", end, on, f, want, out)
				}
			}
		}
	}
}

// TestFixVeth proves that what went wrong with a pair is put right.
func TestFixVeth(t *testing.T) {
	s := newSpace(t)
	if err := s.EnsureVeth(t.Context(), sample); err != nil {
		t.Fatal(err)
	}
	h, err1 := s.k.LinkByName(sample.Name)
	p, err2 := s.k.LinkByName(sample.Peer)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func() error{
		"host end down":   func() error { return s.k.LinkSetDown(h) },
		"host end's MTU":  func() error { return s.k.LinkSetMTU(h, 1300) },
		"peer's MTU":      func() error { return s.k.LinkSetMTU(p, 1300) },
		"peer's MAC":      func() error { return s.k.LinkSetHardwareAddr(p, hw("02:00:00:00:00:99")) },
		"peer renamed":    func() error { return s.k.LinkSetName(p, "eth0") },
		"alias never set": func() error { return s.k.LinkSetAlias(h, "") },
	} {
		if err := spoil(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := s.EnsureVeth(t.Context(), sample); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		good(t, s, s.k, sample)
	}
}

// TestPeerAway follows a peer into a container, and back as an engine brings it.
func TestPeerAway(t *testing.T) {
	s := newSpace(t)
	ns, in := otherNS(t, s)
	present := func(want bool) {
		t.Helper()
		if got, err := s.PeerPresent(t.Context(), sample.Name); err != nil || got != want {
			t.Errorf("PeerPresent: %v %v, want %v", got, err, want)
		}
	}
	present(false)
	if err := s.EnsureVeth(t.Context(), sample); err != nil {
		t.Fatal(err)
	}
	present(true)
	p, err := s.k.LinkByName(sample.Peer)
	if err != nil {
		t.Fatal(err)
	}
	if err = s.k.LinkSetNsFd(p, int(ns)); err != nil {
		t.Fatal(err)
	}
	present(false)
	if err = s.EnsureVeth(t.Context(), sample); err != nil {
		t.Errorf("with the peer in a container: %v", err)
	}
	good(t, s, in, sample)

	// A link of ours that has the index which the peer has in there is not the peer.
	p, err = in.LinkByName(sample.Peer)
	if err != nil {
		t.Fatal(err)
	}
	d := &netlink.Bridge{}
	d.Name, d.Index, d.TxQLen = "same", p.Attrs().Index, -1
	if err = s.k.LinkAdd(d); err != nil {
		t.Fatal(err)
	}
	present(false)
	if err = in.LinkSetName(p, "eth0"); err != nil {
		t.Fatal(err)
	}
	if err = in.LinkSetHardwareAddr(p, hw("02:00:00:00:00:77")); err != nil {
		t.Fatal(err)
	}
	if err = in.LinkSetNsFd(p, int(s.ns)); err != nil {
		t.Fatal(err)
	}
	present(true)
	if err = s.EnsureVeth(t.Context(), sample); err != nil {
		t.Fatal(err)
	}
	good(t, s, s.k, sample)

	// With its peer in a container, a pair is removed from both.
	p, err = s.k.LinkByName(sample.Peer)
	if err != nil {
		t.Fatal(err)
	}
	if err = s.k.LinkSetNsFd(p, int(ns)); err != nil {
		t.Fatal(err)
	}
	if err = s.DeleteVeth(t.Context(), sample.Name, sample.Alias); err != nil {
		t.Error(err)
	}
	if _, err = in.LinkByName(sample.Peer); !gone(err) {
		t.Errorf("the peer stayed: %v", err)
	}
	present(false)
}

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
	before := s.names0(t)
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
		if err := s.DeleteVeth(t.Context(), v.Name, v.Alias); !errors.Is(err, ErrTaken) {
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

func (s space) names0(t *testing.T) string {
	t.Helper()
	ls, err := dump(t.Context(), s.k.LinkList)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range ls {
		names = append(names, l.Attrs().Name)
	}
	return strings.Join(names, " ")
}

func TestDeleteVeth(t *testing.T) {
	s := newSpace(t)
	before := s.names0(t)
	for range 2 { // the second time it is absent
		if err := s.DeleteVeth(t.Context(), sample.Name, sample.Alias); err != nil {
			t.Fatal(err)
		}
		if err := s.EnsureVeth(t.Context(), sample); err != nil {
			t.Fatal(err)
		}
		if err := s.DeleteVeth(t.Context(), sample.Name, sample.Alias); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.names0(t); got != before {
		t.Errorf("links before: %s; after: %s", before, got)
	}
}

func TestBadVeth(t *testing.T) {
	s := newSpace(t)
	before := s.names0(t)
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
	if got := s.names0(t); got != before {
		t.Errorf("links before: %s; after: %s", before, got)
	}
}

// TestUndo proves that a pair whose making fails half-way leaves nothing: the
// kernel refuses an alias of 256 bytes only in the second request.
func TestUndo(t *testing.T) {
	s := newSpace(t)
	before := s.names0(t)
	v := sample
	v.Alias = strings.Repeat("a", 256)
	err := s.on(t.Context(), v.Name, func(c *conn) error {
		index, err := s.makeVeth(c, v)
		if err == nil || index == 0 {
			t.Fatalf("index %d, %v", index, err)
		}
		return errors.Join(err, c.remove(index))
	})
	if !errors.Is(err, unix.ERANGE) {
		t.Errorf("%v", err)
	}
	if got := s.names0(t); got != before {
		t.Errorf("links before: %s; after: %s", before, got)
	}
}

func TestCancelled(t *testing.T) {
	s := newSpace(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, errList := s.List(ctx, "")
	_, errPeer := s.PeerPresent(ctx, "x")
	_, _, errIndex := s.Index(ctx, "x")
	for i, err := range []error{
		s.EnsureVeth(ctx, sample), s.DeleteVeth(ctx, "x", "y"), errList, errPeer, errIndex,
		s.EnsureGateway(ctx, Gateway{Name: "x", MAC: sample.PeerMAC}), s.ClearGateway(ctx, "x"),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if _, exists, err := s.Index(t.Context(), sample.Name); exists || err != nil {
		t.Errorf("a cancelled call made a link: %v", err)
	}
}

// TestManyVeths makes, makes again, lists and removes many at once, each from two sides.
func TestManyVeths(t *testing.T) {
	const pairs = 60
	s := newSpace(t)
	before := s.names0(t)
	both := func(f func(v Veth) error) {
		t.Helper()
		var wg sync.WaitGroup
		for i := range 2 * pairs {
			wg.Go(func() {
				v := sample
				v.Name, v.Peer = fmt.Sprintf("h%d", i/2), fmt.Sprintf("p%d", i/2)
				v.Alias = fmt.Sprintf("ovsnet:o:n:%d", i/2)
				if err := f(v); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Go(func() { // while all that goes on
			if _, err := s.List(t.Context(), "ovsnet:o:"); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
	}
	both(func(v Veth) error { return s.EnsureVeth(t.Context(), v) })
	got, err := s.List(t.Context(), "ovsnet:o:")
	if err != nil || len(got) != pairs {
		t.Fatalf("%d links listed, %v", len(got), err)
	}
	both(func(v Veth) error { return s.DeleteVeth(t.Context(), v.Name, v.Alias) })
	if after := s.names0(t); after != before {
		t.Errorf("links before: %s; after: %s", before, after)
	}
}

func TestListAndIndex(t *testing.T) {
	s := newSpace(t)
	s.bridge(t, "stranger")
	if err := s.EnsureVeth(t.Context(), sample); err != nil {
		t.Fatal(err)
	}
	a := s.attrs(t, sample.Name)
	got, err := s.List(t.Context(), "ovsnet:ovsnet:")
	if err != nil || len(got) != 1 {
		t.Fatalf("%+v %v", got, err)
	}
	if g := got[0]; g.Name != sample.Name || g.Alias != sample.Alias || g.Index != a.Index || g.MTU != 1450 || !g.Up || g.MAC.String() != sample.hostMAC().String() {
		t.Errorf("%+v", g)
	}
	if got, err := s.List(t.Context(), "ovsnet:other:"); err != nil || len(got) != 0 {
		t.Errorf("%+v %v", got, err)
	}
	if i, ok, err := s.Index(t.Context(), sample.Name); i != a.Index || !ok || err != nil {
		t.Errorf("%d %v %v", i, ok, err)
	}
	if i, ok, err := s.Index(t.Context(), "absent"); i != 0 || ok || err != nil {
		t.Errorf("%d %v %v", i, ok, err)
	}
}

func TestKernelDatapath(t *testing.T) {
	got, err := KernelDatapath()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/sys/module/openvswitch"); (err == nil) != got {
		t.Errorf("KernelDatapath is %v, /sys/module/openvswitch: %v", got, err)
	}
}
