// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration"
)

// tunnelPort is the default of the setting of that name.
const tunnelPort = 14789

// fabric are hosts on a LAN with the driver on each, whose peers are in its settings file.
type fabric struct {
	*testing.T

	lan   *integration.LAN
	hosts []*integration.Host
	empty []integration.State
}

// members are the hosts that know each other from the beginning; one more is there.
const members = 3

func newFabric(t *testing.T) *fabric {
	t.Helper()
	lab := integration.NewLab(t)
	f := &fabric{T: t, lan: lab.LAN(t), hosts: lab.Hosts(t, integration.HostOptions{}, "h1", "h2", "h3", "h4")}
	f.lan.Join(t, f.hosts...)
	for i, h := range f.hosts {
		// The engine's own IPAM refuses the same subnet twice.
		h.StartProgram(t, integration.Probe(t)+" ipam /run/docker/plugins/twice.sock")
		known := []string{"h1", "h2", "h3"}
		if i >= members {
			known = append(known, h.Name)
		}
		f.settings(t, h, known...)
		h.StartServe(t)
	}
	for _, h := range f.hosts {
		f.empty = append(f.empty, switchOf(t, h))
	}
	return f
}

// switchOf is what a host's switch, links and firewall have, without what engines and Swarms keep there, and without what
// the switch has learned.
func switchOf(t *testing.T, h *integration.Host) integration.State {
	t.Helper()
	return slices.DeleteFunc(h.Snapshot(t), func(line string) bool {
		kind, what, _ := strings.Cut(line, " ")
		switch kind {
		case "row", "group", "nft":
			return false
		case "flow":
			return strings.Contains(what, "hard_timeout=")
		case "link":
			return !strings.Contains(what, "ovs")
		}
		return true
	})
}

