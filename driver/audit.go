// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

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

// syncTime bounds the comparison of one bridge in the audit, where verbs and other bridges wait behind it.
func (l *loop) syncTime() time.Duration { return l.d.cfg.VerbTimeout / 5 }

var errStalled = errors.New("OpenFlow connection stalls: the switch does not answer; see the log of ovs-vswitchd")

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
		l.patience = 0
		return nil
	}
	if before == nil || before.Error() != err.Error() {
		l.log.Warn("audit could not finish; trying on", "why", why, "err", err)
	}
	l.patience = min(max(2*l.patience, redial), maxPatience)
	if journal := new(journalError); errors.As(err, &journal) {
		l.patience = journalPatience // all but the second copies is done, and a full disk does not empty itself soon
	}
	return time.After(l.patience)
}

// journalError says that an audit could do everything but write the journal.
type journalError struct{ error }

func (e *journalError) Unwrap() error { return e.error }

// journalPatience is the pause between two attempts to write the journal.
const journalPatience = 10 * time.Second

// maxPatience is the longest pause between two attempts of an audit that can't finish: what is missing may be back at any
// moment, and is to forward within a second.
const maxPatience = 500 * time.Millisecond

func (l *loop) compare(ctx context.Context) error {
	d := l.d
	snap, err := d.ovs.Snapshot(ctx)
	if err != nil {
		return err
	}
	select {
	case <-d.restored:
	default:
		if err = d.restore(ctx, snap); err != nil {
			return err
		}
		close(d.restored)
	}
	d.compiler.sweep()
	errs := []error{d.followUnderlay(ctx), l.compareLinks(ctx)}
	d.mu.Lock()
	w := d.world.snapshot()
	d.mu.Unlock()

	errs = append(errs, d.recallPeers(w), l.compareRows(ctx, w, snap))
	for id := range w.networks {
		if n, ok := d.network(id); ok && n.settled {
			errs = append(errs, l.compareBridge(ctx, n))
		}
	}
	if err = errors.Join(append(errs, l.compareOutside(ctx, w))...); err != nil {
		return err
	}
	if err = l.compareJournal(w, snap); err != nil {
		return &journalError{err}
	}
	return nil
}

