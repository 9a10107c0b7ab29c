// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/netip"
	"strings"
)

// Outside is how a network meets the world outside: the host, what is behind it, and other networks.
type Outside struct {
	// Mode4 and Mode6 are one of the Mode constants, for each address family.
	Mode4, Mode6 string
	// Masquerade gives packets on their way out the host's address. It has no meaning in other modes than NAT.
	Masquerade bool
	// HostBinding4 and HostBinding6 are the host's addresses for published ports that name none; zero: all.
	HostBinding4, HostBinding6 netip.Addr
	// InhibitIPv4 leaves the gateway's IPv4 address for somebody else to assign.
	InhibitIPv4 bool
	// Gateway is GatewayOVS or GatewayDocker.
	Gateway string
	// Peers are other networks, by their name in Docker, their bridge or the start of their id, to which the host forwards.
	Peers []string
	// ClampMSS lowers the MSS of TCP connections to what the way out carries.
	ClampMSS bool
}

// How a network meets the world outside; the words are Docker's, but for flat.
const (
	// ModeNAT translates addresses and published ports.
	ModeNAT = "nat"
	// ModeNATUnprotected is ModeNAT without the filter: who has a route reaches every port.
	ModeNATUnprotected = "nat-unprotected"
	// ModeRouted translates nothing; published ports are open, others are not.
	ModeRouted = "routed"
	// ModeIsolated has no way in or out, nor a host's address.
	ModeIsolated = "isolated"
	// ModeFlat leaves the gateway's address to a router on the network: the host takes no part.
	ModeFlat = "flat"
)

// Who gives containers their way out.
const (
	// GatewayOVS is the network's own bridge.
	GatewayOVS = "ovs"
	// GatewayDocker is Docker's bridge docker_gwbridge, as with overlay networks.
	GatewayDocker = "docker"
)

func defaultOutside() Outside {
	return Outside{Mode4: ModeNAT, Mode6: ModeNAT, Masquerade: true, Gateway: GatewayOVS}
}

func (o *Outside) validate() error {
	if o.Gateway == GatewayDocker && (o.Mode4 != ModeNAT || o.Mode6 != ModeNAT) {
		return &KeyError{
			Key: "ovs.bridge.gateway", Value: GatewayDocker, kind: ErrValue,
			Problem: "leaves nothing to do for a gateway mode",
			WayOut:  "leave ovs.bridge.mode and Docker's gateway_mode keys out",
		}
	}
	return nil
}

func checkMode(v string) error {
	return checkOneOf(v, ModeNAT, ModeNATUnprotected, ModeRouted, ModeIsolated, ModeFlat)
}

// outsideTable are the rows of networkTable that say how a network meets the world outside. A family's own mode stands
// behind the mode of both, and so wins.
var outsideTable = []row[Network]{
	{
		Option: Option{
			Key: "ovs.bridge.mode", Type: "nat | nat-unprotected | routed | isolated | flat", Default: ModeNAT,
			Doc: "How the network meets the world outside. nat: translated, published ports alone are open. nat-unprotected: translated, every port is open to who has a route. routed: not translated, published ports alone are open. isolated: no host address, no way in or out. flat: the gateway's address belongs to a router on the network, the host takes no part.",
		},
		set: func(n *Network, v string) error { n.Outside.Mode4, n.Outside.Mode6 = v, v; return checkMode(v) },
	},
	{
		Option: Option{
			Docker: "com.docker.network.bridge.gateway_mode_ipv4", Type: "as ovs.bridge.mode", Default: "ovs.bridge.mode",
			Doc: "The mode of IPv4 alone.",
		},
		set: func(n *Network, v string) error { n.Outside.Mode4 = v; return checkMode(v) },
	},
	{
		Option: Option{
			Docker: "com.docker.network.bridge.gateway_mode_ipv6", Type: "as ovs.bridge.mode", Default: "ovs.bridge.mode",
			Doc: "The mode of IPv6 alone.",
		},
		set: func(n *Network, v string) error { n.Outside.Mode6 = v; return checkMode(v) },
	},
	{
		Option: Option{
			Key: "ovs.bridge.masquerade", Docker: "com.docker.network.bridge.enable_ip_masquerade", Type: boolType, Default: "true",
			Doc: "Whether packets on their way out get the host's address.",
		},
		set: func(n *Network, v string) error { return readBool(v, &n.Outside.Masquerade) },
	},
	{
		Option: Option{
			Key: "ovs.bridge.host_binding_ipv4", Docker: "com.docker.network.bridge.host_binding_ipv4", Type: "IPv4 address", Default: "every address",
			Doc: "The host's address for published ports that name none.",
		},
		set: func(n *Network, v string) (err error) {
			n.Outside.HostBinding4, err = parseAddr(v, "IPv4", netip.Addr.Is4)
			return err
		},
	},
	{
		Option: Option{
			Key: "ovs.bridge.host_binding_ipv6", Type: "IPv6 address", Default: "every address",
			Doc: "The same for IPv6.",
		},
		set: func(n *Network, v string) (err error) {
			n.Outside.HostBinding6, err = parseAddr(v, "IPv6", netip.Addr.Is6)
			return err
		},
	},
	{
		Option: Option{
			Key: "ovs.bridge.inhibit_ipv4", Docker: "com.docker.network.bridge.inhibit_ipv4", Type: boolType, Default: "false",
			Doc: "Whether the gateway's IPv4 address is left for somebody else to assign to the bridge.",
		},
		set: func(n *Network, v string) error { return readBool(v, &n.Outside.InhibitIPv4) },
	},
	{
		Option: Option{
			Key: "ovs.bridge.gateway", Type: "ovs | docker", Default: GatewayOVS,
			Doc: "Who gives containers their way out: the network's own bridge, or Docker's docker_gwbridge through a second interface.",
		},
		set: func(n *Network, v string) error {
			n.Outside.Gateway = v
			return checkOneOf(v, GatewayOVS, GatewayDocker)
		},
	},
	{
		Option: Option{
			Key: "ovs.bridge.peers", Type: "network,...", Default: "none",
			Doc: "Other networks of ovsnet, by their name in Docker, their bridge, or at least 8 characters of their id, to and from which the host forwards. One of the two naming the other is enough.",
		},
		set: func(n *Network, v string) error {
			n.Outside.Peers = strings.Split(v, ",")
			for _, p := range n.Outside.Peers {
				if err := checkNameBytes(p, 128); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		Option: Option{
			Key: "ovs.bridge.clamp_mss", Type: boolType, Default: "false",
			Doc: "Whether the MSS of TCP connections is lowered to what the way out carries, for paths that lose the ICMP messages that path MTU discovery needs.",
		},
		set: func(n *Network, v string) error { return readBool(v, &n.Outside.ClampMSS) },
	},
}

func parseAddr(s, family string, is func(netip.Addr) bool) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !is(a) || a.Zone() != "" || a.Is4In6() {
		return netip.Addr{}, &wrong{"is no " + family + " address", "write one of the host's addresses"}
	}
	return a, nil
}
