// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// The test binary starts itself again in two roles, told by its argv[0]: the
// janitor, which owns a host's control groups and its init, and the init.
const (
	janitorRole = "ovsnet-lab-janitor"
	initRole    = "ovsnet-lab-init"
)

func init() {
	if len(os.Args) != 3 {
		return
	}
	var err error
	switch os.Args[0] {
	case janitorRole:
		err = janitor(os.Args[1], os.Args[2])
	case initRole:
		err = hostInit(os.Args[2])
	default:
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, os.Args[0]+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// role makes the command that starts this binary again in a role.
func role(name, lab, host string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), "/proc/self/exe") // ended by closing its stdin
	cmd.Args = []string{name, lab, host}
	cmd.Stderr = os.Stderr
	return cmd
}

// janitor starts a host's init, says its process id and control groups on
// stdout, and ends the host when its own stdin is closed, which the kernel does for a dead test.
func janitor(lab, host string) error {
	runtime.LockOSThread() // the init is tied to this thread's life
	groups, err := makeGroups(lab + "-" + host)
	defer func() { removeGroups(groups) }()
	if err != nil {
		return err
	}
	cmd := role(initRole, lab, host)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	begin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	ready, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err = cmd.Start(); err != nil {
		return fmt.Errorf("new namespaces: %w", err)
	}
	defer func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		_ = cmd.Wait()
	}()
	for _, g := range groups {
		if err = os.WriteFile(filepath.Join(g, "cgroup.procs"), fmt.Appendln(nil, cmd.Process.Pid), 0); err != nil {
			return err
		}
	}
	if err = begin.Close(); err != nil {
		return err
	}
	if _, err = bufio.NewReader(ready).ReadString('\n'); err != nil {
		return fmt.Errorf("the init of host %s did not come up: %w", host, err)
	}
	fmt.Fprintln(os.Stdout, cmd.Process.Pid, strings.Join(groups, " "))
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// makeGroups makes a control group in every hierarchy, below the one that this
// process is in. Docker's and the plugin's own groups land in it.
func makeGroups(name string) ([]string, error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	var groups []string
	for line := range strings.Lines(strings.TrimSpace(string(own))) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			return groups, fmt.Errorf("/proc/self/cgroup: %q", line)
		}
		parent := hierarchy(f[1])
		if parent == "" {
			continue
		}
		parent = filepath.Join(parent, f[2])
		group := filepath.Join(parent, name)
		if err := os.Mkdir(group, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return groups, err
		}
		groups = append(groups, group)
		// A new cpuset is empty and takes no process until it is filled.
		for _, key := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(parent, key))
			if err != nil || f[1] == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(group, key), value, 0); err != nil {
				return groups, err
			}
		}
	}
	return groups, nil
}

// hierarchy is where the control groups of the named controllers are mounted;
// no controllers is the unified hierarchy.
func hierarchy(controllers string) string {
	names := []string{strings.TrimPrefix(controllers, "name=")}
	if controllers == "" {
		names = []string{"unified", "."}
	}
	for _, n := range names {
		dir := "/sys/fs/cgroup/" + n
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil {
			return dir
		}
	}
	return ""
}

// removeGroups removes control groups with those below them, as soon as the
// kernel has let go of the last process.
func removeGroups(groups []string) {
	deadline := time.Now().Add(ovstest.Limit(10 * time.Second))
	for _, group := range groups {
		for removeTree(group) != nil && time.Now().Before(deadline) {
			runtime.Gosched()
		}
	}
}

func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() {
			err = errors.Join(err, removeTree(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(err, os.Remove(dir))
}
