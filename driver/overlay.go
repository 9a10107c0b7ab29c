// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/ovsdb"
)

const (
	tunnelPrefix = "ovt" // and 12 characters of the network's id: its tunnel's port
	// tunnelOFPort is the OpenFlow port number that a tunnel asks for: the last one below the endpoints'.
	tunnelOFPort = minOFPort - 1
	// learnLimit is the most MACs that a bridge learns from one peer: as many as a full subnet of 4096 addresses has.
	learnLimit = 4096
	// learnIdle is after how many seconds a bridge forgets a MAC that has sent nothing; Linux's own bridge has 300 too.
	learnIdle = 300
)

func objectPeer(a netip.Addr) string    { return "peer " + a.String() }
func objectNeighbour(number int) string { return "neighbour " + strconv.Itoa(number) }

// overlay says whether the network reaches across hosts.
func (n network) overlay() bool { return n.opts.Tunnel.On() }

// tunnelName chooses the name of a network's tunnel port.
func (w world) tunnelName(id string) (string, error) {
	for name := range candidates(tunnelPrefix, id) {
		taken := false
		for _, n := range w.networks {
			taken = taken || n.Tunnel == name && n.ID != id
		}
		if !taken {
			return name, nil
		}
	}
	return "", fmt.Errorf("network %s: every tunnel name derived from its id is %w; remove a network", short(id), ErrTaken)
}

// checkTunnel says why a network can't have its tunnel beside those of other networks of this host. Open vSwitch tells
// tunnels of one UDP port apart by their VNI alone, and one UDP port carries one kind.
func (w world) checkTunnel(id string, t config.Tunnel) error {
	if !t.On() {
		return nil
	}
	for _, n := range w.networks {
		o := n.opts.Tunnel
		switch {
		case n.ID == id || !o.On():
		case o.Type == t.Type && o.VNI == t.VNI:
			return fmt.Errorf("network %s: VNI %d is %w by network %s; choose another ovs.tunnel.vni", short(id), t.VNI, ErrTaken, short(n.ID))
		case o.Type != t.Type && o.Type != config.TunnelGRE && t.Type != config.TunnelGRE:
			return fmt.Errorf("network %s: the UDP port of tunnels is %w by %s of network %s on this host; give ovs.tunnel.type=%s", short(id), ErrTaken, o.Type, short(n.ID), o.Type)
		}
	}
	return nil
}

// tunnelPort is the row of the network's tunnel: the peer comes from the flow, the VNI is the tunnel's own, so that frames
// of other VNIs do not enter the bridge.
func (d *Driver) tunnelPort(n network, local netip.Addr) ovsdb.Port {
	t := n.opts.Tunnel
	p := ovsdb.Port{
		Bridge: n.Bridge, Name: n.Tunnel, Type: t.Type, OFPortRequest: tunnelOFPort,
		Options: map[string]string{"remote_ip": "flow", "key": strconv.FormatUint(uint64(t.VNI), 10)},
		IDs:     ovsdb.PortIDs{Owner: d.cfg.Owner, Network: n.ID, Version: recordVersion},
	}
	if t.Type != config.TunnelGRE {
		p.Options["dst_port"] = strconv.Itoa(d.cfg.TunnelPort)
	}
	if local.IsValid() {
		p.Options["local_ip"] = local.String()
	}
	return p
}

// explainTunnel adds the way out to what ovs-vswitchd says of a tunnel that it can't make.
func (d *Driver) explainTunnel(n network, err error) error {
	var refused *ovsdb.PortError
	if !n.overlay() || !errors.As(err, &refused) || refused.Name != n.Tunnel {
		return err
	}
	t := n.opts.Tunnel
	switch {
	case strings.Contains(refused.Reason, "(File exists)"):
		return fmt.Errorf("%w: another tunnel of this Open vSwitch, which is not ovsnet's, has VNI %d; choose another ovs.tunnel.vni", err, t.VNI)
	case strings.Contains(refused.Reason, "(Address already in use)"):
		return fmt.Errorf("%w: UDP port %d belongs to a tunnel device of the kernel, such as those of Docker's overlay networks and Swarm's ingress (4789); set tunnel_port (OVSNET_TUNNEL_PORT) to another, the same on every host", err, d.cfg.TunnelPort)
	case strings.Contains(refused.Reason, "not supported)"), strings.Contains(refused.Reason, "No such device)"):
		load := ""
		if n.datapath().KernelTunnels {
			load = "load the kernel's module, or "
		}
		return fmt.Errorf("%w: the %s datapath has no %s here; %schoose another ovs.tunnel.type", err, n.Datapath, t.Type, load)
	}
	return err
}

// tunnelView is the network's tunnel as the pipeline sees it, nil where it has none. It does without VXLAN's group policy
// extension: Open vSwitch refuses a second tunnel with it on one UDP port, because the datapath's own device for that port
// (vxlan_sys_<port>) has none (seen with 3.1).
func (n network) tunnelView() *flows.Tunnel {
	if !n.overlay() {
		return nil
	}
	return &flows.Tunnel{Port: uint16(n.tunnelOF & 0xffff), Limit: learnLimit, Idle: learnIdle}
}

