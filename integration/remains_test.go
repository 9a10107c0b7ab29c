// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/integration"
)

func TestNothingRemains(t *testing.T) {
	t.Parallel()
	for _, w := range []way{managed, served} {
		t.Run(w.name, func(t *testing.T) {
			h := w.host(t)
			// A switch with things of somebody else's, which must stay as they are.
			h.Run(t, "ovs-vsctl add-br theirs -- set Bridge theirs datapath_type="+integration.Datapath(t).Name)
			h.Run(t, "ovs-ofctl add-flow theirs priority=7,actions=drop")
			empty := h.Snapshot(t)

			h.Docker(t, "network create --ipv6 --subnet 10.71.0.0/24 --subnet fd71::/64 --driver", w.driver, "n1")
			h.Docker(t, "network create --internal --driver", w.driver, "n2")
			networks := h.Snapshot(t)

			h.Container(t, "c1", "--network=n1")
			h.Container(t, "c2", "--network=n1")
			h.Docker(t, "network connect n2 c1")
			reaches(t, h, "c1", "c2")
			if got := h.Run(t, "ovs-vsctl --bare --columns=name find Interface type!=internal"); len(strings.Fields(got)) != 3 {
				t.Errorf("ports of three endpoints: %q", got)
			}
			h.Docker(t, "rm --force c1 c2")
			unchanged(t, h, networks)

			h.Docker(t, "network rm n1 n2")
			unchanged(t, h, empty)
		})
	}
}

func TestContainersThatEndLeaveNothing(t *testing.T) {
	t.Parallel()
	h := short.host(t)
	h.Docker(t, "network create --driver ovs n1")
	before := h.Snapshot(t)
	// One that ends by itself, one that is killed, one whose start fails.
	h.Docker(t, "run --rm --network=n1 ovsnet-test true")
	h.Container(t, "killed", "--network=n1", "--rm")
	h.Docker(t, "kill killed")
	if _, err := h.TryDocker("run --rm --network=n1 ovsnet-test /no/such/program"); err == nil {
		t.Error("a program that is not there was started")
	}
	soon(t, func() error { _, err := h.TryDocker("wait killed"); return gone(err) })
	unchanged(t, h, before)

	h.Container(t, "c1", "--network=n1")
	h.Docker(t, "stop --time=1 c1")
	unchanged(t, h, before)
	h.Docker(t, "start c1")
	h.Docker(t, "exec c1 ping -c 1 -W 5 c1")
	h.Docker(t, "rm --force c1")
	unchanged(t, h, before)
}
