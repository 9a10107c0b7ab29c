// SPDX-License-Identifier: Apache-2.0

package ovstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// debianPackage has every program that the sandbox runs.
const debianPackage = "openvswitch-switch"

// commandTimeout bounds every ovs-* command, in seconds.
const commandTimeout = "30"

// Options says what kind of switch a test wants. The zero value is a dummy
// switch that needs no root.
type Options struct {
	// Schema is the file of the Open_vSwitch schema; empty: the installed one.
	Schema string
	// NetNS is the path of a network namespace. When given, ovs-vswitchd runs in
	// it with real devices instead of dummies; only datapath_type=netdev is sure
	// to work. Root only.
	NetNS string
	// Tunnels makes tunnels real ones, over the userspace datapath's own
	// encapsulation, beside dummy devices: these then need type=dummy.
	Tunnels bool
	// NoVSwitchd leaves ovs-vswitchd out until StartVSwitchd.
	NoVSwitchd bool
}

// Switch is a private Open vSwitch.
type Switch struct {
	// Dir holds the sockets, the database (conf.db) and the logs; it is OVS_RUNDIR.
	Dir string
	// DB is the database's endpoint, "unix:<Dir>/db.sock".
	DB string

	db, vswitchd process
	datapath     string // of bridges; empty: system
}

// Start starts a dummy switch and waits until it works.
func Start(tb testing.TB) *Switch {
	tb.Helper()
	return StartWith(tb, Options{})
}

// StartWith is Start with a choice of what kind of switch.
func StartWith(tb testing.TB, o Options) *Switch {
	tb.Helper()
	for _, tool := range []string{"ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl"} {
		NeedTool(tb, tool, debianPackage)
	}
	if o.NetNS != "" {
		NeedRoot(tb)
	}
	// Not tb.TempDir: it contains the test's name, and the path of a unix socket
	// may have 107 bytes.
	dir, err := os.MkdirTemp("", "ovs") //nolint:usetesting // see above
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	s := newSwitch(dir, o)
	schema := o.Schema
	if schema == "" {
		schema = "/usr/share/openvswitch/vswitch.ovsschema"
	}
	s.command(tb, "ovsdb-tool", "create", filepath.Join(dir, "conf.db"), schema)
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("ovs-vswitchd's last words:\n%s", s.vswitchd.logTail(20))
		}
		s.KillVSwitchd(tb)
		s.KillDB(tb)
	})
	s.StartDB(tb)
	s.command(tb, "ovs-vsctl", "--db="+s.DB, "--timeout="+commandTimeout, "--no-wait", "init")
	if !o.NoVSwitchd {
		s.StartVSwitchd(tb)
	}
	return s
}

func newSwitch(dir string, o Options) *Switch {
	s := &Switch{Dir: dir, DB: "unix:" + filepath.Join(dir, "db.sock")}
	s.db = process{
		name: "ovsdb-server", env: s.environ(), log: filepath.Join(dir, "ovsdb-server.log"),
		args: []string{
			"ovsdb-server", filepath.Join(dir, "conf.db"), "--remote=p" + s.DB,
			"--unixctl=" + filepath.Join(dir, "ovsdb-server.ctl"),
		},
	}
	s.vswitchd = process{
		name: "ovs-vswitchd", env: s.environ(), log: filepath.Join(dir, "ovs-vswitchd.log"),
		args: []string{"ovs-vswitchd", s.DB, "--unixctl=" + filepath.Join(dir, "ovs-vswitchd.ctl")},
	}
	if o.NetNS == "" {
		dummies := "--enable-dummy=override"
		if o.Tunnels {
			dummies = "--enable-dummy"
			s.datapath = "dummy"
		}
		s.vswitchd.args = append(s.vswitchd.args, dummies, "--disable-system", "--disable-system-route")
	} else {
		s.vswitchd.args = append([]string{"nsenter", "--net=" + o.NetNS}, s.vswitchd.args...)
		s.datapath = "netdev"
	}
	return s
}

func (s *Switch) environ() []string {
	return append(os.Environ(), "OVS_RUNDIR="+s.Dir, "OVS_LOGDIR="+s.Dir, "OVS_DBDIR="+s.Dir, "OVS_SYSCONFDIR="+s.Dir)
}

// Mgmt is the path of a bridge's OpenFlow socket.
func (s *Switch) Mgmt(bridge string) string { return filepath.Join(s.Dir, bridge+".mgmt") }

