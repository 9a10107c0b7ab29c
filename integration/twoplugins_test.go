// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/integration"
)

// twins is a host with two installations of the managed plugin, ovsnet and other, that have an owner each. Each has a network
// of its own name, with the same subnet, and two containers on it.
type twins struct {
	*integration.Host
	t *testing.T
}

// settingsOf are what the two differ in.
var settingsOf = map[string][]string{"ovsnet": {"OVSNET_MTU=1500"}, "other": {"OVSNET_OWNER=other", "OVSNET_MTU=1400"}}

func (p twins) install(name string) {
	p.t.Helper()
	p.Docker(p.t, "plugin create "+name, p.copyOfPlugin(name))
	p.Docker(p.t, "plugin set "+name, settingsOf[name]...)
	p.Docker(p.t, "plugin enable "+name)
}

// copyOfPlugin is the plugin's folder with other times: engine 20.10 takes the same one once only ("already exists").
func (p twins) copyOfPlugin(name string) string {
	p.t.Helper()
	dir := filepath.Join(p.t.TempDir(), name)
	if out, err := exec.CommandContext(p.t.Context(), "cp", "-r", integration.PluginDir(p.t), dir).CombinedOutput(); err != nil {
		p.t.Fatalf("%v: %s", err, out)
	}
	return dir
}

func (p twins) raise(name string) {
	p.t.Helper()
	p.Docker(p.t, "network create --driver "+name+":latest --ipam-driver twice --subnet 10.90.0.0/24 --gateway 10.90.0.1 "+name)
	p.Container(p.t, name+"1", "--network="+name, "--ip=10.90.0.10")
	p.Container(p.t, name+"2", "--network="+name, "--ip=10.90.0.11")
	reaches(p.t, p.Host, name+"1", "10.90.0.11")
	_, mtu, _ := strings.Cut(strings.Join(settingsOf[name], " "), "OVSNET_MTU=")
	want(p.t, "link of "+name+"1", p.Exec(p.t, name+"1", "ip link show eth0"), "mtu "+mtu)
}

// works holds that the network's containers reach each other.
func (p twins) works(name string) {
	p.t.Helper()
	p.Exec(p.t, name+"1", "ping -c 2 -i 0.2 -W 5 10.90.0.11")
}

// grows holds that a network still takes containers.
func (p twins) grows(name string) {
	p.t.Helper()
	p.Container(p.t, name+"3", "--network="+name, "--ip=10.90.0.12")
	reaches(p.t, p.Host, name+"3", "10.90.0.10")
	p.Docker(p.t, "rm --force "+name+"3")
}

// of is everything that is an owner's: rows, flows, gateways and links.
func (p twins) of(owner string) integration.State {
	p.t.Helper()
	mine := "external_ids:ovsnet-owner=" + owner
	var s integration.State
	for _, table := range []string{"Bridge", "Port", "Interface"} {
		for line := range strings.Lines(p.Run(p.t, "ovs-vsctl --no-headings --format=csv --columns=name,external_ids find "+table+" "+mine)) {
			s = append(s, table+" "+strings.TrimSpace(line))
		}
	}
	for _, bridge := range strings.Fields(p.Run(p.t, "ovs-vsctl --no-headings --columns=name find Bridge "+mine)) {
		bridge = strings.Trim(bridge, `"`)
		for line := range strings.Lines(p.Flows(p.t, bridge)) {
			s = append(s, bridge+" "+strings.TrimSpace(line))
		}
		s = append(s, p.Run(p.t, "ip -o -4 address show dev", bridge))
	}
	for line := range strings.Lines(p.Run(p.t, "ip -o link show type veth")) {
		if strings.Contains(line, "alias ovsnet:"+owner+":") {
			s = append(s, strings.TrimSpace(line))
		}
	}
	return s
}

// TestTwoPlugins: two managed plugins of different owners on one host never touch each other's.
func TestTwoPlugins(t *testing.T) {
	t.Parallel()
	h := integration.NewLab(t).Host(t, "h1")
	h.StartProgram(t, integration.Probe(t)+" ipam /run/docker/plugins/twice.sock")
	soon(t, func() error { _, err := h.Try("test -S /run/docker/plugins/twice.sock"); return err })
	empty := h.Snapshot(t)
	p := twins{h, t}
	p.install("ovsnet")
	p.raise("ovsnet")
	first := p.of("ovsnet")

	// A second of the same owner ends and says why; the name ovs goes on to the first.
	h.Docker(t, "plugin create third", p.copyOfPlugin("third"))
	refuses(t, h, "plugin enable third")
	want(t, "the log", h.PluginLog(t), "OVSNET_OWNER", "plugins/ovs.sock")
	h.Docker(t, "plugin rm --force third")
	p.install("other")
	p.raise("other")
	want(t, "the log", h.PluginLog(t), "socket=/host/run/docker/plugins/ovs.sock", "socket=/host/run/docker/plugins/other.sock")
	h.Run(t, "test -S /run/docker/plugins/other.sock")
	h.Docker(t, "network create --driver ovs --subnet 10.91.0.0/24 short")
	want(t, "owner of a network by the name ovs", h.Run(t, "ovs-vsctl list Bridge"), h.Docker(t, "network inspect --format {{.Id}} short"))
	if strings.Contains(strings.Join(p.of("other"), "\n"), h.Docker(t, "network inspect --format {{.Id}} short")) {
		t.Error("the network by the name ovs is the second's")
	}
	h.Docker(t, "network rm short")
	second := p.of("other")
	kept := func(owner string, before integration.State) {
		t.Helper()
		if diff := integration.Diff(before, p.of(owner)); diff != "" {
			t.Errorf("what is %s's has changed:\n%s", owner, diff)
		}
	}
	kept("ovsnet", first)

	for name, other := range map[string]string{"ovsnet": "other", "other": "ovsnet"} {
		h.Docker(t, "plugin disable --force "+name)
		p.works("ovsnet")
		p.works("other")
		p.grows(other)
		h.Docker(t, "plugin enable "+name)
	}
	kept("ovsnet", first)
	kept("other", second)

	// The one goes, and comes back; then the other goes.
	remove := func(name string) {
		h.Docker(t, "rm --force "+name+"1 "+name+"2")
		h.Docker(t, "network rm "+name)
		h.Docker(t, "plugin rm --force "+name)
	}
	remove("ovsnet")
	p.grows("other")
	kept("other", second)
	p.install("ovsnet")
	p.raise("ovsnet")
	first = p.of("ovsnet")
	remove("other")
	p.grows("ovsnet")
	kept("ovsnet", first)
	remove("ovsnet")
	soon(t, func() error { return same(empty, h.Snapshot(t)) })
}
