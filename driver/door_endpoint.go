// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/driver/api"
)

// find gives an endpoint and its network.
func (d *Driver) find(networkID, endpointID string) (network, endpoint, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, ok := d.world.networks[networkID]
	if !ok {
		return n, endpoint{}, fmt.Errorf("network %s: %w; create it through this driver", short(networkID), ErrUnknownNetwork)
	}
	e, ok := d.world.endpoints[endpointID]
	if !ok || e.Network != networkID {
		return n, e, fmt.Errorf("endpoint %s: %w on network %s; disconnect and connect the container again", short(endpointID), ErrUnknownEndpoint, short(networkID))
	}
	return n, e, nil
}

func (d *Driver) lockEndpoint(ctx context.Context, networkID, endpointID string) (func(), error) {
	if err := checkIDs(networkID, endpointID); err != nil {
		return nil, err
	}
	return d.locks.lock(ctx, endpointKey(endpointID))
}

// Keys of keyedLocks.
func endpointKey(id string) string { return "endpoint " + id }
func networkKey(id string) string  { return "network " + id }

// CreateEndpoint makes the endpoint whole: its veth pair, its port and its flows. Join has only to hand it over.
func (o *door) CreateEndpoint(ctx context.Context, r api.CreateEndpointRequest) (api.CreateEndpointResponse, error) {
	var none api.CreateEndpointResponse
	d := o.d
	opts, err := config.ParseEndpoint(r.DriverOpts())
	if err != nil {
		return none, err
	}
	if err = d.ready(ctx); err != nil {
		return none, err
	}
	unlock, err := d.lockEndpoint(ctx, r.NetworkID, r.EndpointID)
	if err != nil {
		return none, err
	}
	defer unlock()

	e := endpoint{ID: r.EndpointID, Network: r.NetworkID, MAC: r.Interface.MAC, Options: opts.Raw, opts: opts}
	for _, a := range []netip.Prefix{r.Interface.Address, r.Interface.AddressIPv6} {
		if a.IsValid() {
			e.Addresses = append(e.Addresses, a)
		}
	}
	switch {
	case len(e.MAC) > 0 && e.MAC[0]&1 == 1:
		return none, fmt.Errorf("MAC %s: is a multicast address; choose one with an even first byte", e.MAC)
	case len(e.MAC) == 0 && len(e.Addresses) > 0:
		n, _ := d.network(e.Network) // one that is not known is refused below
		e.MAC = endpointMAC(n.seed(), e.Addresses[0].Addr())
	case len(e.MAC) == 0:
		return none, fmt.Errorf("endpoint %s: has neither address nor MAC; give one of --ip, --ip6, --mac-address", short(e.ID))
	}
	if err = d.evict(ctx, e); err != nil {
		return none, err
	}
	n, e, fresh, err := d.enterEndpoint(e)
	if err != nil {
		return none, err
	}
	if _, err := d.attach(ctx, n, e); err != nil {
		if fresh {
			d.undo(ctx, "endpoint "+short(e.ID), func(ctx context.Context) error {
				e.wantFlows, e.attached = true, true // as far as attach came
				return d.release(ctx, n, e)
			})
		}
		return none, err
	}
	// The engine refuses an answer that repeats what it sent.
	var answer api.CreateEndpointResponse
	if len(r.Interface.MAC) == 0 {
		answer.Interface.MAC = e.MAC
	}
	return answer, nil
}

// evict removes endpoints that have a new one's addresses or MAC and that no container holds any more: Docker forgot to
// delete them, or was killed before it could.
func (d *Driver) evict(ctx context.Context, e endpoint) error {
	d.mu.Lock()
	n := d.world.networks[e.Network]
	var olds []endpoint
	for _, id := range n.holders(e) {
		olds = append(olds, d.world.endpoints[id])
	}
	d.mu.Unlock()
	for _, old := range olds {
		dead, err := d.abandoned(ctx, old)
		if err != nil || !dead {
			return err
		}
		free, err := d.expel(ctx, n, old, "its address is another's now")
		if err != nil || !free {
			return err
		}
	}
	return nil
}

// expel removes an endpoint that the engine has forgotten; free says that no verb is at work on it.
func (d *Driver) expel(ctx context.Context, n network, e endpoint, why string) (free bool, err error) {
	unlock, free := d.locks.try(endpointKey(e.ID))
	if !free {
		return false, nil
	}
	defer unlock()
	d.log.Warn("endpoint without a container: removing it", "endpoint", short(e.ID), "why", why)
	return true, errors.Join(d.unpublish(ctx, e.ID), d.release(ctx, n, e))
}

// abandoned says whether the container's end of an endpoint is gone, or back with us.
func (d *Driver) abandoned(ctx context.Context, e endpoint) (bool, error) {
	_, exists, err := d.links.Index(ctx, e.Link)
	if err != nil || !exists {
		return err == nil, err
	}
	return d.links.PeerPresent(ctx, e.Link)
}

