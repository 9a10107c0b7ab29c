// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/driver/api"
	"github.com/ovsnet/ovsnet/driver/link"
	"github.com/ovsnet/ovsnet/driver/nat"
)

// outside is the network as the firewall sees it. others are searched for the peers it names.
func (n network) outside(others map[string]network) nat.Network {
	o := n.opts.Outside
	out := nat.Network{
		ID: n.ID, Bridge: n.Bridge, ClampMSS: o.ClampMSS,
		IPv4: nat.Family{Mode: nat.Mode(n.mode(false)), Masquerade: o.Masquerade, HostBinding: o.HostBinding4},
		IPv6: nat.Family{Mode: nat.Mode(n.mode(true)), Masquerade: o.Masquerade, HostBinding: o.HostBinding6},
	}
	for _, p := range n.Pools {
		f := &out.IPv4
		if p.Subnet.Addr().Is6() {
			f = &out.IPv6
		}
		f.Subnets = append(f.Subnets, p.Subnet)
		if !f.Gateway.IsValid() && p.Gateway.IsValid() && (!o.InhibitIPv4 || p.Gateway.Addr().Is6()) {
			f.Gateway = p.Gateway.Addr()
		}
	}
	for _, f := range []*nat.Family{&out.IPv4, &out.IPv6} {
		if f.Mode == config.ModeFlat || !n.hasGateway() { // the host is no part of it
			*f = nat.Family{Mode: nat.ModeIsolated, Subnets: f.Subnets}
		}
	}
	out.Peers = n.meant(others)
	return out
}

// openOutside lets the network meet the world outside as its mode says. Networks that name peers are told again: the
// new one may be who they mean.
func (d *Driver) openOutside(ctx context.Context, n network) error {
	d.mu.Lock()
	all := maps.Clone(d.world.networks)
	d.mu.Unlock()
	all[n.ID] = n
	if d.cfg.DockerSocket != "" {
		defer d.askForNames()
	}
	errs := []error{d.ensureOutside(ctx, n, all)}
	for id, other := range all {
		if id != n.ID && len(other.opts.Outside.Peers) > 0 {
			done, err := d.refreshOutside(ctx, id)
			errs = append(errs, err)
			if !done {
				d.loop.want()
			}
		}
	}
	return errors.Join(errs...)
}

// refreshOutside tells the firewall of a network again, unless a verb is making or removing it.
func (d *Driver) refreshOutside(ctx context.Context, id string) (done bool, err error) {
	unlock, ok := d.locks.try(networkKey(id))
	if !ok {
		return false, nil
	}
	defer unlock()
	d.mu.Lock()
	all := maps.Clone(d.world.networks)
	d.mu.Unlock()
	n, ok := all[id]
	if !ok || !n.settled {
		return true, nil
	}
	return true, d.ensureOutside(ctx, n, all)
}

// The firewall knows the ports of the switch by their links' group.
var _ = [1]struct{}{}[link.Group-nat.PortGroup]

func (d *Driver) ensureOutside(ctx context.Context, n network, all map[string]network) error {
	if !n.hasGateway() && (!n.datapath().SeenTwice || d.fw == nil) {
		return nil
	}
	if d.fw == nil {
		return fmt.Errorf("network %s: %w", short(n.ID), d.fwErr)
	}
	if err := d.fw.EnsureNetwork(ctx, n.outside(all)); err != nil {
		return fmt.Errorf("network %s: %w", short(n.ID), err)
	}
	return nil
}

// closeOutside takes back what openOutside did.
func (d *Driver) closeOutside(ctx context.Context, n network) error {
	if d.fw == nil {
		return nil
	}
	if err := d.fw.RemoveNetwork(ctx, n.ID); err != nil {
		return fmt.Errorf("network %s: %w", short(n.ID), err)
	}
	return nil
}

// ProgramExternalConnectivity publishes the endpoint's ports, instead of any that an earlier call published.
func (o *door) ProgramExternalConnectivity(ctx context.Context, r api.ProgramExternalConnectivityRequest) error {
	d := o.d
	unlock, err := d.lockEndpoint(ctx, r.NetworkID, r.EndpointID)
	if err != nil {
		return err
	}
	defer unlock()
	n, e, err := d.find(r.NetworkID, r.EndpointID)
	if err != nil {
		return err
	}
	if len(r.PortBindings) == 0 {
		return d.unpublish(ctx, e.ID)
	}
	if !n.hasGateway() {
		return fmt.Errorf("endpoint %s: network %s has no gateway on this host to publish ports by; leave out --publish", short(e.ID), short(n.ID))
	}
	ports := make([]nat.Port, 0, len(r.PortBindings))
	for _, b := range r.PortBindings {
		ports = append(ports, nat.Port{
			Proto: b.Proto, HostIP: b.HostIP, HostPort: b.HostPort, HostPortEnd: b.HostPortEnd, Target: b.IP, TargetPort: b.Port,
		})
	}
	return d.publish(ctx, n, e, ports)
}

// RevokeExternalConnectivity withdraws the endpoint's ports. Engines do not always say it: Leave does the same.
func (o *door) RevokeExternalConnectivity(ctx context.Context, r api.RevokeExternalConnectivityRequest) error {
	unlock, err := o.d.lockEndpoint(ctx, r.NetworkID, r.EndpointID)
	if err != nil {
		return err
	}
	defer unlock()
	return o.d.unpublish(ctx, r.EndpointID)
}

