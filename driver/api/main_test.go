// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// door is a Driver that keeps what it was called with and answers from its fields.
type door struct {
	mu   sync.Mutex
	got  []any
	err  error
	hook func(ctx context.Context) error // runs in every call

	capabilities Capabilities
	skip         GwAllocCheckResponse
	allocate     AllocateNetworkResponse
	endpoint     CreateEndpointResponse
	info         EndpointOperInfoResponse
	join         JoinResponse
}

func (d *door) call(ctx context.Context, r any) error {
	d.mu.Lock()
	d.got = append(d.got, r)
	d.mu.Unlock()
	if d.hook != nil {
		if err := d.hook(ctx); err != nil {
			return err
		}
	}
	return d.err
}

func (d *door) calls() []any {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]any(nil), d.got...)
}

func (d *door) GetCapabilities(ctx context.Context) (Capabilities, error) {
	return d.capabilities, d.call(ctx, nil)
}
func (d *door) GwAllocCheck(ctx context.Context, r GwAllocCheckRequest) (GwAllocCheckResponse, error) {
	return d.skip, d.call(ctx, r)
}
func (d *door) AllocateNetwork(ctx context.Context, r AllocateNetworkRequest) (AllocateNetworkResponse, error) {
	return d.allocate, d.call(ctx, r)
}
func (d *door) FreeNetwork(ctx context.Context, r FreeNetworkRequest) error { return d.call(ctx, r) }
func (d *door) CreateNetwork(ctx context.Context, r CreateNetworkRequest) error {
	return d.call(ctx, r)
}
func (d *door) DeleteNetwork(ctx context.Context, r DeleteNetworkRequest) error {
	return d.call(ctx, r)
}
func (d *door) CreateEndpoint(ctx context.Context, r CreateEndpointRequest) (CreateEndpointResponse, error) {
	return d.endpoint, d.call(ctx, r)
}
func (d *door) DeleteEndpoint(ctx context.Context, r DeleteEndpointRequest) error {
	return d.call(ctx, r)
}
func (d *door) EndpointOperInfo(ctx context.Context, r EndpointOperInfoRequest) (EndpointOperInfoResponse, error) {
	return d.info, d.call(ctx, r)
}
func (d *door) Join(ctx context.Context, r JoinRequest) (JoinResponse, error) {
	return d.join, d.call(ctx, r)
}
func (d *door) Leave(ctx context.Context, r LeaveRequest) error { return d.call(ctx, r) }
func (d *door) DiscoverNew(ctx context.Context, r DiscoveryNotification) error {
	return d.call(ctx, r)
}
func (d *door) DiscoverDelete(ctx context.Context, r DiscoveryNotification) error {
	return d.call(ctx, r)
}
func (d *door) ProgramExternalConnectivity(ctx context.Context, r ProgramExternalConnectivityRequest) error {
	return d.call(ctx, r)
}
func (d *door) RevokeExternalConnectivity(ctx context.Context, r RevokeExternalConnectivityRequest) error {
	return d.call(ctx, r)
}

// plugin is a served Driver and a client of its socket.
type plugin struct {
	t      *testing.T
	path   string
	client *http.Client
	log    *syncBuffer
	stop   func() error // ends Serve and returns what it returned; once
}

func serve(t *testing.T, d Driver, o ServerOptions) *plugin {
	t.Helper()
	p := &plugin{t: t, path: filepath.Join(t.TempDir(), "plugins", "ovs.sock"), log: &syncBuffer{}}
	o.Log = slog.New(slog.NewTextHandler(p.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	l, err := Listen(p.path, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- NewServer(d, o).Serve(ctx, l) }()
	p.stop = sync.OnceValue(func() error {
		cancel()
		return <-served
	})
	p.client = &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 300,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", p.path)
		},
	}}
	t.Cleanup(func() {
		p.client.CloseIdleConnections()
		if err := p.stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return p
}

// request is what an engine of 25.0 or later sends: no content type.
func (p *plugin) request(ctx context.Context, path string, body io.Reader) *http.Request {
	p.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://plugin.moby.localhost"+path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Accept", "application/vnd.docker.plugins.v1.2+json")
	return r
}

func (p *plugin) post(path, body string) (int, string) {
	p.t.Helper()
	status, b, err := p.try(p.t.Context(), path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	return status, b
}

func (p *plugin) try(ctx context.Context, path, body string) (int, string, error) {
	res, err := p.client.Do(p.request(ctx, path, strings.NewReader(body)))
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, strings.TrimSuffix(string(b), "\n"), err
}

// verb posts to a verb of the network driver.
func (p *plugin) verb(name, body string) (int, string) {
	p.t.Helper()
	return p.post(verbPrefix+name, body)
}

type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// soon bounds what a test waits for that must happen.
const soon = 20 * time.Second