// enterEndpoint takes an endpoint into the world; fresh says that it was not there before.
func (d *Driver) enterEndpoint(e endpoint) (n network, _ endpoint, fresh bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, ok := d.world.networks[e.Network]
	if ok && !n.settled {
		return n, e, false, fmt.Errorf("network %s: is being made or removed; try again", short(n.ID))
	}
	if old, ok := d.world.endpoints[e.ID]; ok {
		if old.Network != e.Network || string(old.MAC) != string(e.MAC) || !slices.Equal(old.Addresses, e.Addresses) {
			return n, e, false, fmt.Errorf("endpoint %s: exists with another network, MAC or address; delete it first", short(e.ID))
		}
		return n, old, false, nil
	}
	e, err = d.world.addEndpoint(e)
	return d.world.networks[e.Network], e, true, err
}

// Join hands the container's end of the veth pair to the engine, which moves it into the sandbox.
func (o *door) Join(ctx context.Context, r api.JoinRequest) (api.JoinResponse, error) {
	var none api.JoinResponse
	d := o.d
	if err := d.ready(ctx); err != nil {
		return none, err
	}
	unlock, err := d.lockEndpoint(ctx, r.NetworkID, r.EndpointID)
	if err != nil {
		return none, err
	}
	defer unlock()
	n, e, err := d.find(r.NetworkID, r.EndpointID)
	if err != nil {
		return none, err
	}
	if !e.attached { // it left before
		if e, err = d.attach(ctx, n, e); err != nil {
			d.undo(ctx, "endpoint "+short(e.ID), func(ctx context.Context) error { return d.detach(ctx, n, e) })
			return none, err
		}
	}
	return api.JoinResponse{
		SrcName: e.Peer, DstPrefix: n.IfPrefix, DstName: e.opts.IfName,
		Gateway: n.route(false), GatewayIPv6: n.route(true),
		// A network without a way out must not get one through Docker's own bridge, unless that was asked for.
		DisableGatewayService: n.opts.Outside.Gateway != config.GatewayDocker && !n.route(false).IsValid() && !n.route(true).IsValid(),
	}, nil
}

// Leave takes the endpoint's port out of its bridge. The engine still has to move the container's end back, so the veth
// pair stays until DeleteEndpoint.
func (o *door) Leave(ctx context.Context, r api.LeaveRequest) error {
	d := o.d
	unlock, err := d.lockEndpoint(ctx, r.NetworkID, r.EndpointID)
	if err != nil {
		return err
	}
	defer unlock()
	n, e, err := d.find(r.NetworkID, r.EndpointID)
	if err != nil || !e.attached && !e.clinging {
		return notUnknown(err)
	}
	if err = errors.Join(d.unpublish(ctx, e.ID), d.detach(ctx, n, e)); err == nil {
		d.keep(e, false)
	}
	return err
}

// DeleteEndpoint removes all that is left of an endpoint.
func (o *door) DeleteEndpoint(ctx context.Context, r api.DeleteEndpointRequest) error {
	d := o.d
	unlock, err := d.lockEndpoint(ctx, r.NetworkID, r.EndpointID)
	if err != nil {
		return err
	}
	defer unlock()
	n, e, err := d.find(r.NetworkID, r.EndpointID)
	if err != nil {
		d.mu.Lock()
		if left, ok := d.world.endpoints[r.EndpointID]; ok && left.Network == r.NetworkID {
			d.world.dropEndpoint(r.EndpointID) // its network has gone
		}
		d.mu.Unlock()
		// Its port may have gone before a restart of ours, its links not.
		for name := range candidates(hostPrefix, r.EndpointID) {
			return d.links.DeleteVeth(ctx, name, alias(d.cfg.Owner, r.NetworkID, r.EndpointID))
		}
	}
	return errors.Join(d.unpublish(ctx, e.ID), d.release(ctx, n, e))
}

// notUnknown lets a verb that removes succeed where there is nothing to remove.
func notUnknown(err error) error {
	if errors.Is(err, ErrUnknownNetwork) || errors.Is(err, ErrUnknownEndpoint) {
		return nil
	}
	return err
}

// EndpointOperInfo tells where the endpoint is in Open vSwitch. It reads nothing but memory.
func (o *door) EndpointOperInfo(_ context.Context, r api.EndpointOperInfoRequest) (api.EndpointOperInfoResponse, error) {
	n, e, err := o.d.find(r.NetworkID, r.EndpointID)
	if err != nil {
		return api.EndpointOperInfoResponse{}, err
	}
	value := map[string]any{
		"ovs.bridge": n.Bridge, "ovs.port": e.Link, "ovs.ofport": fmt.Sprint(e.OFPort),
		"com.docker.network.endpoint.macaddress": e.MAC.String(),
	}
	if ports := o.d.published(e.ID); len(ports) > 0 {
		value["ovs.published"] = strings.Join(ports, ", ")
	}
	return api.EndpointOperInfoResponse{Value: value}, nil
}
