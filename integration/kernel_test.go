// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/integration"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// short form of what TestKernel asks in: long enough for an emulated machine, and how long nobody must answer.
const (
	kernelAnswer  = 10000
	kernelSilence = 1500
)

// duo are a host with an engine and the managed plugin, and another that shares an overlay with it, where there is no
// engine and the test says what it would.
type duo struct {
	one, two *integration.Host
	out      *integration.Outsider
	probe    string
	// enter begins a command inside of a container of the first host, or in "far" on the second.
	enter, ip, mac map[string]string
}

// TestKernel is the short form of "make kernel": what people need first, with as few processes as it can be done, of
// which each costs ten to twenty times as much in the emulated machine. It holds on either datapath.
func TestKernel(t *testing.T) {
	t.Parallel()
	d := newDuo(t)
	t.Run("main job", d.mainJob)
	t.Run("isolation", d.isolation)
	t.Run("outside", d.outside)
	t.Run("overlay", d.overlay)
	t.Run("the plugin restarts", func(t *testing.T) {
		d.one.DisablePlugin(t)
		d.all(t)
		d.one.EnablePlugin(t)
		d.all(t)
	})
	t.Run("ovs-vswitchd restarts", func(t *testing.T) {
		// The kernel goes on with what it knows; in userspace nobody forwards.
		goesOn := map[bool]string{true: d.ip["c2"], false: "-"}[integration.Datapath(t).Name == config.DatapathSystem]
		if err := d.asks("c2", kernelAnswer, d.ip["c1"]+":80", d.ip["c2"]); err != nil {
			t.Error(err)
		}
		d.one.StopVSwitchd(t)
		if err := d.asks("c2", kernelSilence, d.ip["c1"]+":80", goesOn); err != nil {
			t.Error(err)
		}
		d.one.StartVSwitchd(t)
		soon(t, func() error { return d.asks("c2", kernelAnswer, d.ip["c1"]+":80", d.ip["c2"]) })
		soon(t, func() error { return d.asks("c3", kernelAnswer, "10.62.0.20:80", d.ip["c3"]) })
		d.all(t)
	})
	t.Run("ovsdb-server restarts", func(t *testing.T) {
		d.one.StopOVSDB(t)
		if integration.Datapath(t).Name == config.DatapathSystem {
			d.all(t)
		}
		d.one.StartOVSDB(t)
		soon(t, func() error { return d.asks("c2", kernelAnswer, d.ip["c1"]+":80", d.ip["c2"]) })
	})
	t.Run("networks come and go", func(t *testing.T) {
		d.one.Docker(t, "network connect near c3")
		soon(t, func() error { _, err := d.try("c3", "probe tcp "+d.ip["c2"]+":9000 300000"); return err })
		d.one.Docker(t, "rm --force c1 c2 c3")
		d.one.Docker(t, "network rm near far")
		soon(t, func() error { return nothingOfOurs(t, d.one) })
	})
}

