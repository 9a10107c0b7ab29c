// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/driver/link"
	"github.com/ovsnet/ovsnet/integration/ovstest"
	"github.com/ovsnet/ovsnet/ovsdb"
)

// newNetNS makes a network namespace, in which the test's goroutine then runs, and gives its path.
func newNetNS(t *testing.T) string {
	t.Helper()
	ovstest.NeedRoot(t)
	runtime.LockOSThread()
	old, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = ns.Close()
		if failed := netns.Set(old); failed != nil { //nolint:forbidigo // a test's own thread
			t.Errorf("the thread stays locked: %v", failed)
			return
		}
		_ = old.Close()
		runtime.UnlockOSThread()
	})
	return fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
}

// inNS runs a command of iproute2 in a namespace.
func inNS(t *testing.T, ns string, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "nsenter", append([]string{"--net=" + ns}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// TestRoom: the arithmetic of each kind of tunnel over each family, and the least of all peers.
func TestRoom(t *testing.T) {
	t.Parallel()
	a4, b4, a6 := netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("192.0.2.3"), netip.MustParseAddr("2001:db8::2")
	jumbo, plain := link.Path{Link: "eth0", MTU: 9000}, link.Path{Link: "eth1", MTU: 1500}
	for name, c := range map[string]struct {
		kind  string
		paths map[netip.Addr]link.Path
		peers []netip.Addr
		want  string
	}{
		"vxlan over IPv4":  {"vxlan", map[netip.Addr]link.Path{a4: plain}, []netip.Addr{a4}, "1500 bytes of eth1 less 50 of vxlan over IPv4 leave 1450"},
		"vxlan over IPv6":  {"vxlan", map[netip.Addr]link.Path{a6: plain}, []netip.Addr{a6}, "1500 bytes of eth1 less 70 of vxlan over IPv6 leave 1430"},
		"geneve over IPv4": {"geneve", map[netip.Addr]link.Path{a4: jumbo}, []netip.Addr{a4}, "9000 bytes of eth0 less 50 of geneve over IPv4 leave 8950"},
		"gre over IPv4":    {"gre", map[netip.Addr]link.Path{a4: plain}, []netip.Addr{a4}, "1500 bytes of eth1 less 42 of gre over IPv4 leave 1458"},
		"gre over IPv6":    {"gre", map[netip.Addr]link.Path{a6: plain}, []netip.Addr{a6}, "1500 bytes of eth1 less 62 of gre over IPv6 leave 1438"},
		"the least link":   {"vxlan", map[netip.Addr]link.Path{a4: jumbo, b4: plain}, []netip.Addr{a4, b4}, "1500 bytes of eth1 less 50 of vxlan over IPv4 leave 1450"},
		"the wider header": {"vxlan", map[netip.Addr]link.Path{a4: plain, a6: plain}, []netip.Addr{a4, a6}, "1500 bytes of eth1 less 70 of vxlan over IPv6 leave 1430"},
		"no peer":          {"vxlan", nil, nil, "1400 bytes of the daemon's mtu less 50 of vxlan over IPv4 leave 1350"},
	} {
		d := &Driver{cfg: config.Daemon{MTU: 1400}, under: underlayState{paths: c.paths}, peers: newPeers(nil, "")}
		if got, err := d.roomOf(t.Context(), config.Tunnel{Type: c.kind}, c.peers); err != nil || got.sum != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got.sum, err, c.want)
		}
	}
}

