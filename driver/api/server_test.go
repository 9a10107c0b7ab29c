// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestUnknownVerbs(t *testing.T) {
	d := &door{}
	p := serve(t, d, ServerOptions{})
	for _, path := range []string{"/", "/NetworkDriver.Explode", "/IpamDriver.GetCapabilities", "/NetworkDriver.Join/", "/networkdriver.join", "//NetworkDriver.Join", "/" + strings.Repeat("x", 4000)} {
		status, got := p.post(path, body("Join"))
		wantErr(t, status, got, http.StatusNotFound, `"/`)
	}
	r := p.request(t.Context(), verbPrefix+"Join", http.NoBody)
	r.Method = http.MethodGet
	res, err := p.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", res.StatusCode)
	}
	if len(d.calls()) != 0 {
		t.Errorf("the driver was called: %v", d.calls())
	}
}

// TestPanic proves that a fault in the driver ends one call and no more.
func TestPanic(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	d := &door{}
	d.hook = func(context.Context) error {
		if broken.Load() {
			t.Log([]string{"one"}[len(d.calls())])
		}
		return nil
	}
	p := serve(t, d, ServerOptions{MaxCalls: 1})
	for i := range 3 { // a turn that was not given back would stop the second
		status, got := p.verb("Join", body("Join"))
		wantErr(t, status, got, http.StatusInternalServerError, fmt.Sprintf("Join: a fault in ovsnet, please report it with its log: runtime error: index out of range [%d] with length 1", i+1))
	}
	broken.Store(false)
	if status, got := p.verb("Join", body("Join")); status != http.StatusOK {
		t.Errorf("after the panic: %d %s", status, got)
	}
	for _, want := range []string{"panic in a call", "network=" + netID[:12] + " ", "endpoint=" + epID[:12] + " ", "stack=", "server_test.go"} {
		if !strings.Contains(p.log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, p.log)
		}
	}
}

// TestLog proves that a call makes one line with the ids in Docker's short form.
func TestLog(t *testing.T) {
	d := &door{}
	p := serve(t, d, ServerOptions{Name: "ovs"})
	p.verb("Leave", body("Leave"))
	d.err = errors.New("no such endpoint")
	p.verb("Leave", body("Leave"))
	lines := strings.Split(strings.TrimSpace(p.log.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines:\n%s", len(lines), p.log)
	}
	for i, want := range []string{"level=DEBUG msg=call door=ovs verb=Leave network=5b0e0d4f6a4b endpoint=e0e0d4f6a4b0 took=", "level=WARN msg=call door=ovs verb=Leave network=5b0e0d4f6a4b endpoint=e0e0d4f6a4b0 took="} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d: %s\nwant %s", i, lines[i], want)
		}
	}
	if !strings.HasSuffix(lines[1], `err="no such endpoint"`) {
		t.Error(lines[1])
	}
}

// TestDeadline proves that a driver that waits is told to stop in time.
func TestDeadline(t *testing.T) {
	d := &door{hook: func(ctx context.Context) error {
		<-ctx.Done()
		return fmt.Errorf("ovs-vswitchd does not answer: %w", ctx.Err())
	}}
	p := serve(t, d, ServerOptions{Deadline: 50 * time.Millisecond})
	status, got := p.verb("Join", body("Join"))
	wantErr(t, status, got, http.StatusInternalServerError, "ovs-vswitchd does not answer: context deadline exceeded (gave up after 50ms)")
}

// TestSlowBody proves that an engine that never finishes its request does not keep a turn.
func TestSlowBody(t *testing.T) {
	p := serve(t, &door{}, ServerOptions{Deadline: 100 * time.Millisecond, MaxCalls: 1})
	for _, sent := range []string{"", `{"NetworkID":"abc`} {
		c := p.dial(t)
		if _, err := fmt.Fprintf(c, "POST /NetworkDriver.Leave HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n%s", sent); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("status %d", res.StatusCode)
		}
		_ = res.Body.Close()
	}
	if status, got := p.verb("Leave", body("Leave")); status != http.StatusOK {
		t.Errorf("after it: %d %s", status, got)
	}
}

func (p *plugin) dial(t *testing.T) *net.UnixConn {
	t.Helper()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: p.path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(soon)); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTruncatedBody proves that an engine that hangs up in the middle of its body is harmless.
func TestTruncatedBody(t *testing.T) {
	d := &door{}
	p := serve(t, d, ServerOptions{})
	c := p.dial(t)
	if _, err := fmt.Fprintf(c, "POST /NetworkDriver.Leave HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n%s", body("Leave")); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusBadRequest || len(d.calls()) != 0 {
		t.Errorf("status %d, %d calls", res.StatusCode, len(d.calls()))
	}
}

// TestHangUp proves that the call of an engine that went away is cancelled at once.
func TestHangUp(t *testing.T) {
	began, ended := make(chan struct{}), make(chan error, 1)
	d := &door{hook: func(ctx context.Context) error {
		close(began)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return ctx.Err()
	}}
	p := serve(t, d, ServerOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, _, err := p.try(ctx, verbPrefix+"Join", body("Join"))
		gone <- err
	}()
	<-began
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("client: %v", err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the call ended with %v", err)
		}
	case <-time.After(soon):
		t.Fatal("the call was not cancelled")
	}
}

// TestManyAtOnce makes 200 calls at once and holds the server to its bound.
func TestManyAtOnce(t *testing.T) {
	const calls, bound = 200, 16
	var now, most atomic.Int64
	full := make(chan struct{}) // closed when the bound is reached, so that all calls overlap
	var once sync.Once
	d := &door{hook: func(ctx context.Context) error {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == bound {
			once.Do(func() { close(full) })
		}
		select {
		case <-full:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	p := serve(t, d, ServerOptions{MaxCalls: bound})
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			status, got, err := p.try(t.Context(), verbPrefix+"Leave", fmt.Sprintf(`{"NetworkID":"n%d","EndpointID":"e%d"}`, i, i))
			if err != nil || status != http.StatusOK {
				t.Errorf("call %d: %d %s %v", i, status, got, err)
			}
		})
	}
	wg.Wait()
	seen := map[any]bool{}
	for _, r := range d.calls() {
		seen[r] = true
	}
	if len(seen) != calls || most.Load() != bound {
		t.Errorf("%d different calls reached the driver, want %d; at most %d at once, want %d", len(seen), calls, most.Load(), bound)
	}
}

// TestBusy proves that a call that gets no turn in time is told so.
func TestBusy(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	d := &door{hook: func(context.Context) error {
		close(began)
		<-release
		return nil
	}}
	p := serve(t, d, ServerOptions{MaxCalls: 1, Deadline: 100 * time.Millisecond})
	first := make(chan int, 1)
	go func() {
		status, _, _ := p.try(t.Context(), verbPrefix+"Leave", body("Leave"))
		first <- status
	}()
	<-began
	status, got := p.verb("Leave", body("Leave"))
	wantErr(t, status, got, http.StatusServiceUnavailable, "Leave: 1 calls are running already")
	close(release)
	if status := <-first; status != http.StatusOK {
		t.Errorf("the first call: %d", status)
	}
}
