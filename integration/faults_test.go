// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// fault is one that docs/faults.md names, and promises a bound for.
type fault struct {
	name string
	// dies says that containers end with it, by Docker's rules or the machine's: they are to come back by themselves.
	dies bool
	do   func(s *theatre)
}

// cheap are the faults of ordinary runs. The engine keeps containers (live-restore).
var cheap = []fault{
	{name: "ovsnet ends (SIGTERM)", do: func(s *theatre) { s.StopServe(s.t); s.serve(s.t) }},
	{name: "ovsnet is killed", do: func(s *theatre) { s.KillServe(s.t); s.serve(s.t) }},
	{name: "ovs-vswitchd restarts", do: func(s *theatre) { s.StopVSwitchd(s.t); s.StartVSwitchd(s.t) }},
	{name: "ovs-vswitchd is killed", do: func(s *theatre) { s.KillVSwitchd(s.t); s.StartVSwitchd(s.t) }},
	{name: "ovsdb-server restarts", do: func(s *theatre) { s.StopOVSDB(s.t); s.StartOVSDB(s.t) }},
	{name: "ovsdb-server restarts on an empty database", do: func(s *theatre) {
		s.StopOVSDB(s.t)
		s.WipeOVSDB(s.t)
		s.StartOVSDB(s.t)
		s.Address(s.t)
	}},
}

// dear are the other faults that containers live through.
var dear = []fault{
	{name: "ovsdb-server is killed", do: func(s *theatre) { s.KillOVSDB(s.t); s.StartOVSDB(s.t) }},
	{name: "Open vSwitch restarts", do: func(s *theatre) { s.StopOVS(s.t); s.StartOVS(s.t) }},
	{name: "Open vSwitch restarts on an empty database", do: func(s *theatre) {
		s.StopOVS(s.t)
		s.WipeOVSDB(s.t)
		s.StartOVS(s.t)
	}},
	{name: "the database is lost while ovsnet is down", do: func(s *theatre) {
		s.KillServe(s.t)
		s.StopOVSDB(s.t)
		s.WipeOVSDB(s.t)
		s.StartOVSDB(s.t)
		s.Address(s.t)
		s.serve(s.t)
	}},
	{name: "dockerd restarts, with live-restore", do: func(s *theatre) { s.StopDocker(s.t); s.StartDocker(s.t) }},
	{name: "dockerd is killed, with live-restore", do: func(s *theatre) { s.KillDocker(s.t); s.StartDocker(s.t) }},
	{name: "kill -9 of everything", do: func(s *theatre) { s.killAll(s.t) }},
}

// deadly are the faults that containers do not live through.
var deadly = []fault{
	{name: "dockerd restarts, without live-restore", dies: true, do: func(s *theatre) { s.StopDocker(s.t); s.StartDocker(s.t) }},
	{name: "dockerd is killed, without live-restore", dies: true, do: func(s *theatre) { s.KillDocker(s.t); s.StartDocker(s.t) }},
	{name: "reboot", dies: true, do: func(s *theatre) { s.reboot(s.t) }},
	{name: "reboot, and Open vSwitch's database is lost", dies: true, do: func(s *theatre) { s.WipeOVSDB(s.t); s.reboot(s.t) }},
}

// plugged are the faults of the managed plugin. The engine keeps containers.
var plugged = []fault{
	{name: "the managed plugin is disabled and enabled", do: func(s *theatre) {
		s.DisablePlugin(s.t)
		s.EnablePlugin(s.t)
		s.fresh = true
	}},
	{name: "the managed plugin is killed", do: func(s *theatre) {
		s.Run(s.t, "pkill --signal KILL --full --exact", "/ovsnet serve")
		s.answers(s.t)
		s.fresh = true
	}},
	{name: "dockerd restarts, with the managed plugin and live-restore", do: func(s *theatre) {
		s.StopDocker(s.t)
		s.StartDocker(s.t)
		s.answers(s.t)
		s.fresh = true
	}},
}

// answers waits until the daemon, which the engine starts again, answers.
func (s *theatre) answers(t *testing.T) {
	t.Helper()
	soon(t, func() error { _, err := s.AskDaemon("/status"); return err })
}

// serve starts ovsnet again.
func (s *theatre) serve(t *testing.T) { t.Helper(); s.start(s.Host, t, s.settings...); s.fresh = true }

// chance is by the clock, or by the number that OVSNET_SEED gives.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("OVSNET_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("OVSNET_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// killAll kills every daemon in any order, and starts them in any order that systemd could.
func (s *theatre) killAll(t *testing.T) {
	t.Helper()
	r := chance(t)
	kills := []func(testing.TB){s.KillServe, s.KillVSwitchd, s.KillOVSDB, s.KillDocker}
	starts := []func(testing.TB){func(testing.TB) { s.serve(t) }, s.StartOVS, s.StartDocker}
	for _, i := range r.Perm(len(kills)) {
		kills[i](t)
	}
	for _, i := range r.Perm(len(starts)) {
		starts[i](t)
	}
}

