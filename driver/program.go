// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// programming is what a verb asks of switches.
type programming struct {
	flows []flowChange
	done  chan error // takes one value
}

// program hands flow changes to the loop and waits for the bundles that contain them. If ctx ends first, they may still
// be made: the caller undoes that.
func (l *loop) program(ctx context.Context, flows ...flowChange) error {
	p := &programming{flows: flows, done: make(chan error, 1)}
	select {
	case l.flows <- p:
	case <-ctx.Done():
		return waited("earlier flows", ctx)
	}
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		return waited("the switch", ctx)
	}
}

func (l *loop) runFlows(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case p := <-l.flows:
			l.programBatch(ctx, l.gatherFlows(p))
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

// programBatch sends the flows of a batch, one bundle a bridge, all bridges at once, and gives each verb its result.
func (l *loop) programBatch(ctx context.Context, batch []*programming) {
	l.switches.Lock()
	defer l.switches.Unlock()
	ctx, cancel := context.WithTimeout(ctx, l.passTime())
	defer cancel()

	byBridge := map[string][]*programming{}
	for _, p := range batch {
		// A verb is about one bridge.
		if len(p.flows) == 0 {
			p.done <- nil
			continue
		}
		byBridge[p.flows[0].bridge] = append(byBridge[p.flows[0].bridge], p)
	}
	var g errgroup.Group
	for name, parts := range byBridge {
		b := l.bridge(name)
		g.Go(func() error {
			l.programBridge(ctx, b, parts)
			return nil
		})
	}
	_ = g.Wait() // each part has its own result
	for name := range byBridge {
		l.watchConn(l.bridges[name])
	}
}

// programBridge sends one bundle. Where it is refused, its parts are tried one by one, so that a bad one fails alone.
func (l *loop) programBridge(ctx context.Context, b *bridge, parts []*programming) {
	var all []flowChange
	for _, p := range parts {
		all = append(all, p.flows...)
	}
	err := b.apply(ctx, all)
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

// bridge gives the switch of that name, known or new. The caller holds switches.
func (l *loop) bridge(name string) *bridge {
	b, ok := l.bridges[name]
	if !ok {
		b = newBridge(name, l.d.cfg.OVSRunDir, l.log)
		l.bridges[name] = b
	}
	return b
}

// watchConn has the loop told when the connection to a bridge ends. There is one watcher a connection; run waits for it.
// The caller holds switches.
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

// cutOff says whether a bridge of ours has no connection.
func (l *loop) cutOff(name string) bool {
	l.switches.Lock()
	defer l.switches.Unlock()
	b, ok := l.bridges[name]
	return ok && !b.alive()
}

// forget drops the connection to a bridge that was removed.
func (l *loop) forget(name string) {
	defer l.heard.drop(name)
	l.switches.Lock()
	defer l.switches.Unlock()
	if b, ok := l.bridges[name]; ok {
		b.close()
		delete(l.bridges, name)
	}
}
