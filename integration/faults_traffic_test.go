// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// traffic is what runs while a fault is injected.
type traffic struct {
	stop    string // the file that ends it, which every host sees
	all     sync.WaitGroup
	mu      sync.Mutex
	asked   int // addresses that are pinged
	talks   int // streams begun
	pings   []gap
	streams []string // how each went
	broken  error
}

// gap is one address's answers.
type gap struct {
	to         string
	across     bool // from one host to the other
	sent, lost int
	begin, end time.Time
}

// enter is the command line that has a program of the host run in a container's network.
func enter(t *testing.T, h *integration.Host, container string) string {
	t.Helper()
	return "nsenter --net=/proc/" + h.Docker(t, "inspect --format {{.State.Pid}} "+container) + "/ns/net "
}

// inside begins traffic from within the first container: pings and streams to the second, to the gateway and to the one on
// the other host, which pings it too.
func (s *theatre) inside(t *testing.T) *traffic {
	t.Helper()
	tr := &traffic{stop: filepath.Join(t.TempDir(), "stop")}
	program := enter(t, s.Host, "c1") + s.probe
	tr.ping(s.Host, program, false, theatreServer, theatreGateway)
	servers := []string{theatreServer + ":80", theatreGateway + ":7000"}
	if s.far != nil {
		tr.ping(s.Host, program, true, theatreAbroad)
		servers = append(servers, theatreAbroad+":80")
		s.far.begin(t, tr, s.probe)
	}
	for _, to := range servers {
		tr.stream(s.Host, program, to)
	}
	tr.flows(t)
	return tr
}

// outside begins traffic from the host's network, by no process of the host's, and from the other host, to the containers.
func (s *theatre) outside(t *testing.T) *traffic {
	t.Helper()
	tr := &traffic{stop: filepath.Join(t.TempDir(), "stop")}
	tr.gaps(func() (string, error) {
		return integration.Command("nsenter --net="+s.NetNS()+" "+s.probe+" gaps 100", tr.stop, theatreClient, theatreServer)
	}, false, 2)
	if s.far != nil {
		s.far.begin(t, tr, s.probe)
	}
	tr.flows(t)
	return tr
}

// flows waits until all that was begun has been answered: what a fault keeps from beginning tells nothing of it.
func (tr *traffic) flows(t *testing.T) {
	t.Helper()
	soon(t, func() error {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		if tr.broken != nil {
			return fmt.Errorf("traffic: %w: %w", ovstest.ErrHopeless, tr.broken)
		}
		began, err := filepath.Glob(filepath.Join(filepath.Dir(tr.stop), "began-*"))
		if err == nil && len(began) < tr.asked+tr.talks {
			err = fmt.Errorf("%d of %d pings and streams have begun", len(began), tr.asked+tr.talks)
		}
		return err
	})
}

// ping asks addresses by a program of a host's.
func (tr *traffic) ping(h *integration.Host, program string, across bool, addrs ...string) {
	tr.gaps(func() (string, error) {
		return h.Try(program+" gaps 100 "+tr.stop, addrs...)
	}, across, len(addrs))
}

// gaps reads what a program tells of the addresses that it asks.
func (tr *traffic) gaps(probe func() (string, error), across bool, addrs int) {
	tr.asked += addrs
	tr.all.Go(func() {
		out, err := probe()
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.broken = errors.Join(tr.broken, err)
		for line := range strings.Lines(out) {
			g := gap{across: across}
			var begin, end int64
			if _, err := fmt.Sscanf(line, "%s %d sent, %d lost, gap %d to %d", &g.to, &g.sent, &g.lost, &begin, &end); err == nil {
				g.begin, g.end = time.UnixMilli(begin), time.UnixMilli(end)
				tr.pings = append(tr.pings, g)
			}
		}
	})
}

// stream has a TCP connection to a server echo all that is sent.
func (tr *traffic) stream(h *integration.Host, program, to string) {
	tr.talks++
	tr.all.Go(func() {
		out, err := h.Try(program+" stream", to, tr.stop)
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.broken = errors.Join(tr.broken, err)
		tr.streams = append(tr.streams, to+": "+out)
	})
}

// end stops the traffic and waits for it.
func (tr *traffic) end(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(tr.stop, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tr.all.Wait()
	if tr.broken != nil {
		t.Errorf("traffic: %v", tr.broken)
	}
	if len(tr.pings) != tr.asked {
		t.Fatalf("pings to %d addresses: %v", tr.asked, tr.pings)
	}
}

// worst is the longest silence of an address, across hosts or not.
func (tr *traffic) worst(across bool) time.Duration {
	var longest time.Duration
	for _, p := range tr.pings {
		if p.across == across {
			longest = max(longest, p.end.Sub(p.begin))
		}
	}
	return longest
}

// after is how long addresses were silent after a moment.
func (tr *traffic) after(back time.Time) time.Duration {
	var longest time.Duration
	for _, p := range tr.pings {
		if p.lost > 0 {
			longest = max(longest, p.end.Sub(back))
		}
	}
	return longest
}
