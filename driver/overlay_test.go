// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/driver/api"
	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// patience bounds what a test waits for that must happen.
const patience = 20 * time.Second

// start runs a driver on a switch of a test's own. It has no firewall, so that nothing of the machine is touched.
func start(tb testing.TB, sw *ovstest.Switch, peers ...string) *Driver {
	tb.Helper()
	cfg := config.Default()
	cfg.OVSDB, cfg.OVSRunDir, cfg.StateDir = sw.DB, sw.Dir, tb.TempDir()
	cfg.Owner, cfg.Datapath, cfg.Peers = "test-"+strconv.Itoa(len(sw.Dir)), netdev, peers
	return run(tb, cfg)
}

func run(tb testing.TB, cfg config.Daemon) *Driver {
	tb.Helper()
	d, err := New(tb.Context(), Options{Config: cfg, Log: slog.New(slog.NewTextHandler(tb.Output(), nil))})
	if err != nil {
		tb.Fatal(err)
	}
	d.fw = nil
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	})
	return d
}

// overlayRequest asks for a network across hosts in which this host has no part of its own.
func overlayRequest(id string, options ...string) api.CreateNetworkRequest {
	generic := map[string]any{"ovs.bridge.mode": "isolated", "ovs.tunnel.type": "vxlan"}
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		generic[key] = value
	}
	return api.CreateNetworkRequest{
		NetworkID: id, Options: api.Options{"com.docker.network.generic": generic},
		IPv4Data: []api.IPAMData{{Pool: pfx("10.1.0.0/24"), Gateway: pfx("10.1.0.1/24")}},
	}
}

// create makes a network across hosts and gives it as the driver has it.
func create(tb testing.TB, d *Driver, id string, options ...string) network {
	tb.Helper()
	if err := d.Door("ovs", config.ScopeLocal).CreateNetwork(tb.Context(), overlayRequest(id, options...)); err != nil {
		tb.Fatal(err)
	}
	n, ok := d.network(id)
	if !ok {
		tb.Fatalf("network %s is not there", id)
	}
	return n
}

// remove takes a network away again.
func remove(tb testing.TB, d *Driver, id string) {
	tb.Helper()
	if err := d.Door("ovs", config.ScopeLocal).DeleteNetwork(tb.Context(), api.DeleteNetworkRequest{NetworkID: id}); err != nil {
		tb.Fatal(err)
	}
}

// cookies are the flows of one row of a bridge, by their object, each with how long it has been there.
func cookies(tb testing.TB, sw *ovstest.Switch, bridge, row string) map[uint16]time.Duration {
	tb.Helper()
	out := map[uint16]time.Duration{}
	for line := range strings.Lines(sw.OFCtl(tb, "dump-flows", bridge)) {
		var cookie uint64
		var seconds float64
		if _, err := fmt.Sscanf(strings.TrimSpace(line), "cookie=0x%x, duration=%fs", &cookie, &seconds); err != nil {
			continue
		}
		c, ours := flows.ParseCookie(cookie)
		for _, r := range flows.Rows() {
			if ours && r.Number == c.Row && r.Name == row {
				out[c.Object] = time.Duration(seconds * float64(time.Second))
			}
		}
	}
	return out
}

func TestTunnelRow(t *testing.T) {
	sw := ovstest.Start(t)
	d := start(t, sw, "198.51.100.2", "2001:db8::2")
	for i, c := range []struct {
		options []string
		kind    string
		want    map[string]string
		none    []string
	}{
		{[]string{"ovs.tunnel.vni=5"}, "vxlan", map[string]string{"remote_ip": "flow", "key": "5", "dst_port": "14789"}, []string{"local_ip", "exts"}},
		{[]string{"ovs.tunnel.vni=5", "ovs.tunnel.type=gre"}, "gre", map[string]string{"remote_ip": "flow", "key": "5"}, []string{"dst_port", "exts"}},
	} {
		n := create(t, d, fmt.Sprintf("%d23456789abcdef", i), c.options...)
		if want := fmt.Sprintf("ovt%d23456789ab", i); n.Tunnel != want+"c" {
			t.Errorf("the tunnel's port is called %s", n.Tunnel)
		}
		get := func(what string) string {
			return strings.Trim(strings.TrimSpace(sw.Ctl(t, "get", "Interface", n.Tunnel, what)), `"`)
		}
		if got := get("type"); got != c.kind {
			t.Errorf("type %s, want %s", got, c.kind)
		}
		if got := get("ofport"); got != strconv.Itoa(tunnelOFPort) {
			t.Errorf("OpenFlow port %s, want %d", got, tunnelOFPort)
		}
		for key, want := range c.want {
			if got := get("options:" + key); got != want {
				t.Errorf("%s=%s, want %s", key, got, want)
			}
		}
		all := get("options")
		for _, key := range c.none {
			if strings.Contains(all, key) {
				t.Errorf("%s is among %s", key, all)
			}
		}
		if got := strings.TrimSpace(sw.Ctl(t, "port-to-br", n.Tunnel)); got != n.Bridge {
			t.Errorf("the tunnel is on %s, not on %s", got, n.Bridge)
		}
		if got := len(cookies(t, sw, n.Bridge, "peer")); got != 2 {
			t.Errorf("flows for %d peers, want 2", got)
		}
	}
}

