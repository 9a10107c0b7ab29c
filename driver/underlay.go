// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/driver/link"
	"github.com/ovsnet/ovsnet/ovsdb"
)

// underlayState is what is known of the network between the hosts: looked up when it is first asked for, and in each audit.
// Driver.mu guards it.
type underlayState struct {
	paths map[netip.Addr]link.Path // the ways to peers
	// local4 and local6 are this host's addresses that tunnels are to use, zero where nobody says; known says that they
	// have been looked up.
	local4, local6 netip.Addr
	known          bool
	// said is what the log has of networks that the underlay is too small for.
	said map[string]string
}

// overhead is the bytes that a tunnel puts before an inner IP packet: the inner Ethernet header (14), the tunnel's own
// (VXLAN, RFC 7348; Geneve without options, RFC 8926; GRE with a key, RFC 2890), UDP's (8), and the outer IP header.
func overhead(kind string, v6 bool) int {
	n := 14 + 8 + 8 + 20
	if kind == config.TunnelGRE {
		n = 14 + 8 + 20
	}
	if v6 {
		n += 20
	}
	return n
}

// room is the largest packet that a tunnel carries.
type room struct {
	mtu int
	sum string // how it comes about
	// lost says that no peer can be reached at all by now: the daemon's mtu stands in for the underlay's.
	lost bool
}

// roomOf works out the largest packet that reaches every peer of a network. Without a peer it takes the daemon's mtu for
// the underlay's.
func (d *Driver) roomOf(ctx context.Context, t config.Tunnel, peers []netip.Addr) (room, error) {
	least := room{}
	take := func(mtu int, of string, v6 bool) {
		over := overhead(t.Type, v6)
		if least.sum != "" && mtu-over >= least.mtu {
			return
		}
		family := "IPv4"
		if v6 {
			family = "IPv6"
		}
		least = room{mtu: mtu - over, sum: fmt.Sprintf("%d bytes of %s less %d of %s over %s leave %d", mtu, of, over, t.Type, family, mtu-over)}
	}
	for _, a := range peers {
		p, err := d.pathTo(ctx, a)
		switch {
		case errors.Is(err, link.ErrNoRoute):
			continue // nothing reaches it anyhow
		case err != nil:
			return least, err
		}
		take(p.MTU, p.Link, a.Is6())
	}
	if least.sum == "" {
		local, err := d.localFor(ctx, peers)
		if err != nil {
			return least, err
		}
		take(d.cfg.MTU, "the daemon's mtu", local.Is6())
		least.lost = len(peers) > 0
	}
	return least, nil
}

// pathTo gives the way to a peer, from memory if it has been looked up.
func (d *Driver) pathTo(ctx context.Context, a netip.Addr) (link.Path, error) {
	d.mu.Lock()
	p, ok := d.under.paths[a]
	d.mu.Unlock()
	if ok {
		return p, nil
	}
	p, err := d.links.PathTo(ctx, a)
	if err == nil {
		d.mu.Lock()
		if d.under.paths == nil {
			d.under.paths = map[netip.Addr]link.Path{}
		}
		d.under.paths[a] = p
		d.mu.Unlock()
	}
	return p, err
}

// fitMTU gives a new network the MTU that its tunnels have room for, or says why the one that was asked for has none.
func (d *Driver) fitMTU(ctx context.Context, rec *record, opts config.Network) error {
	rec.AutoMTU = opts.MTU == 0
	d.mu.Lock()
	old, ok := d.world.networks[rec.ID]
	d.mu.Unlock()
	if ok { // it stands: the audit sees to it
		if rec.AutoMTU {
			rec.MTU = old.MTU
		}
		return nil
	}
	r, err := d.roomOf(ctx, opts.Tunnel, d.peersOf(network{record: *rec, opts: opts}))
	if err != nil {
		return err
	}
	if rec.AutoMTU {
		rec.MTU = r.mtu
	}
	return r.holds(rec.MTU, rec.IPv6)
}

// holds says why packets of that size don't fit.
func (r room) holds(mtu int, ipv6 bool) error {
	least, who := config.MinMTU, "IPv4"
	if ipv6 {
		least, who = config.MinMTU6, "IPv6"
	}
	switch {
	case r.mtu < least:
		return fmt.Errorf("the tunnel is too small: %s, and %s needs %d; raise the underlay's MTU", r.sum, who, least)
	case mtu > r.mtu:
		return fmt.Errorf("ovs.bridge.mtu=%d: does not fit the tunnel: %s; give at most that, leave the option out, or raise the underlay's MTU", mtu, r.sum)
	}
	return nil
}

// locals gives this host's addresses that tunnels are to use, zero where nobody says: by the setting, else by Swarm.
func (d *Driver) locals(ctx context.Context) (v4, v6 netip.Addr, err error) {
	d.mu.Lock()
	u := d.under
	d.mu.Unlock()
	if u.known {
		return u.local4, u.local6, nil
	}
	v4, v6, err = d.findLocals(ctx)
	if err == nil {
		d.mu.Lock()
		d.under.local4, d.under.local6, d.under.known = v4, v6, true
		d.mu.Unlock()
	}
	return v4, v6, err
}

func (d *Driver) findLocals(ctx context.Context) (v4, v6 netip.Addr, err error) {
	set := d.cfg.TunnelAddress
	if set == "" {
		return families(d.discoveredSelf())
	}
	if a, bad := netip.ParseAddr(set); bad == nil {
		return families(a)
	}
	hosts, err := d.hostsOf(ctx, set)
	if err != nil {
		return v4, v6, err
	}
	for _, host := range hosts {
		switch {
		case host.IsLinkLocalUnicast():
		case host.Is4() && !v4.IsValid():
			v4 = host
		case host.Is6() && !v6.IsValid():
			v6 = host
		}
	}
	if !v4.IsValid() && !v6.IsValid() {
		return v4, v6, fmt.Errorf("tunnel_address=%s: this host has no such address; correct the setting, or give the interface one", set)
	}
	return v4, v6, nil
}

