// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ovsnet/ovsnet/driver/link"
	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/ovsdb"
)

func (d *Driver) veth(n network, e endpoint) link.Veth {
	v := link.Veth{
		Name: e.Link, Peer: e.Peer, Alias: alias(d.cfg.Owner, n.ID, e.ID),
		PeerMAC: e.MAC, MTU: n.MTU, TxOffload: n.datapath().TxOffload,
	}
	if e.view(n).Marked() {
		v.PeerMTU = n.MTU - flows.MarkLength // what it sends grows in the tunnel, what it gets has shrunk again
	}
	return v
}

func (d *Driver) port(n network, e endpoint) ovsdb.Port {
	return ovsdb.Port{
		Bridge: n.Bridge, Name: e.Link, OFPortRequest: e.OFPort, // its MTU is the link's
		IDs: ovsdb.PortIDs{
			Owner: d.cfg.Owner, Network: n.ID, Endpoint: e.ID, MAC: e.MAC,
			Addresses: e.Addresses, Options: e.Options, Peer: e.Peer, Version: recordVersion,
		},
	}
}

// object names for flowChange.
const objectBridge = "bridge"

func objectNetwork(id string) string  { return "network " + id }
func objectEndpoint(id string) string { return "endpoint " + id }

func compileEndpoint(n network, e endpoint) (flowChange, error) {
	c, err := flows.CompilePort(e.view(n))
	if err != nil {
		return flowChange{}, fmt.Errorf("flows of endpoint %s: %w", short(e.ID), err)
	}
	return flowChange{bridge: n.Bridge, object: objectEndpoint(e.ID), compiled: &c}, nil
}

// attach makes the endpoint's veth pair, port and flows. Run again it repairs what is missing. The world is told of each
// part before the loop is, so that an audit in between keeps it.
func (d *Driver) attach(ctx context.Context, n network, e endpoint) (endpoint, error) {
	for {
		got, err := d.attachAs(ctx, n, e)
		if err != nil {
			return e, fmt.Errorf("endpoint %s: %w", short(e.ID), err)
		}
		e.wantFlows, e.attached = true, true
		if got == 0 || got == e.OFPort {
			d.announce(ctx, n, e)
			return e, nil
		}
		// Somebody else's port has the number. The one that came instead may have been promised to another endpoint,
		// so a fresh one is asked for.
		if e, err = d.renumber(n, e); err != nil {
			return e, err
		}
	}
}

// attachAs attaches the endpoint with the port number that it has, and tells which number came. The flows are made while
// the link and the port are.
func (d *Driver) attachAs(ctx context.Context, n network, e endpoint) (uint32, error) {
	announced := d.loop.coming.announce()
	defer announced()
	e.wantFlows = true
	d.put(e)
	var g errgroup.Group
	g.Go(func() error {
		fcs, err := d.endpointFlows(n, e)
		if err != nil {
			return err
		}
		return d.loop.program(ctx, fcs...)
	})
	g.Go(func() error { d.keep(e, true); return nil })
	got, err := d.attachPort(ctx, n, e, announced) // here: the link takes longest, and is not to line up behind those
	if failed := g.Wait(); err == nil {
		err = failed
	}
	return got, err
}

// attachPort makes the endpoint's link and port.
func (d *Driver) attachPort(ctx context.Context, n network, e endpoint, announced func()) (uint32, error) {
	// Whole before its port is made: an audit knows a link as ours by its mark alone.
	if err := d.links.EnsureVeth(ctx, d.veth(n, e)); err != nil {
		return 0, err
	}
	e.attached = true
	d.put(e)
	return d.loop.commitPort(ctx, announced, d.port(n, e))
}

// renumber gives an endpoint another port number because somebody else's port has its own.
func (d *Driver) renumber(n network, e endpoint) (endpoint, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	taken := e.OFPort
	port, err := n.used.freePort(n)
	if err != nil {
		return e, err
	}
	d.log.Info("somebody else's port has the OpenFlow port number", "endpoint", short(e.ID), "bridge", n.Bridge, "number", taken, "instead", port)
	e.OFPort = port
	d.world.putEndpoint(e)
	n.used.foreign(taken)
	return e, nil
}

// endpointFlows are the endpoint's own flows and those of the network that follow from its being there.
func (d *Driver) endpointFlows(n network, e endpoint) ([]flowChange, error) {
	fc, err := compileEndpoint(n, e)
	if err != nil {
		return nil, err
	}
	network, err := d.networkFollows(n, e)
	return append(network, fc), err
}

