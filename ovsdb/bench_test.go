// SPDX-License-Identifier: Apache-2.0

package ovsdb_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration/ovstest"
	"github.com/ovsnet/ovsnet/ovsdb"
)

// BenchmarkEnsurePort adds one port by Commit to a bridge that has 10 or 300, and
// in the same run one by the least transaction that does it, until its number
// appears. Reported: the medians of both, and how many times the floor ours is.
func BenchmarkEnsurePort(b *testing.B) {
	for _, ports := range []int{10, 300} {
		b.Run(fmt.Sprint(ports), func(b *testing.B) {
			s, c := filled(b, ports)
			floor := dialRaw(b, s)
			var ours, least []float64
			measure := func(f func()) float64 {
				start := time.Now()
				f()
				return float64(time.Since(start)) / float64(time.Millisecond)
			}
			for b.Loop() {
				r := measure(func() { floor.addPort(b, "br-a", "rawport") })
				s.Ctl(b, "del-port", "rawport")
				o := measure(func() { must(b, c, ovsdb.EnsurePort{Port: testPort("br-a", "newport")}) })
				s.Ctl(b, "del-port", "newport")
				least, ours = append(least, r), append(ours, o)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(least), "floor-ms")
			b.ReportMetric(median(ours), "commit-ms")
			b.ReportMetric(median(ours)/median(least), "times-floor")
		})
	}
}

// BenchmarkGroupCommit adds forty ports in one Commit, and forty one after another.
func BenchmarkGroupCommit(b *testing.B) {
	_, c := filled(b, 300)
	add, remove := make([]ovsdb.Change, 40), make([]ovsdb.Change, 40)
	for i := range add {
		p := testPort("br-a", fmt.Sprint("n", i))
		add[i], remove[i] = ovsdb.EnsurePort{Port: p}, ovsdb.RemovePort{Bridge: "br-a", Name: p.Name}
	}
	var together, single time.Duration
	for b.Loop() {
		start := time.Now()
		must(b, c, add...)
		together += time.Since(start)
		must(b, c, remove...)
		start = time.Now()
		for _, change := range add {
			must(b, c, change)
		}
		single += time.Since(start)
		must(b, c, remove...)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(together.Seconds()*1000/float64(b.N), "together-ms")
	b.ReportMetric(single.Seconds()*1000/float64(b.N), "single-ms")
	b.ReportMetric(single.Seconds()/together.Seconds(), "times-faster")
}

// filled gives a switch with a bridge of ours that has so many ports.
func filled(b *testing.B, ports int) (*ovstest.Switch, *ovsdb.Client) {
	b.Helper()
	s := ovstest.Start(b)
	c := connect(b, s)
	changes := []ovsdb.Change{ovsdb.EnsureBridge{Bridge: testBridge("br-a")}}
	for i := range ports {
		changes = append(changes, ovsdb.EnsurePort{Port: testPort("br-a", fmt.Sprint("p", i))})
	}
	must(b, c, changes...)
	return s, c
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
