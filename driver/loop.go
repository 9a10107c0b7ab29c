// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ovsnet/ovsnet/ovsdb"
)

// change is what a verb asks of the loop: rows of the database and flows, which stand or fall together.
type change struct {
	rows  []ovsdb.Change
	flows []flowChange
	// first commits the rows before the flows: the bridge that the flows are for does not exist yet.
	first bool
	// submitted, if set, is called when the change is in the loop's queue.
	submitted func()
	done      chan error // takes one value

	results []ovsdb.Result
}

// loop makes Open vSwitch what the world says. Its one goroutine takes all the changes that wait, commits them as one
// transaction and one bundle per bridge, and wakes each verb with its own result.
type loop struct {
	d       *Driver
	log     *slog.Logger
	changes chan *change
	lost    chan string   // names of bridges whose OpenFlow connection ended
	touched chan struct{} // somebody else may have changed the host's firewall; one slot
	stop    chan struct{} // closed when run ends
	bridges map[string]*bridge
	watch   sync.WaitGroup
	coming  coming

	auditStats
}

func newLoop(d *Driver) *loop {
	return &loop{
		d: d, log: d.log, bridges: map[string]*bridge{},
		// Unbuffered would do; the room lets verbs queue up while a pass is under way without a goroutine each.
		changes: make(chan *change, 1024),
		lost:    make(chan string),
		touched: make(chan struct{}, 1),
		stop:    make(chan struct{}),
	}
}

// submit hands a change to the loop and waits for the pass that contains it. If ctx ends first, the change may still
// be made: the caller undoes it.
func (l *loop) submit(ctx context.Context, c *change) ([]ovsdb.Result, error) {
	c.done = make(chan error, 1)
	select {
	case l.changes <- c:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for earlier changes: %w; check that ovs-vswitchd runs", ctx.Err())
	}
	if c.submitted != nil {
		c.submitted()
	}
	select {
	case err := <-c.done:
		return c.results, err
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for Open vSwitch: %w; check that ovs-vswitchd runs", ctx.Err())
	}
}

// redial is the pause between two attempts to reach a bridge whose connection was lost.
const redial = 100 * time.Millisecond

func (l *loop) run(ctx context.Context) error {
	defer func() {
		close(l.stop)
		for _, b := range l.bridges {
			b.close()
		}
		l.watch.Wait()
	}()
	tick := time.NewTicker(l.d.cfg.AuditInterval)
	defer tick.Stop()
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c := <-l.changes:
			l.pass(ctx, l.gather(ctx, c))
		case ev := <-l.d.ovs.Changed():
			if ev.Connected {
				again = l.audit(ctx, "connected to Open vSwitch")
			}
		case name := <-l.lost:
			if b, ok := l.bridges[name]; ok && !b.alive() {
				l.log.Warn("OpenFlow connection lost", "bridge", name)
				again = l.audit(ctx, "OpenFlow connection lost")
			}
		case <-l.touched:
			if next := l.mendFirewall(ctx); next != nil {
				again = next
			}
		case <-again:
			again = l.audit(ctx, "unfinished audit")
		case <-tick.C:
			again = l.audit(ctx, "interval")
		}
	}
}

// gatherTime bounds how long a pass waits for changes that verbs have announced. One transaction for forty ports costs
// Open vSwitch little more than one for one.
const gatherTime = 30 * time.Millisecond

// gather takes everything that waits, and what verbs at work have announced, if that comes soon.
func (l *loop) gather(ctx context.Context, first *change) []*change {
	batch := []*change{first}
	var late <-chan time.Time
	for {
		select {
		case c := <-l.changes:
			batch = append(batch, c)
			continue
		default:
		}
		none := l.coming.none()
		if none == nil {
			return batch
		}
		if late == nil {
			late = time.After(gatherTime)
		}
		select {
		case c := <-l.changes:
			batch = append(batch, c)
		case <-none: // those that did not give up are in the queue
		case <-late:
			return batch
		case <-ctx.Done():
			return batch
		}
	}
}

