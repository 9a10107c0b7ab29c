// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"maps"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// compareNetwork lets cmp compare addresses.
var compareNetwork = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

func TestParseNetwork(t *testing.T) {
	t.Parallel()
	outside := Outside{Mode4: ModeNAT, Mode6: ModeNAT, Masquerade: true, Gateway: GatewayOVS}
	plain := Network{IfPrefix: "eth", IPv4: true, ICC: true, BroadcastRate: DefaultBroadcastRate, Outside: outside}
	for name, c := range map[string]struct {
		generic map[string]string
		docker  map[string]any
		want    func(*Network)
	}{
		"nothing":       {},
		"name":          {generic: map[string]string{"ovs.bridge.name": "br-lab"}, want: func(n *Network) { n.Bridge = "br-lab" }},
		"docker's name": {generic: map[string]string{"com.docker.network.bridge.name": "br.lab_1"}, want: func(n *Network) { n.Bridge = "br.lab_1" }},
		"both spellings agree": {
			generic: map[string]string{"ovs.bridge.mtu": "9000", "com.docker.network.driver.mtu": "9000"},
			want:    func(n *Network) { n.MTU = 9000 },
		},
		"datapath":           {generic: map[string]string{"ovs.bridge.datapath": "netdev"}, want: func(n *Network) { n.Datapath = "netdev" }},
		"prefix":             {generic: map[string]string{"com.docker.network.container_iface_prefix": "net"}, want: func(n *Network) { n.IfPrefix = "net" }},
		"icc off":            {generic: map[string]string{"ovs.bridge.icc": "false"}, want: func(n *Network) { n.ICC = false }},
		"docker's icc off":   {generic: map[string]string{"com.docker.network.bridge.enable_icc": "false"}, want: func(n *Network) { n.ICC = false }},
		"multicast snooping": {generic: map[string]string{"ovs.bridge.mcast_snooping": "true"}, want: func(n *Network) { n.McastSnooping = true }},
		"mode for both": {
			generic: map[string]string{"ovs.bridge.mode": "routed"},
			want:    func(n *Network) { n.Outside.Mode4, n.Outside.Mode6 = ModeRouted, ModeRouted },
		},
		"a family's own mode wins": {
			generic: map[string]string{"ovs.bridge.mode": "nat", "com.docker.network.bridge.gateway_mode_ipv6": "routed"},
			want:    func(n *Network) { n.Outside.Mode6 = ModeRouted },
		},
		"bindings": {
			generic: map[string]string{"com.docker.network.bridge.host_binding_ipv4": "127.0.0.1", "ovs.bridge.host_binding_ipv6": "::1"},
			want: func(n *Network) {
				n.Outside.HostBinding4, n.Outside.HostBinding6 = netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
			},
		},
		"peers":             {generic: map[string]string{"ovs.bridge.peers": "br-lab,0123abcd"}, want: func(n *Network) { n.Outside.Peers = []string{"br-lab", "0123abcd"} }},
		"no masquerade":     {generic: map[string]string{"com.docker.network.bridge.enable_ip_masquerade": "false"}, want: func(n *Network) { n.Outside.Masquerade = false }},
		"way out by docker": {generic: map[string]string{"ovs.bridge.gateway": "docker"}, want: func(n *Network) { n.Outside.Gateway = GatewayDocker }},
		"broadcast rate":    {generic: map[string]string{"ovs.bridge.broadcast_rate": "0"}, want: func(n *Network) { n.BroadcastRate = 0 }},
		"docker's unknown keys are ignored": {
			generic: map[string]string{"com.docker.network.z": "1", "com.docker.network.bridge.default_bridge": "true"},
			want: func(n *Network) {
				n.Ignored = []string{"com.docker.network.bridge.default_bridge", "com.docker.network.z"}
			},
		},
		"tunnel": {
			generic: map[string]string{"ovs.tunnel.type": "geneve", "ovs.tunnel.vni": "16777215", "ovs.tunnel.peers": "192.0.2.7,fd00::7,host-b.lan"},
			want: func(n *Network) {
				n.Tunnel = Tunnel{Type: TunnelGeneve, VNI: 16777215, Peers: []string{"192.0.2.7", "fd00::7", "host-b.lan"}}
			},
		},
		"docker's VNI makes a tunnel": {
			generic: map[string]string{"com.docker.network.driver.overlay.vxlanid_list": "4097"},
			want:    func(n *Network) { n.Tunnel = Tunnel{Type: TunnelVXLAN, VNI: 4097} },
		},
		"gre's key": {
			generic: map[string]string{"ovs.tunnel.type": "gre", "ovs.tunnel.vni": "4294967295"},
			want:    func(n *Network) { n.Tunnel = Tunnel{Type: TunnelGRE, VNI: 4294967295} },
		},
		"static neighbours": {
			generic: map[string]string{"ovs.tunnel.vni": "1", "ovs.tunnel.static": "02:42:0a:01:00:09/10.1.0.9/fd00::9@192.0.2.7,02:42:0a:01:00:0a@fd00::7"},
			want: func(n *Network) {
				addr := netip.MustParseAddr
				n.Tunnel = Tunnel{Type: TunnelVXLAN, VNI: 1, Static: []Static{
					{MAC: net.HardwareAddr{2, 0x42, 10, 1, 0, 9}, Addrs: []netip.Addr{addr("10.1.0.9"), addr("fd00::9")}, Peer: addr("192.0.2.7")},
					{MAC: net.HardwareAddr{2, 0x42, 10, 1, 0, 10}, Peer: addr("fd00::7")},
				}}
			},
		},
		"what docker says beside the options": {
			docker: map[string]any{
				"com.docker.network.enable_ipv4": false, "com.docker.network.enable_ipv6": true,
				"com.docker.network.internal": "true", "com.docker.network.generic": map[string]any{},
			},
			want: func(n *Network) { n.IPv4, n.IPv6, n.Internal = false, true, true },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := plain
			want.Raw = maps.Clone(c.generic)
			if c.want != nil {
				c.want(&want)
			}
			got, err := ParseNetwork(c.generic, c.docker)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, compareNetwork); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestParseNetworkErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		generic map[string]string
		docker  map[string]any
		kind    error
		want    []string // every one of these stands in the text
	}{
		"typo names the nearest and all": {
			generic: map[string]string{"ovs.bridge.nmae": "x"}, kind: ErrUnknownKey,
			want: []string{"ovs.bridge.nmae: not known", "nearest known key is ovs.bridge.name", "ovs.bridge.mtu", "ovs.bridge.datapath"},
		},
		"icc in other words": {generic: map[string]string{"ovs.bridge.icc": "off"}, kind: ErrValue, want: []string{"ovs.bridge.icc=off", "true"}},
		"rate":               {generic: map[string]string{"ovs.bridge.broadcast_rate": "-1"}, kind: ErrValue, want: []string{"frames a second"}},
		"mode":               {generic: map[string]string{"ovs.bridge.mode": "bridged"}, kind: ErrValue, want: []string{"nat, nat-unprotected, routed, isolated, flat"}},
		"binding":            {generic: map[string]string{"ovs.bridge.host_binding_ipv4": "::1"}, kind: ErrValue, want: []string{"IPv4"}},
		"short peer":         {generic: map[string]string{"ovs.bridge.peers": "a,,b"}, kind: ErrValue, want: []string{"empty"}},
		"docker's gateway and a mode": {
			generic: map[string]string{"ovs.bridge.gateway": "docker", "ovs.bridge.mode": "routed"}, kind: ErrValue,
			want: []string{"ovs.bridge.gateway=docker", "ovs.bridge.mode"},
		},
		"snooping for nobody": {
			generic: map[string]string{"ovs.bridge.icc": "false", "ovs.bridge.mcast_snooping": "true"}, kind: ErrValue,
			want: []string{"ovs.bridge.mcast_snooping=true", "ovs.bridge.icc=false"},
		},
		"encryption": {
			generic: map[string]string{"encrypted": "", "ovs.tunnel.vni": "1"}, kind: ErrUnknownKey,
			want: []string{"encrypted: tunnels are not encrypted", "leave it out", "IPsec or WireGuard", "OVSNET_TUNNEL_ADDRESS"},
		},
		"stranger's key": {generic: map[string]string{"parent": "eth0"}, kind: ErrUnknownKey, want: []string{"parent: not known"}},
		"control bytes in a key": {
			generic: map[string]string{"ovs.\n": "x"}, kind: ErrUnknownKey, want: []string{`"ovs.\n": not known`},
		},
		"empty name":    {generic: map[string]string{"ovs.bridge.name": ""}, kind: ErrValue, want: []string{"ovs.bridge.name: is empty"}},
		"16 bytes":      {generic: map[string]string{"ovs.bridge.name": "abcdefghijklmnop"}, kind: ErrValue, want: []string{"16 bytes long", "at most 15"}},
		"slash":         {generic: map[string]string{"ovs.bridge.name": "a/b"}, kind: ErrValue, want: []string{`the byte "/"`}},
		"dash":          {generic: map[string]string{"ovs.bridge.name": "-br"}, kind: ErrValue, want: []string{"starts with a dash"}},
		"dots":          {generic: map[string]string{"ovs.bridge.name": ".."}, kind: ErrValue, want: []string{"is no name"}},
		"system's name": {generic: map[string]string{"ovs.bridge.name": "all"}, kind: ErrValue, want: []string{"system keeps"}},
		"mtu nonsense":  {generic: map[string]string{"ovs.bridge.mtu": "big"}, kind: ErrValue, want: []string{"ovs.bridge.mtu=big", "68 to 65535"}},
		"mtu +1500":     {generic: map[string]string{"ovs.bridge.mtu": "+1500"}, kind: ErrValue, want: []string{"not a number"}},
		"mtu 67":        {generic: map[string]string{"ovs.bridge.mtu": "67"}, kind: ErrValue, want: []string{"68 to 65535"}},
		"mtu 65536":     {generic: map[string]string{"com.docker.network.driver.mtu": "65536"}, kind: ErrValue, want: []string{"com.docker.network.driver.mtu=65536"}},
		"mtu 1279 with IPv6": {
			generic: map[string]string{"ovs.bridge.mtu": "1279"}, docker: map[string]any{keyEnableIPv6: true},
			kind: ErrValue, want: []string{"IPv6 needs at least 1280"},
		},
		"datapath": {generic: map[string]string{"ovs.bridge.datapath": "System"}, kind: ErrValue, want: []string{"auto, system, netdev"}},
		"prefix":   {generic: map[string]string{"com.docker.network.container_iface_prefix": "eth0"}, kind: ErrValue, want: []string{"ends in a digit"}},
		"two spellings differ": {
			generic: map[string]string{"ovs.bridge.name": "a", "com.docker.network.bridge.name": "b"},
			kind:    ErrValue, want: []string{"differs from ovs.bridge.name=a", "give one of the two"},
		},
		"truth":           {docker: map[string]any{keyInternal: "maybe"}, kind: ErrValue, want: []string{keyInternal + "=maybe", "true nor false"}},
		"no text":         {docker: map[string]any{keyEnableIPv6: 7.0}, kind: ErrValue, want: []string{keyEnableIPv6 + "=7"}},
		"tunnel type":     {generic: map[string]string{"ovs.tunnel.type": "stt"}, kind: ErrValue, want: []string{"vxlan, geneve, gre"}},
		"VNI 0":           {generic: map[string]string{"ovs.tunnel.vni": "0"}, kind: ErrValue, want: []string{"ovs.tunnel.vni=0", "1 to 16777215"}},
		"25 bits of VNI":  {generic: map[string]string{"ovs.tunnel.vni": "16777216"}, kind: ErrValue, want: []string{"24 bits", "vxlan"}},
		"two VNIs":        {generic: map[string]string{"com.docker.network.driver.overlay.vxlanid_list": "1,2"}, kind: ErrValue, want: []string{"is a list"}},
		"peer":            {generic: map[string]string{"ovs.tunnel.peers": "a,"}, kind: ErrValue, want: []string{"neither an address nor a name"}},
		"static MAC":      {generic: map[string]string{"ovs.tunnel.static": "03:00:00:00:00:01@192.0.2.7"}, kind: ErrValue, want: []string{"unicast MAC"}},
		"static address":  {generic: map[string]string{"ovs.tunnel.static": "02:00:00:00:00:01/x@192.0.2.7"}, kind: ErrValue, want: []string{"no address"}},
		"static host":     {generic: map[string]string{"ovs.tunnel.static": "02:00:00:00:00:01"}, kind: ErrValue, want: []string{"host's address"}},
		"static twice":    {generic: map[string]string{"ovs.tunnel.static": "02:00:00:00:00:01@192.0.2.7,02:00:00:00:00:01@192.0.2.8"}, kind: ErrValue, want: []string{"twice"}},
		"tunnel snooping": {generic: map[string]string{"ovs.tunnel.vni": "1", "ovs.bridge.mcast_snooping": "true"}, kind: ErrValue, want: []string{"ovs.tunnel.type"}},
		"all errors at once": {
			generic: map[string]string{"ovs.bridge.name": "", "ovs.bridge.mtu": "1", "ovs.x": "y", "foo": "bar"},
			kind:    ErrUnknownKey, want: []string{"ovs.bridge.name", "ovs.bridge.mtu=1", "ovs.x", "foo"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseNetwork(c.generic, c.docker)
			if !errors.Is(err, c.kind) {
				t.Fatalf("error %v, want one of kind %v", err, c.kind)
			}
			var ke *KeyError
			if !errors.As(err, &ke) {
				t.Errorf("no KeyError in %v", err)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q is not in %q", w, err)
				}
			}
		})
	}
}

