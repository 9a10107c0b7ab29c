// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/docker/go-plugins-helpers/network"
)

// Paths of the protocol.
const (
	activatePath = "/Plugin.Activate"
	verbPrefix   = "/NetworkDriver."
)

// verb is one call of the protocol: it decodes a body, calls the driver and
// returns the answer's wire type. The checker tells the log of the ids.
type verb func(ctx context.Context, d Driver, body []byte, c *checker) (any, error)

// verbs are the calls by path.
var verbs = map[string]verb{
	activatePath: func(context.Context, Driver, []byte, *checker) (any, error) {
		return manifest{Implements: []string{"NetworkDriver"}}, nil
	},
	// The engine sends no body here.
	verbPrefix + "GetCapabilities": func(ctx context.Context, d Driver, _ []byte, _ *checker) (any, error) {
		r, err := d.GetCapabilities(ctx)
		return capabilities(r), err
	},
	verbPrefix + "GwAllocCheck":                on(gwAllocCheck),
	verbPrefix + "AllocateNetwork":             on(allocateNetwork),
	verbPrefix + "FreeNetwork":                 on(freeNetwork),
	verbPrefix + "CreateNetwork":               on(createNetwork),
	verbPrefix + "DeleteNetwork":               on(deleteNetwork),
	verbPrefix + "CreateEndpoint":              on(createEndpoint),
	verbPrefix + "DeleteEndpoint":              on(deleteEndpoint),
	verbPrefix + "EndpointOperInfo":            on(endpointOperInfo),
	verbPrefix + "Join":                        on(join),
	verbPrefix + "Leave":                       on(leave),
	verbPrefix + "DiscoverNew":                 on(discoverNew),
	verbPrefix + "DiscoverDelete":              on(discoverDelete),
	verbPrefix + "ProgramExternalConnectivity": on(programExternalConnectivity),
	verbPrefix + "RevokeExternalConnectivity":  on(revokeExternalConnectivity),
}

// on makes a verb of a function from a wire type to a call, which is made
// only if the request had no fault.
func on[W any](f func(w W, c *checker) call) verb {
	return func(ctx context.Context, d Driver, body []byte, c *checker) (any, error) {
		var w W
		if err := unmarshal(body, &w); err != nil {
			return nil, err
		}
		run := f(w, c)
		if c.err != nil {
			return nil, c.err
		}
		return run(ctx, d)
	}
}

type call func(ctx context.Context, d Driver) (any, error)

// done is the answer of a verb that has none.
func done(err error) (any, error) { return struct{}{}, err }

func gwAllocCheck(w struct{ Options map[string]any }, c *checker) call {
	r := GwAllocCheckRequest{Options: c.networkOptions(w.Options)}
	return func(ctx context.Context, d Driver) (any, error) { return d.GwAllocCheck(ctx, r) }
}

func allocateNetwork(w network.AllocateNetworkRequest, c *checker) call {
	r := AllocateNetworkRequest{
		NetworkID: c.networkID(w.NetworkID),
		Options:   w.Options,
		IPv4Data:  c.pools("IPv4Data", ipv4, pointers(w.IPv4Data)),
		IPv6Data:  c.pools("IPv6Data", ipv6, pointers(w.IPv6Data)),
	}
	if r.Options == nil {
		r.Options = map[string]string{}
	}
	return func(ctx context.Context, d Driver) (any, error) {
		a, err := d.AllocateNetwork(ctx, r)
		return network.AllocateNetworkResponse{Options: a.Options}, err
	}
}

func pointers[T any](in []T) []*T {
	out := make([]*T, len(in))
	for i := range in {
		out[i] = &in[i]
	}
	return out
}

func freeNetwork(w network.FreeNetworkRequest, c *checker) call {
	r := FreeNetworkRequest{NetworkID: c.networkID(w.NetworkID)}
	return func(ctx context.Context, d Driver) (any, error) { return done(d.FreeNetwork(ctx, r)) }
}

func createNetwork(w network.CreateNetworkRequest, c *checker) call {
	r := CreateNetworkRequest{
		NetworkID: c.networkID(w.NetworkID),
		Options:   c.networkOptions(w.Options),
		IPv4Data:  c.pools("IPv4Data", ipv4, w.IPv4Data),
		IPv6Data:  c.pools("IPv6Data", ipv6, w.IPv6Data),
	}
	return func(ctx context.Context, d Driver) (any, error) { return done(d.CreateNetwork(ctx, r)) }
}

func deleteNetwork(w network.DeleteNetworkRequest, c *checker) call {
	r := DeleteNetworkRequest{NetworkID: c.networkID(w.NetworkID)}
	return func(ctx context.Context, d Driver) (any, error) { return done(d.DeleteNetwork(ctx, r)) }
}

