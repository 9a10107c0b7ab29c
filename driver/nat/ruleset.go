// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"fmt"

	"sigs.k8s.io/knftables"
)

// PortGroup is the group (IFLA_GROUP) of the host's ends of containers' links, which are ports of the switch.
const PortGroup = 0x0e75

// setDef is a set, or a map if it has a value, of our table.
type setDef struct {
	name, key, value string
	interval         bool
	doc              string
}

// The sets and maps, by name. Families are told apart by a 4 or 6 at the end, or by a first field ipv4 or ipv6.
const (
	setLinks       = "links"
	setPaths       = "paths"
	setIsolated    = "isolated"
	setUnprotected = "unprotected"
	setRouted      = "routed"
	setClamp       = "clamp"
	setGateways    = "gateways"
	setOwn         = "own"
	setSubnets     = "subnets"
	setMasquerade  = "masquerade"
	setOpen        = "open"
	setOpened      = "opened"
	setRouterAds   = "router_ads"
	mapPorts       = "ports"
	mapPortsAt     = "ports_at"
)

// setDefs declares every set and map. What is in them is all that differs between one host and another.
var setDefs = []setDef{
	{name: setLinks, key: "ifname", doc: "gateways of our networks"},
	{name: setPaths, key: "nf_proto . ifname . ifname", doc: "from and to: the same network, or peers"},
	{name: setIsolated, key: "nf_proto . ifname", doc: "nothing in, nothing out"},
	{name: setUnprotected, key: "nf_proto . ifname", doc: "every port is open to who has a route"},
	{name: setRouted, key: "nf_proto . ifname", doc: "no translation, published ports are open"},
	{name: setClamp, key: "ifname", doc: "TCP's MSS follows the route"},
	{name: setGateways + "4", key: "ipv4_addr", doc: "the host's addresses on our networks"},
	{name: setGateways + "6", key: "ipv6_addr"},
	{name: setOwn + "4", key: "ifname . ipv4_addr", doc: "gateways that a network may talk to"},
	{name: setOwn + "6", key: "ifname . ipv6_addr"},
	{name: setSubnets + "4", key: "ipv4_addr", interval: true, doc: "our networks"},
	{name: setSubnets + "6", key: "ipv6_addr", interval: true},
	{name: setMasquerade + "4", key: "ipv4_addr", interval: true, doc: "those that leave with the host's address"},
	{name: setMasquerade + "6", key: "ipv6_addr", interval: true},
	{name: mapPorts + "4", key: "inet_proto . inet_service", value: "ipv4_addr . inet_service", doc: "published on every address"},
	{name: mapPorts + "6", key: "inet_proto . inet_service", value: "ipv6_addr . inet_service"},
	{name: mapPortsAt + "4", key: "ipv4_addr . inet_proto . inet_service", value: "ipv4_addr . inet_service", doc: "published on one address"},
	{name: mapPortsAt + "6", key: "ipv6_addr . inet_proto . inet_service", value: "ipv6_addr . inet_service"},
	{name: setOpen + "4", key: "ipv4_addr . inet_proto . inet_service", doc: "published by routed networks"},
	{name: setOpen + "6", key: "ipv6_addr . inet_proto . inet_service"},
	{name: setOpened + "4", key: "ifname", doc: "links that forward because we asked"},
	{name: setOpened + "6", key: "ifname"},
	{name: setRouterAds, key: "ifname", doc: "links whose accept_ra went from 1 to 2"},
}

// chainDef is a chain of our table; without a hook it is one that others go to.
type chainDef struct {
	name     string
	kind     knftables.BaseChainType
	hook     knftables.BaseChainHook
	priority knftables.BaseChainPriority
	rules    []string
}

