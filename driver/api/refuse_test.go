// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// replaced returns the sample of a verb with one text replaced.
func replaced(t *testing.T, name, from, to string) (string, string) {
	t.Helper()
	for _, r := range requests {
		if r.name == name {
			out := strings.Replace(r.body, from, to, 1)
			if out == r.body {
				t.Fatalf("%q is not in the sample", from)
			}
			return r.verb, out
		}
	}
	t.Fatalf("no sample %q", name)
	return "", ""
}

// TestRefused proves that a faulty request is refused with the field's name
// and never reaches the driver.
func TestRefused(t *testing.T) {
	for _, tc := range []struct{ sample, from, to, want string }{
		{"Leave", netID, "", `Leave: NetworkID: "" is not an identifier`},
		{"Leave", netID, "../../etc", `Leave: NetworkID: "../../etc" is not an identifier`},
		{"Leave", netID, ".", `Leave: NetworkID: "." is not an identifier`},
		{"Leave", netID, strings.Repeat("a", 129), "Leave: NetworkID: "},
		{"Leave", epID, `a b`, `Leave: EndpointID: "a b" is not an identifier`},
		{"Leave", `"` + epID + `"`, `7`, "Leave: EndpointID: a JSON number cannot be a string"},
		{"CreateNetwork of 29", "10.1.0.0/24", "10.1.0.0/33", `CreateNetwork: IPv4Data[0].Pool: "10.1.0.0/33" is not an IP address`},
		{"CreateNetwork of 29", "10.1.0.1/24", "fd00::1/64", `CreateNetwork: IPv4Data[0].Gateway: "fd00::1/64" is not IPv4`},
		{"CreateNetwork of 29", "10.1.0.9/24", "?", `CreateNetwork: IPv4Data[0].AuxAddresses.host1: "?" is not an IP address`},
		{"CreateNetwork of 29", `"10.1.0.9/24"`, "9", `CreateNetwork: IPv4Data[0].AuxAddresses.host1: want a string, got a number`},
		{"CreateNetwork of 29", `"v"`, `["v"]`, "CreateNetwork: Options.com.docker.network.generic: k: want a string, got a list"},
		{"CreateNetwork of 29", `{"k":"v"}`, `"v"`, "CreateNetwork: Options.com.docker.network.generic: want an object of strings, got a string"},
		{"CreateNetwork of 29", `internal":true`, `internal":"perhaps"`, `CreateNetwork: Options.com.docker.network.internal: "perhaps" is neither true nor false`},
		{"CreateNetwork of 29", `enable_ipv4":true`, `enable_ipv4":1`, "CreateNetwork: Options.com.docker.network.enable_ipv4: want true or false, got a number"},
		{"CreateNetwork of 20.10", "fd00:1::/64", "::ffff:10.0.0.0/112", "CreateNetwork: IPv6Data[0].Pool: "},
		{"CreateEndpoint of 29", "10.1.0.2/24", "fe80::1%eth0", `CreateEndpoint: Interface.Address: "fe80::1%eth0" is not an IP address`},
		{"CreateEndpoint of 29", "02:42:0a:01:00:02", "02:42:0a:01:00", `CreateEndpoint: Interface.MacAddress: "02:42:0a:01:00" is not a MAC address of 6 bytes`},
		{"CreateEndpoint of 29", "02:42:0a:01:00:02", "02:42:0a:01:00:02:00:01", "CreateEndpoint: Interface.MacAddress: "},
		{"CreateEndpoint of 29", "127.0.0.1", "localhost", `CreateEndpoint: Options.com.docker.network.portmap: [1].HostIP: "localhost" is not an IP address`},
		{"CreateEndpoint of 29", `"Port":80`, `"Port":65536`, "CreateEndpoint: Options.com.docker.network.endpoint.exposedports: a JSON number"},
		{"CreateEndpoint of 29", `"HostPortEnd":8080`, `"HostPortEnd":8079`, "CreateEndpoint: Options.com.docker.network.portmap: [0].HostPortEnd: 8079 is less than HostPort 8080"},
		{"DiscoverNew of this node", "192.0.2.1", "node1", `DiscoverNew: DiscoveryData.Address: "node1" is not an IP address`},
		{"DiscoverNew of this node", `"Address":"192.0.2.1",`, "", "DiscoverNew: DiscoveryData.Address: is missing"},
		{"DiscoverNew of this node", `{"Address":"192.0.2.1","BindAddress":"192.0.2.1","Self":true}`, `[]`, "DiscoverNew: DiscoveryData: a JSON array"},
		{"ProgramExternalConnectivity", "6to4\":true", "6to4\":[]", "ProgramExternalConnectivity: Options.com.docker.network.driver.private.no_proxy_6to4: want true or false"},
	} {
		t.Run(tc.want, func(t *testing.T) {
			d := &door{}
			verb, body := replaced(t, tc.sample, tc.from, tc.to)
			status, got := serve(t, d, ServerOptions{}).verb(verb, body)
			wantErr(t, status, got, http.StatusBadRequest, tc.want)
			if len(d.calls()) != 0 {
				t.Errorf("the driver was called: %v", d.calls())
			}
		})
	}
}

// TestBrokenBodies tries each verb with bodies that are no request at all.
func TestBrokenBodies(t *testing.T) {
	d := &door{}
	p := serve(t, d, ServerOptions{MaxBody: 4 << 10})
	for path := range verbs {
		if path == activatePath || path == verbPrefix+"GetCapabilities" {
			continue
		}
		name := strings.TrimPrefix(path, verbPrefix)
		for _, tc := range []struct {
			body, want string
			status     int
		}{
			{"", name + ": the body is empty, want a JSON object", http.StatusBadRequest},
			{" \n", name + ": the body is empty, want a JSON object", http.StatusBadRequest},
			{"[]", name + ": body: a JSON array cannot be a struct", http.StatusBadRequest},
			{"\x00\xff garbage", name + ": the body is not JSON: invalid character", http.StatusBadRequest},
			{`{"NetworkID":"abc`, name + ": the body ends in the middle of its JSON", http.StatusBadRequest},
			{`{"NetworkID":"` + strings.Repeat("a", 8<<10) + `"}`, name + ": the body is larger than 4096 bytes", http.StatusRequestEntityTooLarge},
			{strings.Repeat("[", 4000), name + ": ", http.StatusBadRequest},
		} {
			status, got := p.post(path, tc.body)
			wantErr(t, status, got, tc.status, tc.want)
		}
	}
	if status, got := p.verb("Leave", requests[len(requests)-1].body+"{}"); status != http.StatusBadRequest {
		t.Errorf("two objects in one body: %d %s", status, got)
	}
	if n := len(d.calls()); n != 0 {
		t.Errorf("the driver was called %d times", n)
	}
}

func wantErr(t *testing.T, status int, body string, wantStatus int, want string) {
	t.Helper()
	var e map[string]string
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatalf("status %d, not JSON: %q", status, body)
	}
	if status != wantStatus || len(e) != 1 || !strings.HasPrefix(e["Err"], want) {
		t.Errorf("got %d %s\nwant %d, Err %q…", status, body, wantStatus, want)
	}
}
