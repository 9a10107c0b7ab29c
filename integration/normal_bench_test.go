// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/integration"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// pair are two endpoints of a network, each in a network namespace, whose bridge runs our pipeline or one flow with
// actions=NORMAL. Links, ports and everything else stay as they are.
type pair struct {
	h      *integration.Host
	probe  string // the program
	bridge string
	to     string // the second endpoint's address
	on     string // a command that runs others on a processor, or none
}

// Rounds are how often a measurement is taken with each pipeline, in turn. A round trip differs more from one round to
// the next than between the pipelines.
const (
	throughputRounds = 9
	roundTripRounds  = 31
)

func newPair(b *testing.B) *pair {
	b.Helper()
	ovstest.NeedTool(b, "iperf3", "iperf3")
	h, e, bridge := benchHost(b)
	p := &pair{h: h, probe: integration.Probe(b), bridge: bridge, to: "10.9.0.4"}
	for i, name := range []string{"from", "to"} {
		e.attach(b, i+1)
		link := "ovc" + endpointID(i + 1)[:12]
		h.Run(b, "ip netns add "+name)
		h.Run(b, "ip link set "+link+" netns "+name)
		p.in(b, name, "ip link set lo up")
		p.in(b, name, "ip link set "+link+" up")
		p.in(b, name, fmt.Sprintf("ip addr add 10.9.0.%d/16 dev %s", i+3, link))
	}
	if b.Failed() {
		b.FailNow()
	}
	h.StartProgram(b, "ip netns exec to iperf3 --server")
	h.StartProgram(b, "ip netns exec to "+p.probe+" serve :9000")
	for _, client := range []string{p.probe + " tcp " + p.to + ":9000 1000", "iperf3 --time 1 --client " + p.to} {
		soon(b, func() error { _, err := h.Try("ip netns exec from " + client); return err })
	}
	return p
}

func (p *pair) in(tb testing.TB, namespace, line string) string {
	tb.Helper()
	return p.h.Run(tb, "ip netns exec "+namespace+" "+p.on+" "+line)
}

// run chooses the pipeline and empties the datapath.
func (p *pair) run(tb testing.TB, guarded bool) {
	tb.Helper()
	if guarded {
		p.h.Run(tb, "ovs-ofctl -OOpenFlow15 --strict del-flows "+p.bridge+" table=0,priority=65535")
	} else {
		p.h.Run(tb, "ovs-ofctl -OOpenFlow15 add-flow "+p.bridge+" table=0,priority=65535,actions=NORMAL")
	}
	p.h.Run(tb, "ovs-appctl revalidator/purge")
	p.in(tb, "from", p.probe+" rtt "+p.to+":9000 100")
}

// throughput is that of one TCP connection for two seconds, in bits a second.
func (p *pair) throughput(tb testing.TB) float64 {
	tb.Helper()
	return receivedRate(tb, p.in(tb, "from", "iperf3 --json --time 2 --omit 1 --client "+p.to))
}

// receivedRate is what iperf3 says of the bits a second that came.
func receivedRate(tb testing.TB, text string) float64 {
	tb.Helper()
	rate, _ := received(tb, text)
	return rate
}

// received is what iperf3 says of what came: bits a second, and bytes.
func received(tb testing.TB, text string) (rate, size float64) {
	tb.Helper()
	var report struct {
		End struct {
			Received struct {
				BitsPerSecond float64 `json:"bits_per_second"`
				Bytes         float64 `json:"bytes"`
			} `json:"sum_received"`
		}
	}
	got := &report.End.Received
	if err := json.Unmarshal([]byte(text), &report); err != nil || got.BitsPerSecond == 0 {
		tb.Fatalf("iperf3: %v: %s", err, text)
	}
	return got.BitsPerSecond, got.Bytes
}

// roundTrip is the median of many, in nanoseconds.
func (p *pair) roundTrip(tb testing.TB) float64 {
	tb.Helper()
	ns, err := strconv.ParseFloat(p.in(tb, "from", p.probe+" rtt "+p.to+":9000 5000"), 64)
	if err != nil {
		tb.Fatal(err)
	}
	return ns
}

// megaflowsOf is the number of datapath flows that so many connections of "tcp" or "udp" come to, one after the other.
func (p *pair) megaflowsOf(tb testing.TB, protocol string, connections int) int {
	tb.Helper()
	p.h.Run(tb, "ovs-appctl revalidator/purge")
	for range connections {
		p.in(tb, "from", p.probe+" "+protocol+" "+p.to+":9000 1000")
	}
	// Not upcall/show, which is behind by what has come in the last moment; and containers send more than these, such as
	// router solicitations.
	return strings.Count(p.h.Run(tb, "ovs-appctl dpctl/dump-flows"), "eth_type(0x0800)")
}

// BenchmarkAgainstNormal compares our pipeline with actions=NORMAL on the same ports of the same bridge, turn by turn.
func BenchmarkAgainstNormal(b *testing.B) {
	p := newPair(b)
	names := map[bool]string{true: "guarded", false: "normal"}
	compare := func(name, unit string, rounds int, measure func(testing.TB) float64) {
		b.Run(name, func(b *testing.B) {
			got := map[bool][]float64{}
			for i := range rounds {
				for _, guarded := range []bool{i%2 == 0, i%2 != 0} {
					p.run(b, guarded)
					got[guarded] = append(got[guarded], measure(b))
				}
			}
			for guarded, values := range got {
				slices.Sort(values)
				b.ReportMetric(values[rounds/2], names[guarded]+"-"+unit)
			}
			b.ReportMetric(got[true][rounds/2]/got[false][rounds/2], "guarded/normal")
			b.ReportMetric(0, "ns/op")
		})
	}
	compare("throughput", "bit/s", throughputRounds, p.throughput)
	compare("round trip", "ns", roundTripRounds, p.roundTrip)
	for _, protocol := range []string{"tcp", "udp"} {
		b.Run("megaflows/"+protocol, func(b *testing.B) {
			for _, guarded := range []bool{true, false} {
				for _, n := range []int{1, 100} {
					p.run(b, guarded)
					b.ReportMetric(float64(p.megaflowsOf(b, protocol, n)), fmt.Sprintf("%s-flows-of-%d", names[guarded], n))
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
