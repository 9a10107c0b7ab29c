// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/ovsnet/ovsnet/integration"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// TestBesideDockersOverlay: a network of ours across two hosts, Docker's own overlay driver between the same two, and
// Swarm's ingress where the machine has IPVS, without which there is none.
func TestBesideDockersOverlay(t *testing.T) {
	t.Parallel()
	hosts := besideDocker(t)
	talk := func(t *testing.T) {
		t.Helper()
		for name, net := range map[string]int{"ours": 66, "theirs": 67} {
			for i, h := range hosts {
				to := fmt.Sprintf("10.%d.0.%d", net, 12-i)
				soon(t, func() error {
					_, err := h.TryExec(fmt.Sprint(name, i+1), fmt.Sprintf("probe tcp %s:9000 300000", to))
					return err
				})
			}
		}
	}
	t.Run("overlays", talk)
	if _, err := hosts[0].Try("test -e /proc/net/ip_vs"); err == nil {
		t.Run("ingress", func(t *testing.T) {
			hosts[0].Docker(t, "service create --detach --name web --publish 8088:80 --constraint node.hostname==h2",
				integration.Image, "probe", "seen", ":80")
			out := hosts[0].Outside(t, 1)
			soon(t, func() error {
				got, err := out.Try(fmt.Sprintf("%s ask 5000 tcp/%s:8088", integration.Probe(t), out.HostIPv4))
				if err == nil && got == "-" {
					err = errors.New("nobody answers")
				}
				return err
			})
			talk(t)
			hosts[0].Docker(t, "service rm web")
		})
	}
	t.Run("each goes alone", func(t *testing.T) {
		for i, h := range hosts {
			h.Docker(t, fmt.Sprint("rm --force ours", i+1))
			h.Docker(t, "network rm ours")
		}
		for i, h := range hosts {
			if _, err := h.TryExec(fmt.Sprint("theirs", i+1), fmt.Sprintf("probe tcp 10.67.0.%d:9000 300000", 12-i)); err != nil {
				t.Error(err)
			}
			soon(t, func() error { return nothingOfOurs(t, h) })
		}
	})
}

// besideDocker are two hosts of one Swarm, each with a container on our network, ours1 and ours2, and one on Docker's
// overlay, theirs1 and theirs2.
func besideDocker(tb testing.TB) []*integration.Host {
	tb.Helper()
	lab := integration.NewLab(tb)
	lan := lab.LAN(tb)
	hosts := lab.Hosts(tb, integration.HostOptions{}, "h1", "h2")
	lan.Join(tb, hosts...)
	integration.Swarm(tb, hosts[0])
	hosts[1].JoinSwarm(tb, hosts[0], integration.Worker)
	hosts[0].Docker(tb, "network create --driver overlay --attachable --subnet 10.67.0.0/24 theirs")
	for i, h := range hosts {
		h.StartServe(tb, "OVSNET_PEERS="+hosts[0].IPv4+","+hosts[1].IPv4)
		h.Docker(tb, "network create --driver ovs --ipv6 --subnet 10.66.0.0/24 --subnet fd66::/64 --opt ovs.tunnel.vni=66 ours")
		h.Container(tb, fmt.Sprint("ours", i+1), "--network=ours", fmt.Sprintf("--ip=10.66.0.%d", 11+i))
		// The Swarm's leader has 20 seconds to attach it, which a busy machine may not have.
		soon(tb, func() error {
			name := fmt.Sprint("theirs", i+1)
			_, err := h.TryDocker("run --detach --name "+name+" --network=theirs", fmt.Sprintf("--ip=10.67.0.%d", 11+i), integration.Image)
			if err != nil {
				_, bad := h.TryDocker("rm --force " + name)
				err = errors.Join(err, bad)
			}
			return err
		})
	}
	return hosts
}

// BenchmarkAgainstDockersOverlay compares the TCP throughput between two hosts by our overlay and by Docker's, in turn.
func BenchmarkAgainstDockersOverlay(b *testing.B) {
	ovstest.NeedTool(b, "iperf3", "iperf3")
	const rounds = 7
	hosts := besideDocker(b)
	inside := func(i int, name string) string {
		return "nsenter --net=/proc/" + hosts[i].Docker(b, "inspect --format {{.State.Pid}} "+fmt.Sprint(name, i+1)) + "/ns/net "
	}
	networks := map[string]string{"ours": "10.66.0.12", "theirs": "10.67.0.12"}
	clients, got := map[string]string{}, map[string][]float64{}
	for name, to := range networks {
		hosts[1].StartProgram(b, inside(1, name)+"iperf3 --server")
		clients[name] = inside(0, name) + "iperf3 --json --time 2 --omit 1 --client " + to
		soon(b, func() error { _, err := hosts[0].Try(clients[name]); return err })
	}
	for range rounds {
		for name := range networks {
			got[name] = append(got[name], receivedRate(b, hosts[0].Run(b, clients[name])))
		}
	}
	for name := range networks {
		slices.Sort(got[name])
		b.ReportMetric(got[name][rounds/2], name+"-bit/s")
	}
	b.ReportMetric(got["ours"][rounds/2]/got["theirs"][rounds/2], "ours/theirs")
	b.ReportMetric(0, "ns/op")
}
