// SPDX-License-Identifier: Apache-2.0

package link

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

func TestMain(m *testing.M) {
	// ovstest keeps one goroutine for all its processes; it starts with the first.
	first := exec.Command("true")
	err := ovstest.StartTied(first)
	if err == nil {
		err = first.Wait()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the program true does not run:", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}

// space is a network namespace of a test's own, in which the test's goroutine
// runs, with Links opened in it and a handle to look at what they did.
type space struct {
	*Links
	k  *netlink.Handle
	ns netns.NsHandle
}

func newSpace(tb testing.TB) space {
	tb.Helper()
	ovstest.NeedRoot(tb)
	runtime.LockOSThread()
	old, err := netns.Get()
	if err != nil {
		tb.Fatal(err)
	}
	ns, err := netns.New()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = ns.Close()
		if failed := netns.Set(old); failed != nil { //nolint:forbidigo // a test's own thread
			tb.Errorf("the thread stays locked: %v", failed)
			return
		}
		_ = old.Close()
		runtime.UnlockOSThread()
	})
	l, err := Open(Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(l.Close)
	k, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(k.Close)
	return space{l, k, ns}
}

// otherNS makes a second namespace, as a container's, and returns it with a handle in it.
func otherNS(tb testing.TB, s space) (netns.NsHandle, *netlink.Handle) {
	tb.Helper()
	ns, err := netns.New()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = ns.Close() })
	if err = netns.Set(s.ns); err != nil { //nolint:forbidigo // a test's own thread
		tb.Fatal(err)
	}
	k, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(k.Close)
	return ns, k
}

func (s space) attrs(tb testing.TB, name string) *netlink.LinkAttrs { //nolint:forbidigo // a type, no call
	tb.Helper()
	return attrs(tb, s.k, name)
}

func attrs(tb testing.TB, k *netlink.Handle, name string) *netlink.LinkAttrs { //nolint:forbidigo // a type, no call
	tb.Helper()
	l, err := k.LinkByName(name)
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return l.Attrs()
}

// addresses returns the addresses of a link, as text.
func (s space) addresses(tb testing.TB, name string) []netip.Prefix {
	tb.Helper()
	l, err := s.k.LinkByName(name)
	if err != nil {
		tb.Fatal(err)
	}
	as, err := s.k.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		tb.Fatal(err)
	}
	var out []netip.Prefix
	for _, a := range as {
		if a.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) != 0 {
			tb.Errorf("%s is not usable: flags %#x", a.IPNet, a.Flags)
		}
		out = append(out, prefixOf(a))
	}
	return out
}

// bridge adds a link that stands for the LOCAL port of a bridge.
func (s space) bridge(tb testing.TB, name string) {
	tb.Helper()
	d := &netlink.Bridge{}
	d.Name, d.MTU, d.TxQLen = name, 1500, -1
	if err := s.k.LinkAdd(d); err != nil {
		tb.Fatal(err)
	}
}

// linkNames returns the names of all links, to compare before and after.
func (s space) linkNames(t *testing.T) string {
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

func sysctlOf(tb testing.TB, name, key string) string {
	tb.Helper()
	return sysctlIn(tb, "ipv6", name, key)
}

func sysctlIn(tb testing.TB, family, name, key string) string {
	tb.Helper()
	b, err := os.ReadFile("/proc/sys/net/" + family + "/conf/" + name + "/" + key)
	if err != nil {
		tb.Fatal(err)
	}
	return string(b[:len(b)-1])
}

func hw(s string) net.HardwareAddr {
	m, err := net.ParseMAC(s)
	if err != nil {
		return nil
	}
	return m
}
