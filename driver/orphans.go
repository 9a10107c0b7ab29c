// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// orphanGrace is how long something must have been seen without an owner before it is removed: longer than Docker takes
// between making an endpoint and knowing it.
const orphanGrace = 10 * time.Second

// orphans are the endpoints and networks that Docker did not know when it was last asked, and since when. It takes two
// signs to remove one, and time: Docker's word, in answers in a row, and the kernel's, that no container uses it.
type orphans struct {
	d        *Driver
	suspects map[string]time.Time // by the key of their lock
}

// watchOrphans looks for what Docker has forgotten, at the audit's pace, until ctx ends. It is beside the loop and the
// verbs: an engine that hangs holds nothing up.
func (d *Driver) watchOrphans(ctx context.Context) {
	select {
	case <-d.restored:
	case <-ctx.Done():
		return
	}
	o := orphans{d: d, suspects: map[string]time.Time{}}
	tick := time.NewTicker(d.cfg.AuditInterval)
	defer tick.Stop()
	for {
		if err := o.look(ctx); err != nil && ctx.Err() == nil {
			d.log.Debug("looking for what Docker has forgotten", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look asks Docker once. Without an answer nothing is suspected any longer.
func (o *orphans) look(ctx context.Context) error {
	d := o.d
	d.mu.Lock()
	w := d.world.snapshot()
	d.mu.Unlock()
	if len(w.networks) == 0 {
		return nil
	}
	before := o.suspects
	o.suspects = map[string]time.Time{}
	known, err := dockerNames(ctx, d.cfg.DockerSocket)
	if err != nil {
		return err
	}
	// An engine that knows none of our networks may be another one.
	ours := false
	for id := range w.networks {
		_, knows := known[id]
		ours = ours || knows
	}
	if !ours {
		return nil
	}
	var errs []error
	for id, n := range w.networks {
		if _, knows := known[id]; !knows {
			if n.settled && o.long(before, networkKey(id)) {
				errs = append(errs, o.removeNetwork(ctx, id))
			}
			continue
		}
		errs = append(errs, o.lookAt(ctx, before, w.members(id), id))
	}
	return errors.Join(errs...)
}

// long says whether something has been suspected for long enough; if not it stays suspected.
func (o *orphans) long(before map[string]time.Time, key string) bool {
	since, seen := before[key]
	if !seen {
		since = time.Now()
	}
	o.suspects[key] = since
	return seen && time.Since(since) >= orphanGrace
}

// lookAt looks at the endpoints of one network. Docker is asked for them only if a container lacks one.
func (o *orphans) lookAt(ctx context.Context, before map[string]time.Time, members []endpoint, network string) error {
	var known map[string]bool
	for _, e := range members {
		dead, err := o.d.abandoned(ctx, e)
		if err != nil {
			return err
		}
		if !dead {
			continue
		}
		if known == nil {
			if known, err = dockerEndpoints(ctx, o.d.cfg.DockerSocket, network); err != nil {
				return err
			}
		}
		if !known[e.ID] && o.long(before, endpointKey(e.ID)) {
			if err := o.removeEndpoint(ctx, e.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeEndpoint removes an endpoint, unless a verb is at work on it or a container has got it meanwhile.
func (o *orphans) removeEndpoint(ctx context.Context, id string) error {
	d := o.d
	ctx, cancel := context.WithTimeout(ctx, d.cfg.VerbTimeout)
	defer cancel()
	unlock, ok := d.locks.try(endpointKey(id))
	if !ok {
		return nil
	}
	defer unlock()
	d.mu.Lock()
	e, known := d.world.endpoints[id]
	n := d.world.networks[e.Network]
	d.mu.Unlock()
	if !known {
		return nil
	}
	if dead, err := d.abandoned(ctx, e); err != nil || !dead {
		return err
	}
	d.log.Warn("endpoint that neither Docker nor a container knows: removing it", "endpoint", short(id), "network", short(n.ID))
	err := errors.Join(d.unpublish(ctx, id), d.release(ctx, n, e))
	if err == nil {
		d.loop.count(driftEndpointOld, 1)
	}
	return err
}

// removeNetwork removes a network, unless a verb is at work on it, it was made only now, or a container is on it.
func (o *orphans) removeNetwork(ctx context.Context, id string) error {
	d := o.d
	ctx, cancel := context.WithTimeout(ctx, d.cfg.VerbTimeout)
	defer cancel()
	unlock, ok := d.locks.try(networkKey(id))
	if !ok {
		return nil
	}
	defer unlock()
	d.mu.Lock()
	n, known := d.world.networks[id]
	members := d.world.members(id)
	d.mu.Unlock()
	if !known || time.Since(n.asked) < orphanGrace {
		return nil
	}
	for _, e := range members {
		if dead, err := d.abandoned(ctx, e); err != nil || !dead {
			return err
		}
	}
	d.log.Warn("network that neither Docker nor a container knows: removing it", "network", short(id), "bridge", n.Bridge)
	err := d.removeNetwork(ctx, n)
	if err == nil {
		d.loop.count(driftNetworkOld, 1)
	}
	return err
}

// dockerEndpoints asks Docker's API for the ids of a network's endpoints on this host.
func dockerEndpoints(ctx context.Context, socket, network string) (map[string]bool, error) {
	var n struct {
		ID         string
		Containers map[string]struct{ EndpointID string }
	}
	if err := askDocker(ctx, socket, "/networks/"+network, &n); err != nil {
		return nil, err
	}
	if n.ID != network {
		return nil, fmt.Errorf("asking Docker for network %s: it told of another", short(network))
	}
	out := make(map[string]bool, len(n.Containers))
	for _, c := range n.Containers {
		out[c.EndpointID] = true
	}
	return out, nil
}
