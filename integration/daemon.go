// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// daemon is a program that runs on a host until it is stopped.
type daemon struct {
	name string
	line string
	args []string
	env  []string

	host *Host
	pid  int // as the machine sees it
	via  int // the program's parent, nsenter, which stops with it and has to be continued too
	done chan struct{}
}

func (h *Host) daemons() []*daemon {
	return append([]*daemon{&h.ovsdb, &h.vswitchd, &h.dockerd, &h.ovsnet}, h.programs...)
}

func (d *daemon) log() string { return d.host.Path("/run/log/" + d.name + ".log") }

func (d *daemon) running() bool {
	if d.done == nil {
		return false
	}
	select {
	case <-d.done:
		return false
	default:
		return true
	}
}

// forget waits for the process that the host's end has killed.
func (d *daemon) forget() {
	if d.done != nil {
		<-d.done
	}
}

// launch starts the daemon without waiting for its service.
func (h *Host) launch(tb testing.TB, d *daemon) {
	tb.Helper()
	if d.running() {
		tb.Fatalf("host %s: %s runs already", h.Name, d.name)
	}
	log, err := os.OpenFile(d.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // the daemon has its own copy
	// Control groups are not entered with the namespaces; 0 is the shell itself.
	into := `for g in ` + strings.Join(h.groups, " ") + `; do
		[ ! -e "$g/cgroup.procs" ] || echo 0 >"$g/cgroup.procs"
	done; exec "$@"`
	args := h.enter("sh -c", append(append([]string{into, "sh"}, strings.Fields(d.line)...), d.args...))
	cmd := exec.CommandContext(context.Background(), args[0], args[1:]...)
	cmd.Env = append(plainEnv(), d.env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err = ovstest.StartTied(cmd); err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait() // how it ended shows in its log
	}()
	d.done, d.via = done, cmd.Process.Pid
	// nsenter forks to enter the PID namespace; the daemon is its child.
	children := fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid)
	err = ovstest.Poll(10*time.Second, func() error {
		text, gone := os.ReadFile(children)
		if gone != nil || !d.running() {
			return fmt.Errorf("%w: %s ended: %s", ovstest.ErrHopeless, d.name, d.tail(10))
		}
		var notYet error
		d.pid, notYet = strconv.Atoi(strings.TrimSpace(string(text)))
		return notYet
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// stop signals the daemon and waits for its end.
func (h *Host) stop(tb testing.TB, d *daemon, sig syscall.Signal) {
	tb.Helper()
	if !d.running() {
		return
	}
	if err := syscall.Kill(d.pid, sig); err != nil && d.running() {
		tb.Fatalf("host %s: %s: %v", h.Name, d.name, err)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-d.done:
	case <-timer.C:
		tb.Fatalf("host %s: %s did not end in %v after %v", h.Name, d.name, patience, sig)
	}
}

// plainEnv is the environment without what is meant for the tests: the
// program under test would refuse settings that it does not know.
func plainEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "OVSNET_") })
}

// tail is the end of the daemon's log.
func (d *daemon) tail(lines int) string {
	text, err := os.ReadFile(d.log())
	if err != nil {
		return err.Error()
	}
	var kept []string
	for line := range strings.Lines(string(text)) {
		// containerd's start alone is a hundred lines.
		if !strings.Contains(line, `msg="[core]`) && !strings.Contains(line, `msg="loading plugin`) &&
			!strings.Contains(line, "msg=serving...") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept[max(0, len(kept)-lines):], "")
}

// lastWords puts the ends of the daemons' logs into the log of a failed test.
func (h *Host) lastWords(tb testing.TB) {
	tb.Helper()
	for _, d := range h.daemons() {
		if d.done != nil {
			tb.Logf("host %s: end of %s's log:\n%s", h.Name, d.name, d.tail(60))
		}
	}
}
