// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// maxAnswer bounds what is read from a socket, in bytes.
const maxAnswer = 64 << 20

// ask sends one HTTP request without a body over a unix socket and returns the answer.
func ask(ctx context.Context, socket, method, path string) ([]byte, error) {
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}
	defer t.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, "http://ovsnet"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Transport: t}).Do(req)
	if err != nil {
		return nil, err
	}
	text, readErr := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err := errors.Join(readErr, resp.Body.Close()); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(text[:min(len(text), 200)])))
	}
	return text, nil
}
