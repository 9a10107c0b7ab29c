// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"slices"
	"sync"
	"time"
)

// lanes are the flow changes that wait for their bridge. Each bridge that has some has a goroutine, so that a switch that
// does not answer holds up its own alone.
type lanes struct {
	mu      sync.Mutex
	of      map[string]*lane // by bridge; those that have a goroutine
	running sync.WaitGroup
	// together is how long changes wait for others with which they pass earlier ones.
	together time.Duration
}

// lane is what waits for one bridge.
type lane struct {
	waiting []*programming // under lanes.mu
	many    chan struct{}  // tells that many wait; one slot
}

func newLanes() lanes { return lanes{of: map[string]*lane{}, together: 10 * time.Millisecond} }

// enqueue puts each part of a batch on the lane of its bridge.
func (l *loop) enqueue(ctx context.Context, batch ...*programming) {
	l.lanes.mu.Lock()
	defer l.lanes.mu.Unlock()
	for _, p := range batch {
		if len(p.flows) == 0 {
			p.done <- nil
			continue
		}
		if p.alone && p.left.Load() {
			continue // what undoes it may be ahead of it
		}
		name := p.flows[0].bridge // a verb is about one
		ln, ok := l.lanes.of[name]
		if !ok {
			ln = &lane{many: make(chan struct{}, 1)}
			l.lanes.of[name] = ln
			l.lanes.running.Go(func() { l.runLane(ctx, name, ln) })
		}
		if ln.waiting = append(ln.waiting, p); len(ln.waiting) >= spreadFrom {
			select {
			case ln.many <- struct{}{}:
			default:
			}
		}
	}
}

// next takes all that waits for a bridge. When nothing does, its goroutine ends.
func (l *lanes) next(name string, ln *lane) []*programming {
	l.mu.Lock()
	defer l.mu.Unlock()
	parts := ln.waiting
	ln.waiting = nil
	if len(parts) == 0 {
		delete(l.of, name)
	}
	return parts
}

// runLane sends what waits for a bridge, everything together, until nothing waits. What can be made beside earlier changes
// passes them, not one by one but when there are many, or after a moment.
func (l *loop) runLane(ctx context.Context, name string, ln *lane) {
	for {
		parts := l.lanes.next(name, ln)
		if len(parts) == 0 {
			return
		}
		b := l.bridge(name)
		answered := l.pass(ctx, b, parts)
		if answered == nil {
			l.programBridge(ctx, b, parts)
			continue
		}
		select {
		case <-answered:
		case <-ln.many:
		case <-time.After(l.lanes.together):
		}
	}
}

// pass sends parts beside what is under way on their bridge, and gives a channel that is closed when the switch has answered;
// nil where they need the bridge whole.
func (l *loop) pass(ctx context.Context, b *bridge, parts []*programming) <-chan struct{} {
	changes := changesOf(parts)
	if slices.ContainsFunc(parts, func(p *programming) bool { return p.alone }) || !b.share(changes) {
		return nil
	}
	answered := make(chan struct{})
	l.lanes.running.Go(func() {
		defer close(answered)
		bounded, cancel := context.WithTimeout(ctx, l.passTime())
		defer cancel()
		err := b.add(bounded, changes)
		if err != nil && bounded.Err() == nil {
			l.log.Debug("changes failed beside others: trying them alone", "bridge", b.name, "changes", len(parts), "err", err)
			l.again(ctx, parts)
			return
		}
		for _, p := range parts {
			p.done <- err
		}
	})
	return answered
}

// again puts parts back on their lane, to have their bridge whole.
func (l *loop) again(ctx context.Context, parts []*programming) {
	for _, p := range parts {
		p.alone = true
	}
	l.enqueue(ctx, parts...)
}

func changesOf(parts []*programming) []flowChange {
	var all []flowChange
	for _, p := range parts {
		all = append(all, p.flows...)
	}
	return all
}
