// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Tunnel is how a network reaches across hosts. The zero value is a network of one host.
type Tunnel struct {
	// Type is one of the Tunnel constants; empty: no tunnel.
	Type string
	// VNI is the number that tells the network apart on the wire, the same on every host; 0: not chosen yet.
	VNI uint32
	// Peers are other hosts, addresses or names, beside those that the daemon knows.
	Peers []string
	// Static are the MACs that are behind a peer whatever is learned.
	Static []Static
}

// Static is a neighbour on another host.
type Static struct {
	MAC net.HardwareAddr
	// Addrs are the neighbour's addresses, answered for on this host; may be empty.
	Addrs []netip.Addr
	// Peer is the underlay address of the host that has it.
	Peer netip.Addr
}

// The kinds of tunnel; the words are Open vSwitch's.
const (
	TunnelVXLAN  = "vxlan"
	TunnelGeneve = "geneve"
	TunnelGRE    = "gre"
)

const (
	maxVNI    = 1<<24 - 1 // VXLAN (RFC 7348, section 5) and Geneve (RFC 8926, section 3.4)
	maxGREKey = 1<<32 - 1 // RFC 2890, section 2
)

// tunnelTable are the rows of networkTable about other hosts.
var tunnelTable = []row[Network]{
	{
		Option: Option{
			Key: "ovs.tunnel.type", Type: "vxlan | geneve | gre", Default: "vxlan where another ovs.tunnel key is given, else none",
			Doc: "Makes the network reach across hosts, through tunnels of this kind. All hosts need the same type, VNI and subnet.",
		},
		set: func(n *Network, v string) error {
			n.Tunnel.Type = v
			return checkOneOf(v, TunnelVXLAN, TunnelGeneve, TunnelGRE)
		},
	},
	{
		Option: Option{
			Key: "ovs.tunnel.vni", Docker: "com.docker.network.driver.overlay.vxlanid_list", Type: "integer",
			Default: "in global scope a free one",
			Doc:     "The number that tells the network apart on the wire, 1 to 16777215 (gre: to 4294967295). In local scope nobody could agree on one: give the same on every host.",
		},
		set: func(n *Network, v string) (err error) { n.Tunnel.VNI, err = parseVNI(v); return err },
	},
	{
		Option: Option{
			Key: "ovs.tunnel.peers", Type: "host,...", Default: "none",
			Doc: "Other hosts of this network, addresses or names, beside the daemon's peers and Swarm's nodes.",
		},
		set: func(n *Network, v string) error {
			n.Tunnel.Peers = strings.Split(v, ",")
			return checkPeers(n.Tunnel.Peers)
		},
	},
	{
		Option: Option{
			Key: "ovs.tunnel.static", Type: "mac[/address...]@host,...", Default: "none",
			Doc: "Neighbours on other hosts that are given and never learned over: a MAC, its addresses, which are then answered for on this host, and the host's underlay address, as in 02:42:0a:01:00:09/10.1.0.9@192.0.2.7.",
		},
		set: func(n *Network, v string) (err error) { n.Tunnel.Static, err = parseStatic(v); return err },
	},
}

// On says whether the network reaches across hosts.
func (t Tunnel) On() bool { return t.Type != "" }

// Complete says why a tunnel can't be made as it stands: without a VNI the hosts could not agree on the network.
func (t Tunnel) Complete() error {
	if !t.On() || t.VNI != 0 {
		return nil
	}
	return &KeyError{
		Key: "ovs.tunnel.type", Value: t.Type, kind: ErrValue,
		Problem: "has no VNI, and in local scope no other host could agree on one",
		WayOut:  "give ovs.tunnel.vni, the same on every host",
	}
}

// settle fills in what follows from the tunnel's other keys.
func (t *Tunnel) settle() {
	if t.Type == "" && (t.VNI != 0 || t.Peers != nil || t.Static != nil) {
		t.Type = TunnelVXLAN
	}
}

