// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"testing"

	"github.com/ovsnet/ovsnet/integration"
)

// running makes a network with two containers that reach each other.
func running(tb testing.TB, h *integration.Host, driver string) {
	tb.Helper()
	h.Docker(tb, "network create --ipv6 --subnet 10.78.0.0/24 --subnet fd78::/64 --driver", driver, "n1")
	h.Container(tb, "c1", "--network=n1")
	h.Container(tb, "c2", "--network=n1")
	reaches(tb, h, "c1", "c2")
}

// worksOn holds that the network of running works with old and new containers,
// and that all of it can be removed.
func worksOn(tb testing.TB, h *integration.Host, empty integration.State) {
	tb.Helper()
	reaches(tb, h, "c1", "c2")
	reaches(tb, h, "c2", "10.78.0.2")
	reaches(tb, h, "c2", "fd78::2")
	h.Container(tb, "c3", "--network=n1")
	reaches(tb, h, "c3", "c1")
	reaches(tb, h, "c2", "c3")
	h.Docker(tb, "rm --force c1 c2 c3")
	h.Docker(tb, "network rm n1")
	soon(tb, func() error { return same(empty, h.Snapshot(tb)) })
}

func TestPluginRestarts(t *testing.T) {
	t.Parallel()
	for _, w := range []way{managed, short} {
		t.Run(w.name, func(t *testing.T) {
			h := w.host(t)
			empty := h.Snapshot(t)
			running(t, h, w.driver)
			before := h.Snapshot(t)
			h.DisablePlugin(t)
			if _, err := h.Try("test -e /run/docker/plugins/ovs.sock"); err == nil {
				t.Error("the short door stands open without the plugin")
			}
			// The switch goes on by itself.
			reaches(t, h, "c1", "c2")
			h.EnablePlugin(t)
			soon(t, func() error { return same(before, h.Snapshot(t)) })
			worksOn(t, h, empty)
		})
	}
}

func TestServeRestarts(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*integration.Host, testing.TB){
		"SIGTERM": (*integration.Host).StopServe, "SIGKILL": (*integration.Host).KillServe,
	} {
		t.Run(name, func(t *testing.T) {
			h := served.host(t)
			empty := h.Snapshot(t)
			running(t, h, served.driver)
			before := h.Snapshot(t)
			end(h, t)
			reaches(t, h, "c1", "c2")
			h.StartServe(t)
			soon(t, func() error { return same(before, h.Snapshot(t)) })
			worksOn(t, h, empty)
		})
	}
}

func TestOpenVSwitchRestarts(t *testing.T) {
	t.Parallel()
	h := short.host(t)
	empty := h.Snapshot(t)
	running(t, h, short.driver)
	before := h.Snapshot(t)
	for _, c := range []struct {
		name    string
		restart func()
	}{
		{"ovs-vswitchd", func() { h.StopVSwitchd(t); h.StartVSwitchd(t) }},
		{"ovs-vswitchd killed", func() { h.KillVSwitchd(t); h.StartVSwitchd(t) }},
		{"ovsdb-server", func() { h.StopOVSDB(t); h.StartOVSDB(t) }},
		{"both", func() { h.StopOVS(t); h.StartOVS(t) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.restart()
			soon(t, func() error { return same(before, h.Snapshot(t)) })
			soon(t, func() error { _, err := h.TryExec("c1", "ping -c 1 -W 1 c2"); return err })
		})
	}
	worksOn(t, h, empty)
}

func TestEngineRestarts(t *testing.T) {
	t.Parallel()
	for _, w := range []way{managed, served} {
		for name, end := range map[string]func(*integration.Host, testing.TB){
			"SIGTERM": (*integration.Host).StopDocker, "SIGKILL": (*integration.Host).KillDocker,
		} {
			t.Run(w.name+" "+name, func(t *testing.T) {
				h := w.host(t)
				running(t, h, w.driver)
				end(h, t)
				h.StartDocker(t)
				h.Docker(t, "start c1 c2")
				reaches(t, h, "c1", "c2")
				h.Container(t, "c3", "--network=n1")
				reaches(t, h, "c3", "c1")
				h.Docker(t, "rm --force c1 c2 c3")
				h.Docker(t, "network rm n1")
				soon(t, func() error { return nothingOfOurs(t, h) })
			})
		}
	}
}
