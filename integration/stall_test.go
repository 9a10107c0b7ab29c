// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// stallTime is verb_timeout in the tests of this file; lateness is how much later an answer may come: undoing has its time too.
var (
	stallTime = ovstest.Limit(2 * time.Second)
	lateness  = ovstest.Limit(2 * time.Second)
)

// newStall is a crowd whose audits do not come by themselves: what recovers does so for its own reasons.
func newStall(t *testing.T, settings ...string) *crowd {
	t.Helper()
	h := integration.NewLab(t).HostWith(t, "stall", integration.HostOptions{NoDocker: true})
	c := &crowd{Host: h, e: newEngine(h)}
	t.Cleanup(c.e.client.CloseIdleConnections)
	h.StartServe(t, append([]string{
		"OVSNET_DOCKER_SOCKET=none", "OVSNET_AUDIT_INTERVAL=24h", "OVSNET_VERB_TIMEOUT=" + stallTime.String(),
	}, settings...)...)
	return c
}

// refuses holds that a call fails, in its time, with a text that matches.
func (c *crowd) refuses(t *testing.T, verb, body, text string) {
	t.Helper()
	refused, took, err := c.try(t.Context(), verb, body)
	if err != nil || !regexp.MustCompile(text).MatchString(refused) || took > stallTime+lateness {
		t.Errorf("%s: %q %v after %v, want an error that says %q in %v", verb, refused, err, took, text, stallTime)
	}
	t.Logf("%s after %v: %s", verb, took.Round(time.Millisecond), refused)
}

// answers holds that a call is answered in its time, whatever the answer.
func (c *crowd) answers(t *testing.T, verb, body string) {
	t.Helper()
	if refused, took, err := c.try(t.Context(), verb, body); err != nil || took > stallTime+lateness {
		t.Errorf("%s: %q %v after %v, want an answer in %v", verb, refused, err, took, stallTime)
	}
}

// takes holds that a call succeeds.
func (c *crowd) takes(t *testing.T, verb, body string) {
	t.Helper()
	if refused, took, err := c.try(t.Context(), verb, body); refused != "" || err != nil {
		t.Errorf("%s: %s %v after %v", verb, refused, err, took)
	}
}

// netOn is the body of calls about network number n, with 10.<n>.0.0/24, and its one endpoint.
func netOn(n int) string {
	return fmt.Sprintf(`{"NetworkID":"%02[1]x%062[2]x","EndpointID":"%02[1]x%062[2]x","SandboxKey":"/x","Interface":{"Address":"10.%[1]d.0.2/24"},`+
		`"Options":{},"IPv4Data":[{"Pool":"10.%[1]d.0.0/24","Gateway":"10.%[1]d.0.1/24"}]}`, n, 1)
}

// recovers holds that everything is as the driver says within seconds, that calls work again, and that all can be removed.
func (c *crowd) recovers(t *testing.T) {
	t.Helper()
	soon(t, func() error {
		if s := c.Status(t); !s.OVS.Connected || s.Audit.Error != "" {
			return fmt.Errorf("status: %+v %+v", s.OVS, s.Audit)
		}
		return c.Model(t)
	})
	for _, verb := range []string{"CreateEndpoint", "Join", "Leave", "DeleteEndpoint"} {
		c.takes(t, verb, callOn(4))
	}
	soon(t, func() error { return c.Model(t) })
}

// mute is a socket in the place of the database's that takes connections and answers with a text, or not at all.
func mute(t *testing.T, h *integration.Host, answer string, hangUp bool) (end func()) {
	t.Helper()
	h.Run(t, "rm -f /run/openvswitch/db.sock")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", h.Path("/run/openvswitch/db.sock"))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var conns []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, err = c.Write([]byte(answer)); hangUp || err != nil {
				_ = c.Close()
			}
			conns = append(conns, c)
		}
	})
	return func() {
		_ = l.Close()
		wg.Wait()
		for _, c := range conns {
			_ = c.Close()
		}
	}
}

