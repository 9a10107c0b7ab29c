// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/netip"

	"github.com/docker/go-plugins-helpers/network"
)

// manifest answers /Plugin.Activate, which the engine asks of a legacy plugin.
type manifest struct{ Implements []string }

// capabilitiesReply is Docker's answer with what engines have learnt since.
type capabilitiesReply struct {
	network.CapabilitiesResponse
	GwAllocChecker bool
}

func capabilities(c Capabilities) capabilitiesReply {
	return capabilitiesReply{
		CapabilitiesResponse: network.CapabilitiesResponse{Scope: c.Scope, ConnectivityScope: c.ConnectivityScope},
		GwAllocChecker:       c.GwAllocChecker,
	}
}

// completed is the answer to CreateEndpoint: of what the driver chose, what
// the engine did not. It takes a field that it sent itself for an attempt to
// overrule the user, and fails the endpoint.
func completed(sent, chosen EndpointInterface) network.CreateEndpointResponse {
	var w network.EndpointInterface
	if !sent.Address.IsValid() {
		w.Address = text(chosen.Address)
	}
	if !sent.AddressIPv6.IsValid() {
		w.AddressIPv6 = text(chosen.AddressIPv6)
	}
	if len(sent.MAC) == 0 {
		w.MacAddress = chosen.MAC.String()
	}
	if w == (network.EndpointInterface{}) {
		return network.CreateEndpointResponse{}
	}
	return network.CreateEndpointResponse{Interface: &w}
}

// joinReply is Docker's answer with what engines have learnt since; the
// outer InterfaceName hides the inner.
type joinReply struct {
	network.JoinResponse
	InterfaceName interfaceName
}

type interfaceName struct {
	network.InterfaceName
	DstName string `json:",omitempty"`
}

func joined(j JoinResponse) joinReply {
	w := joinReply{
		JoinResponse: network.JoinResponse{
			Gateway:               text(j.Gateway),
			GatewayIPv6:           text(j.GatewayIPv6),
			DisableGatewayService: j.DisableGatewayService,
		},
		InterfaceName: interfaceName{
			InterfaceName: network.InterfaceName{SrcName: j.SrcName, DstPrefix: j.DstPrefix},
			DstName:       j.DstName,
		},
	}
	for _, r := range j.StaticRoutes {
		w.StaticRoutes = append(w.StaticRoutes, &network.StaticRoute{
			Destination: text(r.Destination), RouteType: int(r.Type), NextHop: text(r.NextHop),
		})
	}
	return w
}

// text is the text of an address or prefix, empty for the zero value, whose
// own text says "invalid".
func text[T netip.Addr | netip.Prefix](v T) string {
	switch v := any(v).(type) {
	case netip.Addr:
		if v.IsValid() {
			return v.String()
		}
	case netip.Prefix:
		if v.IsValid() {
			return v.String()
		}
	}
	return ""
}
