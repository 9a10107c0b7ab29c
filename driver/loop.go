// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ovsnet/ovsnet/ovsdb"
)

// loop makes Open vSwitch what the world says, in two goroutines and one a bridge: the first commits all the row changes
// that wait as one transaction, the second puts flow changes on the lane of their bridge, where all that wait go
// together. Each wakes every verb with its own result. A port's flows need not wait for the port: its number is asked for.
type loop struct {
	d       *Driver
	log     *slog.Logger
	commits chan *commit
	coming  coming // commits that verbs have announced
	flows   chan *programming
	lost    chan string   // names of bridges whose OpenFlow connection ended
	wanted  chan struct{} // somebody wants an audit soon; one slot
	stop    chan struct{} // closed when run ends
	watch   sync.WaitGroup

	// switches guards bridges alone; what is in one is for who holds it.
	switches sync.Mutex
	bridges  map[string]*bridge
	arrivals arrivals
	lanes    lanes
	heard    heard

	auditStats

	// What follows is runCommits' own: the pause before an audit that could not finish is tried again, those rows
	// that the last one wanted and that follow the underlay, by name, and since when links that nobody claims have been seen.
	patience time.Duration
	asked    map[string]ovsdb.Change
	halfMade map[int]time.Time // by index
}

// commit is what a verb asks of the database.
type commit struct {
	rows    []ovsdb.Change
	results []ovsdb.Result
	done    chan error // takes one value
	// parted is set by the first of the two that has no more need of the other: the loop that has results, or the verb
	// that knows enough without them.
	parted atomic.Bool
}

// queue is the room in which verbs line up while the loop is at work.
const queue = 1024

func newLoop(d *Driver) *loop {
	return &loop{
		d: d, log: d.log, bridges: map[string]*bridge{}, lanes: newLanes(), halfMade: map[int]time.Time{},
		commits: make(chan *commit, queue), flows: make(chan *programming, queue),
		lost: make(chan string), wanted: make(chan struct{}, 1), stop: make(chan struct{}),
	}
}

// run does the loop's work until ctx ends, and waits for all that it started.
func (l *loop) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.runCommits(ctx) })
	g.Go(func() error { return l.runFlows(ctx) })
	err := g.Wait()
	close(l.stop)
	l.switches.Lock()
	for name := range l.bridges {
		l.bridges[name].end()
	}
	l.switches.Unlock()
	l.watch.Wait()
	return err
}

// redial is the pause between two attempts to reach a bridge whose connection was lost.
const redial = 100 * time.Millisecond

// runCommits commits, and audits: what verbs commit next comes after what an audit saw.
func (l *loop) runCommits(ctx context.Context) error {
	tick := time.NewTicker(l.d.cfg.AuditInterval)
	defer tick.Stop()
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c := <-l.commits:
			l.commitBatch(ctx, l.gather(ctx, c))
		case ev := <-l.d.ovs.Changed():
			switch {
			case ev.Connected:
				again = l.audit(ctx, "connected to Open vSwitch")
			case again == nil: // somebody may be at it still
				again = time.After(redial)
			}
		case name := <-l.lost:
			if l.cutOff(name) {
				l.log.Warn("OpenFlow connection lost", "bridge", name)
				again = l.audit(ctx, "OpenFlow connection lost")
			}
		case <-l.wanted:
			again = l.audit(ctx, "asked for")
		case <-again:
			again = l.audit(ctx, "rows changed, or unfinished audit")
		case <-tick.C:
			again = l.audit(ctx, regular)
		}
	}
}

// submit hands rows to the loop.
func (l *loop) submit(ctx context.Context, rows ...ovsdb.Change) (*commit, error) {
	c := &commit{rows: rows, done: make(chan error, 1)}
	select {
	case l.commits <- c:
		return c, nil
	case <-ctx.Done():
		return nil, waited("earlier changes", daemonsAnswer, ctx.Err())
	}
}

// wait waits for the transaction that contains the rows. If ctx ends first, they may still be committed: the caller
// undoes that.
func (c *commit) wait(ctx context.Context) ([]ovsdb.Result, error) {
	select {
	case err := <-c.done:
		return c.results, err
	case <-ctx.Done():
		return nil, waited("Open vSwitch", daemonsAnswer, ctx.Err())
	}
}

// commit hands rows to the loop and waits for the transaction that contains them, as submit and wait do.
func (l *loop) commit(ctx context.Context, rows ...ovsdb.Change) ([]ovsdb.Result, error) {
	c, err := l.submit(ctx, rows...)
	if err != nil {
		return nil, err
	}
	return c.wait(ctx)
}

// Who it may be that a verb waited for in vain.
const (
	daemonsAnswer = "ovsdb-server and ovs-vswitchd answer"
	switchAnswers = "ovs-vswitchd answers"
)

func waited(what, who string, err error) error {
	return fmt.Errorf("waiting for %s: %w; check that %s", what, err, who)
}

// gatherTime bounds how long a transaction waits for changes that verbs have announced: the kernel makes a hundred links
// in it, and one transaction for a hundred ports costs Open vSwitch about as much as three for one each.
const gatherTime = 100 * time.Millisecond

// gather takes everything that waits, and what verbs at work have announced, if that comes soon.
func (l *loop) gather(ctx context.Context, first *commit) []*commit {
	batch := []*commit{first}
	var late <-chan time.Time
	for {
		select {
		case c := <-l.commits:
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
		case c := <-l.commits:
			batch = append(batch, c)
		case <-none: // those that did not give up are in the queue
		case <-late:
			return batch
		case <-ctx.Done():
			return batch
		}
	}
}

// passTime bounds a transaction or a bundle; the rest of a verb's time is for undoing.
func (l *loop) passTime() time.Duration { return l.d.cfg.VerbTimeout * 3 / 5 }

// commitBatch sends the rows of a batch as one transaction and gives each verb its results.
func (l *loop) commitBatch(ctx context.Context, batch []*commit) {
	ctx, cancel := context.WithTimeout(ctx, l.passTime())
	defer cancel()
	var rows []ovsdb.Change
	for _, c := range batch {
		rows = append(rows, c.rows...)
	}
	results := l.d.ovs.Commit(ctx, rows)
	for _, c := range batch {
		c.results, results = results[:len(c.rows)], results[len(c.rows):]
		var errs []error
		for _, r := range c.results {
			errs = append(errs, r.Err)
		}
		l.finish(c, errors.Join(errs...))
	}
}

// finish gives a verb its results. One that has gone on without them relies on their being good: else the audit sees to it.
func (l *loop) finish(c *commit, err error) {
	if !c.parted.CompareAndSwap(false, true) && err != nil {
		l.log.Warn("a port came, but its transaction failed: an audit sees to it", "err", err)
		l.want()
	}
	c.done <- err
}