// TestTunnelWithoutVNI: the error says why, and what to give.
func TestTunnelWithoutVNI(t *testing.T) {
	t.Parallel()
	n, err := ParseNetwork(map[string]string{"ovs.tunnel.peers": "192.0.2.7"}, nil)
	if err != nil || n.Tunnel.Type != TunnelVXLAN {
		t.Fatalf("%+v, %v: in global scope the manager chooses the VNI later", n.Tunnel, err)
	}
	err = n.Tunnel.Complete()
	if !errors.Is(err, ErrValue) || !strings.Contains(err.Error(), "no other host could agree") || !strings.Contains(err.Error(), "ovs.tunnel.vni") {
		t.Error(err)
	}
	for _, whole := range []Tunnel{{}, {Type: TunnelVXLAN, VNI: 1}} {
		if err := whole.Complete(); err != nil {
			t.Errorf("%+v: %v", whole, err)
		}
	}
}

func TestParseEndpoint(t *testing.T) {
	t.Parallel()
	opts := map[string]string{
		"com.docker.network.endpoint.ifname":     "lan0",
		"com.docker.network.endpoint.macaddress": "AkKsEQAC",
	}
	got, err := ParseEndpoint(opts)
	if err != nil {
		t.Fatal(err)
	}
	want := Endpoint{IfName: "lan0", Raw: opts, Ignored: []string{"com.docker.network.endpoint.macaddress"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for key, value := range map[string]string{
		"ovs.port.nothing": "x", "ip": "10.0.0.1", "com.docker.network.endpoint.ifname": "much-too-long-name",
	} {
		if _, err := ParseEndpoint(map[string]string{key: value}); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s=%s: error %v, want one that names the key", key, value, err)
		}
	}
}

// TestNetworkNamesProperty: a bridge name is taken exactly when a pattern written apart from the checks says so.
func TestNetworkNamesProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		good := rapid.StringMatching(`[A-Za-z0-9_][A-Za-z0-9._-]{0,14}`).Filter(func(s string) bool {
			return s != "all" && s != "default" && s != "lo" && !strings.HasPrefix(s, "ovs-")
		}).Draw(t, "good")
		if n, err := ParseNetwork(map[string]string{"ovs.bridge.name": good}, nil); err != nil || n.Bridge != good {
			t.Fatalf("%q: got %q, %v", good, n.Bridge, err)
		}
		bad := rapid.OneOf(
			rapid.StringMatching(`[A-Za-z0-9._-]{16,40}`),
			rapid.StringMatching(`-[A-Za-z0-9._-]{0,14}`),
			rapid.StringMatching(`[a-z]{0,6}[^A-Za-z0-9._-][a-z]{0,6}`),
		).Draw(t, "bad")
		if _, err := ParseNetwork(map[string]string{"ovs.bridge.name": bad}, nil); !errors.Is(err, ErrValue) {
			t.Fatalf("%q: error %v, want ErrValue", bad, err)
		}
	})
}

