// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"net/netip"
	"os"
	"path/filepath"
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
