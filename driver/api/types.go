// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net"
	"net/netip"
)

// Scopes of Capabilities.
const (
	// ScopeLocal says that networks are known to one engine only.
	ScopeLocal = "local"
	// ScopeGlobal says that networks (or their connectivity) span a Swarm.
	ScopeGlobal = "global"
)

// Capabilities is what a driver tells the engine of itself.
type Capabilities struct {
	// Scope is ScopeLocal or ScopeGlobal: who hands out the network's data.
	Scope string
	// ConnectivityScope is ScopeLocal or ScopeGlobal; ScopeGlobal asks for node
	// discovery. Empty means as Scope. Since 17.06.
	ConnectivityScope string
	// GwAllocChecker asks for GwAllocCheck before IPAM runs. Since 28.0.
	GwAllocChecker bool
}

// IPAMData is one pool of addresses of a network.
type IPAMData struct {
	// AddressSpace is IPAM's name of the space; empty in Swarm's AllocateNetwork.
	AddressSpace string
	// Pool is the subnet; the zero Prefix if none was given.
	Pool netip.Prefix
	// Gateway is the gateway's address with the subnet's length; the zero Prefix if none.
	Gateway netip.Prefix
	// AuxAddresses are addresses taken by others ("--aux-address"), by name; nil if none.
	AuxAddresses map[string]netip.Prefix
}

// GwAllocCheckRequest carries the options of the network about to be created.
type GwAllocCheckRequest struct {
	// Options is as in CreateNetworkRequest.
	Options
}

// GwAllocCheckResponse tells which gateways IPAM need not reserve.
type GwAllocCheckResponse struct {
	// SkipIPv4 and SkipIPv6 say that the network needs no gateway of that family.
	SkipIPv4, SkipIPv6 bool
}

// AllocateNetworkRequest asks a Swarm leader's plugin for a network's cluster-wide data.
type AllocateNetworkRequest struct {
	// NetworkID is the Swarm's, 25 characters of base 36.
	NetworkID string
	// Options are the "-o" options, overlaid by what an earlier answer returned; never nil.
	Options map[string]string
	// IPv4Data and IPv6Data are the pools; IPv6Data is usually empty.
	IPv4Data, IPv6Data []IPAMData
}

// AllocateNetworkResponse carries all that the workers will be told of the network.
type AllocateNetworkResponse struct {
	// Options replace those of the request: what is not returned is lost.
	Options map[string]string
}

// FreeNetworkRequest says that the Swarm removed a network.
type FreeNetworkRequest struct {
	// NetworkID is that of AllocateNetworkRequest.
	NetworkID string
}

// CreateNetworkRequest asks for a network.
type CreateNetworkRequest struct {
	// NetworkID is 64 characters of hex, or 25 of base 36 for a network of a Swarm.
	NetworkID string
	// Options are the network's, with methods for the keys that engines send.
	Options
	// IPv4Data and IPv6Data are the pools, one per "--subnet"; empty for a family not used.
	IPv4Data, IPv6Data []IPAMData
}

// DeleteNetworkRequest asks to remove a network.
type DeleteNetworkRequest struct {
	// NetworkID is that of CreateNetworkRequest.
	NetworkID string
}

// EndpointInterface is what is known of an endpoint's interface.
type EndpointInterface struct {
	// Address is the IPv4 address with the subnet's length; the zero Prefix if none.
	Address netip.Prefix
	// AddressIPv6 is the IPv6 address with the subnet's length; the zero Prefix if none.
	AddressIPv6 netip.Prefix
	// MAC has 6 bytes, or is nil.
	MAC net.HardwareAddr
}

// CreateEndpointRequest asks for an endpoint.
type CreateEndpointRequest struct {
	// NetworkID and EndpointID name the endpoint.
	NetworkID, EndpointID string
	// Interface holds what the user or IPAM chose.
	Interface EndpointInterface
	// Options are the endpoint's; DriverOpts gives those of "--driver-opt".
	Options
	// PortBindings are the ports to publish ("-p"); nil on an internal network.
	PortBindings []PortBinding
	// ExposedPorts are the ports that the image or "--expose" names.
	ExposedPorts []ExposedPort
}

// CreateEndpointResponse completes an endpoint's interface.
type CreateEndpointResponse struct {
	// Interface holds what the driver chose. The engine refuses an answer that
	// repeats what it sent, so the server drops such fields.
	Interface EndpointInterface
}

// DeleteEndpointRequest asks to remove an endpoint.
type DeleteEndpointRequest struct {
	// NetworkID and EndpointID name the endpoint.
	NetworkID, EndpointID string
}

// EndpointOperInfoRequest asks for what a driver can tell of an endpoint.
type EndpointOperInfoRequest struct {
	// NetworkID and EndpointID name the endpoint.
	NetworkID, EndpointID string
}

