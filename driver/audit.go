// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/driver/link"
	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/ovsdb"
)

// auditStats is what status tells of the audit.
type auditStats struct {
	mu      sync.Mutex
	last    time.Time
	err     error
	repairs map[string]int
}

func (s *auditStats) count(kind string, n int) {
	if n == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.repairs == nil {
		s.repairs = map[string]int{}
	}
	s.repairs[kind] += n
}

// gatewayTimeout bounds the wait for a bridge's LOCAL port in the audit, where other bridges wait behind it.
const gatewayTimeout = 3 * time.Second

// regular is the reason of the audits that come by themselves.
const regular = "interval"

// audit compares everything that should be with everything that is and repairs the difference. Where something could
// not be done it gives the channel that says when to try again.
func (l *loop) audit(ctx context.Context, why string) <-chan time.Time {
	if l.d.ovs.Check() != nil {
		return nil // the next connection starts the next audit
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, l.d.cfg.VerbTimeout)
	defer cancel()
	err := l.compare(ctx)
	if why == regular {
		if bad := l.sayHello(ctx); bad != nil {
			l.log.Debug("peers not greeted", "err", bad)
		}
	}
	l.mu.Lock()
	before := l.err
	l.last, l.err = time.Now(), err
	l.mu.Unlock()
	if err == nil {
		l.log.Debug("audit done", "why", why, "took", time.Since(start))
		return nil
	}
	if before == nil || before.Error() != err.Error() {
		l.log.Warn("audit could not finish; trying on", "why", why, "err", err)
	}
	return time.After(redial)
}

func (l *loop) compare(ctx context.Context) error {
	d := l.d
	snap, err := d.ovs.Snapshot(ctx)
	if err != nil {
		return err
	}
	select {
	case <-d.restored:
	default:
		if err := d.restore(ctx, snap); err != nil {
			return err
		}
		close(d.restored)
	}
	errs := []error{d.followUnderlay(ctx)}
	d.mu.Lock()
	w := d.world.snapshot()
	d.mu.Unlock()

	errs = append(errs, d.recallPeers(w), l.compareRows(ctx, w, snap))
	for id := range w.networks {
		if n, ok := d.network(id); ok && n.settled {
			errs = append(errs, l.compareBridge(ctx, n))
		}
	}
	return errors.Join(append(errs, l.compareLinks(ctx, w), l.compareOutside(ctx, w))...)
}

// compareRows makes the rows that are wanted and removes those of ours that nothing in the world stands for.
func (l *loop) compareRows(ctx context.Context, w world, snap ovsdb.Snapshot) error {
	d := l.d
	var rows []ovsdb.Change
	bridges, ports := map[string]bool{}, map[string]bool{}
	tunnels := map[int]network{} // by the row's place
	for _, n := range w.networks {
		bridges[n.Bridge], ports[n.Tunnel] = true, true
		if !n.settled {
			continue
		}
		row, err := d.bridgeRow(n)
		if err != nil {
			return err
		}
		rows = append(rows, ovsdb.EnsureBridge{Bridge: row})
		if n.overlay() {
			port, bad := d.tunnelRow(ctx, n)
			if bad != nil {
				return bad
			}
			tunnels[len(rows)] = n
			rows = append(rows, ovsdb.EnsurePort{Port: port})
		}
	}
	for _, e := range w.endpoints {
		ports[e.Link] = true
		if n, ok := w.networks[e.Network]; ok && n.settled && e.attached {
			rows = append(rows, ovsdb.EnsurePort{Port: d.port(n, e)})
		}
	}
	for _, p := range snap.Ports {
		if !ports[p.Name] && !bridges[p.Name] && bridges[p.Bridge] {
			l.log.Warn("port without an endpoint: removing it", "bridge", p.Bridge, "port", p.Name, "endpoint", short(p.IDs.Endpoint))
			rows = append(rows, ovsdb.RemovePort{Bridge: p.Bridge, Name: p.Name})
			l.count("port removed", 1)
		}
	}
	var forget []string
	for _, b := range snap.Bridges {
		if !bridges[b.Name] {
			l.log.Warn("bridge without a network: removing it", "bridge", b.Name, "network", short(b.IDs.Network))
			rows = append(rows, ovsdb.RemoveBridge{Name: b.Name})
			forget = append(forget, b.IDs.Network)
			l.count("bridge removed", 1)
			l.forget(b.Name)
		}
	}
	var errs []error
	for i, r := range d.ovs.Commit(ctx, rows) {
		n, tunnel := tunnels[i]
		switch {
		case r.Err != nil && tunnel:
			errs = append(errs, fmt.Errorf("network %s: %w", short(n.ID), d.explainTunnel(n, r.Err)))
		case r.Err != nil:
			errs = append(errs, r.Err)
		case tunnel:
			d.renumberTunnel(n.ID, r.OFPort)
		}
	}
	if len(errs) == 0 {
		for _, id := range forget {
			errs = append(errs, d.journal.forget(id))
		}
	}
	return errors.Join(errs...)
}

