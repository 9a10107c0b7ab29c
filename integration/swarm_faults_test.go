// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/integration"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// faults kills what makes the network on one node; in the long form on each, in any order.
func (c *cluster) faults(t *testing.T) {
	kills := []struct {
		what string
		do   func(*cluster, *testing.T, *integration.Host)
	}{{"the plugin", (*cluster).killPlugin}, {"the switch", (*cluster).killSwitch}, {"the engine", (*cluster).killEngine}}
	if !*long {
		for _, k := range kills {
			t.Run(k.what, func(t *testing.T) { k.do(c, t, c.hosts[1]) })
		}
		return
	}
	r := chance(t)
	for range killRounds() {
		for _, i := range r.Perm(len(kills) * len(c.hosts)) {
			k, h := kills[i/len(c.hosts)], c.hosts[i%len(c.hosts)]
			t.Run(k.what+" of "+h.Name, func(t *testing.T) { k.do(c, t, h) })
			t.Run("once", c.once)
		}
	}
}

// killRounds is how often the long form kills each thing on each node. An emulated machine, which takes some five minutes for
// each, does it once.
func killRounds() int {
	if ovstest.Limit(1) > 1 {
		return 1
	}
	return 2
}

// other is a manager that is not the host.
func (c *cluster) other(h *integration.Host) *integration.Host {
	return c.hosts[slices.IndexFunc(c.hosts, func(o *integration.Host) bool { return o != h })]
}

// everywhere gives the tasks, at least one on each node: a Swarm leaves them where they are when a node has come again.
func (c *cluster) everywhere(t *testing.T, manager *integration.Host) []integration.Task {
	t.Helper()
	tasks := c.running(t, manager, replicas, nil)
	if spread(tasks) == nil {
		return tasks
	}
	manager.AwaitNodes(t, len(c.hosts))
	c.try(t, manager, "service update --detach --force "+serviceName)
	return c.running(t, manager, replicas, func(now []integration.Task) error { return errors.Join(others(tasks)(now), spread(now)) })
}

// try repeats a command until the managers agree on who leads them.
func (c *cluster) try(t *testing.T, manager *integration.Host, line string) {
	t.Helper()
	soon(t, func() error { _, err := manager.TryDocker(line); return err })
}

// killPlugin: the plugin's end is not noticed; a new one finds the network as it was.
func (c *cluster) killPlugin(t *testing.T, two *integration.Host) {
	t.Helper()
	one := c.other(two)
	tasks := c.everywhere(t, one)
	before := switchOf(t, two)
	pid := two.Run(t, "pidof ovsnet")
	two.Run(t, "kill -9 "+pid)
	c.allReach(t, one, tasks)
	soon(t, func() error {
		now, err := two.Try("pidof ovsnet")
		if err == nil && now == pid {
			err = errors.New("it is still the old one")
		}
		return err
	})
	soon(t, func() error { return same(before, switchOf(t, two)) })
	c.allReach(t, one, tasks)
}

// killSwitch: the plugin gives a new ovs-vswitchd all that the old one had.
func (c *cluster) killSwitch(t *testing.T, two *integration.Host) {
	t.Helper()
	one := c.other(two)
	tasks := c.everywhere(t, one)
	before := switchOf(t, two)
	two.KillVSwitchd(t)
	two.StartVSwitchd(t)
	soon(t, func() error { return same(before, switchOf(t, two)) })
	c.allReach(t, one, tasks)
}

// killEngine: the tasks of the node come again, and the network with them.
func (c *cluster) killEngine(t *testing.T, two *integration.Host) {
	t.Helper()
	one := c.other(two)
	two.KillDocker(t)
	two.StartDocker(t)
	tasks := c.running(t, one, replicas, func(tasks []integration.Task) error {
		for _, task := range tasks {
			if _, err := c.host(task.Node).TryExec(task.Container, "true"); err != nil {
				return err
			}
		}
		return nil
	})
	c.allReach(t, one, tasks)
}

