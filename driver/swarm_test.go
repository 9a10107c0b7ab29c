// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/config"
)

// TestKilledEngineForgets: endpoints that an earlier engine left on a network of a Swarm are gone when a new one makes that
// network, for a container on another host may have their addresses. A request that is repeated removes none.
func TestKilledEngineForgets(t *testing.T) {
	if !apart(t) {
		return
	}
	sw, state := hostSwitch(t), t.TempDir()
	create := func(h *house) {
		h.must(ManagedDoor, "CreateNetwork", createForm, swarmNet, `{"ovs.tunnel.vni":"4242"}`)
	}
	members := func(h *house) int {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.world.members(swarmNet))
	}
	const joined = `{"NetworkID":%q,"EndpointID":%q,"SandboxKey":"","Interface":{"Address":"10.9.0.5/24"},"Options":{}}`
	endpoint := strings.Repeat("e", 64)
	h := open(t, sw, state, config.DefaultOwner)
	create(h)
	h.must(ManagedDoor, "CreateEndpoint", joined, swarmNet, endpoint)
	h.must(ManagedDoor, "Join", joined, swarmNet, endpoint)
	h.mu.Lock()
	link := h.world.endpoints[endpoint].Peer
	h.mu.Unlock()
	for _, line := range []string{"netns add box", "link set " + link + " netns box"} {
		if out, err := exec.CommandContext(t.Context(), "ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	create(h)
	if n := members(h); n != 1 {
		t.Errorf("a request is repeated: %d endpoints", n)
	}
	h.end()
	h = open(t, sw, state, config.DefaultOwner)
	h.must(ManagedDoor, "DiscoverNew", nodeForm, "192.0.2.1", "", true)
	create(h)
	if n := members(h); n != 0 {
		t.Errorf("a new engine makes the network: %d endpoints", n)
	}
}
