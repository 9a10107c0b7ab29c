// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// peers knows the other hosts: from the settings, from the options of networks, and from Swarm.
type peers struct {
	resolver *net.Resolver

	mu       sync.Mutex
	settings []string // addresses and names
	underlay string   // tunnel_address
	nodes    map[netip.Addr]bool
	self     netip.Addr // this host as Swarm knows it; zero outside of one
	// found holds what names stood for when they were last looked up: they outlive a name server that is away.
	found    map[string][]netip.Addr
	own      map[netip.Addr]bool // addresses of this host
	sessions map[string]*session // by door
	early    map[string][]early  // by door, what it was told last
	again    chan struct{}       // somebody wants watchPeers to look; one slot
}

func newPeers(settings []string, underlay string) *peers {
	return &peers{
		resolver: net.DefaultResolver, settings: settings, underlay: underlay, nodes: map[netip.Addr]bool{}, found: map[string][]netip.Addr{},
		own: map[netip.Addr]bool{}, sessions: map[string]*session{}, early: map[string][]early{}, again: make(chan struct{}, 1),
	}
}

// peersKey is the key of keyedLocks under which the peers are changed, kept and programmed.
const peersKey = "peers"

// peersOf gives the other hosts of a network, sorted and each once: those of the settings, those that the network names,
// and Swarm's nodes. This host's own addresses are not among them, so that all hosts can have the same list.
func (d *Driver) peersOf(n network) []netip.Addr { return d.peers.of(n.opts.Tunnel.Peers) }

// peerSources says where each peer of a network is known from.
func (d *Driver) peerSources(n network) map[netip.Addr][]string {
	return d.peers.sources(n.opts.Tunnel.Peers)
}

// discoveredSelf is this host's address as Swarm's other nodes know it; zero where no Swarm said so.
func (d *Driver) discoveredSelf() netip.Addr {
	d.peers.mu.Lock()
	defer d.peers.mu.Unlock()
	return d.peers.self
}

// Where a peer is known from, in status.
const (
	fromSettings = "settings"
	fromNetwork  = "network"
	fromSwarm    = "swarm"
)