// rejoin: a node that has left is nobody's peer, and one that comes is everybody's.
func (c *cluster) rejoin(t *testing.T) {
	one, three := c.hosts[0], c.hosts[2]
	three.LeaveSwarm(t, one)
	tasks := c.running(t, one, replicas, nil)
	c.allReach(t, one, tasks)
	c.bare(t, 2)
	capture := c.lan.Capture(t, one)
	at := slices.IndexFunc(tasks, func(task integration.Task) bool { return task.Node == one.Name })
	if _, err := one.TryExec(tasks[at].Container, "ping -c 1 -W 1 10.60.0.250"); err == nil {
		t.Error("nobody answers")
	}
	for _, p := range capture.Tunnelled(t, tunnelPort) {
		if p.To.String() == three.IPv4 {
			t.Errorf("to a node that has left: %+v", p)
		}
	}
	three.JoinSwarm(t, one, integration.Worker)
	one.Docker(t, "service update --detach --force "+serviceName)
	c.allReach(t, one, c.running(t, one, replicas, func(now []integration.Task) error { return errors.Join(others(tasks)(now), spread(now)) }))
}

// leader: another manager goes on with the network as it is.
func (c *cluster) leader(t *testing.T) {
	one := c.hosts[0]
	old := slices.IndexFunc(c.hosts, func(h *integration.Host) bool {
		return h.Docker(t, "node inspect self --format {{.ManagerStatus.Leader}}") == "true"
	})
	if old < 0 {
		t.Fatal("no leader")
	}
	before := c.running(t, one, replicas, nil)
	other := c.hosts[(old+1)%len(c.hosts)]
	c.hosts[old].KillDocker(t)
	soon(t, func() error {
		out, err := other.TryDocker("node ls --format {{.Hostname}}={{.ManagerStatus}}")
		if err == nil && (!strings.Contains(out, "=Leader") || strings.Contains(out, c.hosts[old].Name+"=Leader")) {
			err = errors.New(out)
		}
		return err
	})
	c.hosts[old].StartDocker(t)
	other.AwaitNodes(t, len(c.hosts))
	c.try(t, other, "service update --detach --force --constraint-rm none==none "+serviceName)
	other.Docker(t, "network create --driver "+integration.ManagedDoor+" --subnet 10.62.0.0/24 second")
	c.allReach(t, other, c.running(t, other, replicas, func(now []integration.Task) error { return errors.Join(others(before)(now), spread(now)) }))
	for _, h := range c.hosts {
		if got := tunnelVNI(t, h); got != c.vni {
			t.Errorf("%s has VNI %s, before %s", h.Name, got, c.vni)
		}
	}
	other.Docker(t, "network rm second")
}

// once: whatever has happened, a broadcast reaches everybody on other hosts exactly once.
func (c *cluster) once(t *testing.T) {
	one := c.hosts[0]
	tasks := c.everywhere(t, one)
	var sniffers, first []sniffer
	var from integration.Task
	for _, task := range tasks {
		if task.Node == "h1" {
			from = task
			continue
		}
		sniffers = append(sniffers, sniff(t, c.host(task.Node), task.Container, "eth0"))
		first = append(first, sniffFor(t, c.host(task.Node), task.Container, "eth0", lastOne, forbidden))
	}
	mac := one.Exec(t, from.Container, "cat /sys/class/net/eth0/address")
	// One after the other: on the kernel's datapath the last one would overtake a first one that goes by ovs-vswitchd.
	one.Exec(t, from.Container, "probe send eth0", frame(t, mac, toAll, from.IP, "10.60.0.255", forbidden))
	for _, s := range first {
		s.saw(t, 0)
	}
	one.Exec(t, from.Container, "probe send eth0", frame(t, mac, toAll, from.IP, "10.60.0.255", lastOne))
	for _, s := range sniffers {
		s.saw(t, 1)
	}
	for _, h := range c.hosts {
		if out, err := h.TryDocker("logs " + watchName); err == nil && strings.Contains(out, "twice") {
			t.Errorf("%s: frames came twice: %s", h.Name, out)
		}
	}
}

// remains: without service and network there is nothing of them on any host.
func (c *cluster) remains(t *testing.T) {
	one := c.hosts[0]
	one.Docker(t, "service rm "+serviceName)
	for _, h := range c.hosts {
		_, _ = h.TryDocker("rm --force " + watchName) // on some it is gone
	}
	c.try(t, one, "network rm net")
	for i := range c.hosts {
		c.bare(t, i)
	}
}
