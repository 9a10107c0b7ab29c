// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// State is what a machine or a host has, as sorted lines that begin with the
// kind of thing; two states are compared with Diff.
type State []string

// Diff tells what the second state lacks (-) and has more (+), one on a line;
// nothing when the states are equal.
func Diff(before, after State) string {
	count := map[string]int{}
	for _, line := range before {
		count[line]--
	}
	for _, line := range after {
		count[line]++
	}
	var diff []string
	for line, n := range count {
		for ; n < 0; n++ {
			diff = append(diff, "- "+line)
		}
		for ; n > 0; n-- {
			diff = append(diff, "+ "+line)
		}
	}
	slices.Sort(diff)
	return strings.Join(diff, "\n")
}

// Snapshot is the state of the host: links, addresses, routes, the switch's
// rows and flows, firewall rules, what it forwards, files of Docker's plugins, of Open vSwitch
// and of ovsnet, mounts and processes.
func (h *Host) Snapshot(tb testing.TB) State {
	tb.Helper()
	ns, err := netns.GetFromPath(h.NetNS())
	if err != nil {
		tb.Fatal(err)
	}
	defer ns.Close() //nolint:errcheck // only read from
	s := network(tb, ns)
	s = append(s, h.switchState(tb)...)
	for _, command := range []string{"iptables-save", "ip6tables-save"} {
		s = append(s, firewall(tb, h.enter(command, nil))...)
	}
	s = append(s, h.tables(tb)...)
	s = append(s, h.forwarding(tb)...)
	for _, dir := range []string{
		"/run/docker/plugins", "/run/openvswitch", "/run/ovsnet", "/var/lib/ovsnet", "/etc/ovsnet", "/etc/docker",
	} {
		s = append(s, files(tb, h.Path(""), dir)...)
	}
	s = append(s, mountPoints(tb, fmt.Sprintf("/proc/%d/mountinfo", h.pid))...)
	s = append(s, lines("process", h.processes(tb))...)
	s = slices.DeleteFunc(s, func(line string) bool { return strings.HasPrefix(line, "process ps ") })
	slices.Sort(s)
	return s
}

// shortLived are the driver's firewall commands.
var shortLived = regexp.MustCompile(`(^|[/ ])(nft|ip6?tables(-(nft|legacy))?)( |$)`)

// passing says whether a process, with its parent's command line beside its own, is one that comes and goes: one of the
// driver's firewall commands, a fork that is about to become one and has its parent's name until then, or one that has
// ended. Of that ps has but the name, in brackets, already before its parent can wait for it; threads of the kernel, which
// look the same, are in no host's process namespace.
func passing(line, parent string) bool {
	return shortLived.MatchString(line) || line == parent || strings.HasPrefix(line, "[")
}

// processes lists what runs on the host, when none of it is passing.
func (h *Host) processes(tb testing.TB) string {
	tb.Helper()
	var all []string
	err := ovstest.Poll(5*time.Second, func() error {
		args, parents := map[string]string{}, map[string]string{}
		for line := range strings.Lines(h.Run(tb, "ps -eo pid=,ppid=,args=")) {
			if f := strings.Fields(line); len(f) > 2 {
				parents[f[0]], args[f[0]] = f[1], strings.Join(f[2:], " ")
			}
		}
		all = slices.Collect(maps.Values(args))
		for pid, line := range args {
			if passing(line, args[parents[pid]]) {
				return fmt.Errorf("still runs: %s", line)
			}
		}
		return nil
	})
	if err != nil {
		tb.Log(err) // it stands in the snapshot, for the comparison to find
	}
	return strings.Join(all, "\n")
}

// Machine is the state of the machine that must not notice the lab: its root
// namespace's links, addresses, routes and firewall, its mounts, named network
// namespaces, control groups, and what Docker and Open vSwitch keep there.
func Machine(tb testing.TB) State {
	tb.Helper()
	ns, err := netns.Get()
	if err != nil {
		tb.Fatal(err)
	}
	defer ns.Close() //nolint:errcheck // only read from
	s := network(tb, ns)
	for _, command := range []string{"iptables-save", "ip6tables-save"} {
		s = append(s, firewall(tb, []string{command})...)
	}
	for _, dir := range []string{
		"/run/docker*", "/run/openvswitch", "/run/ovsnet", "/var/lib/ovsnet", "/etc/ovsnet", "/etc/docker", "/run/netns",
	} {
		s = append(s, files(tb, "/", dir)...)
	}
	s = append(s, mountPoints(tb, "/proc/self/mountinfo")...)
	for _, key := range []string{"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes", "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"} {
		text, err := os.ReadFile("/proc/sys/" + key)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			tb.Fatal(err)
		}
		s = append(s, "sysctl "+key+" = "+strings.TrimSpace(string(text)))
	}
	s = append(s, controlGroups(tb)...)
	slices.Sort(s)
	return s
}