func createEndpoint(w network.CreateEndpointRequest, c *checker) call {
	r := CreateEndpointRequest{
		NetworkID:  c.networkID(w.NetworkID),
		EndpointID: c.endpointID(w.EndpointID),
		Options:    w.Options,
	}
	if i := w.Interface; i != nil {
		r.Interface = EndpointInterface{
			Address:     c.prefix("Interface.Address", i.Address, ipv4),
			AddressIPv6: c.prefix("Interface.AddressIPv6", i.AddressIPv6, ipv6),
			MAC:         c.mac("Interface.MacAddress", i.MacAddress),
		}
	}
	r.PortBindings, r.ExposedPorts = c.ports(r.Options)
	return func(ctx context.Context, d Driver) (any, error) {
		a, err := d.CreateEndpoint(ctx, r)
		return completed(r.Interface, a.Interface), err
	}
}

func deleteEndpoint(w network.DeleteEndpointRequest, c *checker) call {
	r := DeleteEndpointRequest{NetworkID: c.networkID(w.NetworkID), EndpointID: c.endpointID(w.EndpointID)}
	return func(ctx context.Context, d Driver) (any, error) { return done(d.DeleteEndpoint(ctx, r)) }
}

func endpointOperInfo(w network.InfoRequest, c *checker) call {
	r := EndpointOperInfoRequest{NetworkID: c.networkID(w.NetworkID), EndpointID: c.endpointID(w.EndpointID)}
	return func(ctx context.Context, d Driver) (any, error) {
		a, err := d.EndpointOperInfo(ctx, r)
		if a.Value == nil {
			a.Value = map[string]any{}
		}
		return a, err
	}
}

func join(w network.JoinRequest, c *checker) call {
	r := JoinRequest{
		NetworkID:  c.networkID(w.NetworkID),
		EndpointID: c.endpointID(w.EndpointID),
		SandboxKey: w.SandboxKey,
		Options:    w.Options,
	}
	r.PortBindings, r.ExposedPorts = c.ports(r.Options)
	return func(ctx context.Context, d Driver) (any, error) {
		a, err := d.Join(ctx, r)
		return joined(a), err
	}
}

func leave(w network.LeaveRequest, c *checker) call {
	r := LeaveRequest{NetworkID: c.networkID(w.NetworkID), EndpointID: c.endpointID(w.EndpointID)}
	return func(ctx context.Context, d Driver) (any, error) { return done(d.Leave(ctx, r)) }
}

// discovery is the wire type of both discovery verbs. What is under
// DiscoveryData depends on the type.
type discovery struct {
	DiscoveryType int
	DiscoveryData json.RawMessage
}

// node is libnetwork's NodeDiscoveryData.
type node struct {
	Address, BindAddress string
	Self                 bool
}

func (w discovery) request(c *checker) DiscoveryNotification {
	r := DiscoveryNotification{Type: w.DiscoveryType}
	if w.DiscoveryType != DiscoverNode {
		return r
	}
	var n node
	if len(w.DiscoveryData) == 0 {
		c.fail("DiscoveryData", errors.New("is missing"))
		return r
	}
	if err := json.Unmarshal(w.DiscoveryData, &n); err != nil {
		c.fail("DiscoveryData", plain(err))
		return r
	}
	r.Address = c.addr("DiscoveryData.Address", n.Address)
	r.BindAddress = c.addr("DiscoveryData.BindAddress", n.BindAddress)
	r.Self = n.Self
	if !r.Address.IsValid() {
		c.fail("DiscoveryData.Address", errors.New("is missing"))
	}
	return r
}

func discoverNew(w discovery, c *checker) call {
	r := w.request(c)
	return func(ctx context.Context, d Driver) (any, error) { return done(d.DiscoverNew(ctx, r)) }
}

func discoverDelete(w discovery, c *checker) call {
	r := w.request(c)
	return func(ctx context.Context, d Driver) (any, error) { return done(d.DiscoverDelete(ctx, r)) }
}

func programExternalConnectivity(w network.ProgramExternalConnectivityRequest, c *checker) call {
	r := ProgramExternalConnectivityRequest{
		NetworkID:  c.networkID(w.NetworkID),
		EndpointID: c.endpointID(w.EndpointID),
		Options:    w.Options,
	}
	var err error
	r.NoProxy6To4, err = r.boolean(KeyNoProxy6To4, false)
	c.fail("Options."+KeyNoProxy6To4, err)
	r.PortBindings, r.ExposedPorts = c.ports(r.Options)
	return func(ctx context.Context, d Driver) (any, error) {
		return done(d.ProgramExternalConnectivity(ctx, r))
	}
}

func revokeExternalConnectivity(w network.RevokeExternalConnectivityRequest, c *checker) call {
	r := RevokeExternalConnectivityRequest{NetworkID: c.networkID(w.NetworkID), EndpointID: c.endpointID(w.EndpointID)}
	return func(ctx context.Context, d Driver) (any, error) {
		return done(d.RevokeExternalConnectivity(ctx, r))
	}
}
