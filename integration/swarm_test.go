// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// cluster is a Swarm of three managers, with the managed plugin on each.
type cluster struct {
	lan   *integration.LAN
	hosts []*integration.Host
	empty []integration.State
	vni   string
}

const (
	serviceName = "web"
	replicas    = 6
	// watchName is a container on each host that asks for all addresses of the network.
	watchName = "watch"
)

func newCluster(t *testing.T) *cluster {
	t.Helper()
	lab := integration.NewLab(t)
	c := &cluster{lan: lab.LAN(t), hosts: lab.Hosts(t, integration.HostOptions{}, "h1", "h2", "h3")}
	c.lan.Join(t, c.hosts...)
	dir := integration.PluginDir(t)
	var wg sync.WaitGroup
	for _, h := range c.hosts {
		wg.Go(func() {
			if _, err := h.TryDocker("plugin create ovsnet " + dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, h := range c.hosts {
		h.Docker(t, "plugin set ovsnet OVSNET_SCOPE=global")
		h.EnablePlugin(t)
	}
	integration.Swarm(t, c.hosts...)
	for _, h := range c.hosts {
		c.empty = append(c.empty, switchOf(t, h))
	}
	return c
}

// bare waits until a host has nothing of the network.
func (c *cluster) bare(t *testing.T, i int) {
	t.Helper()
	soon(t, func() error {
		if out := c.hosts[i].Bridges(t); strings.Contains(out, "ovsbr-") {
			return errors.New(out)
		}
		return nil
	})
	soon(t, func() error { return same(c.empty[i], switchOf(t, c.hosts[i])) })
}

func (c *cluster) host(name string) *integration.Host {
	return c.hosts[slices.IndexFunc(c.hosts, func(h *integration.Host) bool { return h.Name == name })]
}

// tasksTime bounds how long a Swarm may take to have its tasks where they are to be.
const tasksTime = 90 * time.Second

// running waits until so many tasks run, as one of the managers sees them.
func (c *cluster) running(t *testing.T, manager *integration.Host, n int, also func([]integration.Task) error) []integration.Task {
	t.Helper()
	var tasks []integration.Task
	err := ovstest.Poll(tasksTime, func() (err error) {
		tasks, err = manager.Tasks(serviceName)
		switch {
		case err != nil:
		case len(tasks) != n:
			out, _ := manager.TryDocker("service ps --no-trunc --format {{.Name}}/{{.Node}}/{{.CurrentState}}/{{.Error}} " + serviceName)
			err = fmt.Errorf("%d tasks of %d run: %s", len(tasks), n, out)
		case also != nil:
			err = also(tasks)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tasks
}

// gossipTime bounds how long the nodes of a Swarm may take to hear of each other again: they exchange all that they know
// every 30 seconds, should what they say at once be lost.
const gossipTime = 45 * time.Second

// allReach holds that every task reaches every other. A Swarm may still put tasks elsewhere: then it is asked again where
// they are; or the nodes may have to hear of each other first.
func (c *cluster) allReach(t *testing.T, manager *integration.Host, tasks []integration.Task) {
	t.Helper()
	begin := time.Now()
	for err := unreached(c, tasks); err != nil; err = unreached(c, c.running(t, manager, replicas, nil)) {
		if time.Since(begin) > gossipTime {
			t.Errorf("%v\n%s", err, c.told(t))
			return
		}
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Logf("all reach all after %v\n%s", took.Round(time.Second), c.told(t))
	}
}

// told is what Swarm told the hosts of each other.
func (c *cluster) told(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, h := range c.hosts {
		for line := range strings.Lines(h.PluginLog(t)) {
			if strings.Contains(line, "Swarm") || strings.Contains(line, "without a container") {
				all.WriteString(h.Name + ": " + line)
			}
		}
	}
	return all.String()
}

// unreached says which task does not reach another, whatever often it asks.
func unreached(c *cluster, tasks []integration.Task) error {
	errs := make([]error, len(tasks))
	var wg sync.WaitGroup
	for i, from := range tasks {
		var to strings.Builder
		for _, o := range tasks {
			if o != from {
				to.WriteString(" " + o.IP)
			}
		}
		script := "for a in" + to.String() + "; do for n in 1 2 3 4 5; do" +
			" { ping -c 1 -W 2 $a && probe tcp $a:9000 100000; } >/dev/null 2>&1 && continue 2; done; echo $a; done"
		wg.Go(func() {
			out, err := c.host(from.Node).TryExec(from.Container, "sh -c", script)
			if err == nil && out != "" {
				err = errors.New("does not reach " + out)
			}
			if err != nil {
				errs[i] = fmt.Errorf("%s on %s, %s: %w", from.Name, from.Node, from.IP, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// watch runs a container on every host that asks for every address that the network gives.
func (c *cluster) watch(t *testing.T) {
	t.Helper()
	addrs := make([]string, 0, 60)
	for i := 2; i < 62; i++ {
		addrs = append(addrs, fmt.Sprintf("10.60.0.%d", i))
	}
	for _, h := range c.hosts {
		watching(t, h, watchName, []string{"--network=net"}, addrs...)
	}
}

// reachedSoon holds that each address was reached from every other host within a second of its container's start.
func (c *cluster) reachedSoon(t *testing.T, tasks []integration.Task) {
	t.Helper()
	most := time.Duration(0)
	for _, task := range tasks {
		begin := started(t, c.host(task.Node), task.Container)
		for _, h := range c.hosts {
			if h.Name == task.Node {
				continue
			}
			if out, err := h.TryDocker("inspect --format {{.State.Running}} " + watchName); err != nil || out != "true" {
				continue
			}
			took := reachedAfter(t, h, watchName, task.IP, begin)
			most = max(most, took)
			if took > reachTime {
				t.Errorf("%s on %s (%s) was reached from %s %v after its start", task.Name, task.Node, task.IP, h.Name, took)
			}
		}
	}
	t.Logf("%d tasks, all reached after %v at most", len(tasks), most)
}

// TestSwarm: a network and a service over three nodes, whatever happens to them.
func TestSwarm(t *testing.T) {
	begin := time.Now()
	c := newCluster(t)
	t.Logf("a Swarm after %v", time.Since(begin).Round(time.Second))
	one := c.hosts[0]
	one.Docker(t, "network create --attachable --driver "+integration.ManagedDoor+" --subnet 10.60.0.0/24 net")
	c.watch(t)
	c.vni = tunnelVNI(t, one)
	one.Docker(t, fmt.Sprintf("service create --detach --network net --replicas %d --endpoint-mode dnsrr --stop-grace-period 0s"+
		" --restart-delay 1ms --update-parallelism 3 --update-monitor 1ms --no-resolve-image --name %s %s", replicas, serviceName, integration.Image))
	tasks := c.running(t, one, replicas, nil)
	c.reachedSoon(t, tasks)
	c.allReach(t, one, tasks)
	for _, h := range c.hosts[1:] {
		if got := tunnelVNI(t, h); got != c.vni {
			t.Errorf("%s has VNI %s, host one %s", h.Name, got, c.vni)
		}
	}

	t.Run("update", c.update)
	t.Run("names", c.names)
	t.Run("encrypted", c.encrypted)
	t.Run("options of a service", c.options)
	t.Run("drain", c.drain)
	t.Run("kill", c.faults)
	t.Run("another leader", c.leader)
	t.Run("leave and rejoin", c.rejoin)
	t.Run("once", c.once)
	t.Run("nothing remains", c.remains)
}

// tunnelVNI is the key of a host's only tunnel.
func tunnelVNI(t *testing.T, h *integration.Host) string {
	t.Helper()
	return h.Run(t, "ovs-vsctl get Interface", h.Run(t, "ovs-vsctl --bare --columns=name find Interface type=vxlan"), "options:key")
}

// others holds that none of the tasks is one of those before.
func others(before []integration.Task) func([]integration.Task) error {
	return func(tasks []integration.Task) error {
		for _, task := range tasks {
			if slices.ContainsFunc(before, func(b integration.Task) bool { return b.Container == task.Container }) {
				return fmt.Errorf("%s has not been replaced yet", task.Name)
			}
		}
		return nil
	}
}

// update: new tasks, on other nodes with other addresses or the same, are reached at once.
func (c *cluster) update(t *testing.T) {
	one := c.hosts[0]
	tasks := c.running(t, one, replicas, nil)
	one.Docker(t, "service update --detach --force --constraint-add node.hostname!=h1 "+serviceName)
	tasks = c.running(t, one, replicas, others(tasks))
	c.reachedSoon(t, tasks)
	c.allReach(t, one, tasks)
}

// options: a service's endpoints have their options, and ports that each task publishes on its own host.
func (c *cluster) options(t *testing.T) {
	one, two := c.hosts[0], c.hosts[1]
	one.Docker(t, "service create --detach --mode global --network name=net,driver-opt=ovs.port.isolated=true --endpoint-mode dnsrr"+
		" --stop-grace-period 0s --publish mode=host,published=8081,target=9000 --no-resolve-image --name edge", integration.Image)
	defer func() {
		if t.Failed() {
			out, err := one.TryDocker("service ps --no-trunc edge")
			t.Logf("the service's tasks (%v):\n%s", err, out)
		}
		one.Docker(t, "service rm edge") // what follows is not about it
	}()
	var tasks []integration.Task
	soon(t, func() (err error) {
		tasks, err = one.Tasks("edge")
		return errors.Join(err, spread(tasks))
	})
	for _, task := range tasks {
		from := one
		if task.Node == one.Name {
			from = two
		}
		soon(t, func() error {
			_, err := from.Try(integration.Probe(t) + " tcp " + c.host(task.Node).IPv4 + ":8081 100000")
			return err
		})
		if err := ovstest.Poll(5*time.Second, func() error {
			_, err := one.TryExec(watchName, "ping -c 1 -W 1 "+task.IP)
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	for _, task := range tasks[1:] {
		if out, err := c.host(tasks[0].Node).TryExec(tasks[0].Container, "ping -c 1 -W 1 "+task.IP); err == nil {
			t.Errorf("an isolated port reaches another: %s", out)
		}
	}
}

// drain: a node without tasks has nothing of the network.
func (c *cluster) drain(t *testing.T) {
	one, three := c.hosts[0], c.hosts[2]
	three.Docker(t, "rm --force "+watchName)
	one.Docker(t, "node update --availability=drain h3")
	tasks := c.running(t, one, replicas, func(tasks []integration.Task) error {
		for _, task := range tasks {
			if task.Node == "h3" {
				return errors.New(task.Name + " is still on h3")
			}
		}
		return nil
	})
	c.reachedSoon(t, tasks)
	c.allReach(t, one, tasks)
	c.bare(t, 2)
	one.Docker(t, "node update --availability=active h3")
	one.Docker(t, "service update --detach --force --constraint-rm node.hostname!=h1 "+serviceName)
	c.allReach(t, one, c.running(t, one, replicas, func(now []integration.Task) error { return errors.Join(others(tasks)(now), spread(now)) }))
}

// spread holds that there are tasks on each node.
func spread(tasks []integration.Task) error {
	for _, name := range []string{"h1", "h2", "h3"} {
		if !slices.ContainsFunc(tasks, func(task integration.Task) bool { return task.Node == name }) {
			return fmt.Errorf("no task on %s: %v", name, tasks)
		}
	}
	return nil
}
