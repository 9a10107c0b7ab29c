// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/flows"
)

// What a verb can be refused for.
var (
	ErrUnknownNetwork  = errors.New("unknown network")
	ErrUnknownEndpoint = errors.New("unknown endpoint")
	ErrTaken           = errors.New("taken")
)

// pool is a subnet of a network and its gateway, which may be missing.
type pool struct {
	Subnet  netip.Prefix `json:"subnet"`
	Gateway netip.Prefix `json:"gateway,omitzero"`
}

// record is what is kept of a network: in the journal and in the bridge's external_ids. All that follows from Docker's
// request and the daemon's settings at that time is resolved, so that a restart with other settings changes nothing.
type record struct {
	Version  int               `json:"version"`
	ID       string            `json:"id"`
	Name     string            `json:"name,omitempty"` // in Docker, which does not tell; see meant.go
	Door     string            `json:"door"`
	Bridge   string            `json:"bridge"`
	Datapath string            `json:"datapath"`
	MTU      int               `json:"mtu"`
	IfPrefix string            `json:"if_prefix"`
	Internal bool              `json:"internal,omitempty"`
	IPv6     bool              `json:"ipv6,omitempty"`
	Pools    []pool            `json:"pools"`
	Options  map[string]string `json:"options,omitempty"`
	// Swarm says that the engine makes the network when a task needs it here, and forgets it when it ends.
	Swarm bool `json:"swarm,omitempty"`
	// Tunnel is the name of the port to other hosts; empty on a network of one host.
	Tunnel string `json:"tunnel,omitempty"`
	// AutoMTU says that MTU follows the underlay's.
	AutoMTU bool `json:"auto_mtu,omitempty"`
}

// recordVersion is the newest form of record that this program writes and reads.
const recordVersion = 1

// network is a record and what is derived from it.
type network struct {
	record
	opts config.Network
	used *index
	// settled says that its bridge stands: the audit keeps it.
	settled bool
	// asked is when this process was last asked to create it; zero if that was an earlier one.
	asked time.Time
	// tunnelOF is the OpenFlow number of its tunnel's port.
	tunnelOF uint32
	peers    *peerIndex
}

// endpoint is what should be of one endpoint. Values are replaced, never changed.
type endpoint struct {
	ID, Network string
	MAC         net.HardwareAddr
	Addresses   []netip.Prefix
	Options     map[string]string
	Link, Peer  string // host end and container end of the veth pair
	OFPort      uint32 // asked for, then what OVS gave
	opts        config.Endpoint
	// wantFlows and attached say that its flows and its port are wanted: the audit keeps them.
	wantFlows, attached bool
	// clinging says that taking flows and port away was tried and failed: some may be there, and who removes the endpoint
	// tries again.
	clinging bool
}

// world is what should be. It has no lock of its own and does no I/O.
type world struct {
	networks  map[string]network
	endpoints map[string]endpoint
	links     map[string]string // host end of a veth pair: its endpoint
}

func newWorld() world {
	return world{networks: map[string]network{}, endpoints: map[string]endpoint{}, links: map[string]string{}}
}

// snapshot copies what a reader needs, so that it can read without the lock.
func (w world) snapshot() world {
	return world{networks: maps.Clone(w.networks), endpoints: maps.Clone(w.endpoints)}
}

// addNetwork takes a network in, parsed and named, not settled yet.
func (w world) addNetwork(rec record) error {
	if rec.Version > recordVersion {
		return fmt.Errorf("network %s: record version %d is newer than this program's %d; install the newer ovsnet", short(rec.ID), rec.Version, recordVersion)
	}
	opts, err := config.ParseNetwork(rec.Options, nil)
	if err != nil {
		return fmt.Errorf("network %s: %w", short(rec.ID), err)
	}
	for _, n := range w.networks {
		if n.Bridge == rec.Bridge && n.ID != rec.ID {
			return fmt.Errorf("bridge %s: %w by network %s; choose another ovs.bridge.name", rec.Bridge, ErrTaken, short(n.ID))
		}
	}
	if err := w.checkTunnel(rec.ID, opts.Tunnel); err != nil {
		return err
	}
	w.networks[rec.ID] = network{record: rec, opts: opts, used: newIndex(), tunnelOF: tunnelOFPort, peers: newPeerIndex()}
	return nil
}