// pass makes a batch of changes and wakes their verbs.
func (l *loop) pass(ctx context.Context, batch []*change) {
	ctx, cancel := context.WithTimeout(ctx, l.d.cfg.VerbTimeout*3/5) // the rest is for undoing
	defer cancel()

	var early, late []*change
	for _, c := range batch {
		if c.first {
			late = append(late, c)
		} else {
			early = append(early, c)
		}
	}
	errs := make(map[*change]error, len(batch))
	var mu sync.Mutex
	fail := func(c *change, err error) {
		mu.Lock()
		defer mu.Unlock()
		errs[c] = errors.Join(errs[c], err)
	}

	// The number of a port is asked for, so its flows need not wait for it: both are under way together.
	var g errgroup.Group
	g.Go(func() error { l.commit(ctx, batch, fail); return nil })
	g.Go(func() error { l.program(ctx, early, fail); return nil })
	_ = g.Wait() // the parts report through fail

	ready := late[:0]
	for _, c := range late {
		if errs[c] == nil {
			ready = append(ready, c)
		}
	}
	l.program(ctx, ready, fail)
	l.forgetRemoved(batch, errs)
	for _, c := range batch {
		c.done <- errs[c]
	}
}

// commit sends the rows of a batch as one transaction and gives each change its results.
func (l *loop) commit(ctx context.Context, batch []*change, fail func(*change, error)) {
	var rows []ovsdb.Change
	for _, c := range batch {
		rows = append(rows, c.rows...)
	}
	if len(rows) == 0 {
		return
	}
	results := l.d.ovs.Commit(ctx, rows)
	for _, c := range batch {
		c.results, results = results[:len(c.rows)], results[len(c.rows):]
		for _, r := range c.results {
			if r.Err != nil {
				fail(c, r.Err)
			}
		}
	}
}

// program sends the flows of a batch, one bundle a bridge, all bridges at once. Where a bundle is refused, its changes
// are tried one by one, so that a bad one fails alone.
func (l *loop) program(ctx context.Context, batch []*change, fail func(*change, error)) {
	type part struct {
		c     *change
		flows []flowChange
	}
	byBridge := map[string][]part{}
	for _, c := range batch {
		parts := map[string][]flowChange{}
		for _, f := range c.flows {
			parts[f.bridge] = append(parts[f.bridge], f)
		}
		for name, fs := range parts {
			byBridge[name] = append(byBridge[name], part{c, fs})
		}
	}
	var g errgroup.Group
	for name, parts := range byBridge {
		b := l.bridge(name)
		g.Go(func() error {
			var all []flowChange
			for _, p := range parts {
				all = append(all, p.flows...)
			}
			err := b.apply(ctx, all)
			if err == nil {
				return nil
			}
			if len(parts) > 1 {
				l.log.Warn("changes failed together: trying each alone", "bridge", b.name, "changes", len(parts), "err", err)
			}
			for _, p := range parts {
				if len(parts) > 1 {
					err = b.apply(ctx, p.flows)
				}
				if err != nil {
					fail(p.c, err)
				}
			}
			return nil
		})
	}
	_ = g.Wait() // the parts report through fail
	for name := range byBridge {
		l.watchConn(l.bridges[name])
	}
}

// bridge gives the switch of that name, known or new.
func (l *loop) bridge(name string) *bridge {
	b, ok := l.bridges[name]
	if !ok {
		b = newBridge(name, l.d.cfg.OVSRunDir, l.log)
		l.bridges[name] = b
	}
	return b
}

// watchConn tells the loop when the connection to a bridge ends. There is one watcher a connection; run waits for it.
func (l *loop) watchConn(b *bridge) {
	if b == nil || b.conn == nil || b.watched == b.conn {
		return
	}
	b.watched = b.conn
	done := b.conn.Done()
	l.watch.Go(func() {
		select {
		case <-done:
		case <-l.stop:
			return
		}
		select {
		case l.lost <- b.name:
		case <-l.stop:
		}
	})
}

// forgetRemoved closes the connections to bridges that the batch removed.
func (l *loop) forgetRemoved(batch []*change, errs map[*change]error) {
	for _, c := range batch {
		for _, r := range c.rows {
			if gone, ok := r.(ovsdb.RemoveBridge); ok && errs[c] == nil {
				l.drop(gone.Name)
			}
		}
	}
}

func (l *loop) drop(name string) {
	if b, ok := l.bridges[name]; ok {
		b.close()
		delete(l.bridges, name)
	}
}
