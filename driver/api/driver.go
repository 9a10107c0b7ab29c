// SPDX-License-Identifier: Apache-2.0

package api

import "context"

// Driver is what a network driver implements, one per door. Every method may
// be called at any time and from many goroutines, and again with the same
// arguments: the engine repeats a call whose answer it did not get, even while
// the first one is still running. The context ends with the server's deadline,
// or when the engine hangs up.
type Driver interface {
	// GetCapabilities is asked once per registration with the engine.
	GetCapabilities(ctx context.Context) (Capabilities, error)
	// GwAllocCheck tells whether IPAM needs to reserve gateways (28.0 and later,
	// and only if Capabilities.GwAllocChecker is set).
	GwAllocCheck(ctx context.Context, r GwAllocCheckRequest) (GwAllocCheckResponse, error)
	// AllocateNetwork is asked of a Swarm leader's plugin, again at each change of leader.
	AllocateNetwork(ctx context.Context, r AllocateNetworkRequest) (AllocateNetworkResponse, error)
	// FreeNetwork undoes AllocateNetwork.
	FreeNetwork(ctx context.Context, r FreeNetworkRequest) error
	// CreateNetwork makes a network; the engine cannot inspect it yet.
	CreateNetwork(ctx context.Context, r CreateNetworkRequest) error
	// DeleteNetwork removes a network; the engine forgets it whatever the answer.
	DeleteNetwork(ctx context.Context, r DeleteNetworkRequest) error
	// CreateEndpoint makes an endpoint in a network.
	CreateEndpoint(ctx context.Context, r CreateEndpointRequest) (CreateEndpointResponse, error)
	// DeleteEndpoint removes an endpoint; the engine forgets it whatever the answer.
	DeleteEndpoint(ctx context.Context, r DeleteEndpointRequest) error
	// EndpointOperInfo is asked whenever the engine reads port state: keep it cheap.
	EndpointOperInfo(ctx context.Context, r EndpointOperInfoRequest) (EndpointOperInfoResponse, error)
	// Join attaches an endpoint to a sandbox.
	Join(ctx context.Context, r JoinRequest) (JoinResponse, error)
	// Leave detaches an endpoint; it may come twice, and the engine goes on whatever the answer.
	Leave(ctx context.Context, r LeaveRequest) error
	// DiscoverNew tells of a node of the Swarm, this one included.
	DiscoverNew(ctx context.Context, r DiscoveryNotification) error
	// DiscoverDelete tells of a node that left the Swarm.
	DiscoverDelete(ctx context.Context, r DiscoveryNotification) error
	// ProgramExternalConnectivity publishes ports. It replaces what an earlier call for the endpoint asked.
	ProgramExternalConnectivity(ctx context.Context, r ProgramExternalConnectivityRequest) error
	// RevokeExternalConnectivity unpublishes every port of an endpoint.
	RevokeExternalConnectivity(ctx context.Context, r RevokeExternalConnectivityRequest) error
}
