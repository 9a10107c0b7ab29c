// SPDX-License-Identifier: Apache-2.0

package link

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// BenchmarkEnsureVeth measures EnsureVeth against the least that a pair
// costs: one request to make it and one to bring it up. Both are timed in
// turns of some pairs each, so that the kernel's work after one (which holds
// the same lock) is not charged to the other, and by their medians, so that
// another process's turn on the processor counts for neither. The ratio is
// the figure to watch (at most 1.2).
func BenchmarkEnsureVeth(b *testing.B) {
	const turn = 20
	for _, offload := range []bool{true, false} {
		b.Run(fmt.Sprintf("offload=%v", offload), func(b *testing.B) {
			s := newSpace(b)
			var ours, raw []time.Duration
			for n := range b.N {
				for i := range turn {
					v := sample
					v.Name, v.Peer, v.TxOffload = fmt.Sprintf("h%d", n*turn+i), fmt.Sprintf("p%d", n*turn+i), offload
					begin := time.Now()
					if err := s.EnsureVeth(b.Context(), v); err != nil {
						b.Fatal(err)
					}
					ours = append(ours, time.Since(begin))
				}
				for i := range turn {
					begin := time.Now()
					s.rawVeth(b, fmt.Sprintf("rh%d", n*turn+i), fmt.Sprintf("rp%d", n*turn+i))
					raw = append(raw, time.Since(begin))
				}
			}
			slices.Sort(ours)
			slices.Sort(raw)
			o, r := ours[len(ours)/2], raw[len(raw)/2]
			b.ReportMetric(float64(o.Microseconds()), "ours-µs")
			b.ReportMetric(float64(r.Microseconds()), "raw-µs")
			b.ReportMetric(float64(o)/float64(r), "ratio")
		})
	}
}

// rawVeth makes a pair as the library's own documentation does.
func (s space) rawVeth(b *testing.B, name, peer string) {
	b.Helper()
	a := netlink.NewLinkAttrs()
	a.Name, a.MTU, a.TxQLen = name, sample.MTU, queueLen
	k := netlink.NewVeth(a)
	k.PeerName, k.PeerHardwareAddr, k.PeerMTU, k.PeerTxQLen = peer, sample.PeerMAC, uint32(sample.MTU), queueLen
	if err := s.k.LinkAdd(k); err != nil {
		b.Fatal(err)
	}
	if err := s.k.LinkSetUp(k); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkDeleteVeth measures the removal of 100 pairs at once.
func BenchmarkDeleteVeth(b *testing.B) {
	const pairs = 100
	s := newSpace(b)
	var took time.Duration
	for range b.N {
		vs := make([]Veth, pairs)
		for i := range vs {
			vs[i] = sample
			vs[i].Name, vs[i].Peer = fmt.Sprintf("h%d", i), fmt.Sprintf("p%d", i)
			if err := s.EnsureVeth(b.Context(), vs[i]); err != nil {
				b.Fatal(err)
			}
		}
		begin := time.Now()
		var wg sync.WaitGroup
		for _, v := range vs {
			wg.Go(func() {
				if err := s.DeleteVeth(b.Context(), v.Name, v.Alias); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
		took += time.Since(begin)
	}
	b.ReportMetric(float64(took.Microseconds())/float64(b.N*pairs), "µs/pair")
}
