// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/integration"
)

// TestTunnelPortIsTaken: somebody else's VXLAN device on the tunnels' UDP port, as Docker's overlay networks have on 4789.
// The kernel gives a port to one; the userspace datapath has none of the kernel's.
func TestTunnelPortIsTaken(t *testing.T) {
	t.Parallel()
	h := integration.NewLab(t).HostWith(t, "h1", integration.HostOptions{NoDocker: true})
	h.StartServe(t)
	network := integration.Map{
		"NetworkID": "5151515151515151", "Options": integration.Map{"com.docker.network.generic": integration.Map{"ovs.tunnel.vni": "51"}},
		"IPv4Data": []integration.Map{{"Pool": "10.51.0.0/24", "Gateway": "10.51.0.1/24"}},
	}
	h.Run(t, "ip link add theirs type vxlan id 9 dstport 14789")
	h.Run(t, "ip link set theirs up")
	_, err := h.Verb("CreateNetwork", network)
	if !integration.Datapath(t).KernelTunnels {
		if err != nil {
			t.Error(err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), "tunnel_port") {
		t.Fatalf("the port is taken: %v", err)
	}
	if err = nothingOfOurs(t, h); err != nil {
		t.Error(err)
	}
	h.Run(t, "ip link del theirs")
	h.MustVerb(t, "CreateNetwork", network)
}
