// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// endTime bounds the end of the process after SIGTERM: calls in flight have 4 s, and 4 more when they are cancelled.
const endTime = 9 * time.Second

// TestShutdown: SIGTERM while 50 attaches are in flight. Each has an answer, what was answered with success is there and
// nothing else, the process ends in its time, and traffic goes on.
func TestShutdown(t *testing.T) {
	s := newTheatre(t, served)
	s.raise(t)
	c := &crowd{Host: s.Host, e: newEngine(s.Host)}
	c.e.call(t, "CreateNetwork", crowdNetwork(benchNetwork, "10.9.0.0/16", "10.9.255.254/16"))
	c.e.attach(t, 999)
	c.e.detach(t, 999)
	for _, f := range []struct {
		name         string
		begin, relax func()
		finish       bool // calls have all they need
	}{
		{"calls finish", func() {}, func() {}, true},
		{"calls are cancelled", func() { s.PauseOVSDB(t) }, func() { s.ResumeOVSDB(t) }, false},
	} {
		t.Run(f.name, func(t *testing.T) {
			tr := s.inside(t)
			settled(t)
			made := c.terminated(t, f.begin, f.finish)
			f.relax()
			s.serve(t)
			soon(t, func() error { return c.Model(t) })
			c.holds(t, made)
			settled(t)
			tr.end(t)
			for _, p := range tr.pings {
				if p.lost > 0 {
					t.Errorf("%d of %d pings to %s were lost, in %v", p.lost, p.sent, p.to, p.end.Sub(p.begin))
				}
			}
			c.e.client.CloseIdleConnections()
			for i := range made {
				if _, _, err := c.try(t.Context(), "DeleteEndpoint", callOn(i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// terminated sends SIGTERM while 50 attaches are in flight and waits for the end; it tells which of them succeeded.
func (c *crowd) terminated(t *testing.T, begin func(), finish bool) []bool {
	t.Helper()
	const calls = 50
	c.e.client.CloseIdleConnections()
	begin()
	made := make([]bool, calls)
	var wg sync.WaitGroup
	var mu sync.Mutex
	answered := 0
	for i := range calls {
		wg.Go(func() {
			refused, took, err := c.try(t.Context(), "CreateEndpoint", callOn(i))
			if err != nil || finish && refused != "" {
				t.Errorf("call %d: %s %v after %v", i, refused, err, took)
			}
			mu.Lock()
			defer mu.Unlock()
			made[i] = refused == "" && err == nil
			answered++
		})
	}
	soon(t, func() error { // the driver is at work on them all
		if n := len(c.endpoints(t)); n < calls {
			return fmt.Errorf("%d of %d calls have begun", n, calls)
		}
		return nil
	})
	c.TellServe(t)
	told := time.Now()
	mu.Lock()
	before := answered
	mu.Unlock()
	if before > calls/2 {
		t.Errorf("%d of %d calls had their answer before the end began", before, calls)
	}
	<-c.ServeEnds()
	took := time.Since(told)
	wg.Wait()
	if took > endTime {
		t.Errorf("the end took %v", took)
	}
	t.Logf("%d of %d calls in flight, the end took %v", calls-before, calls, took)
	return made
}

// holds holds that the driver has the endpoints whose calls succeeded and none else.
func (c *crowd) holds(t *testing.T, made []bool) {
	t.Helper()
	there := c.endpoints(t)
	for i, ok := range made {
		if there[endpointID(i)] != ok {
			t.Errorf("call %d: answered with success: %t, endpoint is there: %t", i, ok, there[endpointID(i)])
		}
	}
}

// endpoints are those that the driver knows on the network of the calls.
func (c *crowd) endpoints(t *testing.T) map[string]bool {
	t.Helper()
	there := map[string]bool{}
	for _, n := range c.Status(t).Networks {
		if n.ID == benchNetwork {
			for _, e := range n.Endpoints {
				there[e.ID] = true
			}
		}
	}
	return there
}