// reboot loses power and comes up as the systemd units say: Open vSwitch, ovsnet, Docker.
func (s *theatre) reboot(t *testing.T) {
	t.Helper()
	s.Crash(t)
	s.StartOVS(t)
	s.serve(t)
	s.listen(t)
	s.StartDocker(t)
}

// result is one line of the table.
type result struct {
	fault        string
	here, across time.Duration // without forwarding: on the host, and across hosts
	after        time.Duration // of that, after all was back
	sent, lost   int
	left         []string
	repaired     string
}

// silent is the longest time that any address was without forwarding.
func (r result) silent() time.Duration { return max(r.here, r.across) }

// suffer injects a fault under traffic.
func (s *theatre) suffer(t *testing.T, f fault) result {
	t.Helper()
	whole := s.Snapshot(t)
	untouched := s.far.untouched(t)
	s.fresh = false
	counted := s.repairs(t)
	begin := s.inside
	if f.dies {
		begin = s.outside
	}
	tr := begin(t)
	settled(t)
	s.t = t
	f.do(s)
	s.back = time.Now()
	soon(t, s.forwards)
	settled(t)
	tr.end(t)
	if s.fresh {
		counted = nil
	}
	if !f.dies {
		soon(t, func() error { return same(whole, s.Snapshot(t)) })
	}
	untouched()
	r := result{
		fault: f.name, here: tr.worst(false), across: tr.worst(true), after: tr.after(s.back),
		repaired: less(s.repairs(t), counted),
	}
	for _, p := range tr.pings {
		r.sent, r.lost = r.sent+p.sent, r.lost+p.lost
		t.Logf("ping: %s, across hosts %v: %d of %d lost, %v", p.to, p.across, p.lost, p.sent, p.end.Sub(p.begin))
	}
	for _, line := range tr.streams {
		t.Log("TCP:", line)
	}
	return r
}

// settled lets traffic flow for a while; there is nothing to wait for but time.
func settled(t *testing.T) { t.Helper(); <-time.After(time.Second) }

// show prints results as the table of docs/faults.md.
func show(t *testing.T, results []result) {
	t.Helper()
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "FAULT\tWITHOUT FORWARDING\tACROSS HOSTS\tAFTER ALL WAS BACK\tLOST\tLEFT OVER\tREPAIRED")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%.2f s\t%.2f s\t%.2f s\t%d of %d\t%d\t%s\n", r.fault, r.here.Seconds(), r.across.Seconds(), r.after.Seconds(), r.lost, r.sent, len(r.left), r.repaired)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", text.String())
}

// sufferAll injects faults one after the other. In the long form each has a network and containers of its own, so that
// what it leaves is seen; in the short form they share them.
func (s *theatre) sufferAll(t *testing.T, faults []fault) (results []result) {
	t.Helper()
	promises := promised(t)
	if !*long {
		s.raise(t)
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			switch {
			case *long && f.dies:
				s.raise(t, "--restart=always")
			case *long:
				s.raise(t)
			}
			r := s.suffer(t, f)
			if *long {
				r.left = s.strike(t)
			}
			results = append(results, r)
			p, ok := promises[f.name]
			if !ok {
				t.Fatalf("docs/faults.md promises nothing for %q", f.name)
			}
			p.hold(t, r)
			if strings.HasPrefix(f.name, "ovsnet") && r.repaired != "nothing" {
				t.Errorf("a restart changed something: %s", r.repaired) // flows that are left alone keep their counters
			}
		})
	}
	if !*long {
		if left := s.strike(t); len(left) > 0 {
			t.Errorf("left over:\n%s", strings.Join(left, "\n"))
		}
	}
	return results
}

var long = flag.Bool("long", false, "the long form of the fault suite, the random walk and the Swarm")

// TestFaults: every fault under traffic, one after the other; without -long those that happen most and cost least.
func TestFaults(t *testing.T) {
	var all []result
	t.Run("containers live on", func(t *testing.T) {
		faults := cheap
		if *long {
			faults = slices.Concat(cheap, dear)
		}
		all = append(all, newTheatreAcross(t, served, "--live-restore").sufferAll(t, faults)...)
	})
	if *long {
		t.Run("containers come back", func(t *testing.T) {
			all = append(all, newTheatreAcross(t, served).sufferAll(t, deadly)...)
		})
		t.Run("the managed plugin", func(t *testing.T) {
			all = append(all, newTheatreAcross(t, managed, "--live-restore").sufferAll(t, plugged)...)
		})
	}
	show(t, all)
}