// bridgeName chooses the name for a network that asked for none.
func (w world) bridgeName(id string) (string, error) {
	for name := range candidates(bridgePrefix, id) {
		if !slices.ContainsFunc(slices.Collect(maps.Values(w.networks)), func(n network) bool { return n.Bridge == name && n.ID != id }) {
			return name, nil
		}
	}
	return "", fmt.Errorf("network %s: every bridge name derived from its id is %w; give ovs.bridge.name", short(id), ErrTaken)
}

// linkNames chooses the names of an endpoint's veth pair: both ends with the same tail.
func (w world) linkNames(id string) (host, peer string, err error) {
	for name := range candidates(hostPrefix, id) {
		if owner, taken := w.links[name]; !taken || owner == id {
			return name, peerPrefix + name[len(hostPrefix):], nil
		}
	}
	return "", "", fmt.Errorf("endpoint %s: every link name derived from its id is %w; remove an endpoint", short(id), ErrTaken)
}

// members gives the endpoints of a network.
func (w world) members(network string) []endpoint {
	var out []endpoint
	for _, e := range w.endpoints {
		if e.Network == network {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b endpoint) int { return int(a.OFPort) - int(b.OFPort) })
	return out
}

// addEndpoint takes an endpoint in: it checks it against its network and neighbours and gives it names and a port number.
func (w world) addEndpoint(e endpoint) (endpoint, error) {
	n, ok := w.networks[e.Network]
	if !ok {
		return e, fmt.Errorf("network %s: %w; create it through this driver", short(e.Network), ErrUnknownNetwork)
	}
	if e.opts.Isolated && n.opts.McastSnooping {
		return e, fmt.Errorf("endpoint %s: ovs.port.isolated can't be had on a network with ovs.bridge.mcast_snooping; leave one of the two out", short(e.ID))
	}
	if e.view(n).Marked() && n.IPv6 && n.MTU < config.MinMTU6+flows.MarkLength {
		return e, fmt.Errorf("endpoint %s: the frames of isolated and promiscuous ports are %d bytes longer in a tunnel, and the network's MTU of %d leaves no room for that beside IPv6's %d; raise the underlay's MTU", short(e.ID), flows.MarkLength, n.MTU, config.MinMTU6)
	}
	for _, a := range e.Addresses {
		if err := n.holds(a.Addr()); err != nil {
			return e, err
		}
	}
	if n.hasGateway() && string(e.MAC) == string(n.gatewayMAC()) {
		return e, fmt.Errorf("MAC %s: %w by the network's gateway; choose another", e.MAC, ErrTaken)
	}
	for _, a := range e.Addresses {
		if o, taken := n.used.addrs[a.Addr()]; taken && o != e.ID {
			return e, fmt.Errorf("address %s: %w by endpoint %s of the network; choose another", a.Addr(), ErrTaken, short(o))
		}
	}
	if o, taken := n.used.macs[string(e.MAC)]; taken && o != e.ID {
		return e, fmt.Errorf("MAC %s: %w by endpoint %s of the network; choose another", e.MAC, ErrTaken, short(o))
	}
	var err error
	if e.OFPort, err = n.used.freePort(n); err != nil {
		return e, err
	}
	if e.Link, e.Peer, err = w.linkNames(e.ID); err != nil {
		return e, err
	}
	w.putEndpoint(e)
	return e, nil
}

// putEndpoint writes an endpoint, new or changed, and its index.
func (w world) putEndpoint(e endpoint) {
	w.dropEndpoint(e.ID)
	w.endpoints[e.ID] = e
	w.links[e.Link] = e.ID
	if n, ok := w.networks[e.Network]; ok {
		n.used.put(e)
	}
}

// dropEndpoint takes an endpoint out.
func (w world) dropEndpoint(id string) {
	e, ok := w.endpoints[id]
	if !ok {
		return
	}
	delete(w.endpoints, id)
	delete(w.links, e.Link)
	if n, ok := w.networks[e.Network]; ok {
		n.used.drop(e)
	}
}

// dropNetwork takes a network out; its endpoints have gone before.
func (w world) dropNetwork(id string) { delete(w.networks, id) }

