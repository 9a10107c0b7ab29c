// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
)

// Map is a JSON object of Docker's plugin protocol.
type Map = map[string]any

// Verb calls the driver through its short door as the engine does, so that a
// test can say what no engine would: NetworkDriver.<name> with the request.
// The error is the answer's Err.
func (h *Host) Verb(name string, request Map) (Map, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://ovs/NetworkDriver."+name, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", h.Path(shortSocket))
		},
	}}
	r, err := client.Do(q)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close() //nolint:errcheck // everything was read
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	answer := Map{}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("%s: status %d, not JSON: %q", name, r.StatusCode, text)
	}
	if e, ok := answer["Err"].(string); ok && e != "" {
		return nil, errors.New(e)
	}
	if r.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d: %s", name, r.StatusCode, text)
	}
	return answer, nil
}

// MustVerb is Verb for a call that must succeed.
func (h *Host) MustVerb(tb testing.TB, name string, request Map) Map {
	tb.Helper()
	answer, err := h.Verb(name, request)
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return answer
}
