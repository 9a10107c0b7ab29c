// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ovsnet/ovsnet/flows"
)

// TestPeerCompiler: a peer is compiled once for all networks that have it alike, and kept for as long as one has.
func TestPeerCompiler(t *testing.T) {
	t.Parallel()
	var c peerCompiler
	p := flows.Peer{Tag: 1, Tunnel: flows.Tunnel{Port: 32767, Limit: 10, Idle: 300}, ID: 7, Addr: netip.MustParseAddr("192.0.2.7")}
	others := []flows.Peer{p, p, p, p}
	others[0].Tag, others[1].Tunnel.Port, others[2].ID, others[3].Addr = 2, 32766, 8, netip.MustParseAddr("192.0.2.8")
	first, err := c.compile(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range append(others, p) {
		got, err := c.compile(o)
		if err != nil {
			t.Fatal(err)
		}
		want, err := flows.CompilePeer(o)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(texts(want), texts(*got)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", o, diff)
		}
		if (got == first) != (o == p) {
			t.Errorf("%+v: compiled for another one: %t", o, got == first)
		}
	}
	c.sweep()
	if got, err := c.compile(p); err != nil || got != first || len(c.known) != 1+len(others) {
		t.Errorf("after a sweep %d are left, compiled anew: %t, %v", len(c.known), got != first, err)
	}
	c.sweep()
	if len(c.known) != 1 {
		t.Errorf("%d are left, though one alone was asked for", len(c.known))
	}
	if _, err := c.compile(flows.Peer{Tag: 1}); err == nil || len(c.known) != 1 {
		t.Errorf("a peer without an address: %v, %d kept", err, len(c.known))
	}
}

// texts are a peer's flows and buckets to compare.
func texts(c flows.Compiled) []string {
	var out []string
	for _, f := range c.Flows {
		out = append(out, f.String())
	}
	for _, m := range c.Members {
		out = append(out, flows.GroupDesc{ID: m.Group, Buckets: []flows.Bucket{m.Bucket}}.String())
	}
	return out
}
