// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Network is what the options of docker network create say, typed. The zero value of a field means that
// nothing was said and the daemon's default or a derived value holds.
type Network struct {
	// Bridge is the name of the bridge; empty: derived from the network's id.
	Bridge string
	// MTU is the largest packet, in bytes, of every port and container on the network; 0: the daemon's.
	MTU int
	// Datapath is "auto", "system" or "netdev"; empty: the daemon's.
	Datapath string
	// ICC lets containers of the network talk to each other.
	ICC bool
	// McastSnooping sends multicast only to ports that asked for it by IGMP or MLD.
	McastSnooping bool
	// BroadcastRate is the number of broadcast and multicast frames a second that each port may send; 0: any number.
	BroadcastRate uint32
	// Outside says how the network meets the world outside.
	Outside Outside
	// Tunnel says how it reaches across hosts.
	Tunnel Tunnel
	// IfPrefix is the first part of the name that interfaces get in containers.
	IfPrefix string

	// IPv4 and IPv6 tell which address families Docker has turned on for the network.
	IPv4, IPv6 bool
	// Internal is docker network create --internal: no way out and no way in.
	Internal bool

	// Raw holds the options as they were given, for the journal and for docker network inspect.
	Raw map[string]string
	// Ignored lists Docker's own keys that were given and have no meaning here, sorted.
	Ignored []string
}

// DefaultBroadcastRate is the number of broadcast and multicast frames a second that a port may send when no option
// says another: room for a video stream of 50 Mbit/s, and an end to storms.
const DefaultBroadcastRate = 5000

// DefaultIfPrefix is the first part of an interface's name in a container when no option says another.
const DefaultIfPrefix = "eth"

// Docker's own keys at the top level of CreateNetwork's options.
const (
	keyEnableIPv4 = "com.docker.network.enable_ipv4"
	keyEnableIPv6 = "com.docker.network.enable_ipv6"
	keyInternal   = "com.docker.network.internal"
)

// networkTable is the one table of what docker network create -o takes.
var networkTable = append([]row[Network]{
	{
		Option: Option{
			Key: "ovs.bridge.name", Docker: "com.docker.network.bridge.name", Type: "name",
			Default: "ovsbr- and the start of the network's id",
			Doc:     "Name of the bridge, 1 to 15 of letters, digits, dot, dash, underscore. A bridge of that name that is not ovsnet's is never taken over.",
		},
		set: func(n *Network, v string) error { n.Bridge = v; return checkLinkName(v) },
	},
	{
		Option: Option{
			Key: "ovs.bridge.mtu", Docker: "com.docker.network.driver.mtu", Type: "bytes",
			Default: "the daemon's mtu; across hosts, the underlay's less the tunnel's overhead",
			Doc:     "Largest packet on the network, 68 to 65535 bytes, at least 1280 with IPv6. Containers get it on their interface.",
		},
		set: func(n *Network, v string) (err error) { n.MTU, err = parseMTU(v); return err },
	},
	{
		Option: Option{
			Key: "ovs.bridge.datapath", Type: "auto | system | netdev",
			Default: "the daemon's datapath",
			Doc:     "Who forwards: the kernel (system), ovs-vswitchd in userspace (netdev), or the kernel where the host has its module and userspace elsewhere (auto).",
		},
		set: func(n *Network, v string) error {
			n.Datapath = v
			return checkOneOf(v, DatapathAuto, DatapathSystem, DatapathNetdev)
		},
	},
	{
		Option: Option{
			Key: "ovs.bridge.icc", Docker: "com.docker.network.bridge.enable_icc", Type: boolType, Default: "true",
			Doc: "Whether containers of the network may talk to each other. If not, no frame of any kind passes between them; the gateway and promiscuous ports stay reachable.",
		},
		set: func(n *Network, v string) error { return readBool(v, &n.ICC) },
	},
	{
		Option: Option{
			Key: "ovs.bridge.mcast_snooping", Type: boolType, Default: "false",
			Doc: "Whether multicast goes only to the ports that asked for it by IGMP or MLD. Needs inter-container communication, and no isolated ports.",
		},
		set: func(n *Network, v string) error { return readBool(v, &n.McastSnooping) },
	},
	{
		Option: Option{
			Key: "ovs.bridge.broadcast_rate", Type: "frames a second", Default: fmt.Sprint(DefaultBroadcastRate),
			Doc: "How many broadcast and multicast frames a second each port may send, unless ovs.port.broadcast_rate says another number; 0 is no limit.",
		},
		set: func(n *Network, v string) (err error) { n.BroadcastRate, err = parseRate(v); return err },
	},
	{
		Option: Option{
			Docker: "com.docker.network.container_iface_prefix", Type: "name", Default: DefaultIfPrefix,
			Doc: "First part of the interface's name in containers; Docker puts the number behind it. At most 12 bytes, not ending in a digit.",
		},
		set: func(n *Network, v string) error { n.IfPrefix = v; return checkPrefix(v) },
	},
}, slices.Concat(outsideTable, tunnelTable)...)

