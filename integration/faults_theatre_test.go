// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// theatre is a host with a network, two containers on it, and traffic between them, to the gateway and from the host; it may
// have another host beside it, for traffic across hosts.
type theatre struct {
	*integration.Host
	far    *abroad // nil where there is one host
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
	return open(t, w, h, settings)
}

// open starts the driver and the server on a theatre's host.
func open(t *testing.T, w way, h *integration.Host, settings []string) *theatre {
	t.Helper()
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
	s.empty = s.Snapshot(t)
	if s.far != nil {
		s.far.raise(t, s, options)
	}
	s.populate(t, s.Host, []theatreContainer{{"c1", theatreClient}, {"c2", theatreServer}}, options)
	soon(t, func() error { return s.forwards() })
}

// theatreContainer is one that serves, on the theatre's network.
type theatreContainer struct{ name, ip string }

// populate makes the network on a host, and containers.
func (s *theatre) populate(t *testing.T, h *integration.Host, containers []theatreContainer, options []string) {
	t.Helper()
	t.Cleanup(func() { // where it fails halfway, the next has an empty host
		for _, c := range containers {
			_, _ = h.TryDocker("rm --force " + c.name)
		}
		_, _ = h.TryDocker("network rm n1")
	})
	network := []string{s.driver, "n1"}
	if s.far != nil {
		network = append(network, "--opt=ovs.tunnel.type=vxlan", "--opt=ovs.tunnel.vni=79")
	}
	h.Docker(t, "network create --subnet 10.79.0.0/24 --gateway "+theatreGateway+" --driver", network...)
	for _, c := range containers {
		args := append([]string{"run", "--detach", "--name", c.name, "--network=n1", "--ip=" + c.ip}, options...)
		h.Docker(t, "", append(args, integration.Image, "/bin/probe", "seen", ":80")...)
	}
}

// forwards is nil when the host's and the containers' ways stand.
func (s *theatre) forwards() error {
	addrs := []string{theatreServer, theatreGateway}
	if s.far != nil {
		addrs = append(addrs, theatreAbroad)
	}
	for _, a := range addrs {
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
	left := leftOver(s.empty, func() integration.State { return s.Snapshot(t) })
	if s.far != nil {
		left = append(left, s.far.strike(t)...)
	}
	return left
}

// leftOver waits until a host is empty again, and gives how it differs when it does not become so.
func leftOver(empty integration.State, now func() integration.State) []string {
	var diff string
	err := ovstest.Poll(10*time.Second, func() error {
		if diff = integration.Diff(empty, now()); diff != "" {
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
	return lasting(s.Host.Snapshot(tb))
}

// fickle are links whose MAC is another each time: each datapath's own, Docker's own bridge, the userspace datapath's way to
// the LAN, and the kernel's device for all tunnels.
var fickle = regexp.MustCompile(`^link (ovs-netdev|ovs-system|docker0|br-phy|vxlan_sys_\d+) |^address fe80:.* on (br-phy|vxlan_sys_\d+)$`)

// lasting is a state without what is another each time that something starts, and without what switches learn from each
// other's frames.
func lasting(s integration.State) integration.State {
	return slices.DeleteFunc(s, func(line string) bool {
		return strings.HasPrefix(line, "process containerd-shim") || fickle.MatchString(line) ||
			strings.HasPrefix(line, "flow ") && strings.Contains(line, "hard_timeout=")
	})
}

// repairs are what the audit of the theatre's host has counted.
func (s *theatre) repairs(t *testing.T) map[string]int { t.Helper(); return s.Status(t).Audit.Repairs }

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