// TestStalls: what stalls, or refuses, makes verbs fail in their time and nothing more; when it is back, so is the driver.
func TestStalls(t *testing.T) {
	t.Parallel()
	c := newStall(t)
	before := c.Snapshot(t)
	c.takes(t, "CreateNetwork", fmt.Sprintf(`{"NetworkID":%q,"Options":{},"IPv4Data":[{"Pool":"10.9.0.0/16","Gateway":"10.9.255.254/16"}]}`, benchNetwork))
	db := func(command string) func() {
		return func() { c.Run(t, "ovs-appctl -t ovsdb-server ovsdb-server/"+command) }
	}
	var end func()
	mutes := func(answer string, hangUp bool) func() {
		return func() { c.StopOVSDB(t); end = mute(t, c.Host, answer, hangUp) }
	}
	unmute := func() { end(); c.StartOVSDB(t) }
	for _, f := range []struct {
		name         string
		begin, relax func()
		says         string
	}{
		{"ovs-vswitchd stalls", func() { c.PauseVSwitchd(t) }, func() { c.ResumeVSwitchd(t) }, "ovs-vswitchd (does not answer|answers?)"},
		{"ovsdb-server stalls", func() { c.PauseOVSDB(t) }, func() { c.ResumeOVSDB(t) }, "ovsdb-server|Open vSwitch"},
		{"the database takes no changes", func() {
			db("set-active-ovsdb-server unix:/nowhere")()
			db("connect-active-ovsdb-server")()
		}, db("disconnect-active-ovsdb-server"), "read only"},
		{"a database that says nothing", mutes("", false), unmute, "not reachable"},
		{"a database that talks nonsense", mutes("HTTP/1.1 200 OK\r\n\r\n", true), unmute, "not reachable"},
	} {
		t.Run(f.name, func(t *testing.T) {
			for _, verb := range []string{"CreateEndpoint", "Join"} {
				c.takes(t, verb, callOn(1))
				c.takes(t, verb, callOn(2))
			}
			f.begin()
			c.refuses(t, "CreateEndpoint", callOn(5), f.says)
			// The loop goes on after the first failure.
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() { c.answers(t, "CreateEndpoint", callOn(10+i)) })
			}
			wg.Go(func() { c.answers(t, "CreateNetwork", netOn(30)) })
			wg.Go(func() { c.answers(t, "Leave", callOn(1)) })
			wg.Wait()
			// The engine forgets what it removes, whatever the answer.
			for i := range 20 {
				wg.Go(func() { c.answers(t, "DeleteEndpoint", callOn(10+i)) })
			}
			wg.Go(func() { c.answers(t, "DeleteEndpoint", callOn(1)) })
			wg.Go(func() { c.answers(t, "DeleteNetwork", netOn(30)) })
			wg.Wait()
			f.relax()
			c.recovers(t)
			c.takes(t, "DeleteEndpoint", callOn(2))
		})
	}
	c.takes(t, "DeleteNetwork", callOn(0))
	soon(t, func() error { return same(before, c.Snapshot(t)) })
}

// TestOpenFlowStalls: a bridge's OpenFlow connection that stalls, or hangs up on everybody, holds up no other bridge.
func TestOpenFlowStalls(t *testing.T) {
	const dir = "/run/of/"
	c := newStall(t, "OVSNET_OVS_RUN_DIR="+dir[:len(dir)-1])
	bad, good := netOn(40), netOn(41)
	bridge := func(n int) string { return fmt.Sprintf("ovsbr-%02x%07x", n, 0) }
	stalled := c.Relay(t, dir+bridge(40)+".mgmt", "/run/openvswitch/"+bridge(40)+".mgmt")
	c.Relay(t, dir+bridge(41)+".mgmt", "/run/openvswitch/"+bridge(41)+".mgmt")
	for _, body := range []string{bad, good} {
		for _, verb := range []string{"CreateNetwork", "CreateEndpoint", "Join"} {
			c.takes(t, verb, body)
		}
	}
	stalled.Pause()
	c.takes(t, "Leave", good)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { // always somebody who waits for the bridge that stalls
		for ctx.Err() == nil {
			if refused, took, err := c.try(ctx, "Leave", bad); err != nil && !errors.Is(err, context.Canceled) || took > stallTime+lateness {
				t.Errorf("Leave: %s %v after %v", refused, err, took)
			}
			if refused, _, _ := c.try(ctx, "Join", bad); refused != "" && !strings.Contains(refused, "switch") && !strings.Contains(refused, "openflow") {
				t.Errorf("Join: %s", refused)
			}
		}
	})
	for range 5 {
		for _, verb := range []string{"Join", "Leave"} {
			c.takes(t, verb, good)
		}
	}
	cancel()
	wg.Wait()
	stalled.Resume()
	soon(t, func() error {
		if s := c.Status(t); s.Audit.Error != "" {
			return errors.New(s.Audit.Error)
		}
		return c.Model(t)
	})
	for _, body := range []string{bad, good} {
		for _, verb := range []string{"Join", "Leave", "DeleteEndpoint", "DeleteNetwork"} {
			c.takes(t, verb, body)
		}
	}
}
