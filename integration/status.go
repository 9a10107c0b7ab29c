// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
)

// statusSocket is where "ovsnet status" asks.
const statusSocket = "/run/ovsnet/ovsnet.sock"

// AskDaemon asks what runs on the host for a path of its status socket: /status or /metrics.
func (h *Host) AskDaemon(path string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", h.Path(statusSocket))
	}}}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://ovsnet"+path, http.NoBody)
	if err != nil {
		return "", err
	}
	r, err := client.Do(q)
	if err != nil {
		return "", err
	}
	defer r.Body.Close() //nolint:errcheck // everything was read
	text, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, r.Status, text)
	}
	return string(text), err
}
