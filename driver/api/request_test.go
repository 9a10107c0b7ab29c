// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Ids as engines make them: 64 hex digits, and Swarm's 25 of base 36.
const (
	netID   = "5b0e0d4f6a4b0a4b5e5a1c9b3d2e1f00112233445566778899aabbccddeeff00"
	epID    = "e0e0d4f6a4b0a4b5e5a1c9b3d2e1f00112233445566778899aabbccddeeff0011"
	swarmID = "tq3l1w0v4mv7p1v3m3vjq2x5z"
)

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// The bodies are those of engines 20.10 and 29, as seen on a logging socket.
var requests = []struct {
	name, verb, body string
	want             any
}{
	{"CreateNetwork of 29", "CreateNetwork", `{"NetworkID":"` + netID + `","Options":{"com.docker.network.enable_ipv4":true,"com.docker.network.enable_ipv6":false,"com.docker.network.internal":true,"com.docker.network.generic":{"k":"v"}},"IPv4Data":[{"AddressSpace":"LocalDefault","Pool":"10.1.0.0/24","Gateway":"10.1.0.1/24","AuxAddresses":{"host1":"10.1.0.9/24"}}],"IPv6Data":null}`,
		CreateNetworkRequest{
			NetworkID: netID,
			Options:   Options{KeyEnableIPv4: true, KeyEnableIPv6: false, KeyInternal: true, KeyGeneric: map[string]any{"k": "v"}},
			IPv4Data: []IPAMData{{
				AddressSpace: "LocalDefault", Pool: pfx("10.1.0.0/24"), Gateway: pfx("10.1.0.1/24"),
				AuxAddresses: map[string]netip.Prefix{"host1": pfx("10.1.0.9/24")},
			}},
		}},
	{"CreateNetwork of 20.10", "CreateNetwork", `{"NetworkID":"` + netID + `","Options":{"com.docker.network.enable_ipv6":true,"com.docker.network.generic":{}},"IPv4Data":[{"AddressSpace":"LocalDefault","Gateway":"172.18.0.1/16","Pool":"172.18.0.0/16"}],"IPv6Data":[{"AddressSpace":"LocalDefault","Gateway":"fd00:1::1/64","Pool":"fd00:1::/64"}]}`,
		CreateNetworkRequest{
			NetworkID: netID,
			Options:   Options{KeyEnableIPv6: true, KeyGeneric: map[string]any{}},
			IPv4Data:  []IPAMData{{AddressSpace: "LocalDefault", Pool: pfx("172.18.0.0/16"), Gateway: pfx("172.18.0.1/16")}},
			IPv6Data:  []IPAMData{{AddressSpace: "LocalDefault", Pool: pfx("fd00:1::/64"), Gateway: pfx("fd00:1::1/64")}},
		}},
	{"CreateNetwork without pool and gateway", "CreateNetwork", `{"NetworkID":"` + netID + `","Options":null,"IPv4Data":[{"AddressSpace":"LocalDefault"},null],"IPv6Data":[]}`,
		CreateNetworkRequest{NetworkID: netID, IPv4Data: []IPAMData{{AddressSpace: "LocalDefault"}}}},
	{"GwAllocCheck", "GwAllocCheck", `{"Options":{"com.docker.network.enable_ipv4":true,"com.docker.network.generic":{"ovs.bridge.mtu":"1400"}}}`,
		GwAllocCheckRequest{Options: Options{KeyEnableIPv4: true, KeyGeneric: map[string]any{"ovs.bridge.mtu": "1400"}}}},
	{"AllocateNetwork", "AllocateNetwork", `{"NetworkID":"` + swarmID + `","Options":{"ovs.vni":"4711"},"IPv4Data":[{"AddressSpace":"","Gateway":"10.0.1.1/24","Pool":"10.0.1.0/24"}],"IPv6Data":null}`,
		AllocateNetworkRequest{
			NetworkID: swarmID, Options: map[string]string{"ovs.vni": "4711"},
			IPv4Data: []IPAMData{{Pool: pfx("10.0.1.0/24"), Gateway: pfx("10.0.1.1/24")}},
		}},
	{"AllocateNetwork without options", "AllocateNetwork", `{"NetworkID":"` + swarmID + `","Options":null,"IPv4Data":null,"IPv6Data":null}`,
		AllocateNetworkRequest{NetworkID: swarmID, Options: map[string]string{}}},
	{"FreeNetwork", "FreeNetwork", `{"NetworkID":"` + swarmID + `"}`, FreeNetworkRequest{NetworkID: swarmID}},
	{"DeleteNetwork", "DeleteNetwork", `{"NetworkID":"` + netID + `"}`, DeleteNetworkRequest{NetworkID: netID}},
	{"CreateEndpoint of 29", "CreateEndpoint", `{"NetworkID":"` + netID + `","EndpointID":"` + epID + `","Interface":{"Address":"10.1.0.2/24","AddressIPv6":"fd00:1::2/64","MacAddress":"02:42:0a:01:00:02"},"Options":{"ovs.port.vlan":"7","com.docker.network.endpoint.ifname":"lan0","com.docker.network.endpoint.macaddress":"AkIKAQAC","com.docker.network.endpoint.exposedports":[{"Proto":6,"Port":80},{"Proto":132,"Port":9}],"com.docker.network.portmap":[{"Proto":6,"IP":"","Port":80,"HostIP":"","HostPort":8080,"HostPortEnd":8080},{"Proto":17,"IP":"","Port":53,"HostIP":"127.0.0.1","HostPort":0,"HostPortEnd":0}],"com.docker.network.endpoint.dnsservers":["1.1.1.1"]}}`,
		CreateEndpointRequest{
			NetworkID: netID, EndpointID: epID,
			Interface: EndpointInterface{
				Address: pfx("10.1.0.2/24"), AddressIPv6: pfx("fd00:1::2/64"),
				MAC: net.HardwareAddr{0x02, 0x42, 0x0a, 0x01, 0x00, 0x02},
			},
			Options: Options{
				"ovs.port.vlan":                          "7",
				"com.docker.network.endpoint.ifname":     "lan0",
				"com.docker.network.endpoint.macaddress": "AkIKAQAC",
				"com.docker.network.endpoint.dnsservers": []any{"1.1.1.1"},
				KeyExposedPorts: []any{
					map[string]any{"Proto": json.Number("6"), "Port": json.Number("80")},
					map[string]any{"Proto": json.Number("132"), "Port": json.Number("9")},
				},
				KeyPortMap: []any{
					map[string]any{"Proto": json.Number("6"), "IP": "", "Port": json.Number("80"), "HostIP": "", "HostPort": json.Number("8080"), "HostPortEnd": json.Number("8080")},
					map[string]any{"Proto": json.Number("17"), "IP": "", "Port": json.Number("53"), "HostIP": "127.0.0.1", "HostPort": json.Number("0"), "HostPortEnd": json.Number("0")},
				},
			},
			PortBindings: []PortBinding{
				{Proto: ProtoTCP, Port: 80, HostPort: 8080, HostPortEnd: 8080},
				{Proto: ProtoUDP, Port: 53, HostIP: netip.MustParseAddr("127.0.0.1")},
			},
			ExposedPorts: []ExposedPort{{ProtoTCP, 80}, {ProtoSCTP, 9}},
		}},
	{"CreateEndpoint of 20.10", "CreateEndpoint", `{"NetworkID":"` + netID + `","EndpointID":"` + epID + `","Interface":{"Address":"10.1.0.2/24","AddressIPv6":"","MacAddress":""},"Options":{"com.docker.network.endpoint.exposedports":[],"com.docker.network.portmap":[{"Proto":6,"IP":"","Port":80,"HostIP":"::ffff:10.0.0.1","HostPort":8080}]}}`,
		CreateEndpointRequest{
			NetworkID: netID, EndpointID: epID,
			Interface: EndpointInterface{Address: pfx("10.1.0.2/24")},
			Options: Options{KeyExposedPorts: []any{}, KeyPortMap: []any{
				map[string]any{"Proto": json.Number("6"), "IP": "", "Port": json.Number("80"), "HostIP": "::ffff:10.0.0.1", "HostPort": json.Number("8080")},
			}},
			PortBindings: []PortBinding{{Proto: ProtoTCP, Port: 80, HostIP: netip.MustParseAddr("10.0.0.1"), HostPort: 8080, HostPortEnd: 8080}},
		}},
	{"CreateEndpoint with nothing chosen", "CreateEndpoint", `{"NetworkID":"` + netID + `","EndpointID":"` + epID + `","Interface":null,"Options":{}}`,
		CreateEndpointRequest{NetworkID: netID, EndpointID: epID, Options: Options{}}},
	{"Join", "Join", `{"NetworkID":"` + netID + `","EndpointID":"` + epID + `","SandboxKey":"/proc/4711/ns/net","Options":{"com.docker.network.endpoint.exposedports":[{"Proto":6,"Port":80}],"com.docker.network.portmap":null}}`,
		JoinRequest{
			NetworkID: netID, EndpointID: epID, SandboxKey: "/proc/4711/ns/net",
			Options: Options{
				KeyExposedPorts: []any{map[string]any{"Proto": json.Number("6"), "Port": json.Number("80")}},
				KeyPortMap:      nil,
			},
			ExposedPorts: []ExposedPort{{ProtoTCP, 80}},
		}},
	{"Leave", "Leave", `{"NetworkID":"` + netID + `","EndpointID":"` + epID + `"}`, LeaveRequest{netID, epID}},
	{"DeleteEndpoint", "DeleteEndpoint", `{"NetworkID":"` + netID + `","EndpointID":"` + epID + `"}`, DeleteEndpointRequest{netID, epID}},
	{"EndpointOperInfo", "EndpointOperInfo", `{"NetworkID":"` + netID + `","EndpointID":"` + epID + `"}`, EndpointOperInfoRequest{netID, epID}},
	{"DiscoverNew of this node", "DiscoverNew", `{"DiscoveryType":1,"DiscoveryData":{"Address":"192.0.2.1","BindAddress":"192.0.2.1","Self":true}}`,
		DiscoveryNotification{Type: DiscoverNode, Address: netip.MustParseAddr("192.0.2.1"), BindAddress: netip.MustParseAddr("192.0.2.1"), Self: true}},
	{"DiscoverDelete of another", "DiscoverDelete", `{"DiscoveryType":1,"DiscoveryData":{"Address":"2001:db8::2","BindAddress":"","Self":false}}`,
		DiscoveryNotification{Type: DiscoverNode, Address: netip.MustParseAddr("2001:db8::2")}},
	{"discovery of another type", "DiscoverNew", `{"DiscoveryType":3,"DiscoveryData":["anything"]}`, DiscoveryNotification{Type: 3}},
	{"ProgramExternalConnectivity", "ProgramExternalConnectivity", `{"NetworkID":"` + netID + `","EndpointID":"` + epID + `","Options":{"com.docker.network.portmap":[{"Proto":6,"IP":"","Port":80,"HostIP":"","HostPort":8000,"HostPortEnd":8010}],"com.docker.network.driver.private.no_proxy_6to4":true}}`,
		ProgramExternalConnectivityRequest{
			NetworkID: netID, EndpointID: epID,
			Options: Options{
				KeyNoProxy6To4: true,
				KeyPortMap: []any{map[string]any{"Proto": json.Number("6"), "IP": "", "Port": json.Number("80"), "HostIP": "",
					"HostPort": json.Number("8000"), "HostPortEnd": json.Number("8010")}},
			},
			PortBindings: []PortBinding{{Proto: ProtoTCP, Port: 80, HostPort: 8000, HostPortEnd: 8010}},
			NoProxy6To4:  true,
		}},
	{"RevokeExternalConnectivity", "RevokeExternalConnectivity", `{"NetworkID":"` + netID + `","EndpointID":"` + epID + `"}`, RevokeExternalConnectivityRequest{netID, epID}},
	{"fields of a later engine", "Leave", ` {"NetworkID":"` + netID + `","EndpointID":"` + epID + `","Later":{"a":[1]}} ` + "\n", LeaveRequest{netID, epID}},
}

