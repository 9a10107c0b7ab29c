// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// FuzzServer throws bytes at the socket. The server ends the connection, and what it answers is HTTP, with JSON in it
// wherever a request was understood.
func FuzzServer(f *testing.F) {
	for _, r := range requests {
		f.Add("POST " + verbPrefix + r.verb + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + r.body)
	}
	f.Add("POST /Plugin.Activate HTTP/1.1\r\nHost: x\r\n\r\n")
	f.Add("GET / HTTP/1.0\r\n\r\n")
	f.Add("POST /NetworkDriver.Join HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
	f.Add("POST /NetworkDriver.Join HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}")
	l, err := Listen(filepath.Join(f.TempDir(), "s.sock"), "")
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	log := slog.New(slog.DiscardHandler)
	go func() { served <- NewServer(&door{}, ServerOptions{Log: log}).Serve(ctx, l) }()
	f.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, said string) {
		c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: l.Addr().String(), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close() //nolint:errcheck // read to its end
		if err = c.SetDeadline(time.Now().Add(soon)); err != nil {
			t.Fatal(err)
		}
		if _, err = io.WriteString(c, said); err == nil { // it may hang up before it has heard all
			err = c.CloseWrite()
		}
		in := bufio.NewReader(c)
		for {
			res, bad := http.ReadResponse(in, nil)
			if bad != nil {
				if ne, ok := bad.(net.Error); ok && ne.Timeout() { //nolint:errorlint // as the connection gives it
					t.Fatalf("no end of the connection: %v", err)
				}
				return
			}
			text, bad := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if bad == nil && strings.Contains(res.Header.Get("Content-Type"), "plugins") && !json.Valid(text) {
				t.Fatalf("%s: %q", res.Status, text)
			}
		}
	})
}