// compareBridge makes the flows and the gateway of one network's bridge what they should be.
func (l *loop) compareBridge(ctx context.Context, n network) error {
	repaired, err := l.compareFlows(ctx, n)
	if err != nil {
		return fmt.Errorf("bridge %s: %w", n.Bridge, err)
	}
	l.count("flow", repaired)
	if repaired > 0 {
		l.log.Info("flows repaired", "bridge", n.Bridge, "changes", repaired)
	}
	gctx, cancel := context.WithTimeout(ctx, gatewayTimeout)
	defer cancel()
	return l.d.ensureGateway(gctx, n)
}

// compareFlows compares all that a switch holds of ours with the world as it is by now: flow changes that wait come
// after.
func (l *loop) compareFlows(ctx context.Context, n network) (int, error) {
	l.switches.Lock()
	defer l.switches.Unlock()
	l.d.mu.Lock()
	members := l.d.world.members(n.ID)
	now, ok := l.d.world.networks[n.ID]
	l.d.mu.Unlock()
	if !ok || !now.settled {
		return 0, nil // on its way out
	}
	changes, err := networkFlows(n, slices.ContainsFunc(members, endpoint.unguarded))
	known, bad := l.d.knownFlows(n)
	if err = errors.Join(err, bad); err != nil {
		return 0, err
	}
	changes = append(changes, known...)
	for _, e := range members {
		if !e.wantFlows {
			continue
		}
		fc, bad := compileEndpoint(n, e)
		if bad != nil {
			return 0, bad
		}
		changes = append(changes, fc)
	}
	b := l.bridge(n.Bridge)
	b.objects = map[string]flows.Compiled{}
	b.take(changes)
	repaired, err := b.sync(ctx)
	l.heard.put(n.Bridge, b.seen)
	l.watchConn(b)
	if err != nil {
		b.unsure = true
	}
	return repaired, err
}

// compareLinks removes the veth pairs of ours that no endpoint stands for and no container holds.
func (l *loop) compareLinks(ctx context.Context, w world) error {
	links, err := l.d.links.List(ctx, aliasPrefix(l.d.cfg.Owner))
	if err != nil {
		return err
	}
	var errs []error
	for _, k := range links {
		_, id, _ := strings.Cut(strings.TrimPrefix(k.Alias, aliasPrefix(l.d.cfg.Owner)), ":")
		if _, ok := w.endpoints[id]; !ok {
			errs = append(errs, l.removeLink(ctx, k, id))
		}
	}
	return errors.Join(errs...)
}

// removeLink removes a veth pair that stands for no endpoint, unless a verb has since begun to work on that endpoint or
// a container holds the other end.
func (l *loop) removeLink(ctx context.Context, k link.Link, id string) error {
	unlock, ok := l.d.locks.try(endpointKey(id))
	if !ok {
		return nil
	}
	defer unlock()
	l.d.mu.Lock()
	_, known := l.d.world.endpoints[id]
	l.d.mu.Unlock()
	if known {
		return nil
	}
	if idle, err := l.d.links.PeerPresent(ctx, k.Name); err != nil || !idle {
		return err
	}
	l.log.Warn("link without an endpoint: removing it", "link", k.Name, "endpoint", short(id))
	l.count("link removed", 1)
	return l.d.links.DeleteVeth(ctx, k.Name, k.Alias)
}

// restore reads back into the world what Open vSwitch holds of ours: endpoints, and networks whose journal entry is lost.
func (d *Driver) restore(ctx context.Context, snap ovsdb.Snapshot) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range snap.Bridges {
		if _, known := d.world.networks[b.IDs.Network]; known || d.journal.gone(b.IDs.Network) {
			continue
		}
		rec, err := decodeRecord([]byte(b.IDs.Spec))
		if err == nil && rec.ID == b.IDs.Network && rec.Bridge == b.Name {
			err = errors.Join(d.world.addNetwork(rec), d.journal.save(rec))
		}
		if err != nil {
			d.log.Error("bridge left alone: its network can't be read back", "bridge", b.Name, "err", err)
			continue
		}
		d.log.Info("network read back from its bridge", "network", short(rec.ID), "bridge", rec.Bridge)
	}
	for id, n := range d.world.networks {
		n.settled = true
		if _, _, err := n.peers.become(d.peersOf(n)); err != nil {
			d.log.Error("peers left out", "network", short(id), "err", err)
		}
		d.world.networks[id] = n
	}
	restored := 0
	for _, p := range snap.Ports {
		n, ok := d.world.networks[p.IDs.Network]
		if !ok || p.IDs.Endpoint == "" || p.Bridge != n.Bridge {
			continue
		}
		_, exists, err := d.links.Index(ctx, p.Name)
		if err != nil {
			return err
		}
		if !exists {
			continue // the machine was restarted, or the container went while we were away
		}
		e := endpoint{
			ID: p.IDs.Endpoint, Network: n.ID, MAC: p.IDs.MAC, Addresses: p.IDs.Addresses, Options: p.IDs.Options,
			Link: p.Name, Peer: p.IDs.Peer, OFPort: p.OFPort, wantFlows: true, attached: true,
		}
		if e.OFPort == 0 {
			e.OFPort = p.OFPortRequest
		}
		if e.opts, err = config.ParseEndpoint(e.Options); err != nil {
			d.log.Error("endpoint's options can't be read back: using none", "endpoint", short(e.ID), "err", err)
		}
		d.world.putEndpoint(e)
		restored++
	}
	d.log.Info("restored", "networks", len(d.world.networks), "endpoints", restored)
	return nil
}
