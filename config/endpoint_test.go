// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func TestParseEndpointOptions(t *testing.T) {
	t.Parallel()
	rate := uint32(5)
	for name, c := range map[string]struct {
		given map[string]string
		want  Endpoint
	}{
		"security off": {map[string]string{"ovs.port.security": "off"}, Endpoint{Unguarded: true}},
		"security on":  {map[string]string{"ovs.port.security": "on"}, Endpoint{}},
		"prefixes": {
			map[string]string{"ovs.port.allowed_addresses": "10.1.0.0/16,fd00::/64,192.0.2.1"},
			Endpoint{Allowed: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/64"), netip.MustParsePrefix("192.0.2.1/32")}},
		},
		"services": {map[string]string{"ovs.port.allow": "dhcp-server,ra"}, Endpoint{Allow: []string{ServiceDHCPServer, ServiceRA}}},
		"isolated": {map[string]string{"ovs.port.isolated": "true"}, Endpoint{Isolated: true}},
		"promiscuous": {
			map[string]string{"ovs.port.promiscuous": "true", "ovs.port.broadcast_rate": "5"},
			Endpoint{Promiscuous: true, BroadcastRate: &rate},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.want.Raw = c.given
			got, err := ParseEndpoint(c.given)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestParseEndpointOptionErrors(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"ovs.port.security=maybe":                "on, off",
		"ovs.port.allowed_addresses=10.1.0.1/16": "10.1.0.0/16",
		"ovs.port.allowed_addresses=ten":         "no address or prefix",
		"ovs.port.allowed_addresses=":            "no address or prefix",
		"ovs.port.allow=dhcp":                    "dhcp-server",
		"ovs.port.isolated=yes":                  "true",
		"ovs.port.broadcast_rate=many":           "frames a second",
		"ovs.port.isolate=true":                  "ovs.port.isolated",
	} {
		key, value, _ := strings.Cut(given, "=")
		if _, err := ParseEndpoint(map[string]string{key: value}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q in it", given, err, want)
		}
	}
	both := map[string]string{"ovs.port.isolated": "true", "ovs.port.promiscuous": "true"}
	if _, err := ParseEndpoint(both); err == nil || !strings.Contains(err.Error(), "contradicts") {
		t.Errorf("isolated and promiscuous: got %v", err)
	}
}

// TestPrefixListsProperty: a list that is written from prefixes is read back as those prefixes.
func TestPrefixListsProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) netip.Prefix {
			raw := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address")
			a := netip.AddrFrom4([4]byte(raw[:4]))
			if rapid.Bool().Draw(t, "v6") {
				raw[0] = 0xfd
				a = netip.AddrFrom16([16]byte(raw))
			}
			return netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits")).Masked()
		}), 1, 5).Draw(t, "prefixes")
		var texts []string
		for _, p := range want {
			texts = append(texts, p.String())
		}
		got, err := parsePrefixes(strings.Join(texts, ","))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Error(diff)
		}
	})
}
