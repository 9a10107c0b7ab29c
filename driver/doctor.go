// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/flows/openflow"
	"github.com/ovsnet/ovsnet/ovsdb"
)

// Finding is one line of what Examine, and ovsnet doctor, says of a host.
type Finding struct {
	// Level is how bad it is: FindingOK, FindingNote, FindingWarning or FindingFault.
	Level string `json:"level"`
	// Topic is what was looked at, in a word or three.
	Topic string `json:"topic"`
	// Text is what was found.
	Text string `json:"text"`
	// WayOut says what to do about it, empty where nothing needs to be done.
	WayOut string `json:"way_out,omitempty"`
}

// The levels of a Finding.
const (
	FindingOK      = "ok"
	FindingNote    = "note"    // works, and is worth knowing
	FindingWarning = "warning" // works in part, or perhaps not for long
	FindingFault   = "fault"   // networks cannot be made or do not work
)

// examineTimeout bounds each question to Open vSwitch.
const examineTimeout = 3 * time.Second

// Examine looks at the host as a driver with these settings would find it, and changes nothing. It needs no running
// driver. Every question has a few seconds at most; ctx ends them all.
func Examine(ctx context.Context, cfg config.Daemon) []Finding {
	x := &examination{cfg: cfg}
	x.privileges()
	x.stateDir()
	x.sysctls()
	snap, ok := x.database(ctx)
	x.vswitchd(ctx)
	x.datapath(snap.DatapathTypes, ok)
	if ok {
		x.bridges(ctx, snap)
	}
	x.firewall(ctx, snap)
	return x.findings
}

type examination struct {
	cfg      config.Daemon
	findings []Finding
}

func (x *examination) say(level, topic, wayOut, format string, args ...any) {
	x.findings = append(x.findings, Finding{Level: level, Topic: topic, Text: fmt.Sprintf(format, args...), WayOut: wayOut})
}

// privileges looks for CAP_NET_ADMIN among the effective capabilities (proc(5), capabilities(7)).
func (x *examination) privileges() {
	const topic = "privileges"
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		x.say(FindingWarning, topic, "", "cannot be read: %v", err)
		return
	}
	for line := range strings.Lines(string(text)) {
		hex, ok := strings.CutPrefix(line, "CapEff:")
		if !ok {
			continue
		}
		mask, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
		switch {
		case err != nil:
			x.say(FindingWarning, topic, "", "cannot be read: %v", err)
		case mask&(1<<unix.CAP_NET_ADMIN) == 0:
			x.say(FindingWarning, topic, "run it with sudo to see what the daemon sees", "this command lacks CAP_NET_ADMIN")
		default:
			x.say(FindingOK, topic, "", "CAP_NET_ADMIN is there")
		}
		return
	}
}

// stateDir looks whether the journal can be kept.
func (x *examination) stateDir() {
	const topic = "state folder"
	dir := x.cfg.OwnState()
	fi, err := os.Stat(dir)
	switch {
	case os.IsNotExist(err):
		x.say(FindingNote, topic, "", "%s is not there yet; the daemon makes it", dir)
	case err != nil:
		x.say(FindingFault, topic, "make it readable, or set state_dir", "%v", err)
	case !fi.IsDir():
		x.say(FindingFault, topic, "remove it, or set state_dir", "%s is no folder", dir)
	case unix.Access(dir, unix.W_OK) != nil:
		x.say(FindingFault, topic, "make it writable for the daemon, or set state_dir", "%s cannot be written", dir)
	default:
		x.say(FindingOK, topic, "", "%s can be written", dir)
	}
}

// sysctls looks whether the gateway's settings can be written.
func (x *examination) sysctls() {
	const topic = "sysctls"
	dir := filepath.Join(x.cfg.ProcSys, "net")
	file := filepath.Join(dir, "ipv4", "ip_forward")
	if err := unix.Access(file, unix.W_OK); err != nil {
		x.say(FindingFault, topic, "run it as root; in a container, bind the host's /proc/sys and name it in proc_sys", "%s cannot be written: %v", file, err)
		return
	}
	if _, err := os.Stat(filepath.Join(dir, "ipv6")); err != nil {
		x.say(FindingWarning, topic, "boot without ipv6.disable=1 for networks with --ipv6", "%s can be written, but the kernel has no IPv6", dir)
		return
	}
	x.say(FindingOK, topic, "", "%s can be written", dir)
}

// The oldest Open vSwitch that ovsnet is tested with.
const oldestMajor, oldestMinor = 2, 17

