// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/driver"
	"github.com/ovsnet/ovsnet/integration"
)

const (
	// verbTime is what every call is answered in: verb_timeout's default.
	verbTime   = 25 * time.Second
	doorSocket = "/run/docker/plugins/ovs.sock"
)

// crowd is a driver on a host without an engine, and whoever calls it.
type crowd struct {
	*integration.Host
	e    engine
	bare driver.ProcessStatus // of the driver when nobody calls
}

func newCrowd(t *testing.T, settings ...string) *crowd {
	t.Helper()
	h := integration.NewLab(t).HostWith(t, "crowd", integration.HostOptions{NoDocker: true})
	h.StartServe(t, append([]string{"OVSNET_DOCKER_SOCKET=none", "OVSNET_AUDIT_INTERVAL=1s"}, settings...)...)
	c := &crowd{Host: h, e: newEngine(h)}
	t.Cleanup(c.e.client.CloseIdleConnections)
	c.e.call(t, "CreateNetwork", crowdNetwork(benchNetwork, "10.9.0.0/16", "10.9.255.254/16"))
	if t.Failed() {
		t.FailNow()
	}
	c.e.attach(t, 1)
	c.e.detach(t, 1)
	c.e.client.CloseIdleConnections()
	soon(t, func() error {
		if last := c.bare; last == (driver.ProcessStatus{}) || c.Status(t).Audit.Last.IsZero() {
			c.bare = c.Status(t).Process
			return errors.New("no audit yet")
		}
		c.bare = c.Status(t).Process
		return nil
	})
	return c
}

func crowdNetwork(id, pool, gateway string) map[string]any {
	return map[string]any{
		"NetworkID": id, "Options": map[string]any{},
		"IPv4Data": []any{map[string]any{"Pool": pool, "Gateway": gateway}},
	}
}

// try calls a verb and gives the error that the answer tells, the time that it took, and whether there was an answer.
func (c *crowd) try(ctx context.Context, verb, body string) (refused string, took time.Duration, err error) {
	begin := time.Now()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://plugin/NetworkDriver."+verb, strings.NewReader(body))
	if err != nil {
		return "", 0, err
	}
	r, err := c.e.client.Do(q)
	if err != nil {
		return "", time.Since(begin), err
	}
	text, err := io.ReadAll(r.Body)
	err = errors.Join(err, r.Body.Close())
	if r.StatusCode != http.StatusOK {
		refused = strings.TrimSpace(string(text))
	}
	return refused, time.Since(begin), err
}

// spareConns are the connections that a bridge with a hundred endpoints keeps open: a file and two goroutines each.
const spareConns = 16

// calm holds that the driver is back to what it holds when nobody calls, and to so many connections more, that everything
// is as it should be, and that audits find nothing more to repair.
func (c *crowd) calm(t *testing.T, conns int) {
	t.Helper()
	c.e.client.CloseIdleConnections()
	last := c.Status(t).Audit
	soon(t, func() error {
		s := c.Status(t)
		if p := s.Process; p.Goroutines > c.bare.Goroutines+2*conns+5 || p.OpenFiles > c.bare.OpenFiles+conns+5 || p.HeapBytes > c.bare.HeapBytes+(64<<20) {
			return fmt.Errorf("the driver holds %+v, when nobody calls %+v", p, c.bare)
		}
		// Two audits on, one has begun and ended since.
		if s.Audit.Last.Before(last.Last.Add(2 * time.Second)) {
			return errors.New("no whole audit since")
		}
		before := last
		last = s.Audit
		if s.Audit.Error != "" || !maps.Equal(before.Repairs, last.Repairs) {
			return fmt.Errorf("the audit still repairs: %+v", last)
		}
		return c.Model(t)
	})
}

// callOn is the body of a call about an endpoint.
func callOn(i int) string {
	return fmt.Sprintf(`{"NetworkID":%q,"EndpointID":%q,"SandboxKey":"/x","Options":{},"Interface":{"Address":"10.9.%d.%d/16"}}`,
		benchNetwork, endpointID(i), i/250, i%250+2)
}

