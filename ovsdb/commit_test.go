// SPDX-License-Identifier: Apache-2.0

package ovsdb_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ovsnet/ovsnet/integration/ovstest"
	"github.com/ovsnet/ovsnet/ovsdb"
)

var samePrefixes = cmpopts.EquateComparable(netip.Prefix{})

func TestBridgeAndPortLife(t *testing.T) {
	s := ovstest.Start(t)
	s.Ctl(t, "set", "Open_vSwitch", ".", "ovs_version=9.9.9") // as its start script does
	c := connect(t, s)
	bridge, port := testBridge("br-a"), testPort("br-a", "p1")
	port.OFPortRequest = 77
	bridge.Prefixes = map[uint8][]string{14: {"ip_src", "ipv6_src"}, 30: {"ipv6_src"}}

	r := must(t, c, ovsdb.EnsureBridge{Bridge: bridge}, ovsdb.EnsurePort{Port: port})
	if r[0].OFPort != 65534 || r[1].OFPort != 77 {
		t.Errorf("ports %d and %d, want 65534 and 77", r[0].OFPort, r[1].OFPort)
	}
	bridge.IDs.Owner, port.IDs.Owner = ovsdb.DefaultOwner, ovsdb.DefaultOwner

	b, err := c.Bridge("br-a")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(bridge, b.Bridge); diff != "" {
		t.Errorf("bridge (-want +got):\n%s", diff)
	}
	if b.DatapathID != "00000a0000000001" || b.UUID == "" {
		t.Errorf("datapath id %q, uuid %q", b.DatapathID, b.UUID)
	}
	p, err := c.Port("p1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(port, p.Port, samePrefixes); diff != "" {
		t.Errorf("port (-want +got):\n%s", diff)
	}
	if p.OFPort != 77 || p.Error != "" || p.MACInUse == "" {
		t.Errorf("port %d, error %q, MAC in use %q", p.OFPort, p.Error, p.MACInUse)
	}
	snapshot, err := c.Snapshot(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]ovsdb.BridgeState{b}, snapshot.Bridges); diff != "" {
		t.Errorf("snapshot's bridges (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]ovsdb.PortState{p}, snapshot.Ports, samePrefixes); diff != "" {
		t.Errorf("snapshot's ports (-want +got):\n%s", diff)
	}
	if snapshot.Version != "9.9.9" || len(snapshot.DatapathTypes) == 0 {
		t.Errorf("version %q, datapath types %v", snapshot.Version, snapshot.DatapathTypes)
	}

	for column, want := range map[string]string{
		"fail_mode": "secure", "other_config:disable-in-band": `"true"`, "protocols": "[]",
	} {
		if got := s.Ctl(t, "get", "Bridge", "br-a", column); got != want {
			t.Errorf("%s is %s, want %s", column, got, want)
		}
	}
	if got := s.Ctl(t, "get", "Interface", "p1", "external_ids:iface-id", "external_ids:attached-mac"); got != "e-p1\n\"0a:00:00:00:00:02\"" {
		t.Errorf("iface-id and attached-mac: %s", got)
	}
	if got := s.Ctl(t, "get", "Interface", "br-a", "mtu"); got != "1400" {
		t.Errorf("MTU of the LOCAL port %s", got)
	}

	must(t, c, ovsdb.RemovePort{Bridge: "br-a", Name: "p1"})
	must(t, c, ovsdb.RemovePort{Bridge: "br-a", Name: "p1"})
	if _, err := c.Port("p1"); !errors.Is(err, ovsdb.ErrNotFound) {
		t.Errorf("removed port: %v", err)
	}
	must(t, c, ovsdb.RemoveBridge{Name: "br-a"})
	must(t, c, ovsdb.RemoveBridge{Name: "br-a"})
	if _, err := c.Bridge("br-a"); !errors.Is(err, ovsdb.ErrNotFound) {
		t.Errorf("removed bridge: %v", err)
	}
	if got := s.Ctl(t, "show") + s.Ctl(t, "--bare", "list", "Flow_Table"); strings.Contains(got, "Bridge") || strings.Contains(got, "ovsnet") {
		t.Errorf("left behind:\n%s", got)
	}
}

func TestEnsureEqualWritesNothing(t *testing.T) {
	s := ovstest.Start(t)
	c := connect(t, s)
	changes := []ovsdb.Change{ovsdb.EnsureBridge{Bridge: testBridge("br-a")}, ovsdb.EnsurePort{Port: testPort("br-a", "p1")}}
	first := must(t, c, changes...)
	before := s.Ctl(t, "get", "Open_vSwitch", ".", "next_cfg")
	for i := range first {
		if !first[i].Wrote {
			t.Errorf("change %d wrote nothing", i)
		}
		first[i].Wrote = false
	}
	if diff := cmp.Diff(first, must(t, c, changes...)); diff != "" {
		t.Errorf("second time (-first +second):\n%s", diff)
	}
	if after := s.Ctl(t, "get", "Open_vSwitch", ".", "next_cfg"); after != before {
		t.Errorf("next_cfg went from %s to %s", before, after)
	}
}

func TestEnsureRepairs(t *testing.T) {
	s := ovstest.Start(t)
	c := connect(t, s)
	bridge, port := testBridge("br-a"), testPort("br-a", "p1")
	port.MTU = 1400
	must(t, c, ovsdb.EnsureBridge{Bridge: bridge}, ovsdb.EnsurePort{Port: port}, ovsdb.EnsureBridge{Bridge: testBridge("br-b")})

	s.Ctl(t, "set", "Bridge", "br-a", "fail_mode=standalone", "mcast_snooping_enable=true",
		"other_config:hwaddr=0a:00:00:00:00:99", "other_config:theirs=kept", "external_ids:theirs=kept", "external_ids:ovsnet-spec=x")
	s.Ctl(t, "set", "Interface", "p1", "external_ids:theirs=kept", "external_ids:ovsnet-addresses=nonsense",
		"external_ids:vm-id=x", "mtu_request=900", "--", "remove", "Interface", "p1", "external_ids", "iface-id")
	s.Ctl(t, "set", "Interface", "br-a", "mtu_request=900")
	event(t, c, func(e ovsdb.Event) bool { return e.Rows })

	must(t, c, ovsdb.EnsureBridge{Bridge: bridge}, ovsdb.EnsurePort{Port: port})
	bridge.IDs.Owner, port.IDs.Owner = ovsdb.DefaultOwner, ovsdb.DefaultOwner
	bridge.OtherConfig = map[string]string{"theirs": "kept"}
	b, err := c.Bridge("br-a")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(bridge, b.Bridge); diff != "" {
		t.Errorf("bridge (-want +got):\n%s", diff)
	}
	p, err := c.Port("p1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(port, p.Port, samePrefixes); diff != "" {
		t.Errorf("port (-want +got):\n%s", diff)
	}
	for _, get := range [][]string{
		{"get", "Bridge", "br-a", "external_ids:theirs"}, {"get", "Interface", "p1", "external_ids:theirs"},
	} {
		if got := s.Ctl(t, get...); got != "kept" {
			t.Errorf("ovs-vsctl %v: %s", get, got)
		}
	}
	if got := s.Ctl(t, "get", "Bridge", "br-a", "fail_mode"); got != "secure" {
		t.Errorf("fail_mode %s", got)
	}

	// A port that was moved by hand comes back, and a moved wish is followed.
	id := s.Ctl(t, "get", "Port", "p1", "_uuid")
	s.Ctl(t, "remove", "Bridge", "br-a", "ports", id, "--", "add", "Bridge", "br-b", "ports", id)
	for _, where := range []string{"br-a", "br-b"} {
		port.Bridge = where
		must(t, c, ovsdb.EnsurePort{Port: port})
		if got := s.Ctl(t, "port-to-br", "p1"); got != where {
			t.Errorf("p1 is on %s, want %s", got, where)
		}
	}
}

func TestStrangersRowsAreLeftAlone(t *testing.T) {
	s := ovstest.Start(t)
	s.AddBridge(t, "br-x")
	s.Ctl(t, "set", "Bridge", "br-x", "external_ids:ovsnet-owner=other")
	s.Ctl(t, "add-port", "br-x", "px")
	c := connect(t, s)
	must(t, c, ovsdb.EnsureBridge{Bridge: testBridge("br-a")})
	s.Ctl(t, "add-port", "br-a", "py")
	before := s.Ctl(t, "-f", "csv", "list", "Bridge", "br-x") + s.Ctl(t, "-f", "csv", "list", "Port", "px", "py", "br-x")

	for name, test := range map[string]struct {
		change ovsdb.Change
		text   string
	}{
		"bridge": {
			ovsdb.EnsureBridge{Bridge: testBridge("br-x")},
			"bridge br-x: exists and is not ovsnet's (owner other); choose another ovs.bridge.name",
		},
		"bridge named as a port": {
			ovsdb.EnsureBridge{Bridge: testBridge("px")},
			"port px: exists and is not ovsnet's (owner none); choose another name or remove it with ovs-vsctl",
		},
		"remove bridge": {
			ovsdb.RemoveBridge{Name: "br-x"},
			"bridge br-x: is not ovsnet's (owner other) and is left alone",
		},
		"remove bridge with a stranger's port": {
			ovsdb.RemoveBridge{Name: "br-a"},
			"bridge br-a: port py: is not ovsnet's (owner none) and is left alone; take it off the bridge first",
		},
		"port": {
			ovsdb.EnsurePort{Port: testPort("br-a", "px")},
			"port px: exists and is not ovsnet's (owner none); choose another name or remove it with ovs-vsctl",
		},
		"port on a stranger's bridge": {
			ovsdb.EnsurePort{Port: testPort("br-x", "p1")},
			"port p1: bridge br-x: is not ovsnet's (owner other) and is left alone",
		},
		"remove port": {
			ovsdb.RemovePort{Bridge: "br-a", Name: "py"},
			"port py: is not ovsnet's (owner none) and is left alone",
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := commit(t, c, test.change).Err
			var foreign *ovsdb.ForeignError
			if !errors.As(err, &foreign) {
				t.Fatalf("error %v, want a ForeignError", err)
			}
			if err.Error() != test.text {
				t.Errorf("error %q, want %q", err, test.text)
			}
		})
	}
	after := s.Ctl(t, "-f", "csv", "list", "Bridge", "br-x") + s.Ctl(t, "-f", "csv", "list", "Port", "px", "py", "br-x")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("a stranger's row changed (-before +after):\n%s", diff)
	}
	if _, err := c.Bridge("br-x"); !errors.Is(err, ovsdb.ErrNotFound) {
		t.Errorf("Bridge of a stranger: %v", err)
	}
	s.Ctl(t, "del-port", "py")
	must(t, c, ovsdb.RemoveBridge{Name: "br-a"})
}

// Our mark on one row of a stranger's port makes it no more ours.
func TestHalfMarkedPort(t *testing.T) {
	s := ovstest.Start(t)
	c := connect(t, s)
	must(t, c, ovsdb.EnsureBridge{Bridge: testBridge("br-a")})
	s.Ctl(t, "add-port", "br-a", "px", "--", "set", "Interface", "px", "external_ids:ovsnet-owner=ovsnet")
	s.Ctl(t, "add-port", "br-a", "py", "--", "set", "Port", "py", "external_ids:ovsnet-owner=ovsnet")
	for _, name := range []string{"px", "py"} {
		var foreign *ovsdb.ForeignError
		if err := commit(t, c, ovsdb.EnsurePort{Port: testPort("br-a", name)}).Err; !errors.As(err, &foreign) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPortThatVSwitchdRefuses(t *testing.T) {
	s := ovstest.Start(t)
	c := connect(t, s)
	must(t, c, ovsdb.EnsureBridge{Bridge: testBridge("br-a")})
	bad, good := testPort("br-a", "bad"), testPort("br-a", "good")
	bad.Type = "patch" // without a peer
	r := c.Commit(deadline(t), []ovsdb.Change{ovsdb.EnsurePort{Port: bad}, ovsdb.EnsurePort{Port: good}})
	var refused *ovsdb.PortError
	if !errors.As(r[0].Err, &refused) || !strings.Contains(refused.Reason, "peer") {
		t.Errorf("bad port: %v", r[0].Err)
	}
	if r[1].Err != nil || r[1].OFPort == 0 {
		t.Errorf("good port: %+v", r[1])
	}
	if got := s.Ctl(t, "list-ports", "br-a"); got != "good" {
		t.Errorf("ports %q, want good alone", got)
	}
	// A port that was there before stays, with its identity, and works again.
	broken := good
	broken.Type = "patch"
	if err := commit(t, c, ovsdb.EnsurePort{Port: broken}).Err; !errors.As(err, &refused) {
		t.Errorf("broken port: %v", err)
	}
	if p, err := c.Port("good"); err != nil || p.Error == "" || p.IDs.Endpoint != "e-good" {
		t.Errorf("broken port: %+v, %v", p, err)
	}
	if err := commit(t, c, ovsdb.EnsurePort{Port: broken}).Err; !errors.As(err, &refused) {
		t.Errorf("broken port again: %v", err)
	}
	must(t, c, ovsdb.EnsurePort{Port: good})
}

func TestBridgeThatVSwitchdRefuses(t *testing.T) {
	s := ovstest.Start(t)
	c := connect(t, s)
	bad := testBridge("br-a")
	bad.Datapath = "nosuch"
	r := c.Commit(deadline(t), []ovsdb.Change{
		ovsdb.EnsureBridge{Bridge: bad}, ovsdb.EnsurePort{Port: testPort("br-a", "p1")}, ovsdb.EnsureBridge{Bridge: testBridge("br-b")},
	})
	for i, one := range r {
		var refused *ovsdb.PortError
		if errors.As(one.Err, &refused) != (i < 2) {
			t.Errorf("change %d: %v", i, one.Err)
		}
	}
	if got := s.Ctl(t, "list-br"); got != "br-b" {
		t.Errorf("bridges %q, want br-b alone", got)
	}
	must(t, c, ovsdb.EnsureBridge{Bridge: testBridge("br-a")})
}

func TestOneBadChangeFailsAlone(t *testing.T) {
	s := ovstest.Start(t)
	s.AddBridge(t, "br-x")
	s.Ctl(t, "add-port", "br-x", "px")
	c := connect(t, s)
	wide := testPort("br-a", "wide")
	wide.OFPortRequest = 1 << 20
	var changes []ovsdb.Change
	changes = append(changes,
		ovsdb.EnsureBridge{Bridge: testBridge("br-a")},
		ovsdb.EnsurePort{Port: testPort("br-a", "px")},  // a stranger's
		ovsdb.EnsurePort{Port: testPort("nobr", "p0")},  // no bridge
		ovsdb.EnsurePort{Port: wide},                    // out of range
		ovsdb.EnsurePort{Port: testPort("br-a", "a/b")}, // no name for a device
		nil,
		ovsdb.EnsurePort{Port: testPort("br-a", "br-a")}, // the bridge's own
	)
	bad := len(changes)
	for i := range 8 {
		changes = append(changes, ovsdb.EnsurePort{Port: testPort("br-a", fmt.Sprint("p", i))})
	}
	changes = append(changes, ovsdb.EnsurePort{Port: testPort("br-a", "p0")}, ovsdb.RemovePort{Name: "never"})
	r := c.Commit(deadline(t), changes)
	var foreign *ovsdb.ForeignError
	if !errors.As(r[1].Err, &foreign) {
		t.Errorf("stranger's port: %v", r[1].Err)
	}
	if !errors.Is(r[2].Err, ovsdb.ErrNotFound) {
		t.Errorf("no bridge: %v", r[2].Err)
	}
	for i := 3; i < bad; i++ {
		if !errors.Is(r[i].Err, ovsdb.ErrInvalid) {
			t.Errorf("change %d: %v", i, r[i].Err)
		}
	}
	for i, one := range r {
		if (i == 0 || i >= bad) && one.Err != nil {
			t.Errorf("change %d: %v", i, one.Err)
		}
	}
	if n := len(strings.Fields(s.Ctl(t, "list-ports", "br-a"))); n != 8 {
		t.Errorf("%d ports, want 8", n)
	}
}

func TestRemoveAndEnsureInOneCommit(t *testing.T) {
	s := ovstest.Start(t)
	c := connect(t, s)
	must(t, c, ovsdb.EnsureBridge{Bridge: testBridge("br-a")}, ovsdb.EnsurePort{Port: testPort("br-a", "p1")})
	before := s.Ctl(t, "get", "Port", "p1", "_uuid")
	must(t, c, ovsdb.RemovePort{Bridge: "br-a", Name: "p1"}, ovsdb.EnsurePort{Port: testPort("br-a", "p1")})
	if after := s.Ctl(t, "get", "Port", "p1", "_uuid"); after == before {
		t.Error("the port was not made anew")
	}
	must(t, c, ovsdb.RemovePort{Bridge: "br-a", Name: "p1"}, ovsdb.RemoveBridge{Name: "br-a"},
		ovsdb.EnsureBridge{Bridge: testBridge("br-a")}, ovsdb.EnsurePort{Port: testPort("br-a", "p2")})
	if got := s.Ctl(t, "list-ports", "br-a"); got != "p2" {
		t.Errorf("ports %q, want p2", got)
	}
	if err := commit(t, c, ovsdb.RemovePort{Name: "br-a"}).Err; !errors.Is(err, ovsdb.ErrConflict) {
		t.Errorf("removing a LOCAL port: %v", err)
	}
}

// Two clients on the same rows never see an error, whoever is first.
func TestConcurrentCommits(t *testing.T) {
	s := ovstest.Start(t)
	clients := []*ovsdb.Client{connect(t, s), connect(t, s)}
	must(t, clients[0], ovsdb.EnsureBridge{Bridge: testBridge("br-a")})
	var wg sync.WaitGroup
	for worker := range 8 {
		c := clients[worker%2]
		wg.Go(func() {
			for i := range 5 {
				shared := ovsdb.EnsurePort{Port: testPort("br-a", fmt.Sprint("s", i))}
				own := testPort("br-a", fmt.Sprint("w", worker, "-", i))
				for n, r := range c.Commit(deadline(t), []ovsdb.Change{shared, ovsdb.EnsurePort{Port: own}}) {
					if r.Err != nil || r.OFPort == 0 {
						t.Errorf("worker %d, round %d, change %d: %+v", worker, i, n, r)
					}
				}
				if r := commit(t, c, ovsdb.RemovePort{Bridge: "br-a", Name: own.Name}); r.Err != nil {
					t.Errorf("worker %d, round %d: %v", worker, i, r.Err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(strings.Fields(s.Ctl(t, "list-ports", "br-a"))); n != 5 {
		t.Errorf("%d ports, want 5", n)
	}
}
