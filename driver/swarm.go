// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ovsnet/ovsnet/config"
)

// again says whether a request asks for the network that there is. What else is in a record follows from the daemon's
// settings and the host at the time: a network that is created again, as Swarm does after a restart of the engine, keeps
// it.
func (n network) again(rec record) bool {
	return maps.Equal(n.Options, rec.Options) && slices.Equal(n.Pools, rec.Pools) && n.Internal == rec.Internal && n.IPv6 == rec.IPv6
}

// stale says whether a network of a Swarm was last asked for before a time: the engine makes such networks when a task
// comes and removes them with the last one, but a new engine does not know those of the one before.
func (n network) stale(begun time.Time) bool { return n.Swarm && n.asked.Before(begun) }

// sweepNetworks removes the networks of a Swarm that an engine which was killed has left.
func (d *Driver) sweepNetworks(ctx context.Context, begun time.Time) {
	d.mu.Lock()
	w := d.world.snapshot()
	d.mu.Unlock()
	for id, n := range w.networks {
		if !n.stale(begun) {
			continue
		}
		if err := d.sweepNetwork(ctx, id, begun); err != nil && ctx.Err() == nil {
			d.log.Warn("network that Swarm no longer has stays", "network", short(id), "err", err)
		}
	}
}

// sweepNetwork removes one such network, unless it has been asked for again or a container is on it.
func (d *Driver) sweepNetwork(ctx context.Context, id string, begun time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.VerbTimeout)
	defer cancel()
	unlock, err := d.locks.lock(ctx, networkKey(id))
	if err != nil {
		return err
	}
	defer unlock()
	d.mu.Lock()
	n, ok := d.world.networks[id]
	members := d.world.members(id)
	d.mu.Unlock()
	if !ok || !n.settled || !n.stale(begun) {
		return nil
	}
	for _, e := range members {
		gone, err := d.abandoned(ctx, e)
		if err != nil {
			return err
		}
		if !gone {
			return nil
		}
	}
	d.log.Info("the Swarm that this network was of has ended here", "network", short(id))
	return d.removeNetwork(ctx, n)
}

// repeatTime is how long after a request its repetition may come: Docker sends one anew when no answer came for 30 s.
const repeatTime = time.Minute

// forgetMembers removes the endpoints of a network of a Swarm that the engine makes again: those are of an engine that was
// killed, and the new one never deletes them. Left, they would hide containers on other hosts that have their addresses
// now. When the request may be a repetition, those that a container holds stay.
func (d *Driver) forgetMembers(ctx context.Context, n network, all bool) error {
	d.mu.Lock()
	members := d.world.members(n.ID)
	d.mu.Unlock()
	var errs []error
	for _, e := range members {
		gone, err := d.abandoned(ctx, e)
		if err == nil && (all || gone) {
			_, err = d.expel(ctx, n, e, "the engine makes its network again")
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// evictNetworks removes networks of an earlier engine that have a new one's VNI: the Swarm has given it anew.
func (d *Driver) evictNetworks(ctx context.Context, rec record) error {
	opts, err := config.ParseNetwork(rec.Options, nil)
	vni := opts.Tunnel.VNI
	if err != nil || vni == 0 {
		return err
	}
	d.mu.Lock()
	var olds []string
	for id, n := range d.world.networks {
		if id != rec.ID && n.opts.Tunnel.VNI == vni && n.Swarm && n.asked.IsZero() {
			olds = append(olds, id)
		}
	}
	d.mu.Unlock()
	var errs []error
	for _, id := range olds {
		if err := d.sweepNetwork(ctx, id, time.Now()); err != nil {
			errs = append(errs, fmt.Errorf("network %s, which had VNI %d before: %w", short(id), vni, err))
		}
	}
	return errors.Join(errs...)
}