func TestOverload(t *testing.T) {
	c := newCrowd(t)
	before := c.Snapshot(t)
	empty := func(t *testing.T) {
		t.Helper()
		c.calm(t, 0)
		unchanged(t, c.Host, before)
	}

	t.Run("200 calls at once", func(t *testing.T) {
		const calls = 200
		for _, verb := range []string{"CreateEndpoint", "Join", "Leave", "DeleteEndpoint"} {
			var wg sync.WaitGroup
			took := make([]time.Duration, calls)
			for i := range calls {
				wg.Go(func() {
					refused, d, err := c.try(t.Context(), verb, callOn(i))
					took[i] = d
					if refused != "" || err != nil || d > verbTime {
						t.Errorf("%s %d: %s %v after %v", verb, i, refused, err, d)
					}
				})
			}
			wg.Wait()
			t.Logf("%d %s at once: median %v, longest %v", calls, verb, median(took), took[calls-1])
			if verb == "Join" {
				c.calm(t, spareConns)
			}
		}
		empty(t)
	})

	t.Run("slow clients", func(t *testing.T) {
		for i := range 900 {
			text := []string{
				"", "POST /NetworkDriver.Join HTTP/1.1\r\nHost:",
				"POST /NetworkDriver.Join HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
			}[i%3]
			client := c.raw(t, text)
			t.Cleanup(func() { _ = client.Close() })
		}
		for i := range 10 {
			for _, verb := range []string{"CreateEndpoint", "Join", "Leave", "DeleteEndpoint"} {
				if refused, took, err := c.try(t.Context(), verb, callOn(i)); refused != "" || err != nil || took > 5*time.Second {
					t.Errorf("%s beside slow clients: %s %v after %v", verb, refused, err, took)
				}
			}
		}
		empty(t) // with the clients still there: the driver has hung up
	})

	t.Run("the same call at once", func(t *testing.T) {
		for _, verb := range []string{"CreateEndpoint", "Join", "Leave", "DeleteEndpoint"} {
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					if refused, took, err := c.try(t.Context(), verb, callOn(7)); refused != "" || err != nil || took > verbTime {
						t.Errorf("%s: %s %v after %v", verb, refused, err, took)
					}
				})
			}
			wg.Wait()
			c.calm(t, 0)
		}
		empty(t)
	})

	t.Run("wrong order and cancelled", func(t *testing.T) { c.disorder(t, 1); empty(t) })
}

// disorder makes calls about a few endpoints in any order and at once, half of which the caller gives up, and then
// removes what there is.
func (c *crowd) disorder(t *testing.T, seed uint64) {
	t.Helper()
	const endpoints, calls = 8, 400
	r := rand.New(rand.NewPCG(seed, 0))
	verbs := []string{"CreateEndpoint", "CreateEndpoint", "Join", "Join", "Leave", "DeleteEndpoint", "EndpointOperInfo"}
	var wg sync.WaitGroup
	slots := make(chan struct{}, 40)
	for range calls {
		verb, i, patience := verbs[r.IntN(len(verbs))], r.IntN(endpoints), verbTime
		if r.IntN(2) == 0 {
			patience = time.Duration(r.IntN(60)) * time.Millisecond
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			refused, took, err := c.try(ctx, verb, callOn(i))
			if patience == verbTime && err != nil {
				t.Errorf("seed %d: %s %d: no answer: %v after %v", seed, verb, i, err, took)
			}
			for _, bad := range []string{"fault in ovsnet", "gave up after"} {
				if strings.Contains(refused, bad) {
					t.Errorf("seed %d: %s %d: %s", seed, verb, i, refused)
				}
			}
		})
	}
	wg.Wait()
	c.calm(t, 0)
	for i := range endpoints {
		if refused, _, err := c.try(t.Context(), "DeleteEndpoint", callOn(i)); refused != "" || err != nil {
			t.Errorf("seed %d: removing %d: %s %v", seed, i, refused, err)
		}
	}
}

