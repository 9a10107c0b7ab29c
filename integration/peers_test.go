// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/ovsnet/ovsnet/driver"
	"github.com/ovsnet/ovsnet/integration"
)

// peerState asks a host's daemon for what it knows of its first network's only peer.
func peerState(h *integration.Host, status string) (driver.PeerStatus, error) {
	var s driver.Status
	out, err := h.Try(status)
	if err != nil {
		return driver.PeerStatus{}, err
	}
	if err = json.Unmarshal([]byte(out), &s); err != nil {
		return driver.PeerStatus{}, err
	}
	if len(s.Networks) != 1 || s.Networks[0].Tunnel == nil || len(s.Networks[0].Tunnel.Peers) != 1 {
		return driver.PeerStatus{}, fmt.Errorf("not one network with one peer: %s", out)
	}
	return s.Networks[0].Tunnel.Peers[0], nil
}

// TestPeersAreHeard: hosts without a single container say hello to each other, one that is cut off is silent, and one
// that comes back is up again. A host's own address in the list is no peer.
func TestPeersAreHeard(t *testing.T) {
	t.Parallel()
	lab := integration.NewLab(t)
	lan := lab.LAN(t)
	hosts := lab.Hosts(t, integration.HostOptions{NoDocker: true}, "one", "two")
	lan.Join(t, hosts...)
	program, err := filepath.Abs("../build/e2e/ovsnet")
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range []string{"IPv4", "IPv6"} {
		list := hosts[0].IPv4 + "," + hosts[1].IPv4
		if family == "IPv6" {
			list = hosts[0].IPv6 + "," + hosts[1].IPv6
		}
		for _, h := range hosts {
			h.StartServe(t, "OVSNET_PEERS="+list, "OVSNET_AUDIT_INTERVAL=1s")
			soon(t, func() error {
				_, err := h.Verb("CreateNetwork", integration.Map{
					"NetworkID": "0123456789abcdef", "Options": integration.Map{"com.docker.network.generic": integration.Map{"ovs.tunnel.vni": "77"}},
					"IPv4Data": []integration.Map{{"Pool": "10.60.0.0/24", "Gateway": "10.60.0.1/24"}},
				})
				return err
			})
		}
		becomes := func(h *integration.Host, state string) {
			t.Helper()
			soon(t, func() error {
				p, err := peerState(h, program+" status --json")
				if err == nil && (p.State != state || p.From[0] != "settings" || state == driver.PeerUp && p.LastFrame.IsZero()) {
					err = fmt.Errorf("%+v, want %s", p, state)
				}
				return err
			})
		}
		for _, h := range hosts {
			becomes(h, driver.PeerUp)
		}
		lan.Cable(t, hosts[1], false)
		for _, h := range hosts {
			becomes(h, driver.PeerSilent)
		}
		lan.Cable(t, hosts[1], true)
		for _, h := range hosts {
			becomes(h, driver.PeerUp)
		}
		// Not before: a host that has stopped is heard no more.
		for _, h := range hosts {
			h.MustVerb(t, "DeleteNetwork", integration.Map{"NetworkID": "0123456789abcdef"})
			h.StopServe(t)
		}
	}
}