func TestRoomHolds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		room room
		mtu  int
		ipv6 bool
		want string // empty: it fits
	}{
		"all of it":         {room{mtu: 1450, sum: "sum"}, 1450, true, ""},
		"less":              {room{mtu: 1450, sum: "sum"}, 1280, true, ""},
		"a byte too much":   {room{mtu: 1450, sum: "sum"}, 1451, false, "ovs.bridge.mtu=1451: does not fit the tunnel: sum;"},
		"no room for IPv6":  {room{mtu: 1279, sum: "sum"}, 1279, true, "sum, and IPv6 needs 1280"},
		"room for IPv4":     {room{mtu: 1279, sum: "sum"}, 1279, false, ""},
		"no room for a bit": {room{mtu: 60, sum: "sum"}, 60, false, "sum, and IPv4 needs 68"},
	} {
		err := c.room.holds(c.mtu, c.ipv6)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestMTUFollowsUnderlay: a network without an MTU of its own has the underlay's less the overhead, also when that changes;
// one with its own keeps it.
func TestMTUFollowsUnderlay(t *testing.T) {
	ns := newNetNS(t)
	inNS(t, ns, "ip", "link", "add", "under0", "mtu", "1500", "type", "veth", "peer", "name", "under1")
	inNS(t, ns, "ip", "link", "set", "under0", "up")
	inNS(t, ns, "ip", "link", "set", "under1", "up")
	inNS(t, ns, "ip", "addr", "add", "192.0.2.1/24", "dev", "under0")
	inNS(t, ns, "ip", "addr", "add", "192.0.2.9/24", "dev", "under0")
	inNS(t, ns, "ip", "addr", "add", "2001:db8::1/64", "dev", "under0", "nodad")
	sw := ovstest.Start(t)
	cfg := config.Default()
	cfg.OVSDB, cfg.OVSRunDir, cfg.StateDir, cfg.Owner, cfg.Datapath = sw.DB, sw.Dir, t.TempDir(), "test-mtu", netdev
	cfg.Peers, cfg.TunnelAddress = []string{"192.0.2.1", "192.0.2.2"}, "under0"
	d := run(t, cfg)
	n := create(t, d, "123456789abcdef", "ovs.tunnel.vni=5")
	own := create(t, d, "223456789abcdef", "ovs.tunnel.vni=6", "ovs.bridge.mtu=1400")
	if n.MTU != 1450 || own.MTU != 1400 {
		t.Errorf("MTUs are %d and %d", n.MTU, own.MTU)
	}
	if got := strings.TrimSpace(sw.Ctl(t, "get", "Interface", n.Tunnel, "options:local_ip")); got != `"192.0.2.1"` {
		t.Errorf("the tunnel is held to %s, want the interface's first address", got)
	}
	if got := len(cookies(t, sw, n.Bridge, "peer")); got != 1 {
		t.Errorf("%d peers, want the one that is not this host", got)
	}
	if err := passed(d); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ under, want int }{{9000, 8950}, {1300, 1250}} {
		inNS(t, ns, "ip", "link", "set", "under0", "mtu", fmt.Sprint(c.under))
		d.loop.want()
		err := ovstest.Poll(patience, func() error {
			text := strings.TrimSpace(sw.Ctl(t, "get", "Interface", n.Bridge, "mtu_request"))
			if now, _ := d.network(n.ID); now.MTU != c.want || text != fmt.Sprint(c.want) {
				return fmt.Errorf("over %d the network has %d, its bridge %s, want %d", c.under, now.MTU, text, c.want)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	// Peers of the other family mean a larger header, and a tunnel that is held to the other address.
	if err := d.SetPeers(t.Context(), []string{"2001:db8::2"}); err != nil {
		t.Fatal(err)
	}
	err := ovstest.Poll(patience, func() error {
		text := strings.TrimSpace(sw.Ctl(t, "get", "Interface", n.Tunnel, "options:local_ip"))
		if now, _ := d.network(n.ID); now.MTU != 1230 || text != `"2001:db8::1"` {
			return fmt.Errorf("with an IPv6 peer the network has an MTU of %d, its tunnel %s", now.MTU, text)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if now, _ := d.network(own.ID); now.MTU != 1400 {
		t.Errorf("the MTU that was asked for became %d", now.MTU)
	}
	d.loop.mu.Lock()
	if r := d.loop.repairs; r[driftBridge]+r[driftPort] > 0 {
		t.Errorf("what follows the underlay was counted as drift: %v", r)
	}
	d.loop.mu.Unlock()
	// Docker repeats its request.
	create(t, d, n.ID, "ovs.tunnel.vni=5")
	create(t, d, own.ID, "ovs.tunnel.vni=6", "ovs.bridge.mtu=1400")
	rec, errs := d.journal.load()
	for _, r := range rec {
		if r.ID == n.ID && r.MTU != 1230 {
			t.Errorf("the journal has an MTU of %d", r.MTU)
		}
	}
	if len(errs) > 0 {
		t.Error(errs)
	}
}

// TestUnderlayLost: while the link to the peers is away, as the bridge is that has the address where tunnels of the userspace
// datapath end, networks keep their MTU, and all but the tunnel's port is mended.
func TestUnderlayLost(t *testing.T) {
	for name, set := range map[string]string{"address by the routes": "", "address of an interface": "under0"} {
		t.Run(name, func(t *testing.T) {
			ns := newNetNS(t)
			inNS(t, ns, "ip", "link", "add", "under0", "mtu", "9000", "type", "veth", "peer", "name", "under1")
			inNS(t, ns, "ip", "link", "set", "under0", "up")
			inNS(t, ns, "ip", "link", "set", "under1", "up")
			inNS(t, ns, "ip", "addr", "add", "192.0.2.1/24", "dev", "under0")
			sw := ovstest.Start(t)
			cfg := config.Default()
			cfg.OVSDB, cfg.OVSRunDir, cfg.StateDir, cfg.Owner, cfg.Datapath = sw.DB, sw.Dir, t.TempDir(), "test-lost", netdev
			cfg.Peers, cfg.TunnelAddress = []string{"192.0.2.2"}, set
			d := run(t, cfg)
			n := create(t, d, "123456789abcdef", "ovs.tunnel.vni=5")
			inNS(t, ns, "ip", "addr", "del", "192.0.2.1/24", "dev", "under0")
			sw.Ctl(t, "--no-wait", "del-br", n.Bridge)
			whole := func() error {
				bridges, mtu := sw.Ctl(t, "list-br"), sw.Ctl(t, "--if-exists", "get", "Interface", n.Bridge, "mtu_request")
				if now, _ := d.network(n.ID); now.MTU != 8950 || bridges != n.Bridge || mtu != "8950" {
					return fmt.Errorf("the network has an MTU of %d, its bridge %s; bridges: %s", now.MTU, mtu, bridges)
				}
				return nil
			}
			if err := ovstest.Poll(patience, whole); err != nil {
				t.Fatal(err)
			}
			inNS(t, ns, "ip", "addr", "add", "192.0.2.1/24", "dev", "under0")
			err := ovstest.Poll(patience, func() error {
				if ports := sw.Ctl(t, "list-ports", n.Bridge); ports != n.Tunnel {
					return fmt.Errorf("ports: %s", ports)
				}
				return whole()
			})
			if err != nil {
				t.Error(err)
			}
			if err := passed(d); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTunnelAddressNotHere(t *testing.T) {
	newNetNS(t)
	links, err := link.Open(link.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer links.Close()
	for _, set := range []string{"none0", "198.51.100.0/24"} {
		d := &Driver{cfg: config.Daemon{TunnelAddress: set}, links: links, peers: newPeers(nil, "")}
		if _, err := d.localFor(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "tunnel_address="+set) {
			t.Errorf("%s: %v", set, err)
		}
	}
}

// TestExplainTunnel: what ovs-vswitchd says of a tunnel gets the way out that is ours to know.
func TestExplainTunnel(t *testing.T) {
	t.Parallel()
	n := network{record: record{ID: "net1", Tunnel: "ovtnet1", Datapath: "system"}}
	n.opts.Tunnel = config.Tunnel{Type: config.TunnelGeneve, VNI: 7}
	d := &Driver{cfg: config.Daemon{TunnelPort: 4789}}
	say := func(name, why string) string {
		return d.explainTunnel(n, fmt.Errorf("commit: %w", &ovsdb.PortError{Name: name, Reason: "could not add network device " + name + " to ofproto (" + why + ")"})).Error()
	}
	for why, want := range map[string]string{
		"Address already in use":  "UDP port 4789 belongs to a tunnel device of the kernel, such as those of Docker's overlay",
		"File exists":             "has VNI 7",
		"Operation not supported": "no geneve here",
	} {
		if got := say("ovtnet1", why); !strings.Contains(got, want) || !strings.Contains(got, why) {
			t.Errorf("%s: %q", why, got)
		}
	}
	if got := say("ovsother", "File exists"); strings.Contains(got, "VNI") {
		t.Errorf("another port: %q", got)
	}
}
