// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// theatre is a host with a network, two containers on it, and traffic between them, to the gateway and from the host.
type theatre struct {
	*integration.Host
	probe  string
	driver string
	start  func(h *integration.Host, tb testing.TB, settings ...string)

	settings []string
	empty    integration.State
	fresh    bool // ovsnet was started again: its counters begin at zero

	t    *testing.T // the one that a fault is injected in
	back time.Time  // when the last part that a fault took away was there again
}

const (
	theatreGateway = "10.79.0.1"
	theatreClient  = "10.79.0.10"
	theatreServer  = "10.79.0.20"
)

func newTheatre(t *testing.T, w way, dockerd ...string) *theatre {
	t.Helper()
	return newTheatreWith(t, w, nil, dockerd...)
}

// newTheatreWith is newTheatre with settings for ovsnet.
func newTheatreWith(t *testing.T, w way, settings []string, dockerd ...string) *theatre {
	t.Helper()
	h := integration.NewLab(t).HostWith(t, "h1", integration.HostOptions{Dockerd: dockerd})
	s := &theatre{Host: h, probe: integration.Probe(t), driver: w.driver, start: w.start, settings: settings}
	s.start(h, t, settings...)
	s.listen(t)
	return s
}

// listen starts the server on the host that containers talk to at their gateway.
func (s *theatre) listen(t *testing.T) { t.Helper(); s.StartProgram(t, s.probe+" seen :7000") }

// raise makes the network and its containers.
func (s *theatre) raise(t *testing.T, options ...string) {
	t.Helper()
	t.Cleanup(func() { // where it fails halfway, the next has an empty host
		_, _ = s.TryDocker("rm --force c1 c2")
		_, _ = s.TryDocker("network rm n1")
	})
	s.empty = s.Snapshot(t)
	s.Docker(t, "network create --subnet 10.79.0.0/24 --gateway "+theatreGateway+" --driver", s.driver, "n1")
	for _, c := range []struct{ name, ip string }{{"c1", theatreClient}, {"c2", theatreServer}} {
		args := append([]string{"run", "--detach", "--name", c.name, "--network=n1", "--ip=" + c.ip}, options...)
		s.Docker(t, "", append(args, integration.Image, "/bin/probe", "seen", ":80")...)
	}
	soon(t, func() error { return s.forwards() })
}

// forwards is nil when the host's and the containers' ways stand.
func (s *theatre) forwards() error {
	for _, a := range []string{theatreServer, theatreGateway} {
		if _, err := s.TryExec("c1", "ping -c 1 -W 1 "+a); err != nil {
			return err
		}
	}
	return nil
}

// strike removes all of it and gives what is left.
func (s *theatre) strike(t *testing.T) []string {
	t.Helper()
	s.Docker(t, "rm --force c1 c2")
	s.Docker(t, "network rm n1")
	var diff string
	err := ovstest.Poll(10*time.Second, func() error {
		if diff = integration.Diff(s.empty, s.Snapshot(t)); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
	if err == nil {
		return nil
	}
	return strings.Split(diff, "\n")
}

// Snapshot is the host's state without what is another each time that something starts.
func (s *theatre) Snapshot(tb testing.TB) integration.State {
	tb.Helper()
	return slices.DeleteFunc(s.Host.Snapshot(tb), func(line string) bool {
		// The userspace datapath's own link and Docker's own bridge have another MAC each time.
		return strings.HasPrefix(line, "process containerd-shim") || strings.HasPrefix(line, "link ovs-netdev ") || strings.HasPrefix(line, "link docker0 ")
	})
}

// repairs are what the audit has counted.
func (s *theatre) repairs(t *testing.T) map[string]int {
	t.Helper()
	var status struct {
		Audit struct{ Repairs map[string]int }
	}
	text, err := s.AskDaemon("/status")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &status); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return status.Audit.Repairs
}

// traffic is what runs while a fault is injected.
type traffic struct {
	stop    string
	all     sync.WaitGroup
	mu      sync.Mutex
	pings   []gap
	streams []string // how each went
	broken  error
}

// gap is one address's answers.
type gap struct {
	to         string
	sent, lost int
	begin, end time.Time
}

// inside begins traffic from within the first container: pings and streams to the second and to the gateway.
func (s *theatre) inside(t *testing.T) *traffic {
	t.Helper()
	tr := &traffic{stop: "/run/stop-traffic"}
	s.Run(t, "rm -f "+tr.stop)
	enter := "nsenter --net=/proc/" + s.Docker(t, "inspect --format {{.State.Pid}} c1") + "/ns/net " + s.probe
	tr.run(func() (string, error) {
		return s.Try(enter+" gaps 100 "+tr.stop, theatreServer, theatreGateway)
	}, true)
	for _, to := range []string{theatreServer + ":80", theatreGateway + ":7000"} {
		tr.run(func() (string, error) { return s.Try(enter+" stream", to, tr.stop) }, false)
	}
	return tr
}

// outside begins traffic from the host's network to the containers; no process of the host's makes it.
func (s *theatre) outside(t *testing.T) *traffic {
	t.Helper()
	tr := &traffic{stop: filepath.Join(t.TempDir(), "stop")}
	tr.run(func() (string, error) {
		return integration.Command("nsenter --net="+s.NetNS()+" "+s.probe+" gaps 100", tr.stop, theatreClient, theatreServer)
	}, true)
	return tr
}

func (tr *traffic) run(probe func() (string, error), pings bool) {
	tr.all.Go(func() {
		out, err := probe()
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.broken = errors.Join(tr.broken, err)
		if !pings {
			tr.streams = append(tr.streams, out)
			return
		}
		for line := range strings.Lines(out) {
			var g gap
			var begin, end int64
			if _, err := fmt.Sscanf(line, "%s %d sent, %d lost, gap %d to %d", &g.to, &g.sent, &g.lost, &begin, &end); err == nil {
				g.begin, g.end = time.UnixMilli(begin), time.UnixMilli(end)
				tr.pings = append(tr.pings, g)
			}
		}
	})
}

// end stops the traffic and waits for it.
func (tr *traffic) end(t *testing.T, s *theatre, within bool) {
	t.Helper()
	if within {
		s.Run(t, "touch "+tr.stop)
	} else if err := os.WriteFile(tr.stop, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tr.all.Wait()
	if tr.broken != nil {
		t.Errorf("traffic: %v", tr.broken)
	}
	if len(tr.pings) != 2 {
		t.Fatalf("pings to two addresses: %v", tr.pings)
	}
}

// worst is the address with the longest silence.
func (tr *traffic) worst() gap {
	return slices.MaxFunc(tr.pings, func(a, b gap) int { return int(a.end.Sub(a.begin) - b.end.Sub(b.begin)) })
}

// less is what now counts more than before.
func less(now, before map[string]int) string {
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(now)) {
		if n := now[kind] - before[kind]; n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, kind))
		}
	}
	if out == nil {
		return "nothing"
	}
	return strings.Join(out, ", ")
}