// TestRequests proves that what engines send reaches the driver as typed values.
func TestRequests(t *testing.T) {
	for _, tc := range requests {
		t.Run(tc.name, func(t *testing.T) {
			d := &door{}
			status, body := serve(t, d, ServerOptions{}).verb(tc.verb, tc.body)
			if status != http.StatusOK {
				t.Fatalf("status %d: %s", status, body)
			}
			equal := cmp.Options{cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
				cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmpopts.EquateEmpty()}
			if diff := cmp.Diff([]any{tc.want}, d.calls(), equal); diff != "" {
				t.Errorf("the driver was called with (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOptions(t *testing.T) {
	o := Options{
		KeyEnableIPv4: "false", KeyEnableIPv6: true, KeyGeneric: map[string]any{"a": "b", "n": json.Number("1"), "t": true, "z": nil},
		"ovs.x": "y", "list": []any{},
	}
	if o.EnableIPv4() || !o.EnableIPv6() || o.Internal() {
		t.Errorf("flags: %v %v %v", o.EnableIPv4(), o.EnableIPv6(), o.Internal())
	}
	if diff := cmp.Diff(map[string]string{"a": "b", "n": "1", "t": "true", "z": ""}, o.Generic()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{KeyEnableIPv4: "false", "ovs.x": "y"}, o.DriverOpts()); diff != "" {
		t.Error(diff)
	}
	var none Options
	if !none.EnableIPv4() || none.EnableIPv6() || none.Internal() || len(none.Generic()) != 0 || len(none.DriverOpts()) != 0 {
		t.Error("an engine that sends no options means an IPv4 network")
	}
}