func newDuo(t *testing.T) *duo {
	t.Helper()
	lab := integration.NewLab(t)
	lan := lab.LAN(t)
	d := &duo{
		one: lab.Host(t, "one"), two: lab.HostWith(t, "two", integration.HostOptions{NoDocker: true}),
		probe: integration.Probe(t), enter: map[string]string{}, ip: map[string]string{}, mac: map[string]string{},
	}
	lan.Join(t, d.one, d.two)
	d.out = d.one.Outside(t, 1)
	d.out.Start(t, d.probe+" seen :80")
	peers := "OVSNET_PEERS=" + d.one.IPv4 + "," + d.two.IPv4
	// No engine waits for it there: in the emulated machine a verb may take what Docker would not wait for.
	d.two.StartServe(t, peers, "OVSNET_DOCKER_SOCKET=none", "OVSNET_VERB_TIMEOUT="+ovstest.Limit(25*time.Second).String())
	const network, far = "7777777777777777", "8888888888888888"
	d.two.MustVerb(t, "CreateNetwork", integration.Map{
		"NetworkID": network, "Options": integration.Map{"com.docker.network.generic": integration.Map{"ovs.tunnel.vni": "77"}},
		"IPv4Data": []integration.Map{{"Pool": "10.62.0.0/24", "Gateway": "10.62.0.1/24"}},
	})
	ids := integration.Map{"NetworkID": network, "EndpointID": far}
	d.two.MustVerb(t, "CreateEndpoint", integration.Map{
		"NetworkID": network, "EndpointID": far, "Interface": integration.Map{"Address": "10.62.0.20/24"}, "Options": integration.Map{},
	})
	ids["SandboxKey"], ids["Options"] = "/var/run/docker/netns/far", integration.Map{}
	d.two.MustVerb(t, "Join", ids)
	d.two.Run(t, "sh -ec", `ip netns add far
		ip link set ovc`+far[:12]+` netns far name eth0 up mtu 1450
		ip -n far addr add 10.62.0.20/24 dev eth0`)
	d.enter["far"] = "ip netns exec far "
	d.two.StartProgram(t, d.enter["far"]+d.probe+" seen :80")
	d.two.StartProgram(t, d.enter["far"]+d.probe+" serve :9000")

	d.one.StartPlugin(t, peers)
	d.one.Docker(t, "network create --driver ovs --ipv6 --subnet 10.61.0.0/24 --subnet fd61::/64 near")
	d.one.Docker(t, "network create --driver ovs --subnet 10.62.0.0/24 --opt ovs.tunnel.vni=77 far")
	for _, c := range [][3]string{{"c1", "near", "seen"}, {"c2", "near", "serve"}, {"c3", "far", "seen"}} {
		args := []string{c[0], "--network=" + c[1]}
		if c[0] == "c1" {
			args = append(args, "--publish=8080:80", "--publish=8080:80/sctp")
		}
		command := map[string][]string{"seen": {"probe", "seen", ":80"}, "serve": {"probe", "serve", ":9000"}}[c[2]]
		d.one.Docker(t, "run --detach --name", append(append(args, integration.Image), command...)...)
	}
	const format = `{{.State.Pid}} {{range .NetworkSettings.Networks}}{{.IPAddress}} {{.MacAddress}}{{end}}`
	for i, line := range strings.Split(d.one.Docker(t, "inspect c1 c2 c3 --format", format), "\n") {
		f, name := strings.Fields(line), fmt.Sprintf("c%d", i+1)
		d.enter[name], d.ip[name], d.mac[name] = "nsenter --net=/proc/"+f[0]+"/ns/net ", f[1], f[2]
	}
	return d
}

// try runs a command of probe inside of a container, or in "far".
func (d *duo) try(place, line string) (string, error) {
	h := d.one
	if place == "far" {
		h = d.two
	}
	return h.Try(d.enter[place] + strings.Replace(line, "probe", d.probe, 1))
}

// asks says why who is asked by TCP and UDP does not see the wanted address as that of who asks; "-" is no answer.
func (d *duo) asks(place string, wait int, address, want string) error {
	questions := "tcp/" + address + " udp/" + address
	out, err := d.try(place, fmt.Sprintf("probe ask %d %s", wait, questions))
	if err == nil && out != want+"\n"+want {
		err = fmt.Errorf("%s asks %s: %q, want %q", place, questions, out, want)
	}
	return err
}

// all holds that what worked works.
func (d *duo) all(t *testing.T) {
	t.Helper()
	for _, c := range [][3]string{
		{"c2", d.ip["c1"] + ":80", d.ip["c2"]}, {"c1", d.out.IPv4 + ":80", d.out.HostIPv4}, {"far", d.ip["c3"] + ":80", "10.62.0.20"},
	} {
		if err := d.asks(c[0], kernelAnswer, c[1], c[2]); err != nil {
			t.Error(err)
		}
	}
	d.published(t)
}

func (d *duo) published(t *testing.T) {
	t.Helper()
	out, err := d.out.Try(fmt.Sprintf("%s ask %d tcp/%s:8080", d.probe, kernelAnswer, d.out.HostIPv4))
	if err != nil || out != d.out.IPv4 {
		t.Errorf("the published port answers %q, %v; want %q", out, err, d.out.IPv4)
	}
}

// mainJob: bridges on the datapath that the machine has, without anybody choosing, and containers that talk.
func (d *duo) mainJob(t *testing.T) {
	want := config.DatapathNetdev
	if exec.Command("modinfo", "openvswitch").Run() == nil {
		want = config.DatapathSystem
	}
	for _, h := range []*integration.Host{d.one, d.two} {
		types := strings.Fields(h.Run(t, "ovs-vsctl --bare --columns=datapath_type find Bridge"))
		if slices.ContainsFunc(types, func(s string) bool { return s != want }) || len(types) == 0 {
			t.Errorf("host %s: bridges are on %q, want %s", h.Name, types, want)
		}
		if got := h.Run(t, "ovs-appctl dpif/show"); !strings.HasPrefix(got, want+"@ovs-"+want+":") {
			t.Errorf("host %s: %s", h.Name, got)
		}
	}
	if err := d.asks("c2", kernelAnswer, d.ip["c1"]+":80", d.ip["c2"]); err != nil {
		t.Error(err)
	}
	if _, err := d.try("c1", "probe tcp "+d.ip["c2"]+":9000 300000"); err != nil {
		t.Error(err)
	}
	if out, err := d.try("c1", "ping -c 2 -i 0.2 -W 5 "+d.ip["c2"]); err != nil {
		t.Error(out, err)
	}
}

