// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// TestSameVNI: two networks of one host can't share a VNI, nor vxlan and geneve the UDP port.
func TestSameVNI(t *testing.T) {
	sw := ovstest.Start(t)
	d := start(t, sw)
	create(t, d, "123456789abcdef", "ovs.tunnel.vni=5")
	for name, c := range map[string]struct {
		options []string
		want    []string
	}{
		"same VNI":      {[]string{"ovs.tunnel.vni=5"}, []string{"VNI 5", "taken", "123456789abc", "another ovs.tunnel.vni"}},
		"other kind":    {[]string{"ovs.tunnel.vni=6", "ovs.tunnel.type=geneve"}, []string{"UDP port", "vxlan", "ovs.tunnel.type=vxlan"}},
		"no VNI":        {nil, []string{"no VNI", "local scope", "ovs.tunnel.vni"}},
		"too large MTU": {[]string{"ovs.tunnel.vni=6", "ovs.bridge.mtu=1500"}, []string{"ovs.bridge.mtu=1500", "1500 bytes of the daemon's mtu less 50 of vxlan over IPv4 leave 1450"}},
	} {
		err := d.Door("ovs", config.ScopeLocal).CreateNetwork(t.Context(), overlayRequest("f"+strings.ReplaceAll(name, " ", ""), c.options...))
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q is not in %q", name, w, err)
			}
		}
	}
	if got := strings.Fields(sw.Ctl(t, "list-br")); len(got) != 1 {
		t.Errorf("bridges %v, want the first network's alone", got)
	}
	create(t, d, "223456789abcdef", "ovs.tunnel.vni=5", "ovs.tunnel.type=gre")
	// The engine repeats what it was not answered.
	create(t, d, "123456789abcdef", "ovs.tunnel.vni=5")
}

// TestForeignTunnel: Open vSwitch refuses a VNI that a tunnel of somebody else's has; the error says so, and nothing is left.
func TestForeignTunnel(t *testing.T) {
	ns := newNetNS(t)
	sw := ovstest.StartWith(t, ovstest.Options{NetNS: ns})
	d := start(t, sw)
	sw.Ctl(t, "add-br", "br-other", "--", "set", "Bridge", "br-other", "datapath_type=netdev",
		"--", "add-port", "br-other", "other", "--", "set", "Interface", "other", "type=vxlan",
		"options:remote_ip=flow", "options:key=5", "options:dst_port=14789")
	// Others on the same UDP port are no trouble.
	create(t, d, "023456789abcdef", "ovs.tunnel.vni=4")
	create(t, d, "323456789abcdef", "ovs.tunnel.vni=6")
	err := d.Door("ovs", config.ScopeLocal).CreateNetwork(t.Context(), overlayRequest("123456789abcdef", "ovs.tunnel.vni=5"))
	if err == nil || !strings.Contains(err.Error(), "another tunnel of this Open vSwitch") || !strings.Contains(err.Error(), "VNI 5") {
		t.Errorf("got %v", err)
	}
	if got := strings.Fields(sw.Ctl(t, "list-br")); len(got) != 3 || slices.Contains(got, "ovsbr-123456789") {
		t.Errorf("bridges %v: what could not be made is left", got)
	}
}

// TestMarkedPortsMTU: the frames of isolated and promiscuous ports are longer in a tunnel, and their containers' packets
// shorter for it.
func TestMarkedPortsMTU(t *testing.T) {
	t.Parallel()
	w := newWorld()
	rec := testRecord("net1")
	rec.Options, rec.Tunnel, rec.MTU, rec.IPv6 = map[string]string{"ovs.tunnel.vni": "5"}, "ovtnet1", 1450, true
	if err := w.addNetwork(rec); err != nil {
		t.Fatal(err)
	}
	d := &Driver{}
	e := testEndpoint("e1", "10.1.0.2/24")
	if v := d.veth(w.networks["net1"], e); v.MTU != 1450 || v.PeerMTU != 0 {
		t.Errorf("MTUs %d and %d of an ordinary port", v.MTU, v.PeerMTU)
	}
	e.opts.Isolated = true
	if v := d.veth(w.networks["net1"], e); v.MTU != 1450 || v.PeerMTU != 1446 {
		t.Errorf("MTUs %d and %d of an isolated port", v.MTU, v.PeerMTU)
	}
	n := w.networks["net1"]
	n.MTU = 1283
	w.networks["net1"] = n
	if _, err := w.addEndpoint(e); err == nil || !strings.Contains(err.Error(), "MTU of 1283") {
		t.Errorf("got %v", err)
	}
}

// TestSameMACsEverywhere: hosts that know a network by different ids give its gateway, and a container with the same
// address, the same MAC; another network's differ.
func TestSameMACsEverywhere(t *testing.T) {
	t.Parallel()
	at := func(id, vni string) network {
		w := newWorld()
		rec := testRecord(id)
		if vni != "" {
			rec.Options, rec.Tunnel = map[string]string{"ovs.tunnel.vni": vni}, "ovt"+id
		}
		if err := w.addNetwork(rec); err != nil {
			t.Fatal(err)
		}
		return w.networks[id]
	}
	one, two, other, local := at("aaaa1", "5"), at("bbbb2", "5"), at("aaaa1", "6"), at("aaaa1", "")
	a := netip.MustParseAddr("10.1.0.2")
	if one.gatewayMAC().String() != two.gatewayMAC().String() || endpointMAC(one.seed(), a).String() != endpointMAC(two.seed(), a).String() {
		t.Errorf("gateways %s and %s, containers %s and %s", one.gatewayMAC(), two.gatewayMAC(), endpointMAC(one.seed(), a), endpointMAC(two.seed(), a))
	}
	for _, n := range []network{other, local} {
		if one.gatewayMAC().String() == n.gatewayMAC().String() {
			t.Errorf("two networks have the gateway MAC %s", n.gatewayMAC())
		}
	}
}
