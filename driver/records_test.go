// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// TestOldRecordsAreRead: what earlier versions have written, committed as they wrote it, means today what it meant then.
func TestOldRecordsAreRead(t *testing.T) {
	networks := map[string]record{
		"network-v1.json": {
			Version: 1, ID: "0f6c1a7be9d24c35a8b1", Door: "ovs", Bridge: "ovsbr-0f6c1a7be", Datapath: "netdev", MTU: 1500, IfPrefix: "eth",
			IPv6: true, Pools: []pool{{Subnet: pfx("10.7.0.0/24"), Gateway: pfx("10.7.0.1/24")}, {Subnet: pfx("fd07::/64")}},
			Options: map[string]string{"ovs.bridge.icc": "false"},
		},
		"network-v1-tunnel.json": {
			Version: 1, ID: "77aa1a7be9d24c35a8b1", Name: "web", Door: "ovsnet", Bridge: "ovsbr-77aa1a7be", Datapath: "system", MTU: 1450, IfPrefix: "net",
			Pools:   []pool{{Subnet: pfx("10.8.0.0/24"), Gateway: pfx("10.8.0.1/24")}},
			Options: map[string]string{"ovs.tunnel.type": "vxlan", "ovs.tunnel.vni": "77"}, Swarm: true, Tunnel: "ovt77aa1a7be9d2", AutoMTU: true,
		},
	}
	dir := filepath.Join("testdata", "records")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(e.Name(), "endpoint") {
			oldEndpoint(t, data)
			continue
		}
		got, err := decodeRecord(data)
		if err != nil {
			t.Errorf("%s: %v", e.Name(), err)
		}
		if diff := cmp.Diff(networks[e.Name()], got, comparePrefix); diff != "" {
			t.Errorf("%s (-want +got):\n%s", e.Name(), diff)
		}
		if err := newWorld().addNetwork(got); err != nil {
			t.Errorf("%s: %v", e.Name(), err)
		}
	}
}

func oldEndpoint(t *testing.T, data []byte) {
	t.Helper()
	rec, err := decodeEndpoint(data)
	if err != nil {
		t.Fatal(err)
	}
	e := rec.endpoint()
	want := endpoint{
		ID: "5e6f7a8b5e6f7a8b", Network: "0f6c1a7be9d24c35a8b1", MAC: []byte{2, 0x11, 10, 7, 0, 2},
		Addresses: []netip.Prefix{pfx("10.7.0.2/24"), pfx("fd07::2/64")}, Options: map[string]string{"ovs.port.isolated": "true"},
		Link: "ovs5e6f7a8b5e6f", Peer: "ovc5e6f7a8b5e6f", OFPort: 32768, wantFlows: true, attached: true,
	}
	if diff := cmp.Diff(want, e, comparePrefix, cmp.AllowUnexported(endpoint{}), cmp.Comparer(func(a, b config.Endpoint) bool { return true })); diff != "" {
		t.Errorf("endpoint (-want +got):\n%s", diff)
	}
}

