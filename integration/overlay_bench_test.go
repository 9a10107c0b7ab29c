// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/integration"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// span are two endpoints of one network, each on a host of its own. Its bridges run our pipeline, or the two flows that
// the same ports need at least.
type span struct {
	pair // on the first host

	hosts []*integration.Host
	least []string // for the hosts' bridges
}

// overlayVerb is CreateNetwork with the number-th VNI and subnet.
func overlayVerb(id string, number int) map[string]any {
	return map[string]any{
		"NetworkID": id,
		"Options":   map[string]any{"com.docker.network.generic": map[string]any{"ovs.tunnel.vni": fmt.Sprint(1000 + number)}},
		"IPv4Data": []any{map[string]any{
			"Pool": fmt.Sprintf("10.%d.0.0/16", number+9), "Gateway": fmt.Sprintf("10.%d.255.254/16", number+9),
		}},
	}
}

func newSpan(b *testing.B) *span {
	b.Helper()
	ovstest.NeedTool(b, "iperf3", "iperf3")
	lab := integration.NewLab(b)
	hosts := lab.Hosts(b, integration.HostOptions{NoDocker: true}, "h1", "h2")
	lab.LAN(b).Join(b, hosts...)
	s := &span{hosts: hosts}
	s.pair = pair{h: hosts[0], probe: integration.Probe(b), bridge: "ovsbr-" + benchNetwork[:9], to: "10.9.0.4", on: "taskset --cpu-list 0"}
	for i, h := range hosts {
		h.StartServe(b, "OVSNET_PEERS="+hosts[0].IPv4+","+hosts[1].IPv4)
		e := newEngine(h)
		e.call(b, "CreateNetwork", overlayVerb(benchNetwork, 0))
		e.attach(b, i+1)
		if b.Failed() {
			b.FailNow()
		}
		name, link := []string{"from", "to"}[i], "ovc"+endpointID(i + 1)[:12]
		h.Run(b, "sh -ec", fmt.Sprintf(`
			ip netns add %[1]s
			ip link set %[2]s netns %[1]s
			ip -n %[1]s link set lo up
			ip -n %[1]s link set %[2]s up
			ip -n %[1]s addr add 10.9.0.%[3]d/16 dev %[2]s`, name, link, i+3))
		number := func(column, value string) string {
			return h.Run(b, "ovs-vsctl --bare --columns=ofport find Interface "+column+"="+value)
		}
		tunnel, port := number("type", "vxlan"), number("name", "ovs"+endpointID(i + 1)[:12])
		s.least = append(s.least, fmt.Sprintf(
			"table=0,priority=65535,in_port=%[1]s,actions=set_field:%[2]s->tun_dst,output:%[3]s\ntable=0,priority=65535,in_port=%[3]s,actions=output:%[1]s\n",
			port, hosts[1-i].IPv4, tunnel))
	}
	// One processor a host, as far as there are two: where the kernel puts two switches and two programs is chance.
	for i, h := range hosts {
		h.Run(b, fmt.Sprintf("taskset --all-tasks --cpu-list --pid %d", i), h.Run(b, "cat /run/openvswitch/ovs-vswitchd.pid"))
	}
	hosts[1].StartProgram(b, "ip netns exec to taskset --cpu-list 1 iperf3 --server")
	hosts[1].StartProgram(b, "ip netns exec to taskset --cpu-list 1 "+s.probe+" serve :9000")
	soon(b, func() error {
		_, err := s.h.Try("ip netns exec from " + s.probe + " tcp 10.9.0.4:9000 1000")
		return err
	})
	soon(b, func() error { _, err := s.h.Try("ip netns exec from iperf3 --time 1 --client " + s.to); return err })
	return s
}

// run chooses the flows on both hosts and empties the datapaths.
func (s *span) run(tb testing.TB, guarded bool) {
	tb.Helper()
	for i, h := range s.hosts {
		if guarded {
			h.Run(tb, "ovs-ofctl -OOpenFlow15 del-flows "+s.bridge+" cookie=0/-1,table=0")
		} else {
			h.Run(tb, "sh -c", fmt.Sprintf("printf '%s' | ovs-ofctl -OOpenFlow15 add-flows %s -", strings.ReplaceAll(s.least[i], "\n", `\n`), s.bridge))
		}
		h.Run(tb, "ovs-appctl revalidator/purge")
	}
	s.in(tb, "from", s.probe+" rtt "+s.to+":9000 100")
}

// spent is the processor time of both switches so far, in seconds.
func (s *span) spent(tb testing.TB) float64 {
	tb.Helper()
	ticks := 0.0
	for _, h := range s.hosts {
		f := strings.Fields(h.Run(tb, "sh -c", "cat /proc/$(cat /run/openvswitch/ovs-vswitchd.pid)/stat"))
		for _, field := range f[13:15] { // proc(5): utime and stime, in hundredths of a second
			n, err := strconv.ParseFloat(field, 64)
			if err != nil {
				tb.Fatal(err)
			}
			ticks += n
		}
	}
	return ticks / 100
}

// quotient is the median of those of neighbours: what else the machine does changes from one second to the next.
func quotient(of, by []float64) float64 {
	all := make([]float64, len(of))
	for i := range of {
		all[i] = of[i] / by[i]
	}
	return middle(all)
}

func middle(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// BenchmarkOverlay compares our pipeline with hand-written flows on the same ports and tunnel of the same two hosts,
// turn by turn: bits a second, processor time that the switches take for a byte, and round trips.
func BenchmarkOverlay(b *testing.B) {
	s := newSpan(b)
	names := map[bool]string{true: "overlay", false: "least"}
	turns := func(rounds int, measure func(guarded bool)) {
		for i := range rounds {
			for _, guarded := range []bool{i%2 == 0, i%2 != 0} {
				s.run(b, guarded)
				measure(guarded)
			}
		}
	}
	report := func(b *testing.B, unit string, got map[bool][]float64) {
		b.Helper()
		for guarded, values := range got {
			b.ReportMetric(middle(values), names[guarded]+"-"+unit)
		}
		b.ReportMetric(quotient(got[true], got[false]), unit+"-overlay/least")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("throughput", func(b *testing.B) {
		speeds, costs := map[bool][]float64{}, map[bool][]float64{}
		turns(20, func(guarded bool) {
			before := s.spent(b)
			// More on the way than the switches' sockets hold is lost, and losses differ more than pipelines.
			speed, size := received(b, s.in(b, "from", "iperf3 --json --time 1 --window 64K --client "+s.to))
			speeds[guarded] = append(speeds[guarded], speed)
			costs[guarded] = append(costs[guarded], (s.spent(b)-before)*1e9/size)
		})
		report(b, "bit/s", speeds)
		report(b, "cpu-ns/byte", costs)
	})
	b.Run("round trip", func(b *testing.B) {
		times := map[bool][]float64{}
		turns(15, func(guarded bool) { times[guarded] = append(times[guarded], s.roundTrip(b)) })
		report(b, "rtt-ns", times)
	})
	b.Run("megaflows", func(b *testing.B) {
		for _, guarded := range []bool{true, false} {
			s.run(b, guarded)
			b.ReportMetric(float64(s.megaflowsOf(b, "tcp", 100)), names[guarded]+"-flows-of-100")
		}
		b.ReportMetric(0, "ns/op")
	})
}
