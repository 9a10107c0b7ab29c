// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// electionTime bounds how long managers may take to agree on what is so.
const electionTime = 90 * time.Second

// Swarm makes one Swarm of hosts on a LAN, all of them managers, and waits until each is ready.
func Swarm(tb testing.TB, hosts ...*Host) {
	tb.Helper()
	hosts[0].Docker(tb, "swarm init --task-history-limit=0 --advertise-addr="+hosts[0].IPv4)
	for _, h := range hosts[1:] {
		h.JoinSwarm(tb, hosts[0], Manager)
	}
}

// What a host may be in a Swarm.
const (
	Manager = "manager"
	Worker  = "worker"
)

// JoinSwarm makes the host a node in the Swarm of a manager, and waits until that knows it as ready.
func (h *Host) JoinSwarm(tb testing.TB, manager *Host, role string) {
	tb.Helper()
	token := manager.Docker(tb, "swarm join-token --quiet "+role)
	h.Docker(tb, "swarm join --advertise-addr="+h.IPv4+" --token="+token, manager.IPv4+":2377")
	h.agree(tb, func() error {
		out, err := manager.TryDocker("node inspect --format {{.Status.State}}/{{with.ManagerStatus}}{{.Reachability}}{{end}}", h.NodeID(tb))
		want := map[string]string{Manager: "ready/reachable", Worker: "ready/"}[role]
		if err == nil && out != want {
			err = errors.New(out)
		}
		return err
	})
}

// LeaveSwarm takes the host out of the Swarm in which the manager stays.
func (h *Host) LeaveSwarm(tb testing.TB, manager *Host) {
	tb.Helper()
	id := h.NodeID(tb)
	h.agree(tb, func() error {
		_, err := manager.TryDocker("node update --role=worker --availability=drain " + id)
		return err // somebody else may have changed it at the same time
	})
	h.agree(tb, func() error {
		_, err := h.TryDocker("swarm leave")
		return err // a manager has to hear first that it is none any more
	})
	h.agree(tb, func() error {
		_, err := manager.TryDocker("node rm --force " + id)
		return err
	})
}

// AwaitNodes waits until a manager knows so many nodes, and every one of them as ready: tasks go to no other, and are left
// where they are when one gets ready later.
func (h *Host) AwaitNodes(tb testing.TB, nodes int) {
	tb.Helper()
	h.agree(tb, func() error {
		out, err := h.TryDocker("node ls --format {{.Hostname}}={{.Status}}")
		if err == nil && strings.Count(out, "=Ready") != nodes {
			err = errors.New(out)
		}
		return err
	})
}

// NodeID is what the Swarm calls the host.
func (h *Host) NodeID(tb testing.TB) string {
	tb.Helper()
	return h.Docker(tb, "info --format {{.Swarm.NodeID}}")
}

// agree waits for what a Swarm comes to by itself.
func (h *Host) agree(tb testing.TB, condition func() error) {
	tb.Helper()
	if err := ovstest.Poll(electionTime, condition); err != nil {
		tb.Fatalf("host %s: Swarm: %v", h.Name, err)
	}
}

// Task is a running task of a service.
type Task struct {
	Name, Container string
	Node            string // the host's name
	IP              string // without the length of the prefix
}

// Tasks are the running tasks of a service, as its Swarm sees them.
func (h *Host) Tasks(service string) ([]Task, error) {
	ids, err := h.TryDocker("service ps --quiet --filter=desired-state=running " + service)
	if err != nil {
		return nil, err
	}
	const format = `{{.Slot}} {{.NodeID}} {{.Status.State}} {{with .Status.ContainerStatus}}{{.ContainerID}}{{end}}` +
		` {{range .NetworksAttachments}}{{index .Addresses 0}}{{end}}`
	out, err := h.TryDocker("inspect --type=task --format", append([]string{format}, strings.Fields(ids)...)...)
	if err != nil {
		return nil, err
	}
	names, err := h.TryDocker("node ls --format {{.ID}}={{.Hostname}}")
	if err != nil {
		return nil, err
	}
	node := map[string]string{}
	for line := range strings.Lines(names) {
		id, name, _ := strings.Cut(strings.TrimSpace(line), "=")
		node[id] = name
	}
	var tasks []Task
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) != 5 || f[2] != "running" {
			continue
		}
		address, _, _ := strings.Cut(f[4], "/")
		tasks = append(tasks, Task{Name: fmt.Sprintf("%s.%s", service, f[0]), Node: node[f[1]], Container: f[3], IP: address})
	}
	return tasks, nil
}