// raw connects to the driver's socket and sends a text.
func (c *crowd) raw(t *testing.T, text string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", c.Path(doorSocket))
	if err == nil {
		_, err = io.WriteString(conn, text)
	}
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestGarbageIsRefused(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	before := c.Snapshot(t)
	post := func(path, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
	}
	const join = "/NetworkDriver.Join"
	megabyte := strings.Repeat("x", 1<<20)
	for name, g := range map[string]struct {
		text string
		want int
	}{
		"no HTTP":            {"\x16\x03\x01\x00\r\n\r\n", 400},
		"a huge head":        {"POST / HTTP/1.1\r\nHost: x\r\nX: " + megabyte, 431},
		"unknown verb":       {post("/NetworkDriver.Explode", "{}"), 404},
		"no verb":            {post("/", "{}"), 404},
		"a wrong method":     {"DELETE " + join + " HTTP/1.1\r\nHost: x\r\n\r\n", 405},
		"no body":            {post(join, ""), 400},
		"no JSON":            {post(join, "\x00\xff{{{"), 400},
		"another JSON":       {post(join, `[1,2,3]`), 400},
		"JSON cut off":       {post(join, `{"NetworkID":"abc`), 400},
		"deep JSON":          {post(join, `{"Options":`+strings.Repeat("[", 500000)), 400},
		"wide JSON":          {post(join, `{"Options":[`+strings.Repeat("0,", 500000)+`0]}`), 400},
		"a path for an id":   {post(join, `{"NetworkID":"../../etc","EndpointID":"x"}`), 400},
		"a huge body":        {post(join, megabyte+"x"), 413},
		"a huge promise":     {"POST " + join + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1099511627776\r\n\r\n{", 413},
		"a huge chunk":       {"POST " + join + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n" + megabyte + megabyte, 413},
		"a body that stops":  {"POST " + join + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{", 400},
		"an unknown network": {post(join, `{"NetworkID":"abc","EndpointID":"x"}`), 500},
	} {
		t.Run(name, func(t *testing.T) {
			var wg sync.WaitGroup
			for range 30 {
				wg.Go(func() {
					begin := time.Now()
					conn, err := (&net.Dialer{}).DialContext(t.Context(), "unix", c.Path(doorSocket))
					if err != nil {
						t.Error(err)
						return
					}
					defer conn.Close() //nolint:errcheck // the answer was read
					go func() { _, _ = io.WriteString(conn, g.text) }()
					if err = conn.SetReadDeadline(begin.Add(verbTime)); err != nil {
						t.Error(err)
						return
					}
					res, err := http.ReadResponse(bufio.NewReader(conn), nil)
					if err != nil {
						t.Errorf("no answer: %v", err)
						return
					}
					if _ = res.Body.Close(); res.StatusCode != g.want {
						t.Errorf("%s, want %d", res.Status, g.want)
					}
				})
			}
			wg.Wait()
		})
	}
	if kib := residentKiB(t, c.Host); kib > 400<<10 {
		t.Errorf("the driver takes %d MiB", kib>>10)
	}
	c.calm(t, 0)
	unchanged(t, c.Host, before)
}

// TestNetworkCallsAtOnce creates and removes the same networks and their endpoints in any order.
func TestNetworkCallsAtOnce(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	before := c.Snapshot(t)
	r := rand.New(rand.NewPCG(6, 6))
	id := func(n int) string { return fmt.Sprintf("%064x", n+1<<40) }
	var wg sync.WaitGroup
	slots := make(chan struct{}, 30)
	for range 200 {
		n, verb, cut := r.IntN(3), []string{"CreateNetwork", "CreateNetwork", "CreateEndpoint", "Join", "DeleteNetwork"}[r.IntN(5)], r.IntN(3) == 0
		patience := verbTime
		if cut {
			patience = time.Duration(r.IntN(100)) * time.Millisecond
		}
		body := fmt.Sprintf(`{"NetworkID":%q,"EndpointID":%q,"SandboxKey":"/x","Interface":{"Address":"10.%d.0.2/24"},`+
			`"Options":{},"IPv4Data":[{"Pool":"10.%[3]d.0.0/24","Gateway":"10.%[3]d.0.1/24"}]}`, id(n), endpointID(900+n), 20+n)
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			refused, took, err := c.try(ctx, verb, body)
			if !cut && err != nil || strings.Contains(refused, "fault in ovsnet") || strings.Contains(refused, "gave up after") {
				t.Errorf("%s: %s %v after %v", verb, refused, err, took)
			}
		})
	}
	wg.Wait()
	for n := range 3 {
		for _, verb := range []string{"DeleteEndpoint", "DeleteNetwork"} {
			body := fmt.Sprintf(`{"NetworkID":%q,"EndpointID":%q}`, id(n), endpointID(900+n))
			if refused, _, err := c.try(t.Context(), verb, body); refused != "" || err != nil {
				t.Errorf("%s: %s %v", verb, refused, err)
			}
		}
	}
	c.calm(t, 0)
	unchanged(t, c.Host, before)
}
