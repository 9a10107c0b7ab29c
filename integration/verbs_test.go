// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

var (
	networkID   = strings.Repeat("1a2b3c4d", 8)
	endpointID1 = strings.Repeat("5e6f7a8b", 8)
	endpointID2 = strings.Repeat("9c0d1e2f", 8)
)

// The requests of one container's life, as the engine words them.
func createNetwork() integration.Map {
	return integration.Map{
		"NetworkID": networkID,
		"Options": integration.Map{
			"com.docker.network.enable_ipv6": false, "com.docker.network.generic": integration.Map{},
		},
		"IPv4Data": []integration.Map{{"AddressSpace": "LocalDefault", "Pool": "10.77.0.0/24", "Gateway": "10.77.0.1/24"}},
		"IPv6Data": nil,
	}
}

func createEndpoint(id, address string) integration.Map {
	return integration.Map{
		"NetworkID": networkID, "EndpointID": id,
		"Interface": integration.Map{"Address": address, "AddressIPv6": "", "MacAddress": ""},
		"Options":   integration.Map{"com.docker.network.endpoint.exposedports": []any{}, "com.docker.network.portmap": []any{}},
	}
}

func endpoint(id string) integration.Map {
	return integration.Map{"NetworkID": networkID, "EndpointID": id}
}

func join(id string) integration.Map {
	m := endpoint(id)
	m["SandboxKey"], m["Options"] = "/var/run/docker/netns/0123456789ab", integration.Map{}
	return m
}

func TestVerbsCanBeRetried(t *testing.T) {
	t.Parallel()
	h := served.host(t)
	before := h.Snapshot(t)
	// twice is what the engine does when it lost an answer.
	twice := func(verb string, request integration.Map) integration.Map {
		t.Helper()
		first := h.MustVerb(t, verb, request)
		state := h.Snapshot(t)
		second := h.MustVerb(t, verb, request)
		unchanged(t, h, state)
		if verb == "Join" || verb == "CreateEndpoint" {
			if a, b := text(first), text(second); a != b {
				t.Errorf("%s: answers %s and then %s", verb, a, b)
			}
		}
		return first
	}
	twice("CreateNetwork", createNetwork())
	iface, ok := twice("CreateEndpoint", createEndpoint(endpointID1, "10.77.0.2/24"))["Interface"].(integration.Map)
	if mac, is := iface["MacAddress"].(string); !ok || !is || mac == "" || iface["Address"] != nil && iface["Address"] != "" {
		t.Errorf("the answer to CreateEndpoint must have a MAC and must not repeat the address: %v", iface)
	}
	joined := twice("Join", join(endpointID1))
	if joined["Gateway"] != "10.77.0.1" {
		t.Errorf("Join: %v", joined)
	}
	info, ok := h.MustVerb(t, "EndpointOperInfo", endpoint(endpointID1))["Value"].(integration.Map)
	if !ok || info["ovs.bridge"] == nil || info["ovs.port"] == nil || info["ovs.ofport"] == nil {
		t.Errorf("EndpointOperInfo: %v", info)
	}
	twice("Leave", endpoint(endpointID1))
	twice("Join", join(endpointID1))
	twice("Leave", endpoint(endpointID1))
	twice("DeleteEndpoint", endpoint(endpointID1))
	// An endpoint that was never left, and one that was never joined.
	for _, id := range []string{endpointID1, endpointID2} {
		h.MustVerb(t, "CreateEndpoint", createEndpoint(id, "10.77.0.3/24"))
		if id == endpointID1 {
			h.MustVerb(t, "Join", join(id))
		}
		twice("DeleteEndpoint", endpoint(id))
	}
	twice("DeleteNetwork", integration.Map{"NetworkID": networkID})
	unchanged(t, h, before)
}

// text is what the engine takes from an answer.
func text(m integration.Map) string {
	return fmt.Sprint(m["Interface"], m["InterfaceName"], m["Gateway"], m["GatewayIPv6"])
}

func TestAFailureHalfwayLeavesNothing(t *testing.T) {
	t.Parallel()
	h := served.host(t, "OVSNET_VERB_TIMEOUT="+ovstest.Limit(2*time.Second).String())
	h.MustVerb(t, "CreateNetwork", createNetwork())
	before := h.Snapshot(t)
	fails := func(verb string, request integration.Map, word string) {
		t.Helper()
		if answer, err := h.Verb(verb, request); err == nil {
			t.Errorf("%s: succeeded: %v", verb, answer)
		} else if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: the error does not say %q: %v", verb, word, err)
		}
	}

	t.Run("the link's name is taken", func(t *testing.T) {
		taken := "ovs" + endpointID1[:12]
		h.Run(t, "ip link add "+taken+" type veth peer name somebodys")
		state := h.Snapshot(t)
		fails("CreateEndpoint", createEndpoint(endpointID1, "10.77.0.2/24"), taken)
		unchanged(t, h, state)
		h.Run(t, "ip link del "+taken)
	})

	t.Run("the port's name is taken", func(t *testing.T) {
		taken := "ovs" + endpointID1[:12]
		h.Run(t, "ovs-vsctl add-br theirs -- set Bridge theirs datapath_type="+integration.Datapath(t).Name+" -- add-port theirs", taken, "--", "set", "Interface", taken, "type=internal")
		state := h.Snapshot(t)
		fails("CreateEndpoint", createEndpoint(endpointID1, "10.77.0.2/24"), taken)
		unchanged(t, h, state)
		h.Run(t, "ovs-vsctl del-br theirs")
	})

	t.Run("ovs-vswitchd is down", func(t *testing.T) {
		h.MustVerb(t, "CreateEndpoint", createEndpoint(endpointID2, "10.77.0.3/24"))
		h.MustVerb(t, "Leave", endpoint(endpointID2))
		h.StopVSwitchd(t)
		fails("CreateEndpoint", createEndpoint(endpointID1, "10.77.0.2/24"), "ovs-vswitchd")
		fails("Join", join(endpointID2), "ovs-vswitchd")
		// What the engine does next.
		for _, verb := range []string{"Leave", "DeleteEndpoint"} {
			_, err := h.Verb(verb, endpoint(endpointID2))
			t.Logf("%s: %v", verb, err)
		}
		h.StartVSwitchd(t)
		soon(t, func() error { return same(before, h.Snapshot(t)) })
	})

	// The same ids work once nothing is in the way.
	h.MustVerb(t, "CreateEndpoint", createEndpoint(endpointID1, "10.77.0.2/24"))
	h.MustVerb(t, "Join", join(endpointID1))
	h.MustVerb(t, "DeleteEndpoint", endpoint(endpointID1))
	unchanged(t, h, before)
}

func TestARunThatFailsHalfwayLeavesNothing(t *testing.T) {
	t.Parallel()
	h := short.host(t, "OVSNET_VERB_TIMEOUT="+ovstest.Limit(3*time.Second).String())
	h.Docker(t, "network create --driver ovs n1")
	before := h.Snapshot(t)
	h.StopVSwitchd(t)
	refuses(t, h, "run --rm --network n1 ovsnet-test true", "ovs-vswitchd")
	h.StartVSwitchd(t)
	soon(t, func() error { return same(before, h.Snapshot(t)) })
	h.Docker(t, "run --rm --network n1 ovsnet-test true")
	unchanged(t, h, before)
}
