// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/ovsnet/ovsnet/driver/api"
)

// The names of the doors, by which a network remembers where it came from.
const (
	// ShortDoor is the plugin socket that Docker finds by its file's name.
	ShortDoor = "ovs"
	// ManagedDoor is the managed plugin's.
	ManagedDoor = "ovsnet"
)

// session is what a Swarm has told through one door since it last said who this host is. When the engine joins a Swarm,
// or starts in one, it says that and then names every node. But it says it too when a plugin starts, and then names
// none, nor does it say who has left meanwhile. So nodes are kept, and a session in which most of them are told again
// ends those that are not.
type session struct {
	begun  time.Time
	before map[netip.Addr]bool // nodes that were known when it began, and have not left since
	told   map[netip.Addr]bool
	anew   bool // the engine has joined anew, whoever it names
	// lives counts the runs of a node's engine that have not been told to be over. A killed engine that starts again is
	// told of as new before its former run is told of as gone, both by the same address.
	lives map[netip.Addr]int
}

// settleTime is how long after the beginning of a session all its nodes have been told.
const settleTime = time.Minute

// earlyTime is how long before the beginning of a session its nodes may have been told: an engine that starts anew is
// still called by those that know its former run, and tells of them at once.
const earlyTime = 5 * time.Second

// early is a node that was told of.
type early struct {
	node netip.Addr
	at   time.Time
}

// DiscoverNew is told of the nodes of a Swarm, this one among them.
func (o *door) DiscoverNew(ctx context.Context, r api.DiscoveryNotification) error {
	return o.discover(ctx, r, func(p *peers, now time.Time) bool {
		switch {
		case former(r):
			return false
		case r.Self:
			return p.begin(o.name, selfAddress(r), now)
		}
		return p.tell(o.name, r.Address, now)
	})
}

// DiscoverDelete is told of the nodes that have left.
func (o *door) DiscoverDelete(ctx context.Context, r api.DiscoveryNotification) error {
	return o.discover(ctx, r, func(p *peers, _ time.Time) bool { return !former(r) && p.leave(o.name, r.Address) })
}

// former says that a notification is about a former run of this host's engine, which other nodes have not all forgotten:
// the engine says where it is bound when it tells who this host is now. That a host has left its Swarm it does not tell.
func former(r api.DiscoveryNotification) bool { return r.Self && !r.BindAddress.IsValid() }

func (o *door) discover(ctx context.Context, r api.DiscoveryNotification, f func(*peers, time.Time) bool) error {
	if r.Type != api.DiscoverNode {
		return nil
	}
	if !hostAddress(r.Address) {
		return fmt.Errorf("node %s: is no address of one host; give docker swarm init or join another --advertise-addr", r.Address)
	}
	now := time.Now()
	defer o.d.peers.look()
	err := o.d.changePeers(ctx, func(p *peers) bool {
		self := p.self
		changed := f(p, now)
		if p.self != self {
			o.d.loop.want() // tunnels may be of that address
		}
		level := slog.LevelDebug
		if changed {
			level = slog.LevelInfo
		}
		o.d.log.Log(ctx, level, "told by Swarm", "door", o.name, "node", r.Address, "self", r.Self, "bound", r.BindAddress, "nodes", len(p.nodes))
		return changed
	})
	if err != nil {
		return fmt.Errorf("node %s: %w", r.Address, err)
	}
	if r.Self && r.BindAddress.IsValid() && !r.BindAddress.IsUnspecified() && r.BindAddress != r.Address {
		o.d.log.Warn("Swarm tells other nodes of this host's advertised address alone, which tunnels use; set tunnel_address and peers to use another",
			"used", selfAddress(r), "data_path", r.Address)
	}
	return nil
}

// selfAddress is the address by which other nodes know this one. Address is that of --data-path-addr if there is one,
// which Swarm does not tell them; BindAddress is behind the advertised one.
func selfAddress(r api.DiscoveryNotification) netip.Addr {
	if hostAddress(r.BindAddress) {
		return r.BindAddress
	}
	return r.Address
}

