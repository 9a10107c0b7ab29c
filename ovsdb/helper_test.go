// SPDX-License-Identifier: Apache-2.0

package ovsdb_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ovsnet/ovsnet/integration/ovstest"
	"github.com/ovsnet/ovsnet/ovsdb"
)

// patience is the deadline of a test's calls, far above what they take.
const patience = 20 * time.Second

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

// deadline gives a context for the calls of a test.
func deadline(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	tb.Cleanup(cancel)
	return ctx
}

// run runs a client for the rest of the test and does not wait for it.
func run(tb testing.TB, o ovsdb.Options) *ovsdb.Client {
	tb.Helper()
	if o.Reconnect == 0 {
		o.Reconnect = 20 * time.Millisecond
	}
	c := ovsdb.New(o)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	tb.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			tb.Errorf("Run: %v", err)
		}
	})
	return c
}

// connect runs a client on a switch and waits for it.
func connect(tb testing.TB, s *ovstest.Switch) *ovsdb.Client {
	tb.Helper()
	c := run(tb, ovsdb.Options{Endpoint: s.DB})
	if err := c.Wait(deadline(tb)); err != nil {
		tb.Fatal(err)
	}
	return c
}

// must commits changes that have to succeed.
func must(tb testing.TB, c *ovsdb.Client, changes ...ovsdb.Change) []ovsdb.Result {
	tb.Helper()
	results := c.Commit(deadline(tb), changes)
	for i, r := range results {
		if r.Err != nil {
			tb.Fatalf("change %d: %v", i, r.Err)
		}
	}
	return results
}

// commit makes one change.
func commit(tb testing.TB, c *ovsdb.Client, change ovsdb.Change) ovsdb.Result {
	tb.Helper()
	return c.Commit(deadline(tb), []ovsdb.Change{change})[0]
}

func testBridge(name string) ovsdb.Bridge {
	return ovsdb.Bridge{
		Name: name, Datapath: "system", MAC: net.HardwareAddr{0x0a, 0, 0, 0, 0, 1}, MTU: 1400,
		IDs: ovsdb.BridgeIDs{Network: "n-" + name, Spec: `{"v6":true}`, Version: 1},
	}
}

func testPort(bridge, name string) ovsdb.Port {
	return ovsdb.Port{
		Bridge: bridge, Name: name,
		IDs: ovsdb.PortIDs{
			Network: "n-" + bridge, Endpoint: "e-" + name, Peer: name + "p", Version: 1,
			MAC:       net.HardwareAddr{0x0a, 0, 0, 0, 0, 2},
			Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24"), netip.MustParsePrefix("fd00::2/64")},
			Options:   map[string]string{"ovs.port.security": "off"},
		},
	}
}

// event waits for an event that the condition accepts.
func event(tb testing.TB, c *ovsdb.Client, accept func(ovsdb.Event) bool) {
	tb.Helper()
	limit := time.After(patience)
	for {
		select {
		case e := <-c.Changed():
			if accept(e) {
				return
			}
		case <-limit:
			tb.Fatal("no event")
		}
	}
}

// wipe makes the database of a stopped ovsdb-server new and empty.
func wipe(tb testing.TB, s *ovstest.Switch) {
	tb.Helper()
	file := filepath.Join(s.Dir, "conf.db")
	if err := os.Remove(file); err != nil {
		tb.Fatal(err)
	}
	tool := exec.Command("ovsdb-tool", "create", file, "/usr/share/openvswitch/vswitch.ovsschema")
	if out, err := tool.CombinedOutput(); err != nil {
		tb.Fatalf("%v: %s", err, out)
	}
}

// serverOf gives the process id of a switch's ovsdb-server.
func serverOf(tb testing.TB, s *ovstest.Switch) int {
	tb.Helper()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: strings.TrimPrefix(s.DB, "unix:"), Net: "unix"})
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	raw, err := c.SyscallConn()
	if err != nil {
		tb.Fatal(err)
	}
	var peer *syscall.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		peer, failed = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err = errors.Join(err, failed); err != nil {
		tb.Fatal(err)
	}
	return int(peer.Pid)
}
