// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/docker/go-plugins-helpers/network"
)

func body(verb string) string {
	for _, r := range requests {
		if r.verb == verb {
			return r.body
		}
	}
	return ""
}

// TestAnswers holds the answers to the bytes that engines read.
func TestAnswers(t *testing.T) {
	mac := net.HardwareAddr{0x02, 0x42, 0x0a, 0x01, 0x00, 0x02}
	nothing := `{"NetworkID":"` + netID + `","EndpointID":"` + epID + `"}`
	d := &door{
		capabilities: Capabilities{Scope: ScopeGlobal, ConnectivityScope: ScopeGlobal, GwAllocChecker: true},
		skip:         GwAllocCheckResponse{SkipIPv4: true},
		allocate:     AllocateNetworkResponse{Options: map[string]string{"ovs.vni": "4711"}},
		endpoint:     CreateEndpointResponse{Interface: EndpointInterface{Address: pfx("10.1.0.7/24"), AddressIPv6: pfx("fd00::7/64"), MAC: mac}},
		info:         EndpointOperInfoResponse{Value: map[string]any{"bridge": "ovsbr-1", "ofport": 7}},
		join: JoinResponse{
			SrcName: "ovs0123456789a", DstPrefix: "eth",
			Gateway: netip.MustParseAddr("10.1.0.1"), GatewayIPv6: netip.MustParseAddr("fd00::1"),
			StaticRoutes: []StaticRoute{
				{Destination: pfx("10.9.0.0/16"), Type: RouteNextHop, NextHop: netip.MustParseAddr("10.1.0.3")},
				{Destination: pfx("10.8.0.0/16"), Type: RouteConnected},
			},
			DisableGatewayService: true,
		},
	}
	p := serve(t, d, ServerOptions{})
	for _, tc := range []struct{ path, body, want string }{
		{activatePath, "", `{"Implements":["NetworkDriver"]}`},
		{verbPrefix + "GetCapabilities", "", `{"Scope":"global","ConnectivityScope":"global","GwAllocChecker":true}`},
		{verbPrefix + "GetCapabilities", "null", `{"Scope":"global","ConnectivityScope":"global","GwAllocChecker":true}`},
		{verbPrefix + "GwAllocCheck", body("GwAllocCheck"), `{"SkipIPv4":true,"SkipIPv6":false}`},
		{verbPrefix + "AllocateNetwork", body("AllocateNetwork"), `{"Options":{"ovs.vni":"4711"}}`},
		{verbPrefix + "FreeNetwork", body("FreeNetwork"), `{}`},
		{verbPrefix + "CreateNetwork", body("CreateNetwork"), `{}`},
		{verbPrefix + "DeleteNetwork", body("DeleteNetwork"), `{}`},
		// All three fields were sent: none may come back.
		{verbPrefix + "CreateEndpoint", body("CreateEndpoint"), `{"Interface":null}`},
		{verbPrefix + "CreateEndpoint", nothing, `{"Interface":{"Address":"10.1.0.7/24","AddressIPv6":"fd00::7/64","MacAddress":"02:42:0a:01:00:02"}}`},
		{verbPrefix + "CreateEndpoint", `{"NetworkID":"n","EndpointID":"e","Interface":{"Address":"10.1.0.2/24"}}`, `{"Interface":{"Address":"","AddressIPv6":"fd00::7/64","MacAddress":"02:42:0a:01:00:02"}}`},
		{verbPrefix + "DeleteEndpoint", nothing, `{}`},
		{verbPrefix + "EndpointOperInfo", nothing, `{"Value":{"bridge":"ovsbr-1","ofport":7}}`},
		{verbPrefix + "Join", body("Join"), `{"Gateway":"10.1.0.1","GatewayIPv6":"fd00::1","StaticRoutes":[{"Destination":"10.9.0.0/16","RouteType":0,"NextHop":"10.1.0.3"},{"Destination":"10.8.0.0/16","RouteType":1,"NextHop":""}],"DisableGatewayService":true,"InterfaceName":{"SrcName":"ovs0123456789a","DstPrefix":"eth"}}`},
		{verbPrefix + "Leave", nothing, `{}`},
		{verbPrefix + "DiscoverNew", body("DiscoverNew"), `{}`},
		{verbPrefix + "DiscoverDelete", body("DiscoverDelete"), `{}`},
		{verbPrefix + "ProgramExternalConnectivity", body("ProgramExternalConnectivity"), `{}`},
		{verbPrefix + "RevokeExternalConnectivity", nothing, `{}`},
	} {
		if status, got := p.post(tc.path, tc.body); status != http.StatusOK || got != tc.want {
			t.Errorf("%s: %d\n got %s\nwant %s", tc.path, status, got, tc.want)
		}
	}
	if got := len(verbs); got != 16 {
		t.Errorf("%d verbs; this test knows of 16", got)
	}
}