// begin opens a session of a door. A managed plugin is told who this host is once when its process starts, and again
// only when the engine joins a Swarm; the other door may be opened late. The caller holds mu, as for the others below.
func (p *peers) begin(door string, self netip.Addr, now time.Time) bool {
	lives := map[netip.Addr]int{}
	for node := range p.nodes {
		lives[node] = 1
	}
	p.sessions[door] = &session{
		begun: now, before: maps.Clone(p.nodes), told: map[netip.Addr]bool{}, lives: lives,
		anew: door == ManagedDoor && p.sessions[door] != nil,
	}
	for _, e := range p.early[door] {
		if now.Sub(e.at) <= earlyTime {
			p.sessions[door].tell(e.node)
		}
	}
	changed := p.self != self
	p.self = self
	return changed
}

func (p *peers) tell(door string, node netip.Addr, now time.Time) bool {
	if p.own[node] {
		return false // a former run of this host's engine, before the engine knows who it is
	}
	recent := slices.DeleteFunc(p.early[door], func(e early) bool { return now.Sub(e.at) > earlyTime })
	p.early[door] = append(recent, early{node, now})
	if s := p.sessions[door]; s != nil {
		s.tell(node)
	}
	if p.nodes[node] {
		return false
	}
	p.nodes[node] = true
	return true
}

// tell counts a run of a node's engine.
func (s *session) tell(node netip.Addr) {
	if s.before[node] && !s.told[node] {
		s.lives[node] = 1 // named again, it seems
	} else {
		s.lives[node]++
	}
	s.told[node] = true
}

func (p *peers) leave(door string, node netip.Addr) bool {
	// The run that ended is the oldest that was told of.
	if i := slices.IndexFunc(p.early[door], func(e early) bool { return e.node == node }); i >= 0 {
		p.early[door] = slices.Delete(p.early[door], i, i+1)
	}
	if s := p.sessions[door]; s != nil {
		if s.before[node] && s.told[node] && !s.complete() {
			return false // it was not named again: its engine had just started
		}
		if s.lives[node]--; s.lives[node] > 0 {
			return false
		}
		delete(s.lives, node)
	}
	for _, s := range p.sessions {
		delete(s.before, node)
		delete(s.told, node)
	}
	if !p.nodes[node] {
		return false
	}
	delete(p.nodes, node)
	return true
}

// complete says whether all nodes of a Swarm have been told in the session.
func (s *session) complete() bool {
	again := 0
	for a := range s.before {
		if s.told[a] {
			again++
		}
	}
	return s.anew || again*2 > len(s.before)
}

// settles is when the next session settles.
func (p *peers) settles() (at time.Time, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sessions {
		if s.before != nil && (!ok || s.begun.Before(at)) {
			at, ok = s.begun, true
		}
	}
	return at.Add(settleTime), ok
}

// settle ends what sessions that have settled by now began: nodes that were known before one that was complete, and were
// not told in it, are gone. begun is when the latest of those sessions began; zero if there was none.
func (p *peers) settle(now time.Time) (gone []netip.Addr, begun time.Time) {
	for _, s := range p.sessions {
		if s.before == nil || now.Before(s.begun.Add(settleTime)) {
			continue
		}
		if s.complete() {
			for a := range s.before {
				if !s.told[a] && p.nodes[a] {
					delete(p.nodes, a)
					gone = append(gone, a)
				}
			}
			if s.begun.After(begun) {
				begun = s.begun
			}
		}
		s.before, s.told = nil, map[netip.Addr]bool{}
	}
	return gone, begun
}

// settlePeers forgets the nodes and the networks that a Swarm no longer has.
func (d *Driver) settlePeers(ctx context.Context) {
	var gone []netip.Addr
	var begun time.Time
	err := d.changePeers(ctx, func(p *peers) bool {
		gone, begun = p.settle(time.Now())
		return len(gone) > 0
	})
	if len(gone) > 0 {
		d.log.Info("nodes that Swarm no longer names are gone", "nodes", gone)
	}
	if err != nil && ctx.Err() == nil {
		d.log.Warn("nodes that have left could not be taken out; leaving them to the audit", "err", err)
	}
	if !begun.IsZero() {
		d.sweepNetworks(ctx, begun)
	}
}
