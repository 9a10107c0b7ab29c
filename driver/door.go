// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/driver/api"
)

// door is Docker's view of the driver through one socket.
type door struct {
	d           *Driver
	name, scope string
}

var _ api.Driver = (*door)(nil)

// idPattern is what Docker's ids look like: 64 characters of hex, or 25 of base 36 from Swarm. Ids become file names.
var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)

func checkIDs(ids ...string) error {
	for _, id := range ids {
		if !idPattern.MatchString(id) {
			return fmt.Errorf("id %q: must be 1 to 128 letters, digits, dots, dashes and underscores", id)
		}
	}
	return nil
}

// GetCapabilities answers with the door's own scope. Connectivity is global in both, so that a Swarm tells its nodes.
func (o *door) GetCapabilities(context.Context) (api.Capabilities, error) {
	return api.Capabilities{Scope: o.scope, ConnectivityScope: api.ScopeGlobal, GwAllocChecker: true}, nil
}

// GwAllocCheck lets IPAM reserve gateways always, as engines without this verb do: a network has the same addresses
// everywhere.
func (o *door) GwAllocCheck(_ context.Context, r api.GwAllocCheckRequest) (api.GwAllocCheckResponse, error) {
	_, err := config.ParseNetwork(r.Generic(), r.Options)
	return api.GwAllocCheckResponse{}, err
}

// CreateNetwork makes the network's bridge.
func (o *door) CreateNetwork(ctx context.Context, r api.CreateNetworkRequest) error {
	d := o.d
	if err := checkIDs(r.NetworkID); err != nil {
		return err
	}
	rec, err := d.record(ctx, o.name, r)
	if err != nil {
		return err
	}
	rec.Swarm = o.scope == api.ScopeGlobal
	if err = d.ready(ctx); err != nil {
		return err
	}
	unlock, err := d.locks.lock(ctx, networkKey(r.NetworkID))
	if err != nil {
		return err
	}
	defer unlock()

	if err = d.evictNetworks(ctx, rec); err != nil {
		return err
	}
	before, _ := d.network(rec.ID)
	n, fresh, err := d.enterNetwork(rec)
	if err != nil {
		return err
	}
	if n.Swarm && !fresh {
		if err = d.forgetMembers(ctx, n, time.Since(before.asked) > repeatTime); err != nil {
			return err
		}
	}
	if err := d.settle(ctx, n); err != nil {
		if fresh {
			d.undo(ctx, "network "+short(n.ID), func(ctx context.Context) error { return d.unsettle(ctx, n) })
		}
		return err
	}
	if fresh {
		d.ignored("network", n.ID, n.opts.Ignored)
		d.log.Info("network made", "network", short(n.ID), "bridge", n.Bridge, "datapath", n.Datapath, "door", n.Door)
	}
	return nil
}

// ignored tells the operator of Docker's own options that were given and mean nothing here.
func (d *Driver) ignored(kind, id string, keys []string) {
	if len(keys) > 0 {
		d.log.Warn("options without a meaning here", kind, short(id), "keys", keys)
	}
}

// enterNetwork takes a network into the world; fresh says that it was not there before.
func (d *Driver) enterNetwork(rec record) (n network, fresh bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if old, ok := d.world.networks[rec.ID]; ok {
		if !old.again(rec) {
			return n, false, fmt.Errorf("network %s: exists with other settings; remove it first", short(rec.ID))
		}
		old.asked = time.Now()
		d.world.networks[rec.ID] = old
		return old, false, nil
	}
	if rec.Bridge == "" {
		if rec.Bridge, err = d.world.bridgeName(rec.ID); err != nil {
			return n, false, err
		}
	}
	if rec.Tunnel != "" {
		if rec.Tunnel, err = d.world.tunnelName(rec.ID); err != nil {
			return n, false, err
		}
	}
	if err := d.world.addNetwork(rec); err != nil {
		return n, false, err
	}
	n = d.world.networks[rec.ID]
	n.asked = time.Now()
	d.world.networks[rec.ID] = n
	return n, true, nil
}

