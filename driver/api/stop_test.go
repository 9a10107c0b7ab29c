// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// TestStopWaits proves that a call under way is finished and answered.
func TestStopWaits(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	d := &door{hook: func(ctx context.Context) error {
		close(began)
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	p := serve(t, d, ServerOptions{Grace: soon})
	answered := make(chan int, 1)
	go func() {
		status, _, _ := p.try(t.Context(), verbPrefix+"Join", body("Join"))
		answered <- status
	}()
	<-began
	stopped := make(chan error, 1)
	go func() { stopped <- p.stop() }()
	awaitRefusal(t, p)
	select {
	case err := <-stopped:
		t.Fatalf("Serve returned with a call under way: %v", err)
	default:
	}
	close(release)
	if status := <-answered; status != http.StatusOK {
		t.Errorf("the call under way: %d", status)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// awaitRefusal waits until the socket is gone.
func awaitRefusal(t *testing.T, p *plugin) {
	t.Helper()
	for end := time.Now().Add(soon); ; {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "unix", p.path)
		if err != nil {
			return
		}
		_ = c.Close()
		if time.Now().After(end) {
			t.Fatal("the socket still answers")
		}
	}
}

// TestStopCancels proves that a call that takes too long is cancelled, and its error answered.
func TestStopCancels(t *testing.T) {
	began := make(chan struct{})
	d := &door{hook: func(ctx context.Context) error {
		close(began)
		<-ctx.Done()
		return errors.New("undone")
	}}
	p := serve(t, d, ServerOptions{Grace: 50 * time.Millisecond})
	answered := make(chan string, 1)
	go func() {
		_, b, _ := p.try(t.Context(), verbPrefix+"Join", body("Join"))
		answered <- b
	}()
	<-began
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	if got := <-answered; got != `{"Err":"undone"}` {
		t.Errorf("answer %q", got)
	}
	if !strings.Contains(p.log.String(), "calls were still running and are cancelled") {
		t.Error(p.log)
	}
}

// TestStopGivesUp proves that even a call that heeds nothing does not stop the end.
func TestStopGivesUp(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	d := &door{hook: func(context.Context) error {
		close(began)
		<-release
		return nil
	}}
	p := serve(t, d, ServerOptions{Grace: 50 * time.Millisecond})
	gone := make(chan error, 1)
	go func() {
		_, _, err := p.try(t.Context(), verbPrefix+"Join", body("Join"))
		gone <- err
	}()
	<-began
	err := p.stop()
	if !errors.Is(err, ErrStuck) {
		t.Errorf("Serve: %v", err)
	}
	if err := <-gone; err == nil {
		t.Error("the engine was left waiting")
	}
	close(release)
	p.stop = func() error { return nil } // its error was the point
}

// TestStopWithIdleConnections proves that connections without a call do not hold up the end.
func TestStopWithIdleConnections(t *testing.T) {
	p := serve(t, &door{}, ServerOptions{Grace: 50 * time.Millisecond})
	p.dial(t) // connected, never asks
	if status, _ := p.verb("Leave", body("Leave")); status != http.StatusOK {
		t.Fatal(status)
	}
	begin := time.Now()
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("stopping took %s", took)
	}
	if strings.Contains(p.log.String(), "still running") {
		t.Error(p.log)
	}
	if left, err := os.ReadDir(p.path[:strings.LastIndex(p.path, "/")]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestListenerFails proves that Serve tells when its listener is taken away.
func TestListenerFails(t *testing.T) {
	l, err := Listen(t.TempDir()+"/s.sock", "")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- NewServer(&door{}, ServerOptions{}).Serve(t.Context(), l) }()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-served; !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "s.sock") {
		t.Errorf("Serve: %v", err)
	}
}

// TestServeTwice proves that a Server serves again after it has ended.
func TestServeTwice(t *testing.T) {
	s := NewServer(&door{}, ServerOptions{})
	for range 2 {
		l, err := Listen(t.TempDir()+"/s.sock", "")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Serve(ctx, l); err != nil {
			t.Error(err)
		}
	}
}
