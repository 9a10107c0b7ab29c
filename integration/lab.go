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

var labs atomic.Int64

// NewLab checks that the machine has what hosts need (root and the programs);
// see [ovstest.Missing] for what happens when it has not.
func NewLab(t testing.TB) *Lab {
	t.Helper()
	ovstest.NeedRoot(t)
	for _, need := range [][2]string{
		{"nsenter", "util-linux"}, {"ip", "iproute2"}, {"busybox", "busybox-static"},
		{"ovs-vswitchd", "openvswitch-switch"}, {"dockerd", "docker.io"}, {"docker", "docker.io"},
	} {
		ovstest.NeedTool(t, need[0], need[1])
	}
	return &Lab{id: fmt.Sprintf("ovsnet-lab-%d-%d", os.Getpid(), labs.Add(1))}
}

// HostOptions says what a host should not have, or have differently.
type HostOptions struct {
	NoOVS    bool     // no Open vSwitch until StartOVS
	NoDocker bool     // no engine until StartDocker
	Dockerd  []string // more arguments for dockerd
}

// Host starts a host with Open vSwitch, an engine, and the test image.
func (l *Lab) Host(t testing.TB, name string) *Host {
	t.Helper()
	return l.HostWith(t, name, HostOptions{})
}

// HostWith is Host with options.
func (l *Lab) HostWith(t testing.TB, name string, o HostOptions) *Host {
	t.Helper()
	h := &Host{Name: name}
	h.begin(t, l.id)
	h.define(o)
	if !o.NoDocker {
		// The engine takes its time; Open vSwitch comes up meanwhile.
		h.launch(t, &h.dockerd)
	}
	if !o.NoOVS {
		h.StartOVS(t)
	}
	if !o.NoDocker {
		h.awaitDocker(t)
		h.importImage(t)
	}
	return h
}

// begin starts the janitor, and by it the init, and waits for both.
func (h *Host) begin(t testing.TB, lab string) {
	t.Helper()
	cmd := role(janitorRole, lab, h.Name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a Ctrl-C is for the test, not for who cleans up after it
	end, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.finish(t, cmd, end) })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("host %s: %v", h.Name, err)
	}
	h.pid, err = strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("host %s: %v", h.Name, err)
	}
}

func (h *Host) finish(t testing.TB, janitor *exec.Cmd, end io.Closer) {
	if t.Failed() && h.pid != 0 {
		h.lastWords(t)
	}
	if err := end.Close(); err != nil {
		t.Error(err)
	}
	if err := janitor.Wait(); err != nil {
		t.Errorf("host %s: janitor: %v", h.Name, err)
	}
	for _, d := range h.daemons() {
		d.forget()
	}
}