func TestTunnelHeldToAddress(t *testing.T) {
	t.Parallel()
	four, six := addrs("198.51.100.2"), addrs("2001:db8::2")
	for name, c := range map[string]struct {
		set   string
		self  netip.Addr
		peers []netip.Addr
		want  string
	}{
		"nothing said":           {peers: four, want: "invalid IP"},
		"the setting":            {set: "198.51.100.1", peers: four, want: "198.51.100.1"},
		"Swarm":                  {self: netip.MustParseAddr("2001:db8::1"), peers: six, want: "2001:db8::1"},
		"the setting over Swarm": {set: "198.51.100.1", self: netip.MustParseAddr("198.51.100.9"), want: "198.51.100.1"},
		"the other family":       {set: "198.51.100.1", peers: six, want: "invalid IP"},
		"both families":          {set: "198.51.100.1", peers: append(addrs("198.51.100.2"), six...), want: "invalid IP"},
	} {
		d := &Driver{cfg: config.Daemon{TunnelAddress: c.set}, peers: newPeers(nil, "")}
		d.peers.self = c.self
		if got, err := d.localFor(t.Context(), c.peers); err != nil || got.String() != c.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, c.want)
		}
	}
}

// TestPeersChange: a peer that comes or goes changes its own flows and buckets, and no other's.
func TestPeersChange(t *testing.T) {
	sw := ovstest.Start(t)
	d := start(t, sw, "198.51.100.2", "198.51.100.3")
	n := create(t, d, "123456789abcdef", "ovs.tunnel.vni=5", "ovs.tunnel.static=02:00:00:00:00:09/10.1.0.9@198.51.100.4")
	buckets := func() int {
		return strings.Count(sw.OFCtl(t, "dump-groups", n.Bridge), "tun_dst")
	}
	old := cookies(t, sw, n.Bridge, "peer")
	if len(old) != 2 || buckets() != 2 || len(cookies(t, sw, n.Bridge, "neighbour")) != 0 {
		t.Fatalf("flows of peers %v, %d buckets, neighbours %v", old, buckets(), cookies(t, sw, n.Bridge, "neighbour"))
	}
	aged := func() {
		t.Helper()
		err := ovstest.Poll(patience, func() error {
			for _, age := range cookies(t, sw, n.Bridge, "peer") {
				if age < 500*time.Millisecond {
					return fmt.Errorf("a flow is only %s old", age)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	aged()
	begin := time.Now()
	if err := d.SetPeers(t.Context(), []string{"198.51.100.2", "198.51.100.3", "198.51.100.4"}); err != nil {
		t.Fatal(err)
	}
	now := cookies(t, sw, n.Bridge, "peer")
	took := time.Since(begin)
	fresh := 0
	for id, age := range now {
		if _, was := old[id]; !was {
			fresh++
		} else if age < took {
			t.Errorf("peer %d's flow was made anew", id)
		}
	}
	if len(now) != 3 || fresh != 1 || buckets() != 3 || len(cookies(t, sw, n.Bridge, "neighbour")) != 1 {
		t.Errorf("flows of peers %v, before %v, %d buckets, neighbours %v", now, old, buckets(), cookies(t, sw, n.Bridge, "neighbour"))
	}
	aged()
	begin = time.Now()
	if err := d.SetPeers(t.Context(), []string{"198.51.100.3"}); err != nil {
		t.Fatal(err)
	}
	now = cookies(t, sw, n.Bridge, "peer")
	took = time.Since(begin)
	for id, age := range now {
		if _, was := old[id]; !was || age < took {
			t.Errorf("peer %d's flow was made anew", id)
		}
	}
	if len(now) != 1 || buckets() != 1 || len(cookies(t, sw, n.Bridge, "neighbour")) != 0 {
		t.Errorf("flows of peers %v, %d buckets", now, buckets())
	}
}

// learned is a flow that a switch has made itself.
func learned(id uint16) string {
	return fmt.Sprintf("cookie=%#x,table=42,priority=100,reg0=1/0xffff,dl_dst=02:00:00:00:00:07,actions=drop",
		flows.Cookie{Row: rowNumber("learned"), Object: id, Hash: 1}.Uint64())
}

func rowNumber(name string) uint8 {
	for _, r := range flows.Rows() {
		if r.Name == name {
			return r.Number
		}
	}
	return 0
}

// TestAuditMendsOverlay: the tunnel's row, and the flows and buckets of peers come back; what the switch has learned stays,
// also over a restart of the driver.
func TestAuditMendsOverlay(t *testing.T) {
	sw := ovstest.Start(t)
	cfg := config.Default()
	cfg.OVSDB, cfg.OVSRunDir, cfg.StateDir, cfg.Owner, cfg.Datapath = sw.DB, sw.Dir, t.TempDir(), "test-mend", netdev
	cfg.Peers = []string{"198.51.100.2", "198.51.100.3"}
	var n network
	t.Run("first", func(t *testing.T) {
		d := run(t, cfg)
		n = create(t, d, "123456789abcdef", "ovs.tunnel.vni=5")
		want := cookies(t, sw, n.Bridge, "peer")
		var taught uint16
		for taught = range want {
			sw.OFCtl(t, "add-flow", n.Bridge, learned(taught))
			break
		}
		sw.Ctl(t, "set", "Interface", n.Tunnel, "options:key=6", "options:local_ip=198.51.100.77")
		sw.OFCtl(t, "--strict", "del-flows", n.Bridge, "table=0,priority=50,in_port="+strconv.Itoa(tunnelOFPort))
		for id := range want {
			if id != taught { // the switch forgets with a peer's flow what it has learned from that peer
				sw.OFCtl(t, "del-flows", n.Bridge, fmt.Sprintf("cookie=%#x/%#x", flows.Cookie{Row: rowNumber("peer"), Object: id}.Uint64(), ^uint64(0xffffff)))
			}
			sw.OFCtl(t, "mod-group", n.Bridge, fmt.Sprintf("group_id=%d,type=all", flows.PeerGroup(1, id)))
		}
		mended(t, sw, d, n, len(want))
		sw.Ctl(t, "del-port", n.Bridge, n.Tunnel)
		mended(t, sw, d, n, len(want))
	})
	before := cookies(t, sw, n.Bridge, "peer")
	t.Run("second", func(t *testing.T) {
		d := run(t, cfg)
		mended(t, sw, d, n, len(before))
		d.loop.mu.Lock()
		repaired := d.loop.repairs["flow"]
		d.loop.mu.Unlock()
		if repaired != 0 {
			t.Errorf("a restart changed %d flows", repaired)
		}
		remove(t, d, n.ID)
		if got := sw.Ctl(t, "list-br"); strings.TrimSpace(got) != "" {
			t.Errorf("bridges that are left: %s", got)
		}
	})
}

// mended waits for audits to bring the tunnel and the peers back.
func mended(t *testing.T, sw *ovstest.Switch, d *Driver, n network, peers int) {
	t.Helper()
	d.loop.want()
	err := ovstest.Poll(patience, func() error {
		text := sw.Ctl(t, "--if-exists", "--columns=options,ofport", "list", "Interface", n.Tunnel)
		if !strings.Contains(text, `key="5"`) || strings.Contains(text, "local_ip") || !strings.Contains(text, strconv.Itoa(tunnelOFPort)) {
			return fmt.Errorf("the tunnel is not back: %s", text)
		}
		if got := len(cookies(t, sw, n.Bridge, "peer")); got != peers {
			return fmt.Errorf("flows of %d peers, want %d", got, peers)
		}
		if got := len(cookies(t, sw, n.Bridge, "unknown-peer")); got != 1 {
			return fmt.Errorf("%d flows drop what other hosts send, want 1", got)
		}
		if got := strings.Count(sw.OFCtl(t, "dump-groups", n.Bridge), "tun_dst"); got != peers {
			return fmt.Errorf("%d buckets, want %d", got, peers)
		}
		if got := len(cookies(t, sw, n.Bridge, "learned")); got != 1 {
			t.Errorf("%d learned flows, want the one that was there", got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
