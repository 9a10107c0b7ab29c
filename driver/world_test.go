// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func testRecord(id string) record {
	return record{
		Version: recordVersion, ID: id, Door: "ovs", Bridge: "ovsbr-" + id[:4], Datapath: netdev, MTU: 1500, IfPrefix: "eth",
		Pools: []pool{{Subnet: pfx("10.1.0.0/24"), Gateway: pfx("10.1.0.1/24")}},
	}
}

func testWorld(t *testing.T) (world, network) {
	t.Helper()
	w := newWorld()
	if err := w.addNetwork(testRecord("net1")); err != nil {
		t.Fatal(err)
	}
	return w, w.networks["net1"]
}

func testEndpoint(id, addr string) endpoint {
	a := pfx(addr)
	return endpoint{ID: id, Network: "net1", MAC: endpointMAC("net1", a.Addr()), Addresses: []netip.Prefix{a}}
}

func TestAddEndpoint(t *testing.T) {
	w, n := testWorld(t)
	one, err := w.addEndpoint(testEndpoint("e1", "10.1.0.2/24"))
	if err != nil {
		t.Fatal(err)
	}
	if one.OFPort != minOFPort || one.Link != "ovse1" || one.Peer != "ovce1" {
		t.Errorf("got port %d, links %s and %s", one.OFPort, one.Link, one.Peer)
	}
	gatewaysMAC := testEndpoint("e2", "10.1.0.3/24")
	gatewaysMAC.MAC = gatewayMAC(n.ID)
	sameMAC := testEndpoint("e2", "10.1.0.3/24")
	sameMAC.MAC = one.MAC
	elsewhere := testEndpoint("e2", "10.1.0.3/24")
	elsewhere.Network = "net2"
	for name, c := range map[string]struct {
		e    endpoint
		is   error
		says string
	}{
		"same address":    {testEndpoint("e2", "10.1.0.2/24"), ErrTaken, "10.1.0.2"},
		"gateway address": {testEndpoint("e2", "10.1.0.1/24"), ErrTaken, "gateway"},
		"gateway MAC":     {gatewaysMAC, ErrTaken, "gateway"},
		"same MAC":        {sameMAC, ErrTaken, one.MAC.String()},
		"outside":         {testEndpoint("e2", "10.2.0.2/24"), nil, "outside of the network's subnets [10.1.0.0/24]"},
		"no network":      {elsewhere, ErrUnknownNetwork, "net2"},
	} {
		_, err := w.addEndpoint(c.e)
		if err == nil || (c.is != nil && !errors.Is(err, c.is)) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if len(w.endpoints) != 1 {
		t.Errorf("refused endpoints stayed: %v", w.endpoints)
	}
}

func TestFreedPortNumberRests(t *testing.T) {
	w, _ := testWorld(t)
	one, err := w.addEndpoint(testEndpoint("e1", "10.1.0.2/24"))
	if err != nil {
		t.Fatal(err)
	}
	w.dropEndpoint(one.ID)
	two, err := w.addEndpoint(testEndpoint("e2", "10.1.0.2/24"))
	if err != nil {
		t.Fatal(err)
	}
	if two.OFPort == one.OFPort {
		t.Errorf("port number %d was given again at once", one.OFPort)
	}
}

func TestPortNumbersRunOut(t *testing.T) {
	w, n := testWorld(t)
	for i := uint32(minOFPort); i <= maxOFPort; i++ {
		n.used.ports[i] = "x"
	}
	if _, err := w.addEndpoint(testEndpoint("e1", "10.1.0.2/24")); !errors.Is(err, ErrTaken) {
		t.Errorf("got %v, want ErrTaken", err)
	}
	delete(n.used.ports, 40000)
	if e, err := w.addEndpoint(testEndpoint("e1", "10.1.0.2/24")); err != nil || e.OFPort != 40000 {
		t.Errorf("got port %d, %v; want the only free one, 40000", e.OFPort, err)
	}
}

func TestBridgeNameClash(t *testing.T) {
	w := newWorld()
	ids := []string{"0123456789abcdef", "0123456789abcdee"}
	var names []string
	for _, id := range ids {
		name, err := w.bridgeName(id)
		if err != nil {
			t.Fatal(err)
		}
		rec := testRecord(id)
		rec.Bridge = name
		if err := w.addNetwork(rec); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if names[0] != "ovsbr-012345678" || names[0] == names[1] {
		t.Errorf("got %v", names)
	}
	rec := testRecord("another")
	rec.Bridge = names[0]
	if err := w.addNetwork(rec); !errors.Is(err, ErrTaken) {
		t.Errorf("a bridge name given twice: got %v, want ErrTaken", err)
	}
}

func TestLinkNameClash(t *testing.T) {
	w, _ := testWorld(t)
	seen := map[string]bool{}
	for i := range 3 {
		e, err := w.addEndpoint(testEndpoint(fmt.Sprintf("aaaaaaaaaaaaaaaa%d", i), fmt.Sprintf("10.1.0.%d/24", i+2)))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{e.Link, e.Peer} {
			if seen[name] || len(name) > maxName {
				t.Errorf("link name %s is taken or too long", name)
			}
			seen[name] = true
		}
	}
}

func TestNewerRecordIsLeftAlone(t *testing.T) {
	rec := testRecord("net1")
	rec.Version = recordVersion + 1
	if err := newWorld().addNetwork(rec); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("got %v", err)
	}
}

// TestDerivedMACs: locally administered unicast, the same for the same input, and never a gateway's for an endpoint.
func TestDerivedMACs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[0-9a-f]{64}`).Draw(t, "network")
		raw := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address")
		a := netip.AddrFrom16([16]byte(raw))
		if rapid.Bool().Draw(t, "v4") {
			a = netip.AddrFrom4([4]byte(raw[:4]))
		}
		m, g := endpointMAC(id, a), gatewayMAC(id)
		for _, mac := range []net.HardwareAddr{m, g} {
			if len(mac) != 6 || mac[0]&3 != 2 {
				t.Errorf("%s is not locally administered unicast", mac)
			}
		}
		if string(m) == string(g) || string(m) != string(endpointMAC(id, a)) {
			t.Errorf("endpoint %s, gateway %s", m, g)
		}
	})
}

// TestIndexFollowsEndpoints: after any sequence of adding and dropping, the index holds what the endpoints say.
func TestIndexFollowsEndpoints(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w, n := testWorld(t)
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			i := rapid.IntRange(2, 20).Draw(rt, "endpoint")
			id := fmt.Sprintf("e%d", i)
			if _, ok := w.endpoints[id]; ok {
				w.dropEndpoint(id)
			} else if _, err := w.addEndpoint(testEndpoint(id, fmt.Sprintf("10.1.0.%d/24", i))); err != nil {
				rt.Fatal(err)
			}
		}
		if len(n.used.ports) != len(w.endpoints) || len(n.used.macs) != len(w.endpoints) || len(n.used.addrs) != len(w.endpoints) || len(w.links) != len(w.endpoints) {
			rt.Fatalf("%d endpoints, index %+v, links %v", len(w.endpoints), n.used, w.links)
		}
		for id, e := range w.endpoints {
			if n.used.ports[e.OFPort] != id || n.used.macs[string(e.MAC)] != id || w.links[e.Link] != id {
				rt.Fatalf("endpoint %s is not where the index says", id)
			}
		}
	})
}

// TestViewKeepsPortNumber: the pipeline is given the very number that the endpoint has.
func TestViewKeepsPortNumber(t *testing.T) {
	_, n := testWorld(t)
	for port := uint32(1); port <= maxOFPort; port++ {
		e := testEndpoint("e1", "10.1.0.2/24")
		e.OFPort = port
		if got := e.view(n).Number; uint32(got) != port {
			t.Fatalf("port %d became %d", port, got)
		}
	}
}
