// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// hostInit is the first process of a host: it lays out the host's own file
// systems, says so on stdout, and then buries orphans until it is killed.
func hostInit(host string) error {
	// The janitor puts this process into its control groups first.
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(host)); err != nil {
		return err
	}
	if err := mounts(); err != nil {
		return err
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	fmt.Fprintln(os.Stdout, "ready")
	for range children {
		for {
			pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
			if pid <= 0 && !errors.Is(err, unix.EINTR) {
				break
			}
		}
	}
	return nil
}

// ownUnified shows the host its own part of the unified hierarchy where that
// stands beside the older ones: runc makes groups there from the top.
func ownUnified() error {
	const unified = "/sys/fs/cgroup/unified"
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(groups)) {
		own, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if _, err := os.Stat(unified + "/cgroup.procs"); !ok || err != nil {
			continue
		}
		if err := unix.Mount(unified+own, unified, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", unified, err)
		}
	}
	return nil
}

func loopbackUp() error {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer handle.Close()
	lo, err := handle.LinkByName("lo")
	if err != nil {
		return err
	}
	return handle.LinkSetUp(lo)
}

type mount struct {
	source, target, kind string
	flags                uintptr
	data                 string
}

// mounts gives the host a /proc, /sys, /run and /var/lib of its own, and an
// /etc that it may write to without changing the machine's.
func mounts() error {
	const (
		lab   = "/run/lab"
		quiet = unix.MS_NOSUID | unix.MS_NODEV
	)
	for _, m := range []mount{
		{"none", "/", "", unix.MS_REC | unix.MS_PRIVATE, ""},
		{"tmpfs", "/run", "tmpfs", quiet, "mode=755"},
		{"proc", "/proc", "proc", quiet | unix.MS_NOEXEC, ""},
		// dockerd raises kernel.keys.*, which is the whole machine's.
		{"/proc/sys/kernel", "/proc/sys/kernel", "", unix.MS_BIND, ""},
		{"none", "/proc/sys/kernel", "", unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY, ""},
		{"/sys/fs/cgroup", lab + "/cgroup", "", unix.MS_BIND | unix.MS_REC, ""},
		{"sysfs", "/sys", "sysfs", quiet | unix.MS_NOEXEC, ""},
		{lab + "/cgroup", "/sys/fs/cgroup", "", unix.MS_MOVE, ""},
		{"tmpfs", "/var/lib", "tmpfs", quiet, "mode=755"},
		{"overlay", "/etc", "overlay", 0, "lowerdir=/etc,upperdir=" + lab + "/etc,workdir=" + lab + "/work"},
	} {
		if m.target == lab+"/cgroup" {
			for _, dir := range []string{m.target, lab + "/etc", lab + "/work", "/run/openvswitch", "/run/log"} {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					return err
				}
			}
		}
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, m.data); err != nil {
			return fmt.Errorf("mount %s on %s: %w", m.source, m.target, err)
		}
	}
	if err := ownUnified(); err != nil {
		return err
	}
	// There is no name server to be had here; who asks should hear so at once.
	// The file may be a link into the machine's /run.
	if err := os.Remove("/etc/resolv.conf"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.WriteFile("/etc/resolv.conf", []byte("nameserver 192.0.2.53\noptions timeout:1 attempts:1\n"), 0o644); err != nil {
		return err
	}
	// Whatever the machine's engine is told in /etc/docker is not for this one.
	return os.WriteFile("/run/daemon.json", []byte("{}\n"), 0o600)
}
