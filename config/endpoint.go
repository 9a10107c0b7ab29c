// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"maps"
	"net/netip"
	"strings"
)

// Endpoint is what the options of one container's attachment say, typed.
type Endpoint struct {
	// IfName is the name that the interface should get in the container; empty: the network's prefix and the
	// lowest free number. Engines up to 29.7 choose the name themselves, whatever a plugin answers.
	IfName string
	// Unguarded turns port security off: the container may send anything.
	Unguarded bool
	// Allowed are source prefixes that the container may use besides its own addresses.
	Allowed []netip.Prefix
	// Allow names the guarded services that the container may offer, of the Service constants.
	Allow []string
	// Isolated keeps the port from reaching other isolated ports.
	Isolated bool
	// Promiscuous lets the port talk to every port of its network, whatever else says no.
	Promiscuous bool
	// BroadcastRate is the number of broadcast and multicast frames a second that the port may send, 0 for any number;
	// nil: the network's.
	BroadcastRate *uint32

	// Raw holds the options as they were given.
	Raw map[string]string
	// Ignored lists Docker's own keys that were given and have no meaning here, sorted.
	Ignored []string
}

// The services that port security stops unless ovs.port.allow names them.
const (
	ServiceDHCPServer  = "dhcp-server"
	ServiceRA          = "ra"
	ServiceRedirect    = "redirect"
	ServiceLinkControl = "link-control"
)

var services = []string{ServiceDHCPServer, ServiceRA, ServiceRedirect, ServiceLinkControl}

// endpointTable is the one table of what docker network connect --driver-opt takes.
var endpointTable = []row[Endpoint]{
	{
		Option: Option{
			Key: "ovs.port.security", Type: "on | off", Default: "on",
			Doc: "Port security: the container sends only from its own MAC and addresses, speaks ARP and ND only for itself, and offers no router, redirect, DHCP or link-control messages. Off for network functions that bridge.",
		},
		set: func(e *Endpoint, v string) error {
			e.Unguarded = v == "off"
			return checkOneOf(v, "on", "off")
		},
	},
	{
		Option: Option{
			Key: "ovs.port.allowed_addresses", Type: "CIDR,...",
			Doc: "Source addresses that the container may use besides its own, such as those behind a router.",
		},
		set: func(e *Endpoint, v string) (err error) { e.Allowed, err = parsePrefixes(v); return err },
	},
	{
		Option: Option{
			Key: "ovs.port.allow", Type: strings.Join(services, " | ") + ", ...",
			Doc: "Messages that port security stops and this container may send: DHCP server replies, router advertisements, redirects, STP, LACP, LLDP and their kin.",
		},
		set: func(e *Endpoint, v string) error {
			e.Allow = strings.Split(v, ",")
			for _, s := range e.Allow {
				if err := checkOneOf(s, services...); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		Option: Option{
			Key: "ovs.port.isolated", Type: boolType, Default: "false",
			Doc: "The port reaches no other isolated port, as in a private VLAN.",
		},
		set: func(e *Endpoint, v string) error { return readBool(v, &e.Isolated) },
	},
	{
		Option: Option{
			Key: "ovs.port.promiscuous", Type: boolType, Default: "false",
			Doc: "The port talks to every port of its network, isolated ones and with inter-container communication off.",
		},
		set: func(e *Endpoint, v string) error { return readBool(v, &e.Promiscuous) },
	},
	{
		Option: Option{
			Key: "ovs.port.broadcast_rate", Type: "frames a second", Default: "the network's ovs.bridge.broadcast_rate",
			Doc: "How many broadcast and multicast frames a second the port may send; 0 is no limit.",
		},
		set: func(e *Endpoint, v string) error {
			rate, err := parseRate(v)
			e.BroadcastRate = &rate
			return err
		},
	},
	{
		Option: Option{
			Docker: "com.docker.network.endpoint.ifname", Type: "name",
			Default: "the network's prefix and the lowest free number",
			Doc:     "Name of the interface in the container, 1 to 15 bytes. Only engines that let a plugin choose the name act on it (29.8 and later).",
		},
		set: func(e *Endpoint, v string) error { e.IfName = v; return checkLinkName(v) },
	},
}

// EndpointOptions gives the table of what docker network connect --driver-opt takes.
func EndpointOptions() []Option { return options(endpointTable) }

// ParseEndpoint reads the options of an endpoint: the values of CreateEndpoint's options that are texts. Unknown
// keys are errors, but for Docker's own, which are listed in Ignored. Every error is a *KeyError; all are joined.
func ParseEndpoint(opts map[string]string) (Endpoint, error) {
	e := Endpoint{Raw: maps.Clone(opts)}
	ignored, err := parse(endpointTable, &e, opts)
	e.Ignored = ignored
	if e.Isolated && e.Promiscuous {
		err = errors.Join(err, &KeyError{
			Key: "ovs.port.isolated", Value: "true", kind: ErrValue,
			Problem: "contradicts ovs.port.promiscuous=true", WayOut: "leave one of the two out",
		})
	}
	return e, err
}

// parsePrefixes reads a list of addresses and prefixes. Unlike a typing error in one address, a prefix with bits
// behind its length is refused: it may mean the address or the whole prefix.
func parsePrefixes(s string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for text := range strings.SplitSeq(s, ",") {
		p, err := netip.ParsePrefix(text)
		if a, bad := netip.ParseAddr(text); err != nil && bad == nil && a.Zone() == "" {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		switch {
		case err != nil || p.Addr().Is4In6():
			return nil, &wrong{"holds " + quoteOdd(text) + ", which is no address or prefix", "write 10.1.0.0/16,fd00::/64"}
		case p != p.Masked():
			return nil, &wrong{"holds " + text + ", which has bits behind its length", "write " + p.Masked().String() + " or " + p.Addr().String()}
		}
		out = append(out, p)
	}
	return out, nil
}
