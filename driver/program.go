// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"sync/atomic"
)

// programming is what a verb asks of switches.
type programming struct {
	flows []flowChange
	done  chan error // takes one value
	// left says that the verb waits no more, and may have asked for the opposite.
	left atomic.Bool
	// alone says that it failed beside others, and is to have its bridge whole.
	alone bool
}

// program hands flow changes to the loop and waits for the bundles that contain them. If ctx ends first, they may still
// be made: the caller undoes that.
func (l *loop) program(ctx context.Context, flows ...flowChange) error {
	p := &programming{flows: flows, done: make(chan error, 1)}
	select {
	case l.flows <- p:
	case <-ctx.Done():
		return waited("earlier flows", switchAnswers, ctx.Err())
	}
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		p.left.Store(true)
		return waited("the switch", switchAnswers, ctx.Err())
	}
}

func (l *loop) runFlows(ctx context.Context) error {
	defer l.lanes.running.Wait()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case p := <-l.flows:
			l.enqueue(ctx, l.gatherFlows(p)...)
		}
	}
}

func (l *loop) gatherFlows(first *programming) []*programming {
	batch := []*programming{first}
	for {
		select {
		case p := <-l.flows:
			batch = append(batch, p)
		default:
			return batch
		}
	}
}

// programBridge sends what waits together and gives each verb its result. Where that is refused, its parts are tried one by
// one, so that a bad one fails alone.
func (l *loop) programBridge(ctx context.Context, b *bridge, parts []*programming) {
	if err := b.hold(ctx); err != nil {
		for _, p := range parts {
			p.done <- err
		}
		return
	}
	defer b.letGo()
	defer l.watchConn(b)
	ctx, cancel := context.WithTimeout(ctx, l.passTime())
	defer cancel()
	err := b.apply(ctx, changesOf(parts))
	if err != nil && len(parts) > 1 {
		l.log.Warn("changes failed together: trying each alone", "bridge", b.name, "changes", len(parts), "err", err)
		for _, p := range parts {
			p.done <- b.apply(ctx, p.flows)
		}
		return
	}
	for _, p := range parts {
		p.done <- err
	}
}

// bridge gives the switch of that name, known or new.
func (l *loop) bridge(name string) *bridge {
	l.switches.Lock()
	defer l.switches.Unlock()
	b, ok := l.bridges[name]
	if !ok {
		b = newBridge(name, l.d.cfg.OVSRunDir, &l.arrivals, l.log)
		l.bridges[name] = b
	}
	return b
}

// watchConn has the loop told when the connection to a bridge ends. There is one watcher a connection; run waits for it.
// The caller holds the bridge.
func (l *loop) watchConn(b *bridge) {
	if b.conn == nil || b.watched == b.conn {
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

// cutOff says whether a bridge of ours has no connection, as far as can be told while somebody works on it.
func (l *loop) cutOff(name string) bool {
	l.switches.Lock()
	b, ok := l.bridges[name]
	l.switches.Unlock()
	if !ok || !b.tryHold() {
		return ok
	}
	defer b.letGo()
	return !b.alive()
}

// forget drops the connection to a bridge that was removed.
func (l *loop) forget(name string) {
	defer l.heard.drop(name)
	l.switches.Lock()
	defer l.switches.Unlock()
	if b, ok := l.bridges[name]; ok {
		b.end()
		delete(l.bridges, name)
	}
}
