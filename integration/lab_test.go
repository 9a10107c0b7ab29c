// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// victim makes TestLabIsKilled's child play the test that is killed.
const victim = "OVSNET_LAB_VICTIM"

func TestLabLeavesTheMachineAlone(t *testing.T) {
	before := integration.Machine(t)
	t.Run("hosts", func(t *testing.T) {
		lab := integration.NewLab(t)
		one, two := lab.Host(t, "one"), lab.Host(t, "two")
		for _, h := range []*integration.Host{one, two} {
			h.Container(t, "c1")
			h.Run(t, "ovs-vsctl add-br br0 -- set Bridge br0 datapath_type="+integration.Datapath(t).Name)
			if got := h.Exec(t, "c1", "hostname"); got != "c1" {
				t.Errorf("hostname: %q", got)
			}
		}
		two.StartPlugin(t)
		two.Docker(t, "network create --driver ovs n1")
		two.Container(t, "c2", "--network=n1")
		if diff := integration.Diff(before, integration.Machine(t)); stripped(diff) != "" {
			t.Errorf("while hosts run:\n%s", diff)
		}
		two.StopDocker(t)
		two.StartDocker(t)
		two.StopOVS(t)
		two.StartOVS(t)
		if got := two.Bridges(t); !strings.Contains(got, "br0") {
			t.Errorf("bridges after a restart: %q", got)
		}
	})
	if diff := integration.Diff(before, integration.Machine(t)); diff != "" {
		t.Errorf("after:\n%s", diff)
	}
}

// TestLookedAtWhileBridgesGo: a bridge that goes between two questions ends neither of the two ways to look at a host.
func TestLookedAtWhileBridgesGo(t *testing.T) {
	t.Parallel()
	c := newCrowd(t)
	var enough atomic.Bool
	var wg sync.WaitGroup
	stop := func() { enough.Store(true); wg.Wait() }
	defer stop()
	wg.Go(func() {
		for !enough.Load() {
			c.takes(t, "CreateNetwork", netOn(30))
			c.takes(t, "DeleteNetwork", netOn(30))
		}
	})
	for range 15 {
		c.Snapshot(t)
		_ = c.Model(t) // that it comes back is all: a network was on its way
	}
	stop()
	if err := c.Model(t); err != nil {
		t.Error(err)
	}
}

// again runs a command of the shell on the host over and over, until stop is called, which waits for it.
func again(t *testing.T, h *integration.Host, command string) (stop func()) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := h.Try("sh -ec", "until [ -e /run/enough ]; do "+command+"; done"); err != nil {
			t.Error(err)
		}
	})
	return func() {
		if _, err := h.Try("touch /run/enough"); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
}

// TestSnapshotWhileProcessesEnd: a process that has ended, and whose parent has still to wait for it, is in no snapshot
// when its parent does so soon.
func TestSnapshotWhileProcessesEnd(t *testing.T) {
	t.Parallel()
	h := integration.NewLab(t).Hosts(t, integration.HostOptions{NoDocker: true}, "h1")[0]
	defer again(t, h, "sh -c 'true & exec sleep 0.1'; sleep 0.1")()
	for range 10 {
		for _, line := range h.Snapshot(t) {
			if strings.HasPrefix(line, "process [") {
				t.Error(line)
			}
		}
	}
}

// TestSnapshotWhileLinksGo: links that come and go, as Docker's own do, don't keep a snapshot from being taken.
func TestSnapshotWhileLinksGo(t *testing.T) {
	t.Parallel()
	h := integration.NewLab(t).Hosts(t, integration.HostOptions{NoDocker: true}, "h1")[0]
	defer again(t, h, "ip link add comes type veth peer goes; ip link del comes")()
	for range 30 {
		h.Snapshot(t)
	}
}

// stripped leaves out the control groups, which are there as long as the hosts.
func stripped(diff string) string {
	var rest []string
	for line := range strings.Lines(diff) {
		if !strings.Contains(line, "/ovsnet-lab-") {
			rest = append(rest, line)
		}
	}
	return strings.Join(rest, "")
}

func TestLabIsKilled(t *testing.T) {
	if os.Getenv(victim) != "" {
		h := integration.NewLab(t).Host(t, "h1")
		h.Container(t, "c1")
		fmt.Fprintln(os.Stdout, "victim is up")
		select {}
	}
	ovstest.NeedRoot(t)
	before := integration.Machine(t)
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestLabIsKilled$")
	cmd.Env = append(os.Environ(), victim+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err = ovstest.StartTied(cmd); err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(out)
	for scan.Scan() && scan.Text() != "victim is up" {
		t.Log(scan.Text())
	}
	id := fmt.Sprintf("ovsnet-lab-%d-", cmd.Process.Pid)
	if err = cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	err = ovstest.Poll(20*time.Second, func() error {
		if diff := integration.Diff(before, integration.Machine(t)); diff != "" {
			return errors.New(diff)
		}
		args, failed := exec.Command("ps", "-eo", "args=").Output()
		if failed != nil {
			return failed
		}
		if strings.Contains(string(args), id) {
			return errors.New("a process of the lab runs")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestProbeWatches: probe, the tests' own program, watches from the first, whatever is said on its network when it starts.
func TestProbeWatches(t *testing.T) {
	t.Parallel()
	h := integration.NewLab(t).Hosts(t, integration.HostOptions{NoDocker: true}, "h1")[0]
	probe := integration.Probe(t)
	h.StartProgram(t, probe+" ping 127.0.0.1 1000000 100000")
	var addrs []string
	for i := range 5000 {
		addrs = append(addrs, fmt.Sprintf("127.0.%d.%d", i/250, i%250+1))
	}
	for range 6 {
		out, err := h.Try(fmt.Sprintf("timeout %g %s watch 5000", ovstest.Limit(time.Second).Seconds(), probe), addrs...)
		if err == nil || !strings.Contains(err.Error(), "exit status 124") || !strings.Contains(out, "watching") {
			t.Fatalf("%q %v", out, err)
		}
	}
}