// StartDB starts ovsdb-server on the same database again and waits for its socket.
func (s *Switch) StartDB(tb testing.TB) {
	tb.Helper()
	if err := s.db.start(); err != nil {
		tb.Fatal(err)
	}
	socket := strings.TrimPrefix(s.DB, "unix:")
	err := Poll(20*time.Second, func() error {
		if !s.db.running() {
			return fmt.Errorf("%w: ovsdb-server ended: %s", ErrHopeless, s.db.logTail(5))
		}
		var d net.Dialer
		c, err := d.DialContext(context.Background(), "unix", socket)
		if err != nil {
			return err
		}
		return c.Close()
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// StopDB ends ovsdb-server as an administrator would (SIGTERM).
func (s *Switch) StopDB(tb testing.TB) { tb.Helper(); s.end(tb, &s.db, syscall.SIGTERM) }

// KillDB ends ovsdb-server with SIGKILL.
func (s *Switch) KillDB(tb testing.TB) { tb.Helper(); s.end(tb, &s.db, syscall.SIGKILL) }

// StartVSwitchd starts ovs-vswitchd and waits until it has applied the database.
func (s *Switch) StartVSwitchd(tb testing.TB) {
	tb.Helper()
	if err := s.vswitchd.start(); err != nil {
		tb.Fatal(err)
	}
	// Without --no-wait, ovs-vsctl waits until ovs-vswitchd has caught up. It
	// writes nothing unless there is something to write, hence the key.
	s.Ctl(tb, "set", "Open_vSwitch", ".", fmt.Sprintf("external_ids:ovstest-start=%d", time.Now().UnixNano()))
	s.Ctl(tb, "--no-wait", "remove", "Open_vSwitch", ".", "external_ids", "ovstest-start")
}

// StopVSwitchd ends ovs-vswitchd as an administrator would (SIGTERM): flows are lost.
func (s *Switch) StopVSwitchd(tb testing.TB) { tb.Helper(); s.end(tb, &s.vswitchd, syscall.SIGTERM) }

// KillVSwitchd ends ovs-vswitchd with SIGKILL: flows are lost.
func (s *Switch) KillVSwitchd(tb testing.TB) { tb.Helper(); s.end(tb, &s.vswitchd, syscall.SIGKILL) }

// RestartVSwitchd is StopVSwitchd and StartVSwitchd.
func (s *Switch) RestartVSwitchd(tb testing.TB) {
	tb.Helper()
	s.StopVSwitchd(tb)
	s.StartVSwitchd(tb)
}

// PauseVSwitchd stops ovs-vswitchd without ending it (SIGSTOP): it keeps its
// sockets and answers nothing until ResumeVSwitchd.
func (s *Switch) PauseVSwitchd(tb testing.TB) { tb.Helper(); s.signal(tb, syscall.SIGSTOP) }

// ResumeVSwitchd undoes PauseVSwitchd.
func (s *Switch) ResumeVSwitchd(tb testing.TB) { tb.Helper(); s.signal(tb, syscall.SIGCONT) }

func (s *Switch) signal(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	if !s.vswitchd.running() {
		tb.Fatal("ovs-vswitchd: not running")
	}
	if err := s.vswitchd.cmd.Process.Signal(sig); err != nil {
		tb.Fatal(err)
	}
}

func (s *Switch) end(tb testing.TB, p *process, sig syscall.Signal) {
	tb.Helper()
	if err := p.stop(sig); err != nil {
		tb.Error(err)
	}
}

// Ctl runs ovs-vsctl on the switch's database; the test fails when it does.
// Like the other commands it returns the output without the last newline.
func (s *Switch) Ctl(tb testing.TB, args ...string) string {
	tb.Helper()
	return s.command(tb, "ovs-vsctl", append([]string{"--db=" + s.DB, "--timeout=" + commandTimeout}, args...)...)
}

// OFCtl runs ovs-ofctl with OpenFlow 1.5; bridges are given by name.
func (s *Switch) OFCtl(tb testing.TB, args ...string) string {
	tb.Helper()
	return s.command(tb, "ovs-ofctl", append([]string{"--timeout=" + commandTimeout, "-OOpenFlow15"}, args...)...)
}

// AppCtl runs ovs-appctl on the switch's ovs-vswitchd.
func (s *Switch) AppCtl(tb testing.TB, args ...string) string {
	tb.Helper()
	target := "--target=" + filepath.Join(s.Dir, "ovs-vswitchd.ctl")
	return s.command(tb, "ovs-appctl", append([]string{target, "--timeout=" + commandTimeout}, args...)...)
}

// Trace is the text of ofproto/trace: what a packet, given as a flow in
// ovs-ofctl's grammar, meets in the bridge's tables (ovs-vswitchd(8)).
func (s *Switch) Trace(tb testing.TB, bridge, flow string) string {
	tb.Helper()
	return s.AppCtl(tb, "ofproto/trace", bridge, flow)
}

// AddBridge adds a bridge with fail_mode=secure (netdev for a switch with
// [Options.NetNS]) and waits until it works.
func (s *Switch) AddBridge(tb testing.TB, name string) {
	tb.Helper()
	args := []string{"add-br", name, "--", "set", "Bridge", name, "fail_mode=secure"}
	if s.datapath != "" {
		args = append(args, "datapath_type="+s.datapath)
	}
	s.Ctl(tb, args...)
}

func (s *Switch) command(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = s.environ()
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		tb.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return strings.TrimRight(string(out), "\n")
}