// compileNeighbours gives the flows of the neighbours of ovs.tunnel.static that are behind one peer.
func compileNeighbours(n network, peer netip.Addr) ([]flowChange, error) {
	var out []flowChange
	for i, s := range n.opts.Tunnel.Static {
		if s.Peer != peer {
			continue
		}
		id := uint16(i%0xffff) + 1
		c, err := flows.CompileNeighbour(flows.Neighbour{Network: n.view(false), ID: id, Peer: peer, MAC: s.MAC, Addrs: s.Addrs})
		if err != nil {
			return nil, fmt.Errorf("flows of ovs.tunnel.static: %w", err)
		}
		out = append(out, flowChange{bridge: n.Bridge, object: objectNeighbour(i), compiled: &c})
	}
	return out, nil
}

// withoutPeer takes a peer out, and what is behind it.
func withoutPeer(n network, a netip.Addr) []flowChange {
	out := []flowChange{{bridge: n.Bridge, object: objectPeer(a)}}
	for i, s := range n.opts.Tunnel.Static {
		if s.Peer == a {
			out = append(out, flowChange{bridge: n.Bridge, object: objectNeighbour(i)})
		}
	}
	return out
}

// peersChanged brings every network across hosts to the peers that it has by now, and programs the difference alone: what
// it costs does not grow with the peers that stay.
func (d *Driver) peersChanged(ctx context.Context) error {
	d.mu.Lock()
	var ids []string
	lists := map[string][]netip.Addr{} // most networks have the same
	for id, n := range d.world.networks {
		named := strings.Join(n.opts.Tunnel.Peers, ",")
		if n.overlay() {
			ids = append(ids, id)
			if _, ok := lists[named]; !ok {
				lists[named] = d.peersOf(n)
			}
		}
	}
	d.mu.Unlock()
	slices.Sort(ids)
	listOf := func(n network) []netip.Addr { return lists[strings.Join(n.opts.Tunnel.Peers, ",")] }
	errs := make([]error, len(ids))
	var g errgroup.Group
	for i, id := range ids {
		g.Go(func() error {
			// A verb that makes the network looks at its peers again at its end, but may be past that.
			unlock, err := d.locks.lock(ctx, networkKey(id))
			if err == nil {
				err = d.followPeers(ctx, id, listOf)
				unlock()
			}
			errs[i] = err
			return nil
		})
	}
	_ = g.Wait() // each has an error of its own
	return errors.Join(errs...)
}

// followPeers programs the difference between the peers that a network has by now, which listOf gives, and those that it
// had. The caller holds the network's lock.
func (d *Driver) followPeers(ctx context.Context, id string, listOf func(network) []netip.Addr) error {
	n, ok := d.network(id)
	if !ok || !n.settled || !n.overlay() {
		return nil
	}
	want := listOf(n)
	d.mu.Lock()
	had := n.peers.addrs()
	come, gone, err := n.peers.become(want)
	d.mu.Unlock()
	if err != nil {
		return fmt.Errorf("network %s: %w", short(id), err)
	}
	if len(come)+len(gone) == 0 {
		return nil
	}
	var fcs []flowChange
	for _, a := range gone {
		fcs = append(fcs, withoutPeer(n, a)...)
	}
	for _, k := range come {
		add, bad := d.peerFlows(n, k.addr, k.id)
		if bad != nil {
			return fmt.Errorf("network %s: %w", short(id), bad)
		}
		fcs = append(fcs, add...)
	}
	if err := d.loop.program(ctx, fcs...); err != nil {
		d.loop.want() // the world says what should be
		return fmt.Errorf("peers of network %s: %w", short(id), err)
	}
	d.log.Debug("peers changed", "network", short(id), "come", len(come), "gone", len(gone))
	return d.reconsider(ctx, n, had, want)
}

// recallPeers has an audit find the peers that every network has by now.
func (d *Driver) recallPeers(w world) error {
	var errs []error
	for id, n := range w.networks {
		if !n.settled || !n.overlay() {
			continue
		}
		want := d.peersOf(n)
		unlock, free := d.locks.try(networkKey(id))
		d.mu.Lock()
		same := n.peers.are(want)
		var err error
		switch {
		case same:
		case free:
			_, _, err = n.peers.become(want)
		default:
			err = errBusy
		}
		d.mu.Unlock()
		if free {
			unlock()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("peers of network %s: %w", short(id), err))
		}
	}
	return errors.Join(errs...)
}

// errBusy says that the audit has to come back.
var errBusy = errors.New("a call is at work on it")

// renumberTunnel notes which OpenFlow number a tunnel's port has.
func (d *Driver) renumberTunnel(id string, port uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, ok := d.world.networks[id]
	if !ok || n.tunnelOF == port {
		return
	}
	d.log.Info("the tunnel has another OpenFlow port number than it asked for", "network", short(id), "bridge", n.Bridge, "number", port)
	n.tunnelOF = port
	d.world.networks[id] = n
}

// network gives a network as it is by now.
func (d *Driver) network(id string) (network, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, ok := d.world.networks[id]
	return n, ok
}