// EndpointOperInfoResponse tells of an endpoint.
type EndpointOperInfoResponse struct {
	// Value may hold anything that JSON can.
	Value map[string]any
}

// JoinRequest asks to attach an endpoint to a sandbox.
type JoinRequest struct {
	// NetworkID and EndpointID name the endpoint.
	NetworkID, EndpointID string
	// SandboxKey is the path of the container's network namespace. With engines
	// before 28 it need not exist yet.
	SandboxKey string
	// Options are the sandbox's; the endpoint's "--driver-opt" are not among them.
	Options
	// PortBindings are the ports to publish, the sandbox's.
	PortBindings []PortBinding
	// ExposedPorts are the ports that the image or "--expose" names.
	ExposedPorts []ExposedPort
}

// RouteType tells the two kinds of StaticRoute apart.
type RouteType int

const (
	// RouteNextHop is a route through StaticRoute.NextHop.
	RouteNextHop RouteType = 0
	// RouteConnected is a route to addresses on the link itself.
	RouteConnected RouteType = 1
)

// StaticRoute is a route for the container.
type StaticRoute struct {
	// Destination is the subnet routed.
	Destination netip.Prefix
	// Type is RouteNextHop or RouteConnected.
	Type RouteType
	// NextHop is the router's address, for RouteNextHop.
	NextHop netip.Addr
}

// JoinResponse tells the engine which link to move into the container and how to set it up.
type JoinResponse struct {
	// SrcName is the link's name on the host, to be moved into the container.
	SrcName string
	// DstPrefix is the link's name in the container, less its number ("eth").
	DstPrefix string
	// DstName is the whole name in the container, for engines that take it (29.8); may be empty.
	DstName string
	// Gateway and GatewayIPv6 are the default routes; the zero Addr for none.
	Gateway, GatewayIPv6 netip.Addr
	// StaticRoutes are further routes.
	StaticRoutes []StaticRoute
	// DisableGatewayService keeps the engine from adding a docker_gwbridge endpoint
	// to a container without a gateway. Since 1.10.
	DisableGatewayService bool
}

// LeaveRequest asks to detach an endpoint from its sandbox.
type LeaveRequest struct {
	// NetworkID and EndpointID name the endpoint.
	NetworkID, EndpointID string
}

// DiscoverNode is the only DiscoveryNotification.Type that engines send to remote drivers.
const DiscoverNode = 1

// DiscoveryNotification tells of a node of the Swarm.
type DiscoveryNotification struct {
	// Type is DiscoverNode. For any other type, all else is zero.
	Type int
	// Address is the node's: the data-path address of this node, the advertised one of others.
	Address netip.Addr
	// BindAddress is the address that this node listens on; the zero Addr for others.
	BindAddress netip.Addr
	// Self says that the node is this one.
	Self bool
}

// ProgramExternalConnectivityRequest asks to publish an endpoint's ports.
type ProgramExternalConnectivityRequest struct {
	// NetworkID and EndpointID name the endpoint.
	NetworkID, EndpointID string
	// Options are the sandbox's.
	Options
	// PortBindings are the ports to publish.
	PortBindings []PortBinding
	// ExposedPorts are the ports that the image or "--expose" names.
	ExposedPorts []ExposedPort
	// NoProxy6To4 says that another endpoint of the container is its IPv6
	// gateway, so IPv6 on the host must not be carried to IPv4 here. Since 28.0.
	NoProxy6To4 bool
}

// RevokeExternalConnectivityRequest asks to unpublish an endpoint's ports.
type RevokeExternalConnectivityRequest struct {
	// NetworkID and EndpointID name the endpoint.
	NetworkID, EndpointID string
}

// IP protocol numbers (IANA) of PortBinding and ExposedPort.
const (
	// ProtoICMP has no ports.
	ProtoICMP = 1
	// ProtoTCP is the Transmission Control Protocol's.
	ProtoTCP = 6
	// ProtoUDP is the User Datagram Protocol's.
	ProtoUDP = 17
	// ProtoSCTP is the Stream Control Transmission Protocol's.
	ProtoSCTP = 132
)

// PortBinding is one published port.
type PortBinding struct {
	// Proto is the IP protocol's number.
	Proto uint8
	// IP is the container's address; the zero Addr means the endpoint's.
	IP netip.Addr
	// Port is the container's.
	Port uint16
	// HostIP is the host's address to listen on; the zero Addr means all.
	HostIP netip.Addr
	// HostPort and HostPortEnd are the range of host ports to choose from; both
	// 0 for any free one, equal for exactly one.
	HostPort, HostPortEnd uint16
}

// ExposedPort is a port that a container offers, published or not.
type ExposedPort struct {
	// Proto is the IP protocol's number.
	Proto uint8
	// Port is the container's.
	Port uint16
}
