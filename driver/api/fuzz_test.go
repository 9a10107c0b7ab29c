// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// fuzzVerb throws bodies at one verb. Whatever comes, the verb must answer;
// what reaches the driver must hold what the types promise.
func fuzzVerb(f *testing.F, name string) {
	f.Helper()
	v, ok := verbs[verbPrefix+name]
	if !ok {
		f.Fatal("no such verb")
	}
	for _, r := range requests {
		if r.verb == name {
			f.Add([]byte(r.body))
		}
	}
	f.Add([]byte(`{"NetworkID":"n","EndpointID":"e","Options":{"com.docker.network.portmap":[{"HostIP":"::1"}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d := &door{}
		var c checker
		reply, err := v(context.Background(), d, body, &c)
		if err != nil {
			if len(d.got) != 0 {
				t.Fatalf("refused, but the driver was called: %v", err)
			}
			if a := refuse(http.StatusBadRequest, err); !json.Valid(a.body) {
				t.Fatalf("error is no JSON: %q", a.body)
			}
			return
		}
		if len(d.got) != 1 {
			t.Fatalf("%d calls", len(d.got))
		}
		if _, err := json.Marshal(reply); err != nil {
			t.Fatal(err)
		}
		holds(t, d.got[0])
	})
}

func holds(t *testing.T, r any) {
	t.Helper()
	goodID := func(id string) {
		if id == "" || len(id) > maxID || strings.ContainsAny(id, "/ \x00\n") || strings.Trim(id, ".") == "" {
			t.Fatalf("identifier %q", id)
		}
	}
	goodPools := func(data []IPAMData, is4 bool) {
		for _, d := range data {
			if d.Pool.IsValid() && (d.Pool.Addr().Is4() != is4 || d.Pool != d.Pool.Masked()) || d.Gateway.IsValid() && d.Gateway.Addr().Is4() != is4 {
				t.Fatalf("pool %+v", d)
			}
		}
	}
	goodPorts := func(bs []PortBinding) {
		for _, b := range bs {
			if b.HostPortEnd < b.HostPort || b.HostIP.Is4In6() || b.HostIP.Zone() != "" {
				t.Fatalf("port %+v", b)
			}
		}
	}
	switch r := r.(type) {
	case CreateNetworkRequest:
		goodID(r.NetworkID)
		goodPools(r.IPv4Data, true)
		goodPools(r.IPv6Data, false)
		if r.Generic() == nil {
			t.Fatal("no generic options")
		}
	case AllocateNetworkRequest:
		goodID(r.NetworkID)
		goodPools(r.IPv4Data, true)
		goodPools(r.IPv6Data, false)
	case FreeNetworkRequest:
		goodID(r.NetworkID)
	case DeleteNetworkRequest:
		goodID(r.NetworkID)
	case CreateEndpointRequest:
		goodID(r.NetworkID)
		goodID(r.EndpointID)
		goodPorts(r.PortBindings)
		if i := r.Interface; i.MAC != nil && len(i.MAC) != 6 || i.Address.IsValid() && !i.Address.Addr().Is4() || i.AddressIPv6.IsValid() && i.AddressIPv6.Addr().Is4() {
			t.Fatalf("interface %+v", i)
		}
	case DeleteEndpointRequest:
		goodID(r.NetworkID)
		goodID(r.EndpointID)
	case EndpointOperInfoRequest:
		goodID(r.NetworkID)
		goodID(r.EndpointID)
	case JoinRequest:
		goodID(r.NetworkID)
		goodID(r.EndpointID)
		goodPorts(r.PortBindings)
	case LeaveRequest:
		goodID(r.NetworkID)
		goodID(r.EndpointID)
	case ProgramExternalConnectivityRequest:
		goodID(r.NetworkID)
		goodID(r.EndpointID)
		goodPorts(r.PortBindings)
	case RevokeExternalConnectivityRequest:
		goodID(r.NetworkID)
		goodID(r.EndpointID)
	case DiscoveryNotification:
		if r.Type == DiscoverNode && !r.Address.IsValid() {
			t.Fatalf("node %+v", r)
		}
	}
}

func FuzzGwAllocCheck(f *testing.F)     { fuzzVerb(f, "GwAllocCheck") }
func FuzzAllocateNetwork(f *testing.F)  { fuzzVerb(f, "AllocateNetwork") }
func FuzzFreeNetwork(f *testing.F)      { fuzzVerb(f, "FreeNetwork") }
func FuzzCreateNetwork(f *testing.F)    { fuzzVerb(f, "CreateNetwork") }
func FuzzDeleteNetwork(f *testing.F)    { fuzzVerb(f, "DeleteNetwork") }
func FuzzCreateEndpoint(f *testing.F)   { fuzzVerb(f, "CreateEndpoint") }
func FuzzDeleteEndpoint(f *testing.F)   { fuzzVerb(f, "DeleteEndpoint") }
func FuzzEndpointOperInfo(f *testing.F) { fuzzVerb(f, "EndpointOperInfo") }
func FuzzJoin(f *testing.F)             { fuzzVerb(f, "Join") }
func FuzzLeave(f *testing.F)            { fuzzVerb(f, "Leave") }
func FuzzDiscoverNew(f *testing.F)      { fuzzVerb(f, "DiscoverNew") }
func FuzzDiscoverDelete(f *testing.F)   { fuzzVerb(f, "DiscoverDelete") }
func FuzzProgramExternalConnectivity(f *testing.F) {
	fuzzVerb(f, "ProgramExternalConnectivity")
}
func FuzzRevokeExternalConnectivity(f *testing.F) {
	fuzzVerb(f, "RevokeExternalConnectivity")
}