func FuzzParseNetwork(f *testing.F) {
	f.Add("ovs.bridge.name", "br0", "ovs.bridge.mtu", "1500", true)
	f.Add("ovs.bridge.name", "a", "com.docker.network.bridge.name", "b", false)
	f.Add("com.docker.network.driver.mtu", "1279", "ovs.bridge.datapath", "auto", true)
	f.Add("ovs.tunnel.static", "02:42:0a:01:00:09/10.1.0.9@192.0.2.7", "ovs.tunnel.peers", "a,fd00::1", false)
	f.Add("ovs.tunnel.vni", "16777216", "ovs.tunnel.type", "gre", false)
	f.Add("ovs.bridge.nmae", "\x00\n", "com.docker.x", "", false)
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2 string, ipv6 bool) {
		given := map[string]string{k1: v1, k2: v2}
		n, err := ParseNetwork(given, map[string]any{keyEnableIPv6: ipv6})
		if err != nil {
			checkErrorText(t, err)
			return
		}
		if n.MTU != 0 && (n.MTU < MinMTU || n.MTU > MaxMTU || ipv6 && n.MTU < MinMTU6) {
			t.Errorf("MTU %d accepted", n.MTU)
		}
		if len(n.Bridge) > 15 || strings.ContainsAny(n.Bridge, "/ \n\x00") {
			t.Errorf("bridge %q accepted", n.Bridge)
		}
		again, err := ParseNetwork(n.Raw, map[string]any{keyEnableIPv6: ipv6})
		if err != nil || !cmp.Equal(n, again, compareNetwork) {
			t.Errorf("Raw does not give the same network: %v\n%s", err, cmp.Diff(n, again, compareNetwork))
		}
	})
}

func FuzzParseEndpoint(f *testing.F) {
	f.Add("com.docker.network.endpoint.ifname", "eth0")
	f.Add("ovs.port.", "x")
	f.Fuzz(func(t *testing.T, k, v string) {
		e, err := ParseEndpoint(map[string]string{k: v})
		if err != nil {
			checkErrorText(t, err)
			return
		}
		if len(e.IfName) > 15 {
			t.Errorf("name %q accepted", e.IfName)
		}
	})
}

// checkErrorText: an error's text can stand in a log and in Docker's answer: lines of printable text, one an error.
func checkErrorText(t *testing.T, err error) {
	t.Helper()
	text := err.Error()
	lines := strings.Split(text, "\n")
	if len(text) > 4096*len(lines) || strings.ContainsAny(text, "\x00\r\x1b") {
		t.Errorf("error text not fit for a log: %q", text)
	}
	for _, l := range lines {
		if !strings.Contains(l, ": ") {
			t.Errorf("a line of the error names no key: %q in %q", l, text)
		}
	}
}