// networkFollows are the network's own flows where the coming or going of the endpoint changes them.
func (d *Driver) networkFollows(n network, e endpoint) ([]flowChange, error) {
	if !e.opts.Unguarded {
		return nil, nil
	}
	return networkFlows(n, d.hasUnguarded(n))
}

func (d *Driver) hasUnguarded(n network) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return n.used.unguarded > 0
}

// put writes a changed endpoint into the world.
func (d *Driver) put(e endpoint) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.world.putEndpoint(e)
}

// detach removes the endpoint's port and flows; its veth pair stays.
func (d *Driver) detach(ctx context.Context, n network, e endpoint) error {
	e.wantFlows, e.attached, e.clinging = false, false, false
	d.put(e)
	network, err := d.networkFollows(n, e)
	if err != nil {
		return err
	}
	var g errgroup.Group
	g.Go(func() error {
		return d.loop.program(ctx, append(network, flowChange{bridge: n.Bridge, object: objectEndpoint(e.ID)})...)
	})
	g.Go(func() error {
		_, bad := d.loop.commit(ctx, ovsdb.RemovePort{Bridge: n.Bridge, Name: e.Link})
		return bad
	})
	if err = g.Wait(); err != nil {
		e.clinging = true
		d.put(e)
		return fmt.Errorf("endpoint %s: %w", short(e.ID), err)
	}
	return nil
}

// keep writes an endpoint into the journal, which is the second place that has it: without room there it works as well.
func (d *Driver) keep(e endpoint, attached bool) {
	e.attached = attached
	if err := d.journal.saveEndpoint(e); err != nil {
		d.log.Warn("endpoint is not in the journal yet", "endpoint", short(e.ID), "err", err) // the audit tries on
	}
}

// linkTime is what the removal of a link has after its verb has ended.
const linkTime = time.Second

// release removes all that is left of an endpoint and forgets it, whatever fails: the audit finds the rest.
func (d *Driver) release(ctx context.Context, n network, e endpoint) error {
	var err error
	if e.wantFlows || e.attached || e.clinging {
		err = d.detach(ctx, n, e)
	}
	// The kernel answers even when Open vSwitch has taken all the time: without its link nothing brings an endpoint back.
	// Hundreds that go at once wait there for each other.
	ctx, cancel := outlive(ctx, linkTime)
	defer cancel()
	err = errors.Join(err, d.links.DeleteVeth(ctx, e.Link, alias(d.cfg.Owner, n.ID, e.ID)), d.journal.removeEndpoint(e.ID))
	d.mu.Lock()
	d.world.dropEndpoint(e.ID)
	d.mu.Unlock()
	return d.left(err)
}

// networkFlows are the bridge's own rows and the network's.
func networkFlows(n network, unguarded bool) ([]flowChange, error) {
	static := flows.CompileBridge()
	c, err := flows.CompileNetwork(n.view(unguarded))
	if err != nil {
		return nil, fmt.Errorf("flows of network %s: %w", short(n.ID), err)
	}
	return []flowChange{
		{bridge: n.Bridge, object: objectBridge, compiled: &static},
		{bridge: n.Bridge, object: objectNetwork(n.ID), compiled: &c},
	}, nil
}

func (d *Driver) bridgeRow(n network) (ovsdb.Bridge, error) {
	spec, err := encodeRecord(n.record)
	if err != nil {
		return ovsdb.Bridge{}, fmt.Errorf("network %s: %w", short(n.ID), err)
	}
	b := ovsdb.Bridge{
		Name: n.Bridge, Datapath: n.Datapath, MAC: n.gatewayMAC(), MTU: n.MTU, McastSnooping: n.opts.McastSnooping,
		IDs: ovsdb.BridgeIDs{Owner: d.cfg.Owner, Network: n.ID, Spec: string(spec), Version: recordVersion},
	}
	// Open vSwitch does the same for IPv4 by itself. It writes a line for each of these tables into its log whenever a
	// port comes or goes on any bridge: networks that have no use for them do without.
	if n.IPv6 {
		b.Prefixes = flows.Prefixes()
	}
	return b, nil
}