// hostsOf gives this host's addresses in a prefix or on an interface.
func (d *Driver) hostsOf(ctx context.Context, set string) ([]netip.Addr, error) {
	if prefix, err := netip.ParsePrefix(set); err == nil {
		all, err := d.links.Addresses(ctx)
		return slices.DeleteFunc(all, func(a netip.Addr) bool { return !prefix.Contains(a) }), err
	}
	all, err := d.links.AddressesOf(ctx, set)
	hosts := make([]netip.Addr, len(all))
	for i, p := range all {
		hosts[i] = p.Addr()
	}
	return hosts, err
}

// families puts an address with its kind.
func families(a netip.Addr) (v4, v6 netip.Addr, _ error) {
	if a.Is4() {
		return a, v6, nil
	}
	return v4, a, nil
}

// localFor is the address of this host that a network's tunnel is held to. It is one: with peers of both families a tunnel
// is held to none, and the routes say.
func (d *Driver) localFor(ctx context.Context, peers []netip.Addr) (netip.Addr, error) {
	v4, v6, err := d.locals(ctx)
	if err != nil {
		return netip.Addr{}, err
	}
	has6 := slices.ContainsFunc(peers, netip.Addr.Is6)
	has4 := slices.ContainsFunc(peers, netip.Addr.Is4)
	switch {
	case has4 && has6, !has4 && !has6 && v4.IsValid() && v6.IsValid():
		return netip.Addr{}, nil
	case has6, !has4 && v6.IsValid():
		return v6, nil
	}
	return v4, nil
}

// tunnelRow is the row of the network's tunnel as its peers and the host's addresses ask for it.
func (d *Driver) tunnelRow(ctx context.Context, n network, peers []netip.Addr) (ovsdb.Port, error) {
	local, err := d.localFor(ctx, peers)
	if err != nil {
		return ovsdb.Port{}, fmt.Errorf("network %s: %w", short(n.ID), err)
	}
	return d.tunnelPort(n, local), nil
}

// followUnderlay looks the underlay up again and gives the networks that follow it their new MTU. Containers keep theirs
// until they are connected again: the end that matters is theirs.
func (d *Driver) followUnderlay(ctx context.Context) error {
	d.mu.Lock()
	nets := maps.Clone(d.world.networks)
	d.mu.Unlock()
	maps.DeleteFunc(nets, func(_ string, n network) bool { return !n.settled || !n.overlay() })
	if len(nets) == 0 {
		return nil
	}
	d.mu.Lock()
	d.under.paths, d.under.known = nil, false
	d.mu.Unlock()
	var errs []error
	for _, n := range nets {
		r, err := d.roomOf(ctx, n.opts.Tunnel, d.peersOf(n))
		if err != nil {
			errs = append(errs, fmt.Errorf("network %s: %w", short(n.ID), err))
			continue
		}
		if !r.lost { // the way comes back, and is what it was
			errs = append(errs, d.refit(n, r))
		}
	}
	return errors.Join(errs...)
}

// reconsider has an audit done where other peers mean another MTU, or another address to hold the network's tunnel to.
func (d *Driver) reconsider(ctx context.Context, n network, had, have []netip.Addr) error {
	r, err := d.roomOf(ctx, n.opts.Tunnel, have)
	before, bad := d.localFor(ctx, had)
	now, worse := d.localFor(ctx, have)
	if err == nil && n.AutoMTU && !r.lost && r.mtu != n.MTU || before != now {
		d.loop.want()
	}
	return errors.Join(err, bad, worse)
}

// refit gives a network that follows the underlay the MTU that there is room for.
func (d *Driver) refit(n network, r room) error {
	mtu := n.MTU
	if n.AutoMTU {
		mtu = r.mtu
	}
	bad := r.holds(mtu, n.IPv6)
	d.mu.Lock()
	said := d.under.said[n.ID]
	if bad == nil {
		delete(d.under.said, n.ID)
	} else {
		if d.under.said == nil {
			d.under.said = map[string]string{}
		}
		d.under.said[n.ID] = bad.Error()
	}
	now, ok := d.world.networks[n.ID]
	change := bad == nil && ok && now.settled && now.MTU != mtu
	if change {
		now.MTU = mtu
		d.world.networks[n.ID] = now
	}
	d.mu.Unlock()
	if bad != nil && said != bad.Error() {
		d.log.Warn("packets of the network don't fit the underlay", "network", short(n.ID), "mtu", n.MTU, "err", bad)
	}
	if !change {
		return nil
	}
	d.log.Warn("MTU follows the underlay's; containers keep theirs until they are connected again",
		"network", short(n.ID), "was", n.MTU, "is", mtu, "why", r.sum)
	return d.journal.save(now.record)
}

// watchUnderlay has an audit done when the MTU of a link that leads to peers changes.
func (d *Driver) watchUnderlay(ctx context.Context) {
	err := d.links.Watch(ctx, func(name string, mtu int) {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, p := range d.under.paths {
			if p.Link == name && p.MTU > mtu || p.Link == name && p.MTU < mtu && !p.Narrow {
				d.loop.want()
				return
			}
		}
	}, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.under.paths) > 0 {
			d.loop.want()
		}
	})
	if err != nil {
		d.log.Warn("changes of the underlay's MTU are seen by the audit alone", "err", err)
	}
}
