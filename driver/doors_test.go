// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/driver/api"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// apart runs the calling test in a process with network and mounts of its own, and says whether this is that process.
func apart(t *testing.T) bool {
	t.Helper()
	const mark = "OVSNET_TEST_APART"
	if os.Getenv(mark) == t.Name() {
		// Nothing of the machine's /run, such as the system bus, is to be asked.
		const ready = "mount --make-rprivate / && mount -t tmpfs none /run && ip link set lo up"
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", ready).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return true
	}
	ovstest.NeedRoot(t)
	ovstest.NeedTool(t, "ip", "iproute2")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mark+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// house is a driver behind its doors.
type house struct {
	*Driver
	t   *testing.T
	dir string
	end func()
}

// open starts a driver on a switch, and its two doors.
func open(t *testing.T, sw *ovstest.Switch, state, owner string, peers ...string) *house {
	t.Helper()
	cfg := config.Default()
	cfg.OVSDB, cfg.OVSRunDir, cfg.Owner, cfg.StateDir, cfg.Datapath, cfg.Peers = sw.DB, sw.Dir, owner, state, netdev, peers
	cfg.TunnelAddress = "192.0.2.1"
	log := slog.New(slog.NewTextHandler(t.Output(), nil)).With("owner", owner)
	d, err := New(t.Context(), Options{Config: cfg, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		if err := d.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	h := &house{Driver: d, t: t, dir: t.TempDir()}
	for name, scope := range map[string]string{ManagedDoor: api.ScopeGlobal, ShortDoor: api.ScopeLocal} {
		l, err := api.Listen(filepath.Join(h.dir, name), "")
		if err != nil {
			t.Fatal(err)
		}
		s := api.NewServer(d.Door(name, scope), api.ServerOptions{Log: log, Name: name})
		work.Go(func() {
			if err := s.Serve(ctx, l); err != nil {
				t.Error(err)
			}
		})
	}
	h.end = sync.OnceFunc(func() { stop(); work.Wait() })
	t.Cleanup(h.end)
	return h
}

// ask posts as Docker does, and gives the answer or the error in it.
func (h *house) ask(door, verb, body string) (map[string]any, error) {
	h.t.Helper()
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(h.dir, door))
	}}
	defer tr.CloseIdleConnections()
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, "http://plugin/NetworkDriver."+verb, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	res, err := tr.RoundTrip(r)
	if err != nil {
		h.t.Fatalf("%s: %v", verb, err)
	}
	text, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		h.t.Fatal(err)
	}
	var answer map[string]any
	if err = json.Unmarshal(text, &answer); err != nil {
		h.t.Fatalf("%s answers %s", verb, text)
	}
	if said, ok := answer["Err"].(string); ok && said != "" {
		return nil, errors.New(said)
	}
	return answer, nil
}

// must is ask for what has to succeed.
func (h *house) must(door, verb, format string, args ...any) map[string]any {
	h.t.Helper()
	answer, err := h.ask(door, verb, fmt.Sprintf(format, args...))
	if err != nil {
		h.t.Fatalf("%s: %v", verb, err)
	}
	return answer
}