// chainDefs declares every chain and rule. It is the same on every host. Protocols are numbers because nft reads
// their names from a file that a plugin's image may lack: 1 ICMP, 58 ICMPv6.
var chainDefs = []chainDef{
	{
		// On the userspace datapath the host's IP stack sees what containers send twice: as it enters the switch, and
		// as it leaves the switch by a gateway. The first is none of its business: it has passed no check.
		name: "ports", kind: knftables.FilterType, hook: knftables.PreroutingHook, priority: knftables.RawPriority,
		rules: []string{fmt.Sprintf(`iifgroup %d counter drop comment "for the switch, not for the host"`, PortGroup)},
	},
	{
		// Before translation, so that the other network's gateway is closed for its published ports too. Gateways'
		// links have route_localnet on, which opens the way to 127.0.0.0/8: it is closed here.
		name: "guard", kind: knftables.FilterType, hook: knftables.PreroutingHook, priority: knftables.ManglePriority,
		rules: []string{
			`iifname != @links accept`,
			`ip daddr 127.0.0.0/8 counter drop comment "no way to the host's loopback"`,
			`ip saddr 127.0.0.0/8 counter drop`,
			`ip daddr @gateways4 iifname . ip daddr != @own4 counter drop comment "another network's gateway"`,
			`ip6 daddr @gateways6 iifname . ip6 daddr != @own6 counter drop`,
		},
	},
	{
		name: "mss", kind: knftables.FilterType, hook: knftables.ForwardHook, priority: knftables.ManglePriority,
		rules: []string{
			`iifname @clamp tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu`,
			`oifname @clamp tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu`,
		},
	},
	{
		name: "forward", kind: knftables.FilterType, hook: knftables.ForwardHook, priority: knftables.FilterPriority,
		rules: []string{
			`meta nfproto ipv4 iifname @opened4 oifname @opened4 counter drop comment "the host is no router"`,
			`meta nfproto ipv6 iifname @opened6 oifname @opened6 counter drop`,
			`iifname != @links oifname != @links accept`,
			`meta nfproto . iifname . oifname @paths accept`,
			`meta nfproto . iifname @isolated counter drop comment "isolated"`,
			`meta nfproto . oifname @isolated counter drop`,
			`ct status dnat accept comment "published"`,
			`iifname @links oifname @links counter drop comment "from one network to another"`,
			`iifname @links accept comment "way out"`,
			`ct state established,related accept`,
			`meta nfproto . oifname @unprotected accept`,
			`meta nfproto . oifname @routed goto routed`,
			`counter drop comment "not published"`,
		},
	},
	{
		name: "routed",
		rules: []string{
			`meta l4proto { 1, 58 } accept`,
			`ip daddr . meta l4proto . th dport @open4 accept`,
			`ip6 daddr . meta l4proto . th dport @open6 accept`,
			`counter drop comment "not published"`,
		},
	},
	{
		name: "prerouting", kind: knftables.NATType, hook: knftables.PreroutingHook, priority: knftables.DNATPriority,
		rules: []string{`fib daddr type local goto published`},
	},
	{
		name: "output", kind: knftables.NATType, hook: knftables.OutputHook, priority: knftables.DNATPriority,
		rules: []string{`fib daddr type local goto published`},
	},
	{
		// What is left over here arrives at the socket that holds the port: IPv6 knows no way from ::1 to another
		// link, and an answer to a link-local address cannot be routed.
		name: "published",
		rules: []string{
			`dnat ip to ip daddr . meta l4proto . th dport map @ports_at4`,
			`dnat ip to meta l4proto . th dport map @ports4`,
			`ip6 daddr ::1 return`,
			`ip6 saddr fe80::/10 return`,
			`dnat ip6 to ip6 daddr . meta l4proto . th dport map @ports_at6`,
			`dnat ip6 to meta l4proto . th dport map @ports6`,
		},
	},
	{
		name: "postrouting", kind: knftables.NATType, hook: knftables.PostroutingHook, priority: knftables.SNATPriority,
		rules: []string{
			`oifname @links goto inward`,
			`ip saddr @masquerade4 masquerade`,
			`ip6 saddr @masquerade6 masquerade`,
		},
	},
	{
		// To a container: the answer must come back through the host, also from a neighbour on the same bridge.
		name: "inward",
		rules: []string{
			`ip saddr 127.0.0.0/8 masquerade`,
			`ct status dnat ip saddr @subnets4 masquerade`,
			`ct status dnat ip6 saddr @subnets6 masquerade`,
		},
	},
	{
		// A container that talks to a published port of its neighbour would be told a shorter way, past the translation.
		name: "redirects", kind: knftables.FilterType, hook: knftables.OutputHook, priority: knftables.FilterPriority,
		rules: []string{
			`oifname @links icmp type redirect drop`,
			`oifname @links icmpv6 type nd-redirect drop`,
		},
	},
}