// NetworkOptions gives the table of what docker network create -o takes.
func NetworkOptions() []Option { return options(networkTable) }

// ParseNetwork reads the options of a network: generic is what stands under com.docker.network.generic (the
// user's -o), docker the map that it stands in. Unknown keys are errors, but for Docker's own, which are listed
// in Ignored. Every error is a *KeyError; all are joined.
func ParseNetwork(generic map[string]string, docker map[string]any) (Network, error) {
	n := Network{IfPrefix: DefaultIfPrefix, ICC: true, BroadcastRate: DefaultBroadcastRate, Outside: defaultOutside(), IPv4: true, Raw: maps.Clone(generic)}
	var errs []error
	for _, b := range []struct {
		key  string
		into *bool
	}{{keyEnableIPv4, &n.IPv4}, {keyEnableIPv6, &n.IPv6}, {keyInternal, &n.Internal}} {
		v, ok := docker[b.key]
		if !ok {
			continue
		}
		if err := readBool(v, b.into); err != nil {
			errs = append(errs, valueError(b.key, fmt.Sprint(v), err))
		}
	}
	ignored, err := parse(networkTable, &n, generic)
	n.Ignored = ignored
	n.Tunnel.settle()
	if err == nil {
		err = n.Validate(n.IPv6)
	}
	return n, errors.Join(append(errs, err)...)
}

// Validate holds the options against each other: IPv6 asks for an MTU of at least 1280 bytes (RFC 8200). It is
// separate from ParseNetwork because whether a network speaks IPv6 may also follow from its address pools.
func (n Network) Validate(ipv6 bool) error {
	if ipv6 && n.MTU != 0 && n.MTU < MinMTU6 {
		return &KeyError{
			Key: "ovs.bridge.mtu", Value: fmt.Sprint(n.MTU), kind: ErrValue,
			Problem: fmt.Sprintf("IPv6 needs at least %d bytes", MinMTU6),
			WayOut:  "give a larger one, or leave out --ipv6",
		}
	}
	if n.McastSnooping && !n.ICC {
		return &KeyError{
			Key: "ovs.bridge.mcast_snooping", Value: "true", kind: ErrValue,
			Problem: "has nobody to serve with ovs.bridge.icc=false",
			WayOut:  "leave one of the two out",
		}
	}
	return errors.Join(n.Outside.validate(), n.Tunnel.validate(n.McastSnooping))
}

// readBool takes a truth value as Docker sends it: JSON's own, or in words where options are texts only.
func readBool(v any, into *bool) error {
	switch t := v.(type) {
	case bool:
		*into = t
		return nil
	case string:
		switch t {
		case "true", "1":
			*into = true
			return nil
		case "false", "0":
			*into = false
			return nil
		}
	}
	return &wrong{"is neither true nor false", "give one of the two"}
}
