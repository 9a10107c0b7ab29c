// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"go.uber.org/goleak"

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

// bridge is a connection to a bridge of a private Open vSwitch.
type bridge struct {
	*Conn
	sw *ovstest.Switch
}

const bridgeName = "br0"

func newBridge(tb testing.TB) *bridge {
	tb.Helper()
	sw := ovstest.Start(tb)
	sw.AddBridge(tb, bridgeName)
	return &bridge{Conn: dial(tb, sw.Mgmt(bridgeName)), sw: sw}
}

func dial(tb testing.TB, path string) *Conn {
	tb.Helper()
	c, err := Dial(testContext(tb), path, slog.New(slog.NewTextHandler(tb.Output(), nil)))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

func testContext(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	tb.Cleanup(cancel)
	return ctx
}

func mac(s string) net.HardwareAddr {
	hw, err := net.ParseMAC(s)
	if err != nil {
		return nil
	}
	return hw
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }
