// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"fmt"
	"net/netip"
	"strconv"
)

// Mode says how a family of a network meets the world outside, in the words of Docker's option
// com.docker.network.bridge.gateway_mode_ipv4.
type Mode string

// The gateway modes.
const (
	// ModeNAT translates published ports; everything else from outside is dropped. The empty Mode is ModeNAT.
	ModeNAT Mode = "nat"
	// ModeNATUnprotected is ModeNAT without the drop: whoever has a route reaches every port of the containers.
	ModeNATUnprotected Mode = "nat-unprotected"
	// ModeRouted translates nothing: the containers' published ports, and ICMP, are open to who has a route.
	ModeRouted Mode = "routed"
	// ModeIsolated forwards nothing in or out, to peers neither. It is also what docker network create --internal means.
	ModeIsolated Mode = "isolated"
)

// Protocols that ports can be published for, by their IANA number.
const (
	TCP  uint8 = 6
	UDP  uint8 = 17
	SCTP uint8 = 132
)

// protoName gives a protocol's name as nft and net/netip readers know it.
func protoName(p uint8) string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case SCTP:
		return "sctp"
	}
	return strconv.Itoa(int(p))
}

// Family is one address family of a network.
type Family struct {
	Mode    Mode
	Subnets []netip.Prefix
	// Gateway is the host's address on the network; zero if it has none (inhibit_ipv4, isolated).
	Gateway netip.Addr
	// Masquerade gives packets on their way out the host's address. Without it they keep their own.
	// It has no meaning in ModeRouted and ModeIsolated.
	Masquerade bool
	// HostBinding is the host's address for published ports that name none; zero: every address of the host. An
	// address in IPv4 and none in IPv6 means, as in Docker, that such ports are published on IPv4 only.
	HostBinding netip.Addr
}

// mode gives the mode with its default.
func (f Family) mode() Mode {
	if f.Mode == "" {
		return ModeNAT
	}
	return f.Mode
}

// translates tells whether published ports are translated.
func (f Family) translates() bool { return f.mode() == ModeNAT || f.mode() == ModeNATUnprotected }

// Network is what the firewall must know of a network.
type Network struct {
	ID string
	// Bridge is the name of the gateway's link: where its packets enter and leave the host's IP stack.
	Bridge     string
	IPv4, IPv6 Family
	// Peers are the ids of networks whose containers may reach this one's and the other way round. One of the two
	// naming the other is enough; ids that are unknown (yet) do nothing.
	Peers []string
	// ClampMSS lowers the MSS of TCP connections to and from the network to what the route's MTU carries.
	ClampMSS bool
}

// family gives the half of the network that an address belongs to.
func (n Network) family(v6 bool) Family {
	if v6 {
		return n.IPv6
	}
	return n.IPv4
}

// Port is a port to publish.
type Port struct {
	// Proto is TCP, UDP or SCTP.
	Proto uint8
	// HostIP is the host's address; zero: the network's HostBinding, for each family that the endpoint has.
	HostIP netip.Addr
	// HostPort is the port on the host; 0: any free one. With a HostPortEnd above it, the first free one of the range.
	HostPort, HostPortEnd uint16
	// Target is the container's address; zero: the endpoint's, of each family.
	Target netip.Addr
	// TargetPort is the port in the container.
	TargetPort uint16
}

// Endpoint is what a container has on a network: its addresses and the ports to publish.
type Endpoint struct {
	ID, Network string
	Addrs       []netip.Addr
	Ports       []Port
}

// Published is a port that stands. In ModeRouted there is none on the host: HostIP is unspecified, HostPort 0.
type Published struct {
	Proto    uint8
	HostIP   netip.Addr
	HostPort uint16
	Target   netip.AddrPort
}

// String gives the form of docker ps: 0.0.0.0:8080->10.1.0.2:80/tcp.
func (p Published) String() string {
	if p.HostPort == 0 {
		return fmt.Sprintf("%v/%s", p.Target, protoName(p.Proto))
	}
	return fmt.Sprintf("%v->%v/%s", netip.AddrPortFrom(p.HostIP, p.HostPort), p.Target, protoName(p.Proto))
}