// settle makes the network's bridge, flows and gateway, and writes it down. Run again it repairs what is missing.
func (d *Driver) settle(ctx context.Context, n network) error {
	rec := n.record
	var g errgroup.Group
	// A disk takes its time, and need not wait for the switch: whichever of the two a crash leaves, the next start finds it.
	g.Go(func() error { return d.journal.save(rec) })
	g.Go(func() (err error) {
		n, err = d.settleOutside(ctx, n)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	n.settled = true
	d.mu.Lock()
	d.world.networks[n.ID] = n
	d.mu.Unlock()
	return d.followPeers(ctx, n.ID, d.peersOf) // those that have come or gone meanwhile
}

// settleOutside makes everything of the network that is not the driver's own.
func (d *Driver) settleOutside(ctx context.Context, n network) (network, error) {
	n, err := d.settleSwitch(ctx, n)
	if err != nil {
		return n, fmt.Errorf("network %s: %w", short(n.ID), err)
	}
	if err = d.ensureGateway(ctx, n); err != nil {
		return n, err
	}
	return n, d.openOutside(ctx, n)
}

// settleSwitch makes the network's bridge, with its tunnel and flows.
func (d *Driver) settleSwitch(ctx context.Context, n network) (network, error) {
	bridge, err := d.bridgeRow(n)
	if err != nil {
		return n, err
	}
	rows := []ovsdb.Change{ovsdb.EnsureBridge{Bridge: bridge}}
	var peers []netip.Addr
	if n.overlay() {
		peers = d.peersOf(n)
		port, bad := d.tunnelRow(ctx, n, peers)
		if bad != nil {
			return n, bad
		}
		rows = append(rows, ovsdb.EnsurePort{Port: port})
	}
	fcs, err := networkFlows(n, d.hasUnguarded(n))
	if err != nil {
		return n, err
	}
	results, err := d.loop.commit(ctx, rows...)
	if err != nil {
		return n, d.explainTunnel(n, err)
	}
	if n.overlay() {
		if n.tunnelOF = results[1].OFPort; n.tunnelOF != tunnelOFPort {
			if fcs, err = networkFlows(n, d.hasUnguarded(n)); err != nil {
				return n, err
			}
		}
		d.mu.Lock()
		_, _, err = n.peers.become(peers)
		d.mu.Unlock()
		known, bad := d.knownFlows(n)
		if err = errors.Join(err, bad); err != nil {
			return n, err
		}
		fcs = append(fcs, known...)
	}
	return n, d.loop.program(ctx, fcs...)
}

// ensureGateway gives the bridge's LOCAL port the gateway's addresses, where the network has a gateway.
func (d *Driver) ensureGateway(ctx context.Context, n network) error {
	if !n.hasGateway() {
		return nil
	}
	if err := d.links.EnsureGateway(ctx, n.gatewayLink()); err != nil {
		return fmt.Errorf("gateway of network %s: %w", short(n.ID), err)
	}
	return nil
}

// gatewayDiffers says whether ensureGateway has something to do.
func (d *Driver) gatewayDiffers(ctx context.Context, n network) (bool, error) {
	if !n.hasGateway() {
		return false, nil
	}
	return d.links.GatewayDiffers(ctx, n.gatewayLink())
}

// gatewayLink is what the bridge's LOCAL port should be.
func (n network) gatewayLink() link.Gateway {
	g := link.Gateway{Name: n.Bridge, MAC: n.gatewayMAC(), MTU: n.MTU, ForeignIPv4: n.opts.Outside.InhibitIPv4}
	for _, a := range n.gateways() {
		if !n.opts.Outside.InhibitIPv4 || a.Addr().Is6() {
			g.Addresses = append(g.Addresses, a)
		}
	}
	return g
}

// unsettle removes the network's bridge, and with it its flows, gateway and ports, and forgets the network.
func (d *Driver) unsettle(ctx context.Context, n network) error {
	n.settled = false
	d.mu.Lock()
	d.world.networks[n.ID] = n
	d.mu.Unlock()
	d.loop.forget(n.Bridge) // first: the end of its connection is no loss
	_, err := d.loop.commit(ctx, ovsdb.RemoveBridge{Name: n.Bridge})
	var foreign *ovsdb.ForeignError
	left := err != nil && !errors.As(err, &foreign)
	err = errors.Join(err, d.closeOutside(ctx, n), d.journal.remove(n.ID, left))
	d.mu.Lock()
	d.world.dropNetwork(n.ID)
	d.mu.Unlock()
	return d.left(err)
}