// controlGroups are the folders of the control group hierarchies that labs and
// engines make, but for those of other tests that run at the same time.
func controlGroups(tb testing.TB) State {
	tb.Helper()
	var s State
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && e.IsDir() && labGroup.MatchString(e.Name()) {
			if !others(e.Name()) {
				s = append(s, "group "+path)
			}
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// others says whether a control group is of a lab of another process that lives.
func others(name string) bool {
	pid, _, _ := strings.Cut(strings.TrimPrefix(name, labPrefix), "-")
	n, err := strconv.Atoi(pid)
	return err == nil && n != os.Getpid() && unix.Kill(n, 0) == nil
}

// labGroup is a lab's control group, or one that an engine made, which should
// be inside.
var labGroup = regexp.MustCompile(`^(ovsnet-.*|docker|[0-9a-f]{64})$`)

// network is what a namespace has of links, global addresses and routes.
func network(tb testing.TB, ns netns.NsHandle) State {
	tb.Helper()
	handle, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		tb.Fatal(err)
	}
	defer handle.Close()
	links, err := retryDump(handle.LinkList)
	if err != nil {
		tb.Fatal(err)
	}
	var s State
	names := map[int]string{}
	for _, l := range links {
		a := l.Attrs()
		names[a.Index] = a.Name
		s = append(s, fmt.Sprintf("link %s %s mac %s mtu %d alias %q", a.Name, l.Type(), a.HardwareAddr, a.MTU, a.Alias))
	}
	addrs, err := retryDump(func() ([]netlink.Addr, error) { return handle.AddrList(nil, netlink.FAMILY_ALL) })
	if err != nil {
		tb.Fatal(err)
	}
	for _, a := range addrs {
		s = append(s, fmt.Sprintf("address %s on %s", a.IPNet, names[a.LinkIndex]))
	}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := retryDump(func() ([]netlink.Route, error) { return handle.RouteList(nil, family) })
		if err != nil {
			tb.Fatal(err)
		}
		for _, r := range routes {
			s = append(s, fmt.Sprintf("route %v via %v on %s", r.Dst, r.Gw, names[r.LinkIndex]))
		}
	}
	return s
}

// retryDump asks again while the kernel says that the answer is not whole.
func retryDump[T any](dump func() ([]T, error)) (all []T, err error) {
	for range 20 {
		all, err = dump()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return all, err
}

// switchState is what the host's switch has, when it runs. While a bridge goes between one question and the next, all are
// asked again.
func (h *Host) switchState(tb testing.TB) State {
	tb.Helper()
	if !h.vswitchd.running() {
		return nil
	}
	var s State
	err := ovstest.Poll(5*time.Second, func() (err error) { s, err = h.trySwitch(); return err })
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func (h *Host) trySwitch() (State, error) {
	var s State
	for _, table := range []string{"Bridge", "Port", "Interface"} {
		rows, err := h.Try("ovs-vsctl --format=csv --no-headings --columns=name,external_ids list " + table)
		if err != nil {
			return nil, err
		}
		s = append(s, lines("row "+table, rows)...)
	}
	bridges, err := h.Try("ovs-vsctl list-br")
	if err != nil {
		return nil, err
	}
	for _, bridge := range strings.Fields(bridges) {
		flows, err := h.tryFlows(bridge)
		if err != nil {
			return nil, err
		}
		s = append(s, lines("flow "+bridge, flows)...)
		groups, err := h.Try("ovs-ofctl -OOpenFlow15 dump-groups", bridge)
		if err != nil {
			return nil, err
		}
		for _, group := range lines("group "+bridge, groups) {
			// A group's buckets are a set.
			buckets := strings.Split(group, ",bucket=")
			slices.Sort(buckets[1:])
			s = append(s, strings.Join(buckets, ",bucket="))
		}
	}
	return s, nil
}

var counters = regexp.MustCompile(`^#.*|\[\d+:\d+\]`)

func firewall(tb testing.TB, command []string) State {
	tb.Helper()
	if _, err := output([]string{"which", command[len(command)-1]}, nil); err != nil {
		return nil
	}
	var s State
	table := ""
	for _, line := range lines(filepath.Base(command[len(command)-1]), must(tb, command, nil)) {
		kind, rule, _ := strings.Cut(line, " ")
		rule = strings.TrimSpace(counters.ReplaceAllString(rule, ""))
		if strings.HasPrefix(rule, "*") {
			table = rule
		}
		if rule != "" && rule != "COMMIT" {
			s = append(s, kind+" "+table+" "+rule)
		}
	}
	return s
}

// files lists what is under the folders that match the pattern.
func files(tb testing.TB, root, pattern string) State {
	tb.Helper()
	dirs, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil {
		tb.Fatal(err)
	}
	var s State
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if !strings.HasSuffix(path, ".ctl") { // Open vSwitch's, with its process id in the name
				s = append(s, "file /"+strings.TrimPrefix(strings.TrimPrefix(path, root), "/"))
			}
			return err
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	return s
}

func mountPoints(tb testing.TB, mountinfo string) State {
	tb.Helper()
	text, err := os.ReadFile(mountinfo)
	if err != nil {
		tb.Fatal(err)
	}
	var s State
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 4 {
			s = append(s, "mount "+f[4])
		}
	}
	return s
}

func lines(kind, text string) State {
	var s State
	for line := range strings.Lines(text) {
		s = append(s, kind+" "+strings.TrimRight(line, "\n"))
	}
	return s
}