// settings writes a host's settings file.
func (f *fabric) settings(t *testing.T, h *integration.Host, peers ...string) {
	t.Helper()
	h.Run(t, "mkdir -p /etc/ovsnet")
	text := fmt.Sprintf("peers: [%s]\n", "'"+strings.Join(peers, "', '")+"'")
	if err := os.WriteFile(h.Path("/etc/ovsnet/ovsnet.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// network makes a network on a host, with 10.61.0.0/24 and fd61::/64 whatever its name, and options of docker network create.
func (f *fabric) network(t *testing.T, h *integration.Host, name, options string) {
	t.Helper()
	h.Docker(t, "network create --driver ovs --ipam-driver twice --ipv6 --subnet 10.61.0.0/24 --gateway 10.61.0.1"+
		" --subnet fd61::/64 --gateway fd61::1 "+options+" "+name)
}

// container runs a container on a network with the addresses that end in k, and a MAC that is the same in every network.
func (f *fabric) container(t *testing.T, h *integration.Host, network, name string, k int, options ...string) {
	t.Helper()
	h.Container(t, name, append([]string{"--network=" + network, "--cap-add=NET_ADMIN", "--ip=" + v4(k), "--ip6=" + v6(k), fmt.Sprintf("--mac-address=02:61:00:00:00:%02x", k)}, options...)...)
}

func v4(k int) string { return fmt.Sprintf("10.61.0.%d", k) }
func v6(k int) string { return fmt.Sprintf("fd61::%d", k) }

// answers says why a container does not reach others, which end in the numbers, by ping, TCP and UDP in both families.
func answers(h *integration.Host, container string, numbers ...int) error {
	var script strings.Builder
	for _, k := range numbers {
		for _, a := range [][2]string{{v4(k), v4(k)}, {v6(k), "[" + v6(k) + "]"}} {
			fmt.Fprintf(&script, "ping -c 1 -W 2 %[1]s && probe tcp %[2]s:9000 300000 && probe udp %[2]s:9000 1000 || exit 1;", a[0], a[1])
		}
	}
	_, err := h.TryExec(container, "sh -c", script.String())
	return err
}

// allTalk holds that containers, each by its name's first letter and the number of its host, all reach each other.
func (f *fabric) allTalk(t *testing.T, letter string, hosts ...int) {
	t.Helper()
	var wg sync.WaitGroup
	for _, i := range hosts {
		var others []int
		for _, j := range hosts {
			if j != i {
				others = append(others, 10+j)
			}
		}
		h := f.hosts[i-1]
		wg.Go(func() {
			if err := poll(func() error { return answers(h, fmt.Sprint(letter, i), others...) }); err != nil {
				t.Errorf("%s: %v", h.Name, err)
			}
		})
	}
	wg.Wait()
}

// steady pings from one container to another, a hundred times a second, while something is done: nothing may be lost.
func (f *fabric) steady(t *testing.T, pairs [][2]int, do func()) {
	t.Helper()
	var wg sync.WaitGroup
	for _, p := range pairs {
		wg.Go(func() {
			name := fmt.Sprint("r", p[0])
			out, err := f.hosts[p[0]-1].TryExec(name, fmt.Sprintf("probe ping %s 300 100", v4(10+p[1])))
			if err != nil || !strings.Contains(out, " 0 lost,") {
				t.Errorf("%s to host %d meanwhile: %s, %v", name, p[1], out, err)
			}
		})
	}
	begin := time.Now()
	do()
	if took := time.Since(begin); took > 3*time.Second {
		t.Logf("what was done took %v, longer than the pings", took)
	}
	wg.Wait()
}

// TestOverlay: hosts that know each other from their settings.
func TestOverlay(t *testing.T) {
	f := newFabric(t)
	for i, h := range f.hosts[:members] {
		f.network(t, h, "red", "--opt ovs.tunnel.vni=100 --opt ovs.bridge.name=red")
		f.network(t, h, "blue", "--opt ovs.tunnel.vni=200 --opt ovs.bridge.name=blue")
		f.container(t, h, "red", fmt.Sprint("r", i+1), 11+i)
		f.container(t, h, "blue", fmt.Sprint("b", i+1), 11+i)
	}
	t.Run("every pair", func(t *testing.T) {
		f.allTalk(t, "r", 1, 2, 3)
		f.allTalk(t, "b", 1, 2, 3)
	})
	t.Run("largest packet", f.largest)
	t.Run("networks apart", f.apart)
	t.Run("on the wire", f.wire)
	t.Run("gateway", f.gateway)
	t.Run("a container moves", f.moves)
	t.Run("a fourth host", f.fourth)
	t.Run("driver and switch restart", f.restarts)
	t.Run("isolated", f.isolated)
	t.Run("jumbo frames", f.jumbo)
	t.Run("IPv6 underlay", f.six)
	t.Run("other kinds", f.kinds)
	t.Run("nothing remains", f.remains)
}

// restarts: the driver's end changes nothing, the switch's is mended without anybody's help.
func (f *fabric) restarts(t *testing.T) {
	two := f.hosts[1]
	f.steady(t, [][2]int{{1, 2}, {2, 3}}, func() {
		two.KillServe(t)
		two.StartServe(t)
	})
	two.KillVSwitchd(t)
	two.StartVSwitchd(t)
	soon(t, func() error { return answers(two, "r2", 11, 13) })
	f.allTalk(t, "r", 1, 2, 3)
	f.allTalk(t, "b", 1, 2, 3)
}

// clear removes a host's containers and networks.
func (f *fabric) clear(t *testing.T, h *integration.Host) {
	t.Helper()
	for _, c := range strings.Fields(h.Docker(t, "ps --all --quiet")) {
		h.Docker(t, "rm --force", c)
	}
	for _, n := range strings.Fields(h.Docker(t, "network ls --quiet --filter driver=ovs")) {
		h.Docker(t, "network rm", n)
	}
}

// remains: without networks there is nothing of them, here and on the wire.
func (f *fabric) remains(t *testing.T) {
	var captures []*integration.Capture
	for _, h := range f.hosts[:members] {
		captures = append(captures, f.lan.Capture(t, h))
	}
	for i, h := range f.hosts {
		f.clear(t, h)
		soon(t, func() error { return same(f.empty[i], switchOf(t, h)) })
	}
	for _, c := range captures {
		c.Frames(t)
		if sent := c.Tunnelled(t, tunnelPort); len(sent) > 0 {
			t.Errorf("packets after the networks: %+v", sent)
		}
	}
}