func (p *peers) of(named []string) []netip.Addr {
	var out []netip.Addr
	p.each(named, func(a netip.Addr, _ string) { out = append(out, a) })
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

func (p *peers) sources(named []string) map[netip.Addr][]string {
	out := map[netip.Addr][]string{}
	p.each(named, func(a netip.Addr, from string) {
		if !slices.Contains(out[a], from) {
			out[a] = append(out[a], from)
		}
	})
	return out
}

// each tells tell of every peer, and where it is known from; of one that is known twice, twice.
func (p *peers) each(named []string, tell func(a netip.Addr, from string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	add := func(a netip.Addr, from string) {
		if !p.own[a] && a != p.self {
			tell(a, from)
		}
	}
	for _, list := range []struct {
		hosts []string
		from  string
	}{{p.settings, fromSettings}, {named, fromNetwork}} {
		for _, host := range list.hosts {
			if a, err := netip.ParseAddr(host); err == nil {
				add(a, list.from)
				continue
			}
			for _, a := range p.found[host] {
				add(a, list.from)
			}
		}
	}
	for a := range p.nodes {
		add(a, fromSwarm)
	}
}

// SetPeers replaces the peers of the settings. It returns when the switches know those that have an address; names are
// looked up soon.
func (d *Driver) SetPeers(ctx context.Context, hosts []string) error {
	defer d.peers.look()
	return d.changePeers(ctx, func(p *peers) bool {
		if slices.Equal(p.settings, hosts) {
			return false
		}
		p.settings = slices.Clone(hosts)
		return true
	})
}

// changePeers lets f change the peers, keeps them, and programs the difference. f says whether it changed anything.
func (d *Driver) changePeers(ctx context.Context, f func(*peers) bool) error {
	unlock, err := d.locks.lock(ctx, peersKey)
	if err != nil {
		return err
	}
	defer unlock()
	p := d.peers
	p.mu.Lock()
	changed := f(p)
	keep := p.kept()
	p.mu.Unlock()
	if !changed {
		return nil
	}
	saved := d.journal.savePeers(keep)
	select {
	case <-d.restored:
	default:
		return saved // the first audit is still to come, and finds them
	}
	err = d.peersChanged(ctx)
	if err != nil {
		d.loop.want()
	}
	return errors.Join(saved, err)
}

// look has watchPeers look at names and own addresses soon.
func (p *peers) look() {
	select {
	case p.again <- struct{}{}:
	default: // it is asked for already
	}
}

const (
	// lookupTime bounds the search for one name's addresses.
	lookupTime = 5 * time.Second
	// lookupAgain is the pause before names that could not be found are looked up again.
	lookupAgain = 10 * time.Second
)

// watchPeers looks names up and keeps the host's own addresses current, beside the loop: a name server may be slow. It
// also ends what Swarm began to tell.
func (d *Driver) watchPeers(ctx context.Context) {
	var said string
	for {
		wait := d.cfg.AuditInterval
		if err := d.refreshPeers(ctx); err != nil && ctx.Err() == nil {
			if said != err.Error() {
				said = err.Error()
				d.log.Warn("peers could not be looked up; trying on", "err", err)
			}
			wait = min(wait, lookupAgain)
		} else {
			said = ""
		}
		if at, ok := d.peers.settles(); ok {
			wait = max(0, min(wait, time.Until(at)))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-d.peers.again:
			timer.Stop()
		case <-timer.C:
		}
		d.settlePeers(ctx)
	}
}

// refreshPeers looks up every name that is in use, and the host's own addresses.
func (d *Driver) refreshPeers(ctx context.Context) error {
	own, err := d.links.Addresses(ctx)
	if err != nil {
		return fmt.Errorf("addresses of this host: %w", err)
	}
	d.mu.Lock()
	var names []string
	for _, n := range d.world.networks {
		names = append(names, n.opts.Tunnel.Peers...)
	}
	d.mu.Unlock()
	p := d.peers
	p.mu.Lock()
	names = append(names, p.settings...)
	found := maps.Clone(p.found)
	p.mu.Unlock()
	names = slices.DeleteFunc(names, func(s string) bool { _, bad := netip.ParseAddr(s); return bad == nil })
	slices.Sort(names)
	names = slices.Compact(names)

	var errs []error
	for _, name := range names {
		addrs, bad := p.lookup(ctx, name)
		if bad != nil {
			errs = append(errs, bad)
			continue // it keeps what it had
		}
		found[name] = addrs
	}
	maps.DeleteFunc(found, func(name string, _ []netip.Addr) bool { return !slices.Contains(names, name) })
	err = d.changePeers(ctx, func(p *peers) bool {
		mine := set(own)
		changed := !maps.Equal(p.own, mine) || !maps.EqualFunc(p.found, found, slices.Equal[[]netip.Addr])
		p.own, p.found = mine, found
		return changed
	})
	return errors.Join(append(errs, err)...)
}

func set(addrs []netip.Addr) map[netip.Addr]bool {
	out := make(map[netip.Addr]bool, len(addrs))
	for _, a := range addrs {
		out[a] = true
	}
	return out
}

// lookup gives the addresses that a name stands for, sorted: of one family, for a host that were two peers would get
// every broadcast twice. One name may list several hosts.
func (p *peers) lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	all, err := p.resolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil, fmt.Errorf("peer %s: %w; give its address, or make the name known to this host", name, err)
	}
	six := p.six()
	var right, other []netip.Addr
	for _, a := range all {
		switch a = a.Unmap().WithZone(""); {
		case !hostAddress(a):
		case a.Is6() == six:
			right = append(right, a)
		default:
			other = append(other, a)
		}
	}
	if len(right) == 0 {
		right = other
	}
	slices.SortFunc(right, netip.Addr.Compare)
	return slices.Compact(right), nil
}

// six says whether names stand for IPv6 addresses: where this host is known by one, or the peers that are given are.
func (p *peers) six() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a, _, _ := strings.Cut(p.underlay, "/"); a != "" {
		if own, err := netip.ParseAddr(a); err == nil {
			return own.Is6()
		}
	}
	if p.self.IsValid() {
		return p.self.Is6()
	}
	six := false
	for _, s := range p.settings {
		if a, err := netip.ParseAddr(s); err == nil {
			if a.Is4() {
				return false
			}
			six = true
		}
	}
	return six
}

// hostAddress says whether an address can be that of another host.
func hostAddress(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() &&
		(a.Is4() || !a.IsLinkLocalUnicast()) && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// loadPeers takes back the peers that an earlier run kept, and this host's addresses: without those it might be its own
// peer for a moment.
func (d *Driver) loadPeers(ctx context.Context) {
	k, err := d.journal.loadPeers()
	if err != nil {
		d.log.Error("nodes of the Swarm are unknown until it tells them again", "err", err)
	}
	d.peers.restore(k)
	own, err := d.links.Addresses(ctx)
	if err != nil {
		d.log.Warn("this host's addresses are unknown for now", "err", err)
	}
	d.peers.own = set(own)
}

// forgetNames drops what names stood for where no network is left that would need it at the next start.
func (d *Driver) forgetNames() error {
	d.mu.Lock()
	left := len(d.world.networks)
	d.mu.Unlock()
	if left > 0 {
		return nil
	}
	d.peers.mu.Lock()
	k := d.peers.kept()
	d.peers.mu.Unlock()
	k.Names = nil
	return d.journal.savePeers(k)
}