// database asks for the version and for everything of ours.
func (x *examination) database(ctx context.Context) (ovsdb.Snapshot, bool) {
	const topic = "Open vSwitch database"
	ctx, cancel := context.WithTimeout(ctx, examineTimeout)
	defer cancel()
	c := ovsdb.New(ovsdb.Options{Endpoint: x.cfg.OVSDB, Owner: x.cfg.Owner})
	running, stop := context.WithCancel(ctx)
	var client errgroup.Group
	client.Go(func() error { return c.Run(running) })
	err := c.Wait(ctx)
	var snap ovsdb.Snapshot
	if err == nil {
		snap, err = c.Snapshot(ctx)
	}
	stop()
	if runErr := client.Wait(); err == nil && !errors.Is(runErr, context.Canceled) {
		err = runErr
	}
	if err != nil {
		x.say(FindingFault, topic, "", "%v", err)
		return snap, false
	}
	if v := snap.Version; v != "" && tooOld(v) {
		x.say(FindingFault, topic, "upgrade it", "version %s is older than %d.%d", v, oldestMajor, oldestMinor)
		return snap, true
	}
	version := "version " + snap.Version
	if snap.Version == "" {
		version = "no version said"
	}
	x.say(FindingOK, topic, "", "%s at %s", version, x.cfg.OVSDB)
	return snap, true
}

// tooOld compares the first two numbers of a version; one that cannot be read is not too old.
func tooOld(v string) bool {
	parts := strings.SplitN(v, ".", 3)
	if len(parts) < 2 {
		return false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return err1 == nil && err2 == nil && (major < oldestMajor || major == oldestMajor && minor < oldestMinor)
}

// vswitchd looks for a control socket of ovs-vswitchd (ovs-appctl(8)) that answers. The database may be up without it.
func (x *examination) vswitchd(ctx context.Context) {
	const topic = "ovs-vswitchd"
	ctls, err := filepath.Glob(filepath.Join(x.cfg.OVSRunDir, "ovs-vswitchd*.ctl"))
	if err != nil {
		x.say(FindingWarning, topic, "", "cannot be looked for in %s: %v", x.cfg.OVSRunDir, err)
		return
	}
	for _, ctl := range ctls {
		d := net.Dialer{Timeout: examineTimeout}
		conn, err := d.DialContext(ctx, "unix", ctl)
		if err != nil {
			continue
		}
		if conn.Close() == nil {
			x.say(FindingOK, topic, "", "answers at %s", ctl)
			return
		}
	}
	x.say(FindingFault, topic, "start openvswitch-switch (Debian, Ubuntu) or openvswitch (Fedora), or set ovs_run_dir",
		"no process answers in %s", x.cfg.OVSRunDir)
}

// datapath looks whether the datapath that the settings ask for is there.
func (x *examination) datapath(known []string, connected bool) {
	const topic = "datapath"
	best, err := ChooseDatapath(config.DatapathAuto)
	if err != nil {
		x.say(FindingWarning, topic, "", "the kernel does not say: %v", err)
		return
	}
	kernel, want := best.Name == config.DatapathSystem, x.cfg.Datapath
	if want == config.DatapathAuto {
		want = best.Name
	}
	if want == config.DatapathSystem && !kernel {
		x.say(FindingFault, topic, "load it (modprobe openvswitch), or set datapath to auto", "system is set, but the kernel has no openvswitch module")
		return
	}
	if connected && !slices.Contains(known, want) {
		x.say(FindingFault, topic, "install an Open vSwitch that has it, or set datapath", "%s is not among what ovs-vswitchd has: %s", want, strings.Join(known, ", "))
		return
	}
	if want == config.DatapathNetdev && !kernel {
		x.say(FindingNote, topic, "for more throughput load the module (modprobe openvswitch)", "netdev: the kernel has no openvswitch module, ovs-vswitchd forwards in userspace")
		return
	}
	x.say(FindingOK, topic, "", "%s", want)
}

// maxFaultyPorts bounds how many ports are named one by one.
const maxFaultyPorts = 10

// bridges asks each bridge of ours whether its OpenFlow socket answers, and the database which ports are broken.
func (x *examination) bridges(ctx context.Context, snap ovsdb.Snapshot) {
	const topic = "bridges"
	silent := 0
	for _, b := range snap.Bridges {
		if err := x.answers(ctx, b.Name); err != nil {
			silent++
			x.say(FindingFault, topic, "see ovs-vswitchd's log", "%s: %v", b.Name, err)
		}
	}
	broken := 0
	for _, p := range snap.Ports {
		if p.Error == "" {
			continue
		}
		if broken++; broken <= maxFaultyPorts {
			x.say(FindingWarning, topic, "the daemon's next audit mends it", "%s: port %s: %s", p.Bridge, p.Name, p.Error)
		}
	}
	if silent == 0 && broken == 0 {
		x.say(FindingOK, topic, "", "%d of ovsnet's with %d ports, all of them answer", len(snap.Bridges), len(snap.Ports))
	}
}

// answers does one round trip on the bridge's OpenFlow socket.
func (x *examination) answers(ctx context.Context, bridge string) error {
	ctx, cancel := context.WithTimeout(ctx, examineTimeout)
	defer cancel()
	conn, err := openflow.Dial(ctx, filepath.Join(x.cfg.OVSRunDir, bridge+".mgmt"), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	err = conn.Echo(ctx)
	if closeErr := conn.Close(); err == nil {
		err = closeErr
	}
	return err
}