func TestEndpointRecords(t *testing.T) {
	j, err := openJournal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w, _ := testWorld(t)
	e, err := w.addEndpoint(testEndpoint("e1", "10.1.0.2/24"))
	if err != nil {
		t.Fatal(err)
	}
	if j.hasEndpoint(e) {
		t.Error("the journal has what was never saved")
	}
	for range 2 {
		if err := j.saveEndpoint(e); err != nil {
			t.Fatal(err)
		}
	}
	if !j.hasEndpoint(e) {
		t.Error("the journal lacks what was saved")
	}
	for name, text := range map[string]string{
		"newer": `{"version":2,"id":"newer","network":"net1"}`, "cut": `{"version":1,"id":"cut"`, "e2": `{"version":1,"id":"e3","network":"n","mac":"02:00:00:00:00:01","link":"a","peer":"b"}`,
		"mac": `{"version":1,"id":"mac","network":"n","mac":"02:00","link":"a","peer":"b"}`, "up": `{"version":1,"id":"../up","network":"n","mac":"02:00:00:00:00:01","link":"a","peer":"b"}`,
	} {
		if err := os.WriteFile(j.endpointPath(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	recs, errs := j.loadEndpoints()
	if len(recs) != 1 || recs[0].ID != "e1" || len(errs) != 5 {
		t.Errorf("got %v and errors %v", recs, errs)
	}
	for range 2 {
		if err := j.removeEndpoint("e1"); err != nil {
			t.Fatal(err)
		}
	}
	if recs, _ := j.loadEndpoints(); len(recs) != 0 {
		t.Errorf("left: %v", recs)
	}
}

func FuzzDecodeEndpoint(f *testing.F) {
	data, err := os.ReadFile(filepath.Join("testdata", "records", "endpoint-v1.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":1,"id":"a","network":"b","mac":"","addresses":[""]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := decodeEndpoint(data)
		if err != nil {
			return
		}
		again, err := encodeEndpoint(rec.endpoint())
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeEndpoint(again)
		if err != nil {
			t.Fatalf("what was read can't be read again: %v", err)
		}
		if rec.ID != back.ID || rec.mac.String() != back.mac.String() || len(rec.Addresses) != len(back.Addresses) {
			t.Errorf("%+v became %+v", rec, back)
		}
	})
}

// TestNewerBridgeIsLeftAlone: a bridge that a newer version made, with all that is on it, outlives a step back to this one.
func TestNewerBridgeIsLeftAlone(t *testing.T) {
	sw := ovstest.Start(t)
	cfg := config.Default()
	cfg.OVSDB, cfg.OVSRunDir, cfg.StateDir, cfg.Owner, cfg.Datapath = sw.DB, sw.Dir, t.TempDir(), "test-newer", netdev
	sw.Ctl(t, "add-br", "br-newer", "--", "set", "Bridge", "br-newer", "external_ids:ovsnet-owner=test-newer", "external_ids:ovsnet-network=n2",
		`external_ids:ovsnet-spec="{\"version\":99,\"id\":\"n2\",\"bridge\":\"br-newer\"}"`,
		"--", "set", "Port", "br-newer", "external_ids:ovsnet-owner=test-newer", "--", "set", "Interface", "br-newer", "external_ids:ovsnet-owner=test-newer")
	d := run(t, cfg)
	<-d.restored
	create(t, d, "123456789abcdef", "ovs.tunnel.vni=5") // the loop has passed by then
	if got := sw.Ctl(t, "list-br"); !strings.Contains(got, "br-newer") {
		t.Errorf("bridges: %s", got)
	}
}

// TestOldRowsAreRead: the rows that an earlier version wrote, as it wrote them, give a network and its endpoint back, and stay.
func TestOldRowsAreRead(t *testing.T) {
	if !apart(t) {
		return
	}
	sw := ovstest.Start(t)
	spec, err := os.ReadFile(filepath.Join("testdata", "records", "network-v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	const bridge, port, network, id = "ovsbr-0f6c1a7be", "ovs5e6f7a8b5e6f", "0f6c1a7be9d24c35a8b1", "5e6f7a8b5e6f7a8b"
	inApart(t, "link", "add", port, "type", "veth", "peer", "name", "ovc5e6f7a8b5e6f")
	inApart(t, "link", "set", port, "alias", alias(config.DefaultOwner, network, id))
	mark := func(kind, name string, pairs ...string) []string {
		args := []string{"--", "set", kind, name}
		for i := 0; i < len(pairs); i += 2 {
			args = append(args, "external_ids:"+pairs[i]+"="+strconv.Quote(pairs[i+1]))
		}
		return args
	}
	sw.Ctl(t, slices.Concat([]string{"add-br", bridge, "--", "add-port", bridge, port},
		mark("Bridge", bridge, "ovsnet-owner", "ovsnet", "ovsnet-version", "1", "ovsnet-network", network, "ovsnet-spec", strings.TrimSpace(string(spec))),
		mark("Port", bridge, "ovsnet-owner", "ovsnet"), mark("Interface", bridge, "ovsnet-owner", "ovsnet"),
		mark("Port", port, "ovsnet-owner", "ovsnet", "ovsnet-network", network, "ovsnet-endpoint", id),
		mark("Interface", port, "ovsnet-owner", "ovsnet", "ovsnet-version", "1", "ovsnet-network", network, "ovsnet-endpoint", id, "iface-id", id,
			"attached-mac", "02:11:0a:07:00:02", "ovsnet-addresses", "10.7.0.2/24,fd07::2/64", "ovsnet-options", `{"ovs.port.isolated":"true"}`, "ovsnet-peer", "ovc5e6f7a8b5e6f"),
		[]string{"--", "set", "Interface", port, "ofport_request=32768"})...)
	cfg := config.Default()
	cfg.OVSDB, cfg.OVSRunDir, cfg.StateDir, cfg.Datapath = sw.DB, sw.Dir, t.TempDir(), netdev
	d := run(t, cfg)
	<-d.restored
	d.mu.Lock()
	e, known := d.world.endpoints[id]
	d.mu.Unlock()
	if !known {
		t.Fatal("the endpoint was not read back")
	}
	data, err := encodeEndpoint(e)
	if err != nil {
		t.Fatal(err)
	}
	oldEndpoint(t, data)
	if n, ok := d.network(network); !ok || n.Bridge != bridge || !n.IPv6 {
		t.Errorf("network: %+v", n.record)
	}
	err = ovstest.Poll(patience, func() error { // it ends without the gateway, of which this switch has no device
		d.loop.mu.Lock()
		defer d.loop.mu.Unlock()
		if d.loop.last.IsZero() {
			return errors.New("no audit yet")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if ports := sw.Ctl(t, "list-ports", bridge); ports != port {
		t.Errorf("ports: %s", ports)
	}
}

// inApart runs ip(8) in the network of a test that is apart.
func inApart(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %v: %v: %s", args, err, out)
	}
}
