// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Options are what New takes.
type Options struct {
	// Owner names the table: "ovsnet", or "ovsnet-<owner>" for another owner. Empty is ovsnet.
	Owner string
	// ProcSys is where the host's /proc/sys can be written; empty: /proc/sys.
	ProcSys string
	// SystemBus is the path of the host's D-Bus, for firewalld; empty: the usual one.
	SystemBus string
	// Log is told once per change; nil: slog's default.
	Log *slog.Logger
}

// owner is the name of the table of the usual owner.
const owner = "ovsnet"

// Firewall keeps the host's firewall. It is safe for concurrent use.
type Firewall struct {
	log      *slog.Logger
	version  string // of nft
	sys      sysctls
	backends []backend

	lock    chan struct{} // one at a time; a channel, so that waiting ends with the caller's context
	begun   bool          // what an earlier run left was read
	closed  bool
	table   *table
	forward *forwarding
	accepts accepts
	zones   zones
	holds   *holds
	found   string // what was last logged of the host

	networks  map[string]Network
	fixed     elements // all that does not belong to an endpoint
	endpoints map[string]*publication

	mu        sync.Mutex // guards published, which EndpointOperInfo asks for at any time
	published map[string][]Published
	isolated  atomic.Pointer[[]Network]
}

// New looks for nft and the right to use it. It changes nothing.
func New(ctx context.Context, o Options) (*Firewall, error) {
	name := owner
	if o.Owner != "" && o.Owner != owner {
		name += "-" + o.Owner
	}
	if o.ProcSys == "" {
		o.ProcSys = "/proc/sys"
	}
	if o.SystemBus == "" {
		o.SystemBus = "/run/dbus/system_bus_socket"
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	t, err := openTable(name)
	if err != nil {
		return nil, err
	}
	version, err := runNFT(ctx, "--version")
	if err != nil {
		return nil, err
	}
	f := &Firewall{
		log: o.Log, version: strings.TrimSpace(string(version)), sys: sysctls{o.ProcSys}, backends: backends(),
		lock: make(chan struct{}, 1), table: t, accepts: accepts{prefix: name + "/"}, zones: zones{bus: o.SystemBus, in: map[string]string{}},
		networks: map[string]Network{}, fixed: elements{}, endpoints: map[string]*publication{},
		published: map[string][]Published{},
	}
	f.forward = &forwarding{sys: f.sys, log: o.Log, opened: map[string][]string{}}
	f.holds = &holds{log: o.Log, admit: f.admit, byNum: map[portNumber][]*hold{}}
	return f, nil
}

// enter waits for its turn; the caller gives it back with leave.
func (f *Firewall) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case f.lock <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("waiting for the firewall: %w", ctx.Err())
	}
	if f.closed {
		f.leave()
		return ErrClosed
	}
	if f.begun {
		return nil
	}
	left, err := f.table.read(ctx)
	if err != nil {
		f.leave()
		return err
	}
	f.forward.recall(left)
	f.fixed = f.forward.elements()
	f.begun = true
	return nil
}

func (f *Firewall) leave() { <-f.lock }

// EnsureNetwork takes a network in, or changes it, and makes the host forward for it. It waits for nothing: the link
// may come later (its sysctls are then set by Audit), and so may the peers. One that is as it was costs nothing.
func (f *Firewall) EnsureNetwork(ctx context.Context, n Network) error {
	if err := n.validate(); err != nil {
		return err
	}
	if err := f.enter(ctx); err != nil {
		return err
	}
	defer f.leave()
	for _, o := range f.networks {
		if o.Bridge == n.Bridge && o.ID != n.ID {
			return fmt.Errorf("network %s: link %s is the gateway of network %s: %w", short(n.ID), n.Bridge, short(o.ID), ErrInvalid)
		}
	}
	n = n.clone()
	before, had := f.networks[n.ID]
	if had && before.equal(n) {
		return nil
	}
	f.networks[n.ID] = n
	if _, err := f.settle(ctx); err != nil {
		delete(f.networks, n.ID)
		if had {
			f.networks[n.ID] = before
		}
		_, undo := f.settle(context.WithoutCancel(ctx))
		return errors.Join(fmt.Errorf("network %s: %w", short(n.ID), err), undo)
	}
	if had {
		return f.republish(ctx, n.ID)
	}
	return nil
}

// republish applies a network's changed settings to its endpoints.
func (f *Firewall) republish(ctx context.Context, id string) error {
	var errs []error
	for _, p := range slices.Collect(maps.Values(f.endpoints)) {
		if p.endpoint.Network == id {
			errs = append(errs, f.publish(ctx, p.endpoint))
			f.show(p.endpoint.ID)
		}
	}
	return errors.Join(errs...)
}

