// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// Lab is a set of hosts that live as long as one test.
type Lab struct {
	id string
}

// labPrefix begins the names of labs; the test's process id follows.
const labPrefix = "ovsnet-lab-"

var labs atomic.Int64

// NewLab checks that the machine has what hosts need (root and the programs);
// see [ovstest.Missing] for what happens when it has not.
func NewLab(tb testing.TB) *Lab {
	tb.Helper()
	ovstest.NeedRoot(tb)
	for _, need := range [][2]string{
		{"nsenter", "util-linux"}, {"ip", "iproute2"}, {"busybox", "busybox-static"},
		{"ovs-vswitchd", "openvswitch-switch"}, {"dockerd", "docker.io"}, {"docker", "docker.io"},
	} {
		ovstest.NeedTool(tb, need[0], need[1])
	}
	return &Lab{id: fmt.Sprintf(labPrefix+"%d-%d", os.Getpid(), labs.Add(1))}
}

// HostOptions says what a host should not have, or have differently.
type HostOptions struct {
	NoOVS    bool     // no Open vSwitch until StartOVS
	NoDocker bool     // no engine until StartDocker
	Dockerd  []string // more arguments for dockerd
}

// Host starts a host with Open vSwitch, an engine, and the test image.
func (l *Lab) Host(tb testing.TB, name string) *Host {
	tb.Helper()
	return l.HostWith(tb, name, HostOptions{})
}

// HostWith is Host with options.
func (l *Lab) HostWith(tb testing.TB, name string, o HostOptions) *Host {
	tb.Helper()
	return l.Hosts(tb, o, name)[0]
}

// Hosts starts several hosts at once.
func (l *Lab) Hosts(tb testing.TB, o HostOptions, names ...string) []*Host {
	tb.Helper()
	hosts := make([]*Host, len(names))
	for i, name := range names {
		h := &Host{Name: name}
		h.begin(tb, l.id)
		h.define(o)
		h.forward(tb)
		if !o.NoDocker {
			// The engine takes its time; Open vSwitch comes up meanwhile.
			h.launch(tb, &h.dockerd)
		}
		hosts[i] = h
	}
	for _, h := range hosts {
		if !o.NoOVS {
			h.StartOVS(tb)
		}
	}
	for _, h := range hosts {
		if !o.NoDocker {
			h.awaitDocker(tb)
			h.importImage(tb)
		}
	}
	return hosts
}

// begin starts the janitor, and by it the init, and waits for both.
func (h *Host) begin(tb testing.TB, lab string) {
	tb.Helper()
	cmd := role(janitorRole, lab, h.Name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a Ctrl-C is for the test, not for who cleans up after it
	end, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err = cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { h.finish(tb, cmd, end) })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		tb.Fatalf("host %s: %v", h.Name, err)
	}
	words := strings.Fields(line)
	h.pid, err = strconv.Atoi(words[0])
	if err != nil {
		tb.Fatalf("host %s: %v", h.Name, err)
	}
	h.groups = words[1:]
}

func (h *Host) finish(tb testing.TB, janitor *exec.Cmd, end io.Closer) {
	tb.Helper()
	if h.pid != 0 {
		if report := h.Races(tb); report != "" {
			tb.Errorf("host %s: a data race, at which the program ended:\n%s", h.Name, report)
		}
		if tb.Failed() {
			h.lastWords(tb)
		}
	}
	if err := end.Close(); err != nil {
		tb.Error(err)
	}
	if err := janitor.Wait(); err != nil {
		tb.Errorf("host %s: janitor: %v", h.Name, err)
	}
	for _, d := range h.daemons() {
		d.forget()
	}
}