// publish makes the endpoint's ports those given and writes down which host ports they got.
func (d *Driver) publish(ctx context.Context, n network, e endpoint, ports []nat.Port) error {
	if d.fw == nil {
		return fmt.Errorf("endpoint %s: %w", short(e.ID), d.fwErr)
	}
	stand, err := d.fw.Publish(ctx, nat.Endpoint{ID: e.ID, Network: n.ID, Addrs: e.hosts(), Ports: ports})
	if err != nil {
		return fmt.Errorf("endpoint %s: %w", short(e.ID), err)
	}
	if err = d.journal.savePorts(e.ID, kept(stand)); err != nil {
		d.undo(ctx, "ports of endpoint "+short(e.ID), func(ctx context.Context) error { return d.fw.Unpublish(ctx, e.ID) })
	}
	return err
}

// kept is what the journal keeps of published ports: they are asked for again with the host ports that they got.
func kept(stand []nat.Published) []nat.Port {
	out := make([]nat.Port, 0, len(stand))
	for _, p := range stand {
		k := nat.Port{Proto: p.Proto, HostPort: p.HostPort, Target: p.Target.Addr(), TargetPort: p.Target.Port()}
		if p.HostPort != 0 {
			k.HostIP = p.HostIP
		}
		out = append(out, k)
	}
	return out
}

// unpublish withdraws the endpoint's ports.
func (d *Driver) unpublish(ctx context.Context, endpointID string) error {
	var err error
	if d.fw != nil {
		err = d.fw.Unpublish(ctx, endpointID)
	}
	return errors.Join(err, d.journal.removePorts(endpointID))
}

// published tells of the endpoint's ports in docker ps's words.
func (d *Driver) published(endpointID string) []string {
	if d.fw == nil {
		return nil
	}
	var out []string
	for _, p := range d.fw.Published(endpointID) {
		out = append(out, p.String())
	}
	return out
}

// hosts are the endpoint's addresses without their subnets.
func (e endpoint) hosts() []netip.Addr {
	out := make([]netip.Addr, 0, len(e.Addresses))
	for _, a := range e.Addresses {
		out = append(out, a.Addr())
	}
	return out
}

// watchFirewall repairs the firewall at once when somebody else has changed it.
func (d *Driver) watchFirewall(ctx context.Context) {
	if err := d.fw.Watch(ctx, func() { d.mendFirewall(ctx) }); err != nil {
		d.log.Warn("changes to the host's firewall are seen by the audit alone", "err", err)
	}
}

// mendFirewall repairs the firewall alone. What fails is left to the audit, which tries on.
func (d *Driver) mendFirewall(ctx context.Context) {
	select {
	case <-d.restored:
	default:
		return // the first audit is still to come
	}
	ctx, cancel := context.WithTimeout(ctx, d.cfg.VerbTimeout)
	defer cancel()
	d.mu.Lock()
	w := d.world.snapshot()
	d.mu.Unlock()
	if err := d.loop.compareOutside(ctx, w); err != nil {
		d.log.Warn("firewall could not be repaired; leaving it to the audit", "err", err)
		d.loop.want()
	}
}

// want asks for an audit soon.
func (l *loop) want() {
	select {
	case l.wanted <- struct{}{}:
	default: // it is asked for already
	}
}

// compareOutside makes the firewall what it should be. What an earlier run of ours published is published again, on
// the same host ports.
func (l *loop) compareOutside(ctx context.Context, w world) error {
	d := l.d
	if d.fw == nil {
		return nil
	}
	d.mending.Lock()
	defer d.mending.Unlock()
	var errs []error
	for _, n := range w.networks {
		if n.settled {
			_, err := d.refreshOutside(ctx, n.ID)
			errs = append(errs, err)
		}
	}
	saved, _ := d.journal.loadPorts() // of one that can't be read compareJournal tells
	for id, ports := range saved {
		if _, ok := w.endpoints[id]; !ok {
			errs = append(errs, l.forgetPorts(id))
		} else if len(d.fw.Published(id)) == 0 {
			errs = append(errs, d.republish(ctx, id, ports))
		}
	}
	repaired, err := d.fw.Audit(ctx)
	l.count(driftFirewall, repaired)
	if repaired > 0 {
		l.log.Info("firewall repaired", "changes", repaired)
	}
	return errors.Join(append(errs, err)...)
}

// republish publishes what an earlier run of ours has published, unless a verb is working on the endpoint.
func (d *Driver) republish(ctx context.Context, id string, ports []nat.Port) error {
	unlock, ok := d.locks.try(endpointKey(id))
	if !ok {
		return nil
	}
	defer unlock()
	d.mu.Lock()
	e := d.world.endpoints[id]
	n := d.world.networks[e.Network]
	d.mu.Unlock()
	if !n.settled || !e.attached || len(d.fw.Published(id)) > 0 {
		return nil
	}
	_, err := d.fw.Publish(ctx, nat.Endpoint{ID: id, Network: n.ID, Addrs: e.hosts(), Ports: ports})
	return err
}

// forgetPorts removes what is kept of the ports of an endpoint that no longer exists, unless a verb has since begun to
// work on it.
func (l *loop) forgetPorts(endpointID string) error {
	unlock, ok := l.d.locks.try(endpointKey(endpointID))
	if !ok {
		return nil
	}
	defer unlock()
	l.d.mu.Lock()
	_, known := l.d.world.endpoints[endpointID]
	l.d.mu.Unlock()
	if known {
		return nil
	}
	return l.d.journal.removePorts(endpointID)
}