// RemoveNetwork removes a network and the published ports on it. With the last network go the table, the accepts
// in DOCKER-USER and the sysctls that were set, unless somebody else needs them. An unknown network is no error.
func (f *Firewall) RemoveNetwork(ctx context.Context, id string) error {
	if err := f.enter(ctx); err != nil {
		return err
	}
	defer f.leave()
	n, ok := f.networks[id]
	if !ok {
		return nil
	}
	var errs []error
	for _, p := range slices.Collect(maps.Values(f.endpoints)) {
		if p.endpoint.Network == id {
			errs = append(errs, f.unpublish(ctx, p.endpoint.ID))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	delete(f.networks, id)
	if _, err := f.settle(ctx); err != nil {
		f.networks[id] = n
		return fmt.Errorf("network %s: %w", short(id), err)
	}
	f.forward.close(n)
	return nil
}

// settle brings everything that follows from the networks in line with them. It counts what it changed outside of
// the table.
func (f *Firewall) settle(ctx context.Context) (int, error) {
	f.tellIsolated()
	if len(f.networks) == 0 {
		return 0, f.clear(ctx)
	}
	changed, err := f.forward.ensure(f.networks)
	if err != nil {
		return changed, err
	}
	next := networkElements(f.networks)
	next.add(f.forward.elements())
	last := f.fixed
	f.fixed = next
	if err = f.table.change(ctx, next, last.without(next), f.wanted); err != nil {
		return changed, err
	}
	more, err := f.accept(ctx)
	return changed + more, err
}

// accept brings the chains DOCKER-USER in line, and logs what the host looks like when that is news.
func (f *Firewall) accept(ctx context.Context) (int, error) {
	s := f.look(ctx)
	s.judge(f.networks)
	changed := 0
	for i, b := range s.users {
		c, err := f.accepts.ensure(b, f.accepts.want(b.v6, f.networks, s.docker[i]))
		if err != nil {
			return changed, err
		}
		changed += c
	}
	changed += f.zone(ctx)
	s.addZones(f.zones)
	f.news(s.State)
	return changed, nil
}

// clear removes everything of ours from the host.
func (f *Firewall) clear(ctx context.Context) error {
	if err := f.table.remove(ctx); err != nil {
		return err
	}
	f.fixed = elements{}
	s := f.look(ctx)
	for _, b := range s.users {
		if _, err := f.accepts.ensure(b, nil); err != nil {
			return err
		}
	}
	f.zone(ctx)
	others, err := f.needed(ctx)
	if err != nil {
		f.log.Warn("IPv6 forwarding: who else needs it could not be found out", "err", err)
		others = true
	}
	return f.forward.undo(others)
}

// wanted gives all that the table should hold.
func (f *Firewall) wanted() elements {
	e := maps.Clone(f.fixed)
	for _, p := range f.endpoints {
		e.add(p.elements)
	}
	return e
}

// Publish makes the endpoint's ports what e says: ports that it had and that e has not are withdrawn, others stay,
// with the host port that was chosen for them. It returns all of them. A port that somebody has gives a *PortError,
// and everything is as it was before.
//
// After a restart the caller gives every endpoint again, with the host ports that Published gave: the table still
// has them, and traffic is not disturbed.
func (f *Firewall) Publish(ctx context.Context, e Endpoint) ([]Published, error) {
	if e.ID == "" {
		return nil, fmt.Errorf("endpoint without an id: %w", ErrInvalid)
	}
	if err := f.enter(ctx); err != nil {
		return nil, err
	}
	defer f.leave()
	e.Addrs, e.Ports = slices.Clone(e.Addrs), slices.Clone(e.Ports)
	if err := f.publish(ctx, e); err != nil {
		return nil, err
	}
	return f.show(e.ID), nil
}

// Unpublish withdraws an endpoint's ports. An unknown endpoint is no error.
func (f *Firewall) Unpublish(ctx context.Context, endpointID string) error {
	if err := f.enter(ctx); err != nil {
		return err
	}
	defer f.leave()
	return f.unpublish(ctx, endpointID)
}

func (f *Firewall) unpublish(ctx context.Context, id string) error {
	p, ok := f.endpoints[id]
	if !ok {
		return nil
	}
	e := p.endpoint
	e.Ports = nil
	if err := f.publish(ctx, e); err != nil {
		return err
	}
	delete(f.endpoints, id)
	f.show(id)
	return nil
}

// Published gives the ports of an endpoint that stand. It waits for nothing.
func (f *Firewall) Published(endpointID string) []Published {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.published[endpointID])
}

// show makes an endpoint's ports known to Published.
func (f *Firewall) show(id string) []Published {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, ok := f.endpoints[id]
	if !ok {
		delete(f.published, id)
		return nil
	}
	f.published[id] = p.published()
	return slices.Clone(f.published[id])
}

// tellIsolated makes known to the relays who must not be served.
func (f *Firewall) tellIsolated() {
	var out []Network
	for _, n := range f.networks {
		if n.IPv4.mode() == ModeIsolated || n.IPv6.mode() == ModeIsolated {
			out = append(out, n)
		}
	}
	f.isolated.Store(&out)
}

// admit tells whether a relay may serve a client: translated, the packets of an isolated network are dropped.
func (f *Firewall) admit(client net.Addr) bool {
	a, err := netip.ParseAddrPort(client.String())
	list := f.isolated.Load()
	if err != nil || list == nil {
		return err == nil
	}
	ip := a.Addr().Unmap()
	for _, n := range *list {
		fam := n.family(ip.Is6())
		if fam.mode() == ModeIsolated && (ip.Zone() == n.Bridge || slices.ContainsFunc(fam.Subnets, func(p netip.Prefix) bool { return p.Contains(ip) })) {
			return false
		}
	}
	return true
}

// Close releases the sockets. The rules stay, so that traffic goes on.
func (f *Firewall) Close() error {
	f.lock <- struct{}{}
	defer f.leave()
	if f.closed {
		return nil
	}
	f.closed = true
	for _, p := range f.endpoints {
		for _, h := range p.holds {
			f.holds.release(h)
		}
	}
	return nil
}