// options are the options of an answer of AllocateNetwork's.
func optionsOf(t *testing.T, answer map[string]any) string {
	t.Helper()
	text, err := json.Marshal(answer["Options"])
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const (
	swarmNet   = "b6nl2xwqkbbmsdl0q2gp7pxrk"
	createForm = `{"NetworkID":%q,"Options":{"com.docker.network.generic":%s},"IPv4Data":[{"AddressSpace":"","Pool":"10.9.0.0/24","Gateway":"10.9.0.1/24"}],"IPv6Data":null}`
	nodeForm   = `{"DiscoveryType":1,"DiscoveryData":{"Address":%q,"BindAddress":%q,"Self":%t}}`
)

// underlay gives this process's network an address for tunnels.
func underlay(t *testing.T) {
	t.Helper()
	for _, args := range []string{"link add under0 type veth peer name under1", "addr add 192.0.2.1/24 dev under0", "link set under0 up mtu 1600", "link set under1 up mtu 1600"} {
		if out, err := exec.CommandContext(t.Context(), "ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
}

func hostSwitch(t *testing.T) *ovstest.Switch {
	t.Helper()
	underlay(t)
	return ovstest.StartWith(t, ovstest.Options{NetNS: "/proc/self/ns/net"})
}

// TestSwarmDoors is a Swarm's story as a manager's engine tells it through the doors.
func TestSwarmDoors(t *testing.T) {
	if !apart(t) {
		return
	}
	sw, state := hostSwitch(t), t.TempDir()
	h := open(t, sw, state, config.DefaultOwner, "192.0.2.1", "192.0.2.5")
	for door, scope := range map[string]string{ManagedDoor: "global", ShortDoor: "local"} {
		if c := h.must(door, "GetCapabilities", ""); c["Scope"] != scope || c["ConnectivityScope"] != "global" {
			t.Errorf("%s: %v", door, c)
		}
	}
	first := optionsOf(t, h.must(ManagedDoor, "AllocateNetwork", `{"NetworkID":%q,"Options":{"ovs.bridge.mtu":"1400"},"IPv4Data":[],"IPv6Data":null}`, swarmNet))
	if !strings.Contains(first, `"ovs.bridge.mtu":"1400"`) || !strings.Contains(first, `"ovs.tunnel.type":"vxlan"`) || !strings.Contains(first, `"ovs.tunnel.vni":"`) {
		t.Errorf("allocated: %s", first)
	}
	again := optionsOf(t, h.must(ManagedDoor, "AllocateNetwork", `{"NetworkID":%q,"Options":%s}`, swarmNet, first))
	if again != first {
		t.Errorf("allocated again: %s, was %s", again, first)
	}

	for range 2 { // a retry
		h.must(ManagedDoor, "CreateNetwork", createForm, swarmNet, first)
	}
	if _, err := h.ask(ManagedDoor, "CreateNetwork", fmt.Sprintf(createForm, swarmNet, `{"ovs.tunnel.vni":"77"}`)); err == nil || !strings.Contains(err.Error(), "other settings") {
		t.Errorf("created again with another VNI: %v", err)
	}
	for _, door := range []string{ManagedDoor, ShortDoor} {
		h.must(door, "DiscoverNew", nodeForm, "192.0.2.1", "192.0.2.1", true)
		h.must(door, "DiscoverNew", nodeForm, "192.0.2.2", "", false)
		h.must(door, "DiscoverNew", nodeForm, "192.0.2.3", "", false)
		h.must(door, "DiscoverDelete", nodeForm, "192.0.2.2", "", false)
		// Other nodes tell of a former run of this host's engine.
		h.must(door, "DiscoverNew", nodeForm, "192.0.2.1", "", true)
		h.must(door, "DiscoverDelete", nodeForm, "192.0.2.1", "", true)
	}
	h.peers("192.0.2.3", "192.0.2.5")
	if got := h.discoveredSelf(); got != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("this host is %s", got)
	}
	h.age(ManagedDoor)
	h.age(ShortDoor)
	h.settlePeers(t.Context())
	h.peers("192.0.2.3", "192.0.2.5")
	if _, err := h.ask(ManagedDoor, "DiscoverNew", fmt.Sprintf(nodeForm, "0.0.0.0", "", false)); err == nil {
		t.Error("a node without an address")
	}
	if err := h.SetPeers(t.Context(), []string{"192.0.2.6"}); err != nil {
		t.Error(err)
	}
	h.peers("192.0.2.3", "192.0.2.6")

	// A restart of plugin and engine, with other settings: nothing but the settings' peers has changed.
	h.end()
	h = open(t, sw, state, config.DefaultOwner)
	h.must(ManagedDoor, "CreateNetwork", createForm, swarmNet, first)
	h.peers("192.0.2.3")
	again = optionsOf(t, h.must(ManagedDoor, "AllocateNetwork", `{"NetworkID":%q,"Options":{"ovs.bridge.mtu":"1400"}}`, swarmNet))
	if again != first {
		t.Errorf("allocated after a restart: %s, was %s", again, first)
	}
	h.must(ManagedDoor, "DeleteNetwork", `{"NetworkID":%q}`, swarmNet)
	h.must(ManagedDoor, "FreeNetwork", `{"NetworkID":%q}`, swarmNet)
	if got := sw.Ctl(t, "list-br"); got != "" {
		t.Errorf("bridges left: %s", got)
	}
	if _, err := os.Stat(filepath.Join(state, "vnis.json")); !os.IsNotExist(err) {
		t.Errorf("VNIs are left: %v", err)
	}
}

// peers fails the test if the first network's peers are not these.
func (h *house) peers(want ...string) {
	h.t.Helper()
	h.mu.Lock()
	n := h.world.networks[swarmNet]
	h.mu.Unlock()
	if got := h.peersOf(n); !slices.Equal(got, addrs(want...)) {
		h.t.Errorf("peers are %v, want %v", got, want)
	}
}

// TestKilledEngine: networks of a Swarm that nobody asks for again end when the engine has told all nodes again, and not
// when the plugin alone was started.
func TestKilledEngine(t *testing.T) {
	if !apart(t) {
		return
	}
	sw, state := hostSwitch(t), t.TempDir()
	options := `{"ovs.tunnel.vni":"4242"}`
	other := strings.Replace(swarmNet, "b", "c", 1)
	h := open(t, sw, state, config.DefaultOwner)
	h.must(ManagedDoor, "CreateNetwork", createForm, swarmNet, options)
	h.must(ManagedDoor, "CreateNetwork", createForm, other, `{"ovs.tunnel.vni":"4243"}`)
	h.must(ShortDoor, "CreateNetwork", createForm, strings.Repeat("a", 64), `{"ovs.tunnel.vni":"4244"}`)
	h.must(ManagedDoor, "DiscoverNew", nodeForm, "192.0.2.1", "192.0.2.1", true)
	h.must(ManagedDoor, "DiscoverNew", nodeForm, "192.0.2.2", "", false)
	networks := func() []string {
		h.mu.Lock()
		defer h.mu.Unlock()
		return slices.Sorted(maps.Keys(h.world.networks))
	}
	h.end()

	h = open(t, sw, state, config.DefaultOwner)
	h.must(ManagedDoor, "CreateNetwork", createForm, other, `{"ovs.tunnel.vni":"4243"}`)
	h.must(ManagedDoor, "DiscoverNew", nodeForm, "192.0.2.1", "192.0.2.1", true)
	h.sweepNetworks(t.Context(), time.Time{})
	h.age(ManagedDoor)
	h.settlePeers(t.Context())
	if got := networks(); len(got) != 3 {
		t.Fatalf("the plugin alone was started: left are %v", got)
	}
	h.end()

	h = open(t, sw, state, config.DefaultOwner)
	h.must(ManagedDoor, "DiscoverNew", nodeForm, "192.0.2.1", "192.0.2.1", true)
	h.must(ManagedDoor, "DiscoverNew", nodeForm, "192.0.2.2", "", false)
	h.must(ManagedDoor, "CreateNetwork", createForm, other, `{"ovs.tunnel.vni":"4243"}`)
	h.age(ManagedDoor)
	h.settlePeers(t.Context())
	if got := networks(); !slices.Equal(got, []string{strings.Repeat("a", 64), other}) {
		t.Errorf("the engine was started: left are %v", got)
	}
	// A new network may have the VNI of one that an earlier engine left.
	h.end()
	h = open(t, sw, state, config.DefaultOwner)
	h.must(ManagedDoor, "CreateNetwork", createForm, swarmNet, `{"ovs.tunnel.vni":"4243"}`)
	if got := networks(); !slices.Equal(got, []string{strings.Repeat("a", 64), swarmNet}) {
		t.Errorf("a VNI was given anew: left are %v", got)
	}
}

// age makes a door's session as old as it takes to settle.
func (h *house) age(door string) {
	p := h.Driver.peers
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sessions[door].begun = p.sessions[door].begun.Add(-settleTime)
}

// TestTwoOwners: two installations on one Open vSwitch and in one state folder never touch each other's rows.
func TestTwoOwners(t *testing.T) {
	if !apart(t) {
		return
	}
	sw, state := hostSwitch(t), t.TempDir()
	one, two := open(t, sw, state, config.DefaultOwner), open(t, sw, state, "two")
	const a, b = "aaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbb"
	one.must(ManagedDoor, "CreateNetwork", createForm, a, `{"ovs.tunnel.vni":"1"}`)
	two.must(ManagedDoor, "CreateNetwork", strings.ReplaceAll(createForm, "10.9", "10.8"), b, `{"ovs.tunnel.vni":"2"}`)
	one.must(ManagedDoor, "DiscoverNew", nodeForm, "192.0.2.2", "", false)

	cfg := config.Default()
	cfg.StateDir, cfg.Owner = state, "two"
	if _, err := New(t.Context(), Options{Config: cfg}); !errors.Is(err, ErrRunning) || !strings.Contains(err.Error(), "OVSNET_OWNER") {
		t.Errorf("a third with the owner of the second: %v", err)
	}

	rows := func(id string) string {
		return sw.Ctl(t, "--columns=name,external_ids", "find", "Bridge", "external_ids:ovsnet-network="+id)
	}
	before := rows(b)
	if !strings.Contains(before, "ovsnet-owner=two") {
		t.Fatalf("network of the second: %s", before)
	}
	// Audits, a restart, and a removal of the first's.
	one.loop.want()
	one.end()
	one = open(t, sw, state, config.DefaultOwner)
	one.must(ManagedDoor, "CreateNetwork", createForm, a, `{"ovs.tunnel.vni":"1"}`)
	one.must(ManagedDoor, "DeleteNetwork", `{"NetworkID":%q}`, b)
	one.must(ManagedDoor, "DeleteNetwork", `{"NetworkID":%q}`, a)
	if after := rows(b); after != before {
		t.Errorf("the second's was\n%s\nand is\n%s", before, after)
	}
	if left := rows(a); left != "" {
		t.Errorf("the first's is left: %s", left)
	}
	if n := len(two.Status(t.Context()).Networks); n != 1 {
		t.Errorf("the second has %d networks", n)
	}
	if got := two.Driver.peers.of(nil); len(got) > 0 {
		t.Errorf("the second was told of the first's nodes: %v", got)
	}
	two.must(ManagedDoor, "DeleteNetwork", `{"NetworkID":%q}`, b)
	one.end()
	two.end()
	if left, _ := os.ReadDir(state); len(left) != 1 || left[0].Name() != "peers.json" {
		t.Errorf("left in the state folder: %v", left)
	}
}