// isolation: nothing passes between networks, nor under another's name.
func (d *duo) isolation(t *testing.T) {
	if err := d.asks("c3", kernelSilence, d.ip["c1"]+":80", "-"); err != nil {
		t.Error(err)
	}
	d.one.StartProgram(t, "sh -c", fmt.Sprintf("%s %s sniff eth0 %x %x 600 >/run/sniffed 2>&1", d.enter["c2"], d.probe, forbidden, lastOne))
	says := func(word string) func() error {
		return func() error {
			text, err := d.one.Try("cat /run/sniffed")
			if err == nil && !strings.Contains(text, word) {
				err = fmt.Errorf("%q, want %q", text, word)
			}
			return err
		}
	}
	soon(t, says("listening"))
	const a, b, c = "c1", "c2", "c3"
	send := func(from string, frames ...string) {
		if _, err := d.try(from, "probe send eth0 "+strings.Join(frames, " ")); err != nil {
			t.Error(err)
		}
	}
	send(c, frame(t, d.mac[c], d.mac[b], d.ip[c], d.ip[b], forbidden))
	send(a,
		frame(t, d.mac[c], d.mac[b], d.ip[a], d.ip[b], forbidden),
		frame(t, d.mac[a], d.mac[b], d.ip[c], d.ip[b], forbidden),
		frame(t, d.mac[b], d.mac[b], d.ip[b], d.ip[b], forbidden))
	// The honest one, after the others, until it comes: who is busy may lose what takes the slow way.
	soon(t, func() error {
		err := says("matched")()
		if err != nil {
			send(a, frame(t, d.mac[a], d.mac[b], d.ip[a], d.ip[b], lastOne))
		}
		return err
	})
	if err := says("matched 0")(); err != nil {
		t.Error(err)
	}
}

// outside: the way out has the host's address, the published port shows who comes.
func (d *duo) outside(t *testing.T) {
	if err := d.asks("c1", kernelAnswer, d.out.IPv4+":80", d.out.HostIPv4); err != nil {
		t.Error(err)
	}
	d.published(t)
	d.associations(t)
}

// associations: SCTP passes both ways as TCP does. The kernels of machines that test seldom have it; Debian's has.
func (d *duo) associations(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	if err != nil {
		if integration.Datapath(t).Name == config.DatapathSystem {
			t.Error("SCTP:", err)
		}
		t.Log("this kernel has no SCTP:", err)
		return
	}
	_ = unix.Close(fd)
	for _, c := range []struct {
		name, port string
		ask        func(string) (string, error)
		want       string
	}{
		{"to outside", d.out.IPv4 + ":80", func(q string) (string, error) { return d.try("c1", q) }, d.out.HostIPv4},
		{"a published port", d.out.HostIPv4 + ":8080", func(q string) (string, error) {
			return d.out.Try(strings.Replace(q, "probe", d.probe, 1))
		}, d.out.IPv4},
		{"a neighbour", d.ip["c1"] + ":80", func(q string) (string, error) { return d.try("c2", q) }, d.ip["c2"]},
	} {
		if out, err := c.ask(fmt.Sprintf("probe ask %d sctp/%s", kernelAnswer, c.port)); err != nil || out != c.want {
			t.Errorf("SCTP, %s: %q, %v; want %q", c.name, out, err, c.want)
		}
	}
}

// overlay: both ways, and more than one packet holds.
func (d *duo) overlay(t *testing.T) {
	soon(t, func() error { return d.asks("c3", kernelAnswer, "10.62.0.20:80", d.ip["c3"]) })
	if err := d.asks("far", kernelAnswer, d.ip["c3"]+":80", "10.62.0.20"); err != nil {
		t.Error(err)
	}
	if _, err := d.try("c3", "probe tcp 10.62.0.20:9000 300000"); err != nil {
		t.Error(err)
	}
	if out, err := d.try("c3", "ping -c 2 -i 0.2 -W 5 -M do -s 1422 10.62.0.20"); err != nil {
		t.Error(out, err)
	}
}