// record resolves a request and the daemon's settings into what is kept of the network.
func (d *Driver) record(ctx context.Context, doorName string, r api.CreateNetworkRequest) (record, error) {
	opts, err := config.ParseNetwork(r.Generic(), r.Options)
	if err != nil {
		return record{}, err
	}
	rec := record{
		Version: recordVersion, ID: r.NetworkID, Door: doorName,
		Bridge: opts.Bridge, MTU: opts.MTU, IfPrefix: opts.IfPrefix,
		Internal: opts.Internal, IPv6: opts.IPv6, Options: opts.Raw, Pools: []pool{},
	}
	if len(rec.Options) == 0 {
		rec.Options = nil
	}
	for _, data := range [][]api.IPAMData{r.IPv4Data, r.IPv6Data} {
		for _, p := range data {
			if !p.Pool.IsValid() {
				continue
			}
			rec.Pools = append(rec.Pools, pool{Subnet: p.Pool.Masked(), Gateway: p.Gateway})
			rec.IPv6 = rec.IPv6 || p.Pool.Addr().Is6()
		}
	}
	if opts.Tunnel.On() {
		rec.Tunnel = tunnelPrefix // chosen with the world in hand
		if err = errors.Join(opts.Tunnel.Complete(), d.fitMTU(ctx, &rec, opts)); err != nil {
			return record{}, err
		}
	}
	if rec.MTU == 0 {
		rec.MTU = d.cfg.MTU
	}
	opts.MTU = rec.MTU
	if err = opts.Validate(rec.IPv6); err != nil {
		return record{}, err
	}
	rec.Datapath, err = d.datapath(opts.Datapath)
	return rec, err
}

// DeleteNetwork removes the network's bridge, with whatever endpoints Docker forgot on it.
func (o *door) DeleteNetwork(ctx context.Context, r api.DeleteNetworkRequest) error {
	d := o.d
	if err := checkIDs(r.NetworkID); err != nil {
		return err
	}
	unlock, err := d.locks.lock(ctx, networkKey(r.NetworkID))
	if err != nil {
		return err
	}
	defer unlock()
	n, ok := d.network(r.NetworkID)
	if !ok {
		return nil
	}
	return d.removeNetwork(ctx, n)
}

// removeNetwork removes a network and the endpoints that are left on it. The caller has its lock.
func (d *Driver) removeNetwork(ctx context.Context, n network) error {
	members := d.shut(n.ID)
	var errs []error
	for _, e := range members {
		d.log.Warn("endpoint was still there when its network was removed", "network", short(n.ID), "endpoint", short(e.ID))
		errs = append(errs, d.drop(ctx, n, e))
	}
	// Without Open vSwitch the bridge stays until the audit; without this check the call would wait out its deadline.
	errs = append(errs, d.unsettle(ctx, n))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	d.log.Info("network removed", "network", short(n.ID), "bridge", n.Bridge)
	return nil
}

// shut lets no more endpoints come to a network, and gives those that are there.
func (d *Driver) shut(networkID string) []endpoint {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.world.networks[networkID]
	n.settled = false
	d.world.networks[networkID] = n
	return d.world.members(networkID)
}

// drop forgets an endpoint whose bridge goes, and removes what is outside of the bridge. It waits for a verb that is at
// work on the endpoint, which would put it back.
func (d *Driver) drop(ctx context.Context, n network, e endpoint) error {
	unlock, err := d.locks.lock(ctx, endpointKey(e.ID))
	if err != nil {
		return err
	}
	defer unlock()
	err = errors.Join(d.unpublish(ctx, e.ID), d.links.DeleteVeth(ctx, e.Link, alias(d.cfg.Owner, n.ID, e.ID)), d.journal.removeEndpoint(e.ID))
	d.mu.Lock()
	d.world.dropEndpoint(e.ID)
	d.mu.Unlock()
	return d.left(err)
}
