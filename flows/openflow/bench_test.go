// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/flows"
)

// benchmarkFlows is the size of the bundle that the project promises to
// program in limitMillis.
const (
	benchmarkFlows = 10000
	limitMillis    = 150
)

// manyFlows look like those of a real pipeline: matched on address and
// register, with a rewrite, conntrack and a goto.
func manyFlows(n int) []flows.Flow {
	all := make([]flows.Flow, n)
	for i := range all {
		ip := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		all[i] = flows.Flow{
			Table: 20, Priority: 100,
			Match: flows.NewMatch(flows.U(flows.FieldReg0, 1), flows.U(flows.FieldEthType, flows.EthTypeIPv4), flows.Addr(flows.FieldIPv4Dst, ip)),
			Actions: []flows.Action{
				flows.SetField{FieldMatch: flows.U(flows.FieldReg1, uint64(i))},
				flows.SetField{FieldMatch: flows.MAC(flows.FieldEthDst, []byte{2, 0, 10, byte(i >> 16), byte(i >> 8), byte(i)})},
				flows.CT{Commit: true, Zone: 5, HasTable: true, Table: 30},
			},
		}
		all[i].Cookie = flows.Cookie{Row: 1, Hash: flows.Hash24(all[i])}.Uint64()
	}
	return all
}

// BenchmarkProgram10k programs 10,000 flows in one bundle into an empty switch
// and times `ovs-ofctl --bundle add-flows` with the same flows in the same run:
// "ratio" is ours divided by its. It fails above 150 ms at the median.
func BenchmarkProgram10k(b *testing.B) {
	br := newBridge(b)
	all := manyFlows(benchmarkFlows)
	var text strings.Builder
	for _, f := range all {
		text.WriteString(f.String() + "\n")
	}
	file := filepath.Join(b.TempDir(), "flows")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	var ours, theirs []time.Duration
	for b.Loop() {
		b.StopTimer()
		start := time.Now()
		br.sw.OFCtl(b, "--bundle", "add-flows", bridgeName, file)
		theirs = append(theirs, time.Since(start))
		br.sw.OFCtl(b, "del-flows", bridgeName)
		b.StartTimer()
		start = time.Now()
		if err := br.Apply(testContext(b), Update{Flows: all}); err != nil {
			b.Fatal(err)
		}
		ours = append(ours, time.Since(start))
		b.StopTimer()
		br.sw.OFCtl(b, "del-flows", bridgeName)
		b.StartTimer()
	}
	our, their := median(ours), median(theirs)
	b.ReportMetric(millis(our), "ours-ms")
	b.ReportMetric(millis(their), "ovs-ofctl-ms")
	b.ReportMetric(float64(our)/float64(their), "ratio")
	if millis(our) > limitMillis {
		b.Errorf("%d flows took %v, more than %d ms", benchmarkFlows, our, limitMillis)
	}
}

// BenchmarkAudit10k reads 10,000 flows back and compares their keys and
// cookies, as the audit does.
func BenchmarkAudit10k(b *testing.B) {
	br := newBridge(b)
	all := manyFlows(benchmarkFlows)
	if err := br.Apply(testContext(b), Update{Flows: all}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		stats, err := br.DumpFlows(testContext(b), flows.CookieOwnerValue, flows.CookieOwnerMask)
		if err != nil || len(stats) != len(all) {
			b.Fatalf("%d flows, %v", len(stats), err)
		}
	}
}

// BenchmarkOneFlow is the cost of a change to one flow among 10,000.
func BenchmarkOneFlow(b *testing.B) {
	br := newBridge(b)
	if err := br.Apply(testContext(b), Update{Flows: manyFlows(benchmarkFlows)}); err != nil {
		b.Fatal(err)
	}
	u := Update{Flows: []flows.Flow{portFlow(1, 0)}}
	for b.Loop() {
		if err := br.Apply(testContext(b), u); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncode10k is the codec's own share.
func BenchmarkEncode10k(b *testing.B) {
	all := manyFlows(benchmarkFlows)
	buf := make([]byte, 0, 4<<20)
	b.ReportAllocs()
	for b.Loop() {
		buf = buf[:0]
		for _, f := range all {
			if f.Validate() != nil {
				b.Fatal(f)
			}
			var err error
			if buf, err = appendFlowMod(buf, 1, f); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