// compareRows makes the rows that are wanted and removes those of ours that nothing in the world stands for.
func (l *loop) compareRows(ctx context.Context, w world, snap ovsdb.Snapshot) error {
	d := l.d
	var rows []ovsdb.Change
	bridges, ports := map[string]bool{}, map[string]bool{}
	var errs []error
	tunnels := map[int]network{} // by the row's place
	verbs := map[int]string{}    // the locks of the verbs that may be making a row, likewise
	for _, n := range w.networks {
		bridges[n.Bridge], ports[n.Tunnel] = true, true
		if !n.settled {
			continue
		}
		row, err := d.bridgeRow(n)
		if err != nil {
			return err
		}
		verbs[len(rows)] = networkKey(n.ID)
		rows = append(rows, ovsdb.EnsureBridge{Bridge: row})
		if n.overlay() {
			port, bad := d.tunnelRow(ctx, n, d.peersOf(n))
			if bad != nil { // what is on this host needs no tunnel
				errs = append(errs, bad)
				continue
			}
			tunnels[len(rows)], verbs[len(rows)] = n, networkKey(n.ID)
			rows = append(rows, ovsdb.EnsurePort{Port: port})
		}
	}
	for _, e := range w.endpoints {
		ports[e.Link] = true
		if n, ok := w.networks[e.Network]; ok && n.settled && e.attached {
			verbs[len(rows)] = endpointKey(e.ID)
			rows = append(rows, ovsdb.EnsurePort{Port: d.port(n, e)})
		}
	}
	for _, p := range snap.Ports {
		if !ports[p.Name] && !bridges[p.Name] && bridges[p.Bridge] {
			l.log.Warn("port without an endpoint: removing it", "bridge", p.Bridge, "port", p.Name, "endpoint", short(p.IDs.Endpoint))
			rows = append(rows, ovsdb.RemovePort{Bridge: p.Bridge, Name: p.Name})
			l.count(driftPortLeft, 1)
		}
	}
	for _, b := range snap.Bridges {
		if !bridges[b.Name] && !d.alone[b.Name] {
			l.log.Warn("bridge without a network: removing it", "bridge", b.Name, "network", short(b.IDs.Network))
			rows = append(rows, ovsdb.RemoveBridge{Name: b.Name})
			l.count(driftBridgeLeft, 1)
			l.forget(b.Name)
		}
	}
	defer l.remember(rows)
	for i, r := range d.ovs.Commit(ctx, rows) {
		n, tunnel := tunnels[i]
		if key, ensured := verbs[i]; ensured && r.Wrote && r.Err == nil && d.locks.free(key) && !l.moved(rows[i]) {
			l.repairedRow(rows[i])
		}
		switch {
		case r.Err != nil && tunnel:
			errs = append(errs, fmt.Errorf("network %s: %w", short(n.ID), d.explainTunnel(n, r.Err)))
		case r.Err != nil:
			errs = append(errs, r.Err)
		case tunnel:
			d.renumberTunnel(n.ID, r.OFPort)
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
	l.count(driftFlow, repaired)
	if repaired > 0 {
		l.log.Info("flows repaired", "bridge", n.Bridge, "changes", repaired)
	}
	gctx, cancel := context.WithTimeout(ctx, gatewayTimeout)
	defer cancel()
	drifted, err := l.d.gatewayDiffers(gctx, n)
	if err = errors.Join(err, l.d.ensureGateway(gctx, n)); err == nil && drifted && l.d.locks.free(networkKey(n.ID)) {
		l.count(driftGateway, 1)
		l.log.Info("gateway repaired", "bridge", n.Bridge)
	}
	return err
}

// moved says that a row is another one than the last audit wanted: it follows the underlay, and has not drifted.
func (l *loop) moved(c ovsdb.Change) bool {
	name, follows := following(c)
	last, known := l.asked[name]
	return follows && known && !reflect.DeepEqual(last, c)
}

// remember keeps those rows that an audit wanted and that follow the underlay.
func (l *loop) remember(rows []ovsdb.Change) {
	l.asked = map[string]ovsdb.Change{}
	for _, c := range rows {
		if name, follows := following(c); follows {
			l.asked[name] = c
		}
	}
}

// following is the name of a row that can follow the underlay: a bridge's, by its MTU, or a tunnel's.
func following(c ovsdb.Change) (name string, follows bool) {
	switch c := c.(type) {
	case ovsdb.EnsureBridge:
		return c.Name, true
	case ovsdb.EnsurePort:
		return c.Name, c.Type != ""
	}
	return "", false
}

// repairedRow counts rows that were not as they should be, and that no verb is making.
func (l *loop) repairedRow(c ovsdb.Change) {
	switch c := c.(type) {
	case ovsdb.EnsureBridge:
		l.count(driftBridge, 1)
		l.log.Warn("bridge's rows were not what they should be: repaired", "bridge", c.Name)
	case ovsdb.EnsurePort:
		l.count(driftPort, 1)
		l.log.Warn("port's rows were not what they should be: repaired", "bridge", c.Bridge, "port", c.Name)
	}
}

// compareFlows compares all that a switch holds of ours with the world as it is by now: flow changes that wait come
// after.
func (l *loop) compareFlows(ctx context.Context, n network) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, l.syncTime())
	defer cancel()
	b := l.bridge(n.Bridge)
	if err := b.hold(ctx); err != nil {
		return 0, err
	}
	defer b.letGo()
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
	b.objects = map[string]flows.Compiled{}
	b.set(changes)
	if b.stalls && !l.wakes(ctx, b) {
		b.unsure = true
		return 0, errStalled
	}
	repaired, err := b.sync(ctx)
	b.stalls = errors.Is(err, context.DeadlineExceeded)
	l.heard.put(n.Bridge, b.seen)
	l.watchConn(b)
	if err != nil {
		b.unsure = true
	}
	return repaired, err
}

// aSign is how long an audit waits for a sign of life of a switch that did not answer the last one.
const aSign = 200 * time.Millisecond

// wakes says whether a switch that stalled answers again.
func (l *loop) wakes(ctx context.Context, b *bridge) bool {
	ctx, cancel := context.WithTimeout(ctx, aSign)
	defer cancel()
	return b.answers(ctx) == nil
}
