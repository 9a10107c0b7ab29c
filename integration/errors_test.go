// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/integration"
)

// gone turns success into an error and an error into success.
func gone(err error) error {
	if err == nil {
		return errors.New("still there")
	}
	return nil
}

// refuses holds that a docker command fails and says all the words.
func refuses(tb testing.TB, h *integration.Host, line string, words ...string) {
	tb.Helper()
	out, err := h.TryDocker(line)
	if err == nil {
		tb.Errorf("docker %s: succeeded: %s", line, out)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			tb.Errorf("docker %s: the error does not say %q: %v", line, w, err)
		}
	}
}

func TestErrorsAreReadable(t *testing.T) {
	t.Parallel()
	h := short.host(t)
	h.Run(t, "ovs-vsctl add-br stranger -- set Bridge stranger datapath_type="+integration.Datapath(t).Name)
	h.Run(t, "ip link add foreign type veth peer name foreign-peer")
	h.Docker(t, "network create --driver ovs --subnet 10.72.0.0/24 -o ovs.bridge.name=mine n1")
	before := h.Snapshot(t)
	for _, c := range []struct {
		name, line string
		words      []string
	}{
		{"name too long", "network create --driver ovs -o ovs.bridge.name=a-name-of-17-byte n2", []string{"ovs.bridge.name", "15"}},
		{"name with blanks", "network create --driver ovs -o ovs.bridge.name=a/b n2", []string{"ovs.bridge.name", "letters"}},
		{"a stranger's bridge", "network create --driver ovs -o ovs.bridge.name=stranger n2", []string{"stranger", "not ovsnet's"}},
		{"a stranger's link", "network create --driver ovs -o ovs.bridge.name=foreign n2", []string{"foreign"}},
		{"same name twice", "network create --driver ovs -o ovs.bridge.name=mine n2", []string{"mine"}},
		{"Docker's name for it", "network create --driver ovs -o com.docker.network.bridge.name=mine n2", []string{"mine"}},
		{"MTU that is no number", "network create --driver ovs -o ovs.bridge.mtu=big n2", []string{"ovs.bridge.mtu", "number"}},
		{"MTU too small", "network create --driver ovs -o ovs.bridge.mtu=20 n2", []string{"ovs.bridge.mtu", "68"}},
		{"MTU too large", "network create --driver ovs -o ovs.bridge.mtu=99999 n2", []string{"ovs.bridge.mtu", "65535"}},
		{"MTU too small for IPv6", "network create --driver ovs --ipv6 --subnet fd72::/64 -o ovs.bridge.mtu=1000 n2", []string{"1280"}},
		{"no such datapath", "network create --driver ovs -o ovs.bridge.datapath=fast n2", []string{"ovs.bridge.datapath", "netdev"}},
		{"no such option", "network create --driver ovs -o ovs.bridge.nme=x n2", []string{"ovs.bridge.nme", "ovs.bridge.name"}},
		{"encryption", "network create --driver ovs -o ovs.tunnel.vni=72 -o encrypted n2", []string{"encrypted", "leave it out", "WireGuard", "OVSNET_TUNNEL_ADDRESS"}},
		{"address outside the subnet", "run --rm --network n1 --ip 192.0.2.7 ovsnet-test true", []string{"192.0.2.7", "subnet"}},
		{"multicast MAC", "run --rm --network n1 --mac-address 03:00:00:00:00:01 ovsnet-test true", []string{"03:00:00:00:00:01"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			refuses(t, h, c.line, c.words...)
			unchanged(t, h, before)
		})
	}
	// After all that it still works.
	h.Docker(t, "network create --driver ovs n2")
	h.Container(t, "c1", "--network=n2")
}

func TestOpenVSwitchIsDown(t *testing.T) {
	t.Parallel()
	for _, w := range []way{managed, served} {
		t.Run(w.name, func(t *testing.T) {
			h := integration.NewLab(t).HostWith(t, "h1", integration.HostOptions{NoOVS: true})
			w.start(h, t)
			create := "network create --driver " + w.driver + " n1"
			refuses(t, h, create, "Open vSwitch is not reachable at unix:", "openvswitch/db.sock")
			if log := h.PluginLog(t); !strings.Contains(log, "openvswitch/db.sock") {
				t.Errorf("the log does not say what is missing: %s", log)
			}
			h.StartOVS(t)
			soon(t, func() error { _, err := h.TryDocker(create); return err })
			h.Container(t, "c1", "--network=n1")
			h.Container(t, "c2", "--network=n1")
			reaches(t, h, "c1", "c2")

			h.StopOVS(t)
			refuses(t, h, "run --rm --network n1 ovsnet-test true", "Open vSwitch is not reachable at unix:")
			// Removing goes on without it; Open vSwitch's own share follows when it is back.
			h.Docker(t, "rm --force c2")
			h.StartOVS(t)
			soon(t, func() error { _, err := h.TryDocker("run --rm --network n1 ovsnet-test ping -c 1 -W 2 c1"); return err })
			soon(t, func() error {
				ports := h.Run(t, "ovs-vsctl --bare --columns=name find Interface type!=internal")
				if n := len(strings.Fields(ports)); n != 1 {
					return fmt.Errorf("%d ports of one container: %s", n, ports)
				}
				return nil
			})
			h.Docker(t, "rm --force c1")
			h.StopOVS(t)
			h.Docker(t, "network rm n1")
			h.StartOVS(t)
			soon(t, func() error {
				if got := h.Bridges(t); got != "" {
					return fmt.Errorf("bridges without networks: %s", got)
				}
				return nil
			})
		})
	}
}
