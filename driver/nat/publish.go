// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
)

// publication is what an endpoint has published.
type publication struct {
	endpoint Endpoint
	bindings []binding
	holds    []*hold
	elements elements
}

func (p *publication) published() []Published {
	out := make([]Published, 0, len(p.bindings))
	for _, b := range p.bindings {
		out = append(out, b.published())
	}
	slices.SortFunc(out, func(a, b Published) int {
		if c := int(a.HostPort) - int(b.HostPort); c != 0 {
			return c
		}
		if c := int(a.Proto) - int(b.Proto); c != 0 {
			return c
		}
		return a.HostIP.Compare(b.HostIP)
	})
	return out
}

// attempt is a change of one endpoint's ports that may still fail.
type attempt struct {
	f        *Firewall
	next     *publication
	old      *publication
	fresh    []*hold // taken
	released []*hold // that made way
}

// publish makes an endpoint's ports what e says; f's lock is held.
func (f *Firewall) publish(ctx context.Context, e Endpoint) error {
	n, ok := f.networks[e.Network]
	if !ok {
		return fmt.Errorf("endpoint %s: network %s: %w", short(e.ID), short(e.Network), ErrUnknownNetwork)
	}
	groups, err := plan(n, e)
	if err != nil {
		return err
	}
	f.holds.round++
	a := &attempt{f: f, old: f.endpoints[e.ID], next: &publication{endpoint: e, elements: elements{}}}
	if a.old == nil {
		a.old = &publication{}
	}
	for _, g := range groups {
		if err := a.choose(ctx, g); err != nil {
			a.undo(ctx)
			return err
		}
	}
	for _, b := range a.next.bindings {
		b.elements(a.next.elements)
	}
	f.endpoints[e.ID] = a.next
	if err := f.table.change(ctx, a.next.elements, a.old.elements.without(a.next.elements), f.wanted); err != nil {
		delete(f.endpoints, e.ID)
		if a.old.elements != nil {
			f.endpoints[e.ID] = a.old
		}
		a.undo(ctx)
		return fmt.Errorf("endpoint %s: publishing ports: %w", short(e.ID), err)
	}
	a.settle(ctx)
	return nil
}

// choose finds the host port of a group of bindings and takes it on all their addresses.
func (a *attempt) choose(ctx context.Context, group []binding) error {
	first := group[0]
	if first.routed {
		a.next.bindings = append(a.next.bindings, group...)
		return nil
	}
	var err error
	for _, port := range a.candidates(first) {
		if err = a.take(ctx, group, port); err == nil || !busy(err) {
			return err
		}
	}
	if first.from != first.to {
		return &PortError{
			Proto: first.proto, HostIP: first.hostIP, HostPort: first.from, HostPortEnd: first.to,
			Holder: "others, every one of them", Err: errors.Unwrap(err),
		}
	}
	return err
}

// freeTries is how often a port that the kernel chose on one address may be taken on the next.
const freeTries = 64

// candidates gives the ports to try, the one that the endpoint has before all; 0 is any free one.
func (a *attempt) candidates(b binding) []uint16 {
	var out []uint16
	if b.from == b.to && b.from != 0 {
		return append(out, b.from)
	}
	for _, o := range a.old.bindings {
		if o.same(b) {
			out = append(out, o.port)
		}
	}
	if b.from == 0 {
		return append(out, make([]uint16, freeTries)...)
	}
	for p := int(b.from); p <= int(b.to); p++ {
		out = append(out, uint16(p)) // #nosec G115 -- bounded by to
	}
	return out
}

// take takes one port on all addresses of a group, or none.
func (a *attempt) take(ctx context.Context, group []binding, port uint16) error {
	before, taken := len(a.fresh), []binding{}
	var held []*hold
	for _, b := range group {
		at := netip.AddrPortFrom(b.hostIP, port)
		h, fresh, released, err := a.f.holds.take(ctx, a.next.endpoint.ID, b.proto, at, b.target)
		a.released = append(a.released, released...)
		if err != nil && b.implicit && noFamily(err) && !busy(err) {
			continue
		}
		if fresh {
			a.fresh = append(a.fresh, h)
		}
		if err == nil {
			held = append(held, h)
			b.port = h.at.Port()
			if port == 0 && a.f.table.has(b) {
				err = syscall.EADDRINUSE // by an endpoint that was not given again yet since the start
			}
			port = b.port
		}
		if err != nil {
			for _, h := range a.fresh[before:] {
				a.f.holds.release(h)
			}
			a.fresh = a.fresh[:before]
			for _, h := range held {
				h.used = 0 // it is the endpoint's still, but not in this round
			}
			e := &PortError{Proto: b.proto, HostIP: b.hostIP, HostPort: b.from, Err: err}
			if busy(err) {
				e.Holder = holder(err, b.proto, netip.AddrPortFrom(b.hostIP, port))
			}
			return e
		}
		taken = append(taken, b)
	}
	a.next.bindings = append(a.next.bindings, taken...)
	a.next.holds = append(a.next.holds, held...)
	return nil
}

// undo leaves everything as it was.
func (a *attempt) undo(ctx context.Context) {
	for _, h := range a.fresh {
		a.f.holds.release(h)
	}
	for _, h := range a.released {
		if err := a.f.holds.restore(context.WithoutCancel(ctx), h, a.old.target(h)); err != nil {
			a.f.log.Warn("published port: could not be held again", "at", h.at, "proto", protoName(h.proto), "err", err)
		}
	}
}

// settle ends what the new ports have replaced.
func (a *attempt) settle(ctx context.Context) {
	for _, h := range a.next.holds {
		if h.relay != nil && a.old.target(h) != a.next.target(h) && !slices.Contains(a.fresh, h) {
			h.relay.retarget(a.next.target(h))
		}
	}
	for _, h := range a.old.holds {
		if h.used != a.f.holds.round && !slices.Contains(a.released, h) {
			a.f.holds.release(h)
		}
	}
	came, gone := differ(a.old.bindings, a.next.bindings)
	a.f.forget(ctx, came, gone)
	for _, b := range gone {
		a.f.log.Info("port withdrawn", "port", b.published(), "endpoint", short(a.next.endpoint.ID))
	}
	for _, b := range came {
		a.f.log.Info("port published", "port", b.published(), "endpoint", short(a.next.endpoint.ID))
	}
}

// target gives the container behind a hold; zero if there is none.
func (p *publication) target(h *hold) netip.AddrPort {
	for _, b := range p.bindings {
		if !b.routed && b.proto == h.proto && b.hostIP == h.at.Addr() && b.port == h.at.Port() {
			return b.target
		}
	}
	return netip.AddrPort{}
}

// differ gives what is in next only, and what is in old only.
func differ(old, next []binding) (came, gone []binding) {
	same := func(a, b binding) bool { return a.published() == b.published() }
	for _, b := range next {
		if !slices.ContainsFunc(old, func(o binding) bool { return same(o, b) }) {
			came = append(came, b)
		}
	}
	for _, o := range old {
		if !slices.ContainsFunc(next, func(b binding) bool { return same(o, b) }) {
			gone = append(gone, o)
		}
	}
	return came, gone
}
