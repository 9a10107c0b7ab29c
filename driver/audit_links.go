// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/ovsnet/ovsnet/driver/link"
)

// compareLinks puts the host's ends of the endpoints' veth pairs right, and removes pairs of ours that no endpoint stands
// for and no container holds. Endpoints whose pair is gone leave the world here, and with what follows the switch.
func (l *loop) compareLinks(ctx context.Context) error {
	d := l.d
	// The world first: what a verb has made of links since then is not known there, and has its endpoint's lock.
	d.mu.Lock()
	w := d.world.snapshot()
	d.mu.Unlock()
	links, err := d.links.List(ctx, aliasPrefix(d.cfg.Owner))
	if err != nil {
		return err
	}
	half, err := d.links.Unclaimed(ctx)
	if err != nil {
		return err
	}
	byName := make(map[string]link.Link, len(links))
	wanted := make(map[string]bool, len(w.endpoints))
	var errs []error
	for _, k := range links {
		byName[k.Name] = k
		_, id, _ := strings.Cut(strings.TrimPrefix(k.Alias, aliasPrefix(d.cfg.Owner)), ":")
		if _, ok := w.endpoints[id]; !ok {
			errs = append(errs, l.removeLink(ctx, k, id))
		}
	}
	for _, e := range w.endpoints {
		wanted[e.Link] = true
		n, ok := w.networks[e.Network]
		if !ok || !n.settled {
			continue
		}
		want := d.veth(n, e)
		if k, there := byName[e.Link]; !there || k.Alias != want.Alias || !k.Up || want.MTU != 0 && k.MTU != want.MTU {
			errs = append(errs, l.mendLink(ctx, n, e))
		}
	}
	return errors.Join(append(errs, l.removeHalves(ctx, half, wanted))...)
}

// mendLink puts the host's end of an endpoint's pair right, unless a verb is at work on the endpoint. An endpoint whose
// pair is gone is no more: the container's end went with it, and does not come back.
func (l *loop) mendLink(ctx context.Context, n network, e endpoint) error {
	d := l.d
	unlock, ok := d.locks.try(endpointKey(e.ID))
	if !ok {
		return nil
	}
	defer unlock()
	d.mu.Lock()
	now, known := d.world.endpoints[e.ID]
	d.mu.Unlock()
	if !known {
		return nil
	}
	_, there, err := d.links.Index(ctx, e.Link)
	switch {
	case err != nil:
		return err
	case !there && !now.attached:
		return nil // on its way out
	case !there:
		return l.loseEndpoint(ctx, n, e)
	}
	if err = d.links.EnsureVeth(ctx, d.veth(n, e)); errors.Is(err, link.ErrTaken) {
		l.log.Debug("link left alone", "endpoint", short(e.ID), "err", err) // somebody else's by now, or called so
		return nil
	}
	if err == nil {
		l.count(driftLink, 1)
		l.log.Warn("link was not what it should be: repaired", "link", e.Link, "endpoint", short(e.ID))
	}
	return err
}

// loseEndpoint takes an endpoint out of the world; what stood for it in the switch goes in the same audit. The caller has
// its lock.
func (l *loop) loseEndpoint(ctx context.Context, n network, e endpoint) error {
	d := l.d
	if moved, err := d.links.List(ctx, alias(d.cfg.Owner, n.ID, e.ID)); err != nil || len(moved) > 0 {
		return err // it has another name; the container still has its end
	}
	l.log.Warn("endpoint's link is gone, and with it the container's: removing its port", "endpoint", short(e.ID), "bridge", n.Bridge, "link", e.Link)
	l.count(driftLinkLost, 1)
	d.mu.Lock()
	d.world.dropEndpoint(e.ID)
	d.mu.Unlock()
	return errors.Join(d.unpublish(ctx, e.ID), d.journal.removeEndpoint(e.ID))
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
	l.count(driftLinkLeft, 1)
	return l.d.links.DeleteVeth(ctx, k.Name, k.Alias)
}

// halfPattern is what hosts' ends are called.
var halfPattern = regexp.MustCompile(`^` + hostPrefix + `[0-9a-z]{12}$`)

// removeHalves removes pairs that a process left half made, killed between the kernel's two requests: with our group,
// without an alias, both ends here, and so for longer than any verb takes.
func (l *loop) removeHalves(ctx context.Context, half []link.Link, wanted map[string]bool) error {
	now := time.Now()
	seen := make(map[int]time.Time, len(half))
	var errs []error
	for _, k := range half {
		if wanted[k.Name] || !k.PeerHere || k.Up || !halfPattern.MatchString(k.Name) {
			continue
		}
		since, before := l.halfMade[k.Index]
		if !before {
			since = now
		}
		if now.Sub(since) < orphanGrace {
			seen[k.Index] = since
			continue
		}
		l.log.Warn("link was left half made: removing it", "link", k.Name)
		l.count(driftLinkLeft, 1)
		errs = append(errs, l.d.links.DeleteVeth(ctx, k.Name, aliasPrefix(l.d.cfg.Owner)))
	}
	l.halfMade = seen
	return errors.Join(errs...)
}
