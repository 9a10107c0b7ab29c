// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestConcurrent: many at once, on top of each other: at the end everything is as the last of each said.
func TestConcurrent(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	n1 := l.network(1, nil)
	l.network(2, nil)
	var all sync.WaitGroup
	errs := make(chan error, 1000)
	for i := range 20 {
		all.Go(func() {
			e := Endpoint{ID: fmt.Sprintf("endpoint%d", i), Network: "network1", Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 1, 0, byte(10 + i)})}}
			for round := range 5 {
				e.Ports = []Port{{Proto: TCP, TargetPort: 80}, {Proto: UDP, HostPort: uint16(9000 + i), TargetPort: uint16(80 + round)}}
				_, err := l.f.Publish(l.ctx, e)
				errs <- err
				_ = l.f.Published(e.ID)
			}
			if i%2 == 1 {
				errs <- l.f.Unpublish(l.ctx, e.ID)
			}
		})
	}
	all.Go(func() {
		for range 5 {
			_, err := l.f.Audit(l.ctx)
			errs <- err
			errs <- l.f.EnsureNetwork(l.ctx, n1)
			l.f.State(l.ctx)
		}
	})
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	l.clean()
	numbers := map[uint16]bool{}
	for i := range 20 {
		p := l.f.Published(fmt.Sprintf("endpoint%d", i))
		if i%2 == 1 {
			if p != nil {
				t.Errorf("endpoint %d: %v", i, p)
			}
			continue
		}
		if len(p) != 4 || !slices.ContainsFunc(p, func(p Published) bool { return p.Proto == UDP && p.HostPort == uint16(9000+i) && p.Target.Port() == 84 }) {
			t.Errorf("endpoint %d: %v", i, p)
		}
		for _, p := range p {
			if p.Proto == TCP && p.HostIP.Is4() {
				if numbers[p.HostPort] {
					t.Errorf("port %d was given twice", p.HostPort)
				}
				numbers[p.HostPort] = true
			}
		}
	}
	must(t, l.f.RemoveNetwork(l.ctx, "network1"))
	if s := l.f.State(l.ctx); s.Ports != 0 || s.Networks != 1 {
		t.Errorf("state: %+v", s)
	}
}

// BenchmarkPublish measures publishing one more port beside one and beside a thousand, in turns. The ratio is the
// figure to watch: at most 1.5.
func BenchmarkPublish(b *testing.B) {
	if !onHost(b) {
		return
	}
	l := newLab(b)
	l.network(1, nil)
	fill := func(n int) {
		for i := range n {
			e := Endpoint{ID: fmt.Sprintf("filler%d", i), Network: "network1", Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})}}
			e.Ports = []Port{{Proto: TCP, HostIP: netip.IPv4Unspecified(), HostPort: uint16(10000 + i), TargetPort: 80}}
			_, err := l.f.Publish(l.ctx, e)
			must(b, err)
		}
	}
	e := Endpoint{ID: "one more", Network: "network1", Addrs: []netip.Addr{netip.MustParseAddr("10.1.0.2")}}
	e.Ports = []Port{{Proto: TCP, HostIP: netip.IPv4Unspecified(), HostPort: 9999, TargetPort: 80}}
	measure := func() (publish, withdraw time.Duration) {
		var up, down []time.Duration
		for range 60 {
			start := time.Now()
			_, err := l.f.Publish(l.ctx, e)
			must(b, err)
			middle := time.Now()
			must(b, l.f.Unpublish(l.ctx, e.ID))
			up, down = append(up, middle.Sub(start)), append(down, time.Since(middle))
		}
		slices.Sort(up)
		slices.Sort(down)
		return up[len(up)/2], down[len(down)/2]
	}
	c := l.container(1, 9)
	c.serve(80)
	c.publish("9998:80/tcp")
	connect := func() time.Duration {
		var took []time.Duration
		for range 200 {
			must(b, l.outside.do(func() error {
				start := time.Now()
				k, err := net.Dial("tcp", at(host4, 9998))
				if err == nil {
					took = append(took, time.Since(start))
					closing(k)
				}
				return err
			}))
		}
		slices.Sort(took)
		return took[len(took)/2]
	}
	fill(1)
	up1, down1 := measure()
	connect1 := connect()
	fill(1000)
	up1000, down1000 := measure()
	connect1000 := connect()
	b.ReportMetric(float64(up1000)/float64(up1), "ratio")
	b.ReportMetric(float64(connect1000)/float64(connect1), "ratio_connect")
	for name, d := range map[string]time.Duration{"publish_1": up1, "publish_1000": up1000, "withdraw_1": down1, "withdraw_1000": down1000} {
		b.ReportMetric(float64(d.Microseconds())/1000, "ms/"+name)
	}
	if up1000 > up1*3/2 {
		b.Errorf("publishing beside 1000 ports takes %v, beside one %v", up1000, up1)
	}
}
