// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"maps"
	"testing"

	"github.com/ovsnet/ovsnet/integration"
)

// theatreAbroad is the container of the other host.
const theatreAbroad = "10.79.0.30"

// abroad is the other host of a theatre, on whose container the network goes on. Nothing is done to it: what happens to
// the first host is to leave it as it is.
type abroad struct {
	*integration.Host
	empty integration.State
}

// newTheatreAcross is newTheatre with another host beside it.
func newTheatreAcross(t *testing.T, w way, dockerd ...string) *theatre {
	t.Helper()
	lab := integration.NewLab(t)
	hosts := lab.Hosts(t, integration.HostOptions{Dockerd: dockerd}, "h1", "h2")
	lan := lab.LAN(t)
	lan.Join(t, hosts...)
	lan.SetMTU(t, 9000) // networks that follow it are to keep theirs while the switch, and with it the way to the LAN, is away
	settings := []string{"OVSNET_PEERS=" + hosts[0].IPv4 + "," + hosts[1].IPv4}
	w.start(hosts[1], t, settings...)
	s := open(t, w, hosts[0], settings)
	s.far = &abroad{Host: hosts[1]}
	return s
}

// raise makes the network and its container.
func (a *abroad) raise(t *testing.T, s *theatre, options []string) {
	t.Helper()
	a.empty = a.Snapshot(t)
	s.populate(t, a.Host, []theatreContainer{{"c3", theatreAbroad}}, options)
}

// strike removes all of it and gives what is left.
func (a *abroad) strike(t *testing.T) []string {
	t.Helper()
	a.Docker(t, "rm --force c3")
	a.Docker(t, "network rm n1")
	return leftOver(a.empty, func() integration.State { return a.Snapshot(t) })
}

// begin has the container ping the first host's.
func (a *abroad) begin(t *testing.T, tr *traffic, probe string) {
	t.Helper()
	tr.ping(a.Host, enter(t, a.Host, "c3")+probe, true, theatreClient)
}

// Snapshot is the host's state without what is another each time.
func (a *abroad) Snapshot(tb testing.TB) integration.State {
	tb.Helper()
	return lasting(a.Host.Snapshot(tb))
}

// untouched gives what holds that the host is as it is now, and that its audit had nothing to repair meanwhile.
func (a *abroad) untouched(t *testing.T) func() {
	t.Helper()
	whole, counted := a.Snapshot(t), a.Status(t).Audit.Repairs
	return func() {
		t.Helper()
		if err := same(whole, a.Snapshot(t)); err != nil {
			t.Errorf("the other host: %v", err)
		}
		if now := a.Status(t).Audit.Repairs; !maps.Equal(now, counted) {
			t.Errorf("the other host repaired %s", less(now, counted))
		}
	}
}
