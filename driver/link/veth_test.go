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
	if h.Alias != v.Alias || h.Flags&net.FlagUp == 0 || h.MTU != v.MTU || h.TxQLen != queueLen || h.Group != Group || h.HardwareAddr.String() != v.hostMAC().String() {
		t.Errorf("host end: %+v", h)
	}
	p := attrs(t, k, v.Peer)
	if p.HardwareAddr.String() != v.PeerMAC.String() || p.MTU != v.MTU || p.TxQLen != queueLen || p.Alias != "" || p.Flags&net.FlagUp != 0 {
		t.Errorf("peer: %+v", p)
	}
	if got := s.addresses(t, v.Name); got != nil {
		t.Errorf("the host end has addresses: %v", got)
	}
	for key, want := range map[string]string{"arp_ignore": "8", "forwarding": "0"} {
		if got := sysctlIn(t, "ipv4", v.Name, key); got != want {
			t.Errorf("%s of the host end is %s, want %s", key, got, want)
		}
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

func TestDeleteVeth(t *testing.T) {
	s := newSpace(t)
	before := s.linkNames(t)
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
	if got := s.linkNames(t); got != before {
		t.Errorf("links before: %s; after: %s", before, got)
	}
}

// TestUndo proves that a pair whose making fails half-way leaves nothing: the
// kernel refuses an alias of 256 bytes only in the second request.
func TestUndo(t *testing.T) {
	s := newSpace(t)
	before := s.linkNames(t)
	v := sample
	v.Alias = strings.Repeat("a", 256)
	index := 0
	err := s.on(t.Context(), v.Name, func(c *conn) (err error) {
		if index, err = c.addVeth(v); err != nil || index == 0 {
			t.Fatalf("index %d, %v", index, err)
		}
		return s.finishVeth(c, index, v)
	})
	if !errors.Is(err, unix.ERANGE) {
		t.Errorf("%v", err)
	}
	if got := s.linkNames(t); got != before {
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
	before := s.linkNames(t)
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
	if after := s.linkNames(t); after != before {
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

// TestUnclaimed: what a process that was killed between the kernel's two requests leaves is found, and nothing else is.
func TestUnclaimed(t *testing.T) {
	s := newSpace(t)
	s.bridge(t, "stranger")
	if err := s.EnsureVeth(t.Context(), sample); err != nil {
		t.Fatal(err)
	}
	half := sample
	half.Name, half.Peer = "ovshalf", "ovchalf"
	err := s.do(t.Context(), func(c *conn) error {
		_, err := c.addVeth(half)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Unclaimed(t.Context())
	if err != nil || len(got) != 1 || got[0].Name != half.Name || !got[0].PeerHere || got[0].Up {
		t.Fatalf("%+v %v", got, err)
	}
	if err := s.DeleteVeth(t.Context(), half.Name, "ovsnet:ovsnet:"); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteVeth(t.Context(), sample.Name, "ovsnet:ovsnet:"); !errors.Is(err, ErrTaken) {
		t.Errorf("a claimed pair: %v", err)
	}
	if got, err := s.Unclaimed(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("%+v %v", got, err)
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

// TestPeerMTU: the container's end has an MTU of its own, also when somebody has changed it.
func TestPeerMTU(t *testing.T) {
	s := newSpace(t)
	v := sample
	v.PeerMTU = v.MTU - 4
	for range 2 {
		if err := s.EnsureVeth(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		if host, peer := s.attrs(t, v.Name).MTU, s.attrs(t, v.Peer).MTU; host != v.MTU || peer != v.PeerMTU {
			t.Errorf("MTUs are %d and %d, want %d and %d", host, peer, v.MTU, v.PeerMTU)
		}
		p, err := s.k.LinkByName(v.Peer)
		if err = errors.Join(err, s.k.LinkSetMTU(p, 1300)); err != nil {
			t.Fatal(err)
		}
	}
}