func (t Tunnel) validate(snooping bool) error {
	switch {
	case t.Type != TunnelGRE && t.VNI > maxVNI:
		return &KeyError{
			Key: "ovs.tunnel.vni", Value: fmt.Sprint(t.VNI), kind: ErrValue,
			Problem: "does not fit the 24 bits that " + t.Type + " has for it", WayOut: fmt.Sprintf("give 1 to %d", maxVNI),
		}
	case t.On() && snooping:
		return &KeyError{
			Key: "ovs.bridge.mcast_snooping", Value: "true", kind: ErrValue,
			Problem: "ends at this host: it can't tell which peer asked for what", WayOut: "leave out that or ovs.tunnel.type",
		}
	}
	return nil
}

// parseVNI reads a network's number. Docker's key is a list, of which a network has one.
func parseVNI(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	switch {
	case strings.Contains(s, ","):
		return 0, &wrong{"is a list", "give one number: all subnets of a network share it"}
	case err != nil || n == 0 || strconv.FormatUint(n, 10) != s:
		return 0, &wrong{"is no VNI", fmt.Sprintf("give 1 to %d (gre: to %d)", maxVNI, uint32(maxGREKey))}
	}
	return uint32(n), nil
}

// parseStatic reads the list of given neighbours.
func parseStatic(s string) ([]Static, error) {
	const way = "write 02:42:0a:01:00:09/10.1.0.9@192.0.2.7"
	var out []Static
	for text := range strings.SplitSeq(s, ",") {
		who, peer, _ := strings.Cut(text, "@")
		parts := strings.Split(who, "/")
		mac, err := net.ParseMAC(parts[0])
		if err != nil || len(mac) != 6 || mac[0]&1 == 1 || [6]byte(mac) == [6]byte{} {
			return nil, &wrong{"holds " + quoteOdd(text) + ", which does not start with a unicast MAC of 6 bytes", way}
		}
		if slices.ContainsFunc(out, func(o Static) bool { return string(o.MAC) == string(mac) }) {
			return nil, &wrong{"holds " + mac.String() + " twice", "give each MAC once"}
		}
		st := Static{MAC: mac}
		for _, a := range parts[1:] {
			addr, bad := netip.ParseAddr(a)
			if bad != nil || !unicast(addr) {
				return nil, &wrong{"holds " + quoteOdd(a) + ", which is no address", way}
			}
			st.Addrs = append(st.Addrs, addr)
		}
		if st.Peer, err = netip.ParseAddr(peer); err != nil || !unicast(st.Peer) {
			return nil, &wrong{"holds " + quoteOdd(text) + ", which does not end in a host's address", way}
		}
		out = append(out, st)
	}
	return out, nil
}

// unicast says whether an address may be that of one host's interface.
func unicast(a netip.Addr) bool {
	return a.Zone() == "" && !a.Is4In6() && !a.IsUnspecified() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// checkPeers holds a list of hosts to addresses and names.
func checkPeers(peers []string) error {
	for _, p := range peers {
		if a, err := netip.ParseAddr(p); err == nil {
			if !unicast(a) {
				return &wrong{"holds " + p + ", which is no address of one host", "give unicast addresses without zone, or names"}
			}
		} else if !hostName(p) {
			return &wrong{"holds " + quoteOdd(p) + ", which is neither an address nor a name", "give as in 192.0.2.7,fd00::7,host-b"}
		}
	}
	return nil
}

// hostName says whether s can be a host's name (RFC 1123, section 2.1). One that looks like an IPv4 address is none.
func hostName(s string) bool {
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
		for i := range len(l) {
			c := l[i]
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	last := labels[len(labels)-1]
	return len(s) <= 253 && (last[0] < '0' || last[0] > '9')
}

// checkTunnelAddress holds the tunnels' own address to an address, a prefix or an interface's name; empty is none.
func checkTunnelAddress(s string) error {
	if s == "" {
		return nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		if unicast(a) {
			return nil
		}
		return &wrong{"is no address of one host", "give one of this host's addresses"}
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		if p == p.Masked() && !p.Addr().Is4In6() {
			return nil
		}
		return &wrong{"has bits behind its length", "write " + p.Masked().String() + " or " + p.Addr().String()}
	}
	return checkLinkName(s)
}

// checkPort holds a number to a transport port.
func checkPort(n int) error {
	if n >= 1 && n <= 65535 {
		return nil
	}
	return &wrong{"is no port", "give 1 to 65535"}
}
