// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestFirstFragmentsAreShown(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	if got := b.sw.OFCtl(t, "get-frags", bridgeName); got != "normal" {
		t.Fatalf("fragments at first: %s", got)
	}
	for range 2 {
		if err := b.Configure(testContext(t), nil); err != nil {
			t.Fatal(err)
		}
		if got := b.sw.OFCtl(t, "get-frags", bridgeName); got != "nx-match" {
			t.Errorf("fragments: %s, want nx-match", got)
		}
	}
}

func TestConfigureEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	b.sw.PauseVSwitchd(t)
	failed := make(chan error, 1)
	go func() { failed <- b.Configure(testContext(t), nil) }()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-failed:
		if err == nil {
			t.Error("no error from a closed connection")
		}
	case <-time.After(10 * time.Second):
		t.Error("the call outlives its connection")
	}
	b.sw.ResumeVSwitchd(t)
}

// TestPortsAreTold: what comes is told with its number, and nothing else is; set up twice, it is told once.
func TestPortsAreTold(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	told := make(chan Port, 16)
	for range 2 {
		if err := b.Configure(testContext(t), func(p Port) { told <- p }); err != nil {
			t.Fatal(err)
		}
	}
	add := func(port string) {
		b.sw.Ctl(t, "add-port", bridgeName, port, "--", "set", "Interface", port, "type=internal", "ofport_request=77")
	}
	add("one")
	b.sw.OFCtl(t, "-O", "OpenFlow15", "mod-port", bridgeName, "one", "down")
	b.sw.Ctl(t, "del-port", bridgeName, "one")
	add("two")
	for _, want := range []string{"one", "two"} {
		select {
		case p := <-told:
			if p.Name != want || p.Number != 77 || len(p.MAC) != 6 {
				t.Errorf("told of %+v, want %s with number 77", p, want)
			}
		case <-testContext(t).Done():
			t.Fatalf("nobody tells of %s", want)
		}
	}
	if err := b.Barrier(testContext(t)); err != nil {
		t.Fatal(err)
	}
	if len(told) > 0 {
		t.Errorf("told of %+v, too", <-told)
	}
}

// TestOtherNewsStayAway: packets for a controller are none of ours, though a connection that wants news of ports is one.
func TestOtherNewsStayAway(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	var said bytes.Buffer
	c, err := Dial(testContext(t), b.sw.Mgmt(bridgeName), slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	if err = c.Configure(testContext(t), func(Port) {}); err != nil {
		t.Error(err)
	}
	b.sw.OFCtl(t, "-O", "OpenFlow15", "add-flow", bridgeName, "actions=CONTROLLER")
	b.sw.OFCtl(t, "-O", "OpenFlow15", "packet-out", bridgeName, "in_port=CONTROLLER packet="+strings.Repeat("ff", 12)+"0800"+strings.Repeat("00", 46)+" actions=resubmit(,0)")
	if got := b.sw.OFCtl(t, "-O", "OpenFlow15", "dump-flows", bridgeName); !strings.Contains(got, "n_packets=1") {
		t.Errorf("no packet for the controller: %s", got)
	}
	if err = c.Barrier(testContext(t)); err != nil {
		t.Error(err)
	}
	closing(t, c) // its reader writes the log
	if strings.Contains(said.String(), "answers nothing") {
		t.Errorf("it gets more than it asked for:\n%s", said.String())
	}
}
