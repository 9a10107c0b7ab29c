// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"
)

// begin connects and sends the head of a request whose body of that length does not follow.
func (p *plugin) begin(t *testing.T, path string, length int64) *net.UnixConn {
	t.Helper()
	c := p.dial(t)
	if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{", path, length); err != nil {
		t.Fatal(err)
	}
	return c
}

// verdict is what a client sees of an answer: its status, and whether the connection ends with it.
type verdict struct {
	status int
	closes bool
}

func verdictOf(t *testing.T, c net.Conn) verdict {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return verdict{res.StatusCode, res.Close}
}

// TestSlowBodiesKeepNoTurn proves that clients that send slowly do not keep others out.
func TestSlowBodiesKeepNoTurn(t *testing.T) {
	p := serve(t, &door{}, ServerOptions{MaxCalls: 1, BodyTime: soon, Grace: 50 * time.Millisecond})
	for range 10 {
		p.begin(t, verbPrefix+"Leave", 1000)
	}
	begin := time.Now()
	if status, got := p.verb("Leave", body("Leave")); status != http.StatusOK {
		t.Errorf("beside slow clients: %d %s", status, got)
	}
	if took := time.Since(begin); took > soon/2 {
		t.Errorf("answered after %s", took)
	}
}

// TestBodiesShareRoom proves that bodies are not read without bound: those that find no room wait for others to end.
func TestBodiesShareRoom(t *testing.T) {
	p := serve(t, &door{}, ServerOptions{MaxBody: 1000, BodyTime: soon, Deadline: soon, Grace: 50 * time.Millisecond})
	clients := make([]*net.UnixConn, fullBodies)
	for i := range clients {
		clients[i] = p.begin(t, verbPrefix+"Leave", 1000)
	}
	waits := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, _, err := p.try(ctx, verbPrefix+"Leave", body("Leave"))
		return errors.Is(err, context.DeadlineExceeded)
	}
	for end := time.Now().Add(soon / 2); !waits(); {
		if time.Now().After(end) {
			t.Fatalf("calls go on beside %d bodies of the largest size", fullBodies)
		}
	}
	for _, c := range clients {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if status, got := p.verb("Leave", body("Leave")); status != http.StatusOK {
		t.Errorf("after them: %d %s", status, got)
	}
}

// TestUnwantedBody proves that an answer that needs no body does not wait for one.
func TestUnwantedBody(t *testing.T) {
	p := serve(t, &door{}, ServerOptions{BodyTime: 100 * time.Millisecond})
	for path, want := range map[string]int{"/NetworkDriver.Explode": http.StatusNotFound, verbPrefix + "Leave": http.StatusRequestEntityTooLarge} {
		length := int64(1 << 40)
		if want == http.StatusNotFound {
			length = 1000 // net/http reads this much before it answers
		}
		begin := time.Now()
		got := verdictOf(t, p.begin(t, path, length))
		if took := time.Since(begin); got != (verdict{want, true}) || took > soon/2 {
			t.Errorf("%s: %+v after %s", path, got, took)
		}
	}
}

// TestConnectionsAreBounded proves that a crowd of idle clients gives way: kept ones are closed when there are many, and
// silent ones after their time.
func TestConnectionsAreBounded(t *testing.T) {
	p := serve(t, &door{}, ServerOptions{MaxConns: 8})
	ask := func() verdict {
		c := p.dial(t)
		if _, err := fmt.Fprintf(c, "POST /Plugin.Activate HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		return verdictOf(t, c)
	}
	closed := 0
	for range 20 { // the connections stay open on this side
		got := ask()
		if got.status != http.StatusOK {
			t.Fatal(got)
		}
		if got.closes {
			closed++
		}
	}
	if closed != 16 {
		t.Errorf("%d of 20 connections were closed, want all but 4", closed)
	}
	for range 4 {
		p.dial(t) // and never asks
	}
	begin := time.Now()
	if got := ask(); got.status != http.StatusOK {
		t.Error(got)
	}
	if took := time.Since(begin); took < headerTimeout/2 || took > 2*headerTimeout {
		t.Errorf("the ninth client had its answer after %s, want the time of a silent one, %s", took, headerTimeout)
	}
}
