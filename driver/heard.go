// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/flows/openflow"
)

// heard is when peers were last heard, by bridge, as far as the last audit saw.
type heard struct {
	mu      sync.Mutex
	bridges map[string]map[netip.Addr]sighting
}

// sighting is what the switch says of the frames of one peer.
type sighting struct {
	since time.Time // from when on its frames are counted
	last  time.Time // its last frame; zero if there was none
}

// sightings reads what a bridge's flows count.
func sightings(have []openflow.FlowStats, now time.Time) map[netip.Addr]sighting {
	out := map[netip.Addr]sighting{}
	for _, f := range have {
		a, ok := flows.PeerOf(f.Flow)
		if !ok {
			continue
		}
		s := sighting{since: now.Add(-f.Duration)}
		if f.Packets > 0 {
			s.last = now.Add(-f.Idle)
		}
		out[a] = s
	}
	return out
}

func (h *heard) put(bridge string, seen map[netip.Addr]sighting) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bridges == nil {
		h.bridges = map[string]map[netip.Addr]sighting{}
	}
	h.bridges[bridge] = seen
}

func (h *heard) drop(bridge string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.bridges, bridge)
}

func (h *heard) of(bridge string) map[netip.Addr]sighting {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.bridges[bridge])
}

// States of a peer.
const (
	// PeerUp is one that was heard in the time in which it says hello twice.
	PeerUp = "up"
	// PeerSilent is one that was not.
	PeerSilent = "silent"
	// PeerNew is one that has not had that time yet.
	PeerNew = "new"
)

// state judges a peer, as of the audit at seen. Hosts say hello at each regular audit.
func (s sighting) state(seen time.Time, interval time.Duration) string {
	patience := interval*2 + interval/2
	switch {
	case !s.last.IsZero() && seen.Sub(s.last) <= patience:
		return PeerUp
	case seen.Sub(s.since) <= patience:
		return PeerNew
	}
	return PeerSilent
}

// sayHello tells the peers of every network that this host is there.
func (l *loop) sayHello(ctx context.Context) error {
	l.d.mu.Lock()
	w := l.d.world.snapshot()
	l.d.mu.Unlock()
	var errs []error
	for _, n := range w.networks {
		if n.settled && n.overlay() {
			frame, actions := flows.Hello(n.view(false))
			errs = append(errs, l.sendFrame(ctx, n.Bridge, frame, actions))
		}
	}
	return errors.Join(errs...)
}

// TunnelStatus tells how a network reaches across hosts.
type TunnelStatus struct {
	Type  string       `json:"type"`
	VNI   uint32       `json:"vni"`
	Port  string       `json:"port"`
	Peers []PeerStatus `json:"peers"`
}

// PeerStatus tells of one other host of a network, as of the last audit.
type PeerStatus struct {
	Address string `json:"address"`
	// From says where the peer is known from: settings, network (ovs.tunnel.peers), swarm.
	From []string `json:"from"`
	// State is PeerUp, PeerSilent or PeerNew.
	State string `json:"state"`
	// LastFrame is when its last frame came; zero if none has.
	LastFrame time.Time `json:"last_frame,omitzero"`
}

// tunnelStatus is the network's tunnel and its peers.
func (d *Driver) tunnelStatus(n network, audited time.Time) *TunnelStatus {
	if !n.overlay() {
		return nil
	}
	t := &TunnelStatus{Type: n.opts.Tunnel.Type, VNI: n.opts.Tunnel.VNI, Port: n.Tunnel, Peers: []PeerStatus{}}
	seen := d.loop.heard.of(n.Bridge)
	from := d.peerSources(n)
	for _, a := range slices.SortedFunc(maps.Keys(from), netip.Addr.Compare) {
		s, ok := seen[a]
		if !ok {
			s.since = audited
		}
		t.Peers = append(t.Peers, PeerStatus{Address: a.String(), From: from[a], State: s.state(audited, d.cfg.AuditInterval), LastFrame: s.last})
	}
	return t
}