// holders are the endpoints of the network, other than e, that have one of e's addresses or its MAC.
func (n network) holders(e endpoint) []string {
	if n.used == nil {
		return nil
	}
	var out []string
	add := func(id string, ok bool) {
		if ok && id != e.ID && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	id, ok := n.used.macs[string(e.MAC)]
	add(id, ok)
	for _, a := range e.Addresses {
		id, ok = n.used.addrs[a.Addr()]
		add(id, ok)
	}
	return out
}

// holds says why an address can't be an endpoint's on this network.
func (n network) holds(a netip.Addr) error {
	var subnets []string
	for _, p := range n.Pools {
		if p.Gateway.IsValid() && p.Gateway.Addr() == a && n.route(a.Is6()) == a {
			return fmt.Errorf("address %s: %w by the network's gateway; choose another", a, ErrTaken)
		}
		if p.Subnet.Contains(a) {
			return nil
		}
		subnets = append(subnets, p.Subnet.String())
	}
	if len(subnets) == 0 {
		return nil // an IPAM driver without pools hands out what it likes
	}
	return fmt.Errorf("address %s: outside of the network's subnets %v; choose one inside", a, subnets)
}

// mode is how one family meets the world outside: one of config's modes.
func (n network) mode(v6 bool) string {
	switch {
	case n.Internal:
		return config.ModeIsolated
	case v6:
		return n.opts.Outside.Mode6
	}
	return n.opts.Outside.Mode4
}

// hasGateway says whether the host takes part in the network.
func (n network) hasGateway() bool { return len(n.gateways()) > 0 }

// gateways are the addresses that IPAM gave the gateway, in the families in which the host is the gateway.
func (n network) gateways() []netip.Prefix {
	var out []netip.Prefix
	for _, p := range n.Pools {
		if mode := n.mode(p.Subnet.Addr().Is6()); p.Gateway.IsValid() && n.opts.Outside.Gateway == config.GatewayOVS &&
			mode != config.ModeIsolated && mode != config.ModeFlat {
			out = append(out, p.Gateway)
		}
	}
	return out
}

// route is the default route for containers in one family: to the host, or in flat mode to a router that has the
// gateway's address; the zero Addr where there is none.
func (n network) route(v6 bool) netip.Addr {
	if mode := n.mode(v6); mode == config.ModeIsolated || n.opts.Outside.Gateway != config.GatewayOVS {
		return netip.Addr{}
	}
	for _, p := range n.Pools {
		if p.Gateway.IsValid() && p.Gateway.Addr().Is6() == v6 {
			return p.Gateway.Addr()
		}
	}
	return netip.Addr{}
}

// tag tells the network from others on its bridge; a bridge has one.
func (n network) tag() uint16 { return 1 }

// unguarded says whether an unknown MAC may live behind the endpoint's port.
func (e endpoint) unguarded() bool { return e.opts.Unguarded && e.wantFlows }

// view is the network as the pipeline sees it; unguarded says that one of its endpoints is.
func (n network) view(unguarded bool) flows.Network {
	v := flows.Network{Tag: n.tag(), ICC: n.opts.ICC, McastSnooping: n.opts.McastSnooping, Unguarded: unguarded, Gateway: n.hasGateway(), Tunnel: n.tunnelView(), ForwardND: !n.datapath().WritesND}
	if v.Gateway {
		v.GatewayMAC = n.gatewayMAC()
		for _, g := range n.gateways() {
			v.GatewayAddrs = append(v.GatewayAddrs, g.Addr())
		}
		if n.IPv6 {
			v.GatewayAddrs = append(v.GatewayAddrs, flows.LinkLocal(v.GatewayMAC))
		}
	}
	return v
}

// view is the endpoint as the pipeline sees it.
func (e endpoint) view(n network) flows.Port {
	o := e.opts
	p := flows.Port{
		Network: n.view(false), Number: uint16(e.OFPort & 0xffff), MAC: e.MAC, IPv6: n.IPv6,
		Unguarded: o.Unguarded, Allowed: o.Allowed, Isolated: o.Isolated, Promiscuous: o.Promiscuous,
		BroadcastRate: n.opts.BroadcastRate,
	}
	for _, a := range e.Addresses {
		p.Addrs = append(p.Addrs, a.Addr())
	}
	for _, s := range o.Allow {
		p.Allow |= services[s]
	}
	if o.BroadcastRate != nil {
		p.BroadcastRate = *o.BroadcastRate
	}
	return p
}

var services = map[string]flows.Services{
	config.ServiceDHCPServer: flows.ServiceDHCPServer, config.ServiceRA: flows.ServiceRA,
	config.ServiceRedirect: flows.ServiceRedirect, config.ServiceLinkControl: flows.ServiceLinkControl,
}