// TestEmptyAnswers holds the answers of a driver that says as little as it can.
func TestEmptyAnswers(t *testing.T) {
	p := serve(t, &door{capabilities: Capabilities{Scope: ScopeLocal}, join: JoinResponse{SrcName: "v", DstPrefix: "eth", DstName: "lan0"}}, ServerOptions{})
	for verb, want := range map[string]string{
		"GetCapabilities":  `{"Scope":"local","ConnectivityScope":"","GwAllocChecker":false}`,
		"CreateEndpoint":   `{"Interface":null}`,
		"EndpointOperInfo": `{"Value":{}}`,
		"Join":             `{"Gateway":"","GatewayIPv6":"","StaticRoutes":null,"DisableGatewayService":false,"InterfaceName":{"SrcName":"v","DstPrefix":"eth","DstName":"lan0"}}`,
		"AllocateNetwork":  `{"Options":null}`,
	} {
		if status, got := p.verb(verb, body(verb)); status != http.StatusOK || got != want {
			t.Errorf("%s: %d\n got %s\nwant %s", verb, status, got, want)
		}
	}
}

// TestAnswersWithDockersTypes reads an answer with the types of Docker's own
// helper, which is what engines of its time had.
func TestAnswersWithDockersTypes(t *testing.T) {
	p := serve(t, &door{join: JoinResponse{SrcName: "v", DstPrefix: "eth", DstName: "lan0", Gateway: netip.MustParseAddr("10.0.0.1")}}, ServerOptions{})
	_, b := p.verb("Join", body("Join"))
	var j network.JoinResponse
	if err := json.Unmarshal([]byte(b), &j); err != nil {
		t.Fatal(err)
	}
	if j.InterfaceName != (network.InterfaceName{SrcName: "v", DstPrefix: "eth"}) || j.Gateway != "10.0.0.1" || j.GatewayIPv6 != "" {
		t.Errorf("%+v", j)
	}
}

// TestDriverError proves that an error is told as it is, with a status that every engine takes for one.
func TestDriverError(t *testing.T) {
	p := serve(t, &door{err: errors.New(`Open vSwitch is not reachable at "x" <y>`)}, ServerOptions{Name: "short"})
	for path := range verbs {
		if path == activatePath {
			continue
		}
		verb := path[len(verbPrefix):]
		status, got := p.verb(verb, body(verb))
		wantErr(t, status, got, http.StatusInternalServerError, `Open vSwitch is not reachable at "x" <y>`)
	}
	if status, got := p.verb("EndpointOperInfo", ""); status == http.StatusOK {
		t.Error(got)
	}
}

// TestUnencodable proves that an answer that is no JSON becomes an error, not half an answer.
func TestUnencodable(t *testing.T) {
	p := serve(t, &door{info: EndpointOperInfoResponse{Value: map[string]any{"f": func() {}}}}, ServerOptions{})
	status, got := p.verb("EndpointOperInfo", body("EndpointOperInfo"))
	wantErr(t, status, got, http.StatusInternalServerError, "EndpointOperInfo: encoding the answer: ")
}
