// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// holdEnv makes the test binary a second process that listens on its value and waits.
const holdEnv = "OVSNET_TEST_LISTEN"

func init() {
	path := os.Getenv(holdEnv)
	if path == "" {
		return
	}
	_, err := Listen(path, "")
	_, _ = os.Stdout.WriteString(fmtErr(err) + "\n")
	_, _ = os.Stdin.Read(make([]byte, 1))
	os.Exit(0) // without Close: as a process that is killed
}

func fmtErr(err error) string {
	if err != nil {
		return err.Error()
	}
	return "ok"
}

// hold starts such a process and returns what its Listen said and its end.
func hold(t *testing.T, path string) (string, func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), exe)
	cmd.Env = append(os.Environ(), holdEnv+"="+path)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err = errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() {
		_ = in.Close()
		if failed := cmd.Wait(); failed != nil {
			t.Error(failed)
		}
	})
	t.Cleanup(end)
	said, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(said), end
}

func mustListen(t *testing.T, path, group string) net.Listener {
	t.Helper()
	l, err := Listen(path, group)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func names(t *testing.T, dir string) string {
	t.Helper()
	es, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range es {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func TestListen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "docker", "plugins")
	path := filepath.Join(dir, "ovs.sock")
	l := mustListen(t, path, strconv.Itoa(os.Getgid()))
	fi, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode() != fs.ModeSocket|0o660 {
		t.Errorf("mode %s", fi.Mode())
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder that Listen made was left behind: %v", err)
	}
}

func TestListenGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	if _, err := Listen(path, "no-such-group-here"); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "group no-such-group-here") {
		t.Errorf("unknown group: %v", err)
	}
	if os.Geteuid() != 0 {
		t.Log("not root: no other group to give the socket to")
		return
	}
	for group, gid := range map[string]uint32{"daemon": 1, "root": 0, "4711": 4711} {
		l := mustListen(t, path, group)
		fi, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if st, ok := fi.Sys().(*syscall.Stat_t); !ok || st.Gid != gid || st.Uid != 0 {
			t.Errorf("%s: owner %+v", group, fi.Sys())
		}
		_ = l.Close()
	}
}

// TestListenTwice proves that a second one is refused, in this process and in
// another, and disturbs nothing.
func TestListenTwice(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.sock")
	l := mustListen(t, path, "")
	if _, err := Listen(path, ""); !errors.Is(err, ErrRunning) {
		t.Errorf("in this process: %v", err)
	}
	if said, _ := hold(t, path); !strings.Contains(said, "is in use: ovsnet is running already") {
		t.Errorf("in another process: %s", said)
	}
	if c, err := net.Dial("unix", path); err != nil {
		t.Errorf("the first one was disturbed: %v", err)
	} else {
		_ = c.Close()
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := mustListen(t, path, "").Close(); err != nil {
		t.Errorf("after the first one ended: %v", err)
	}
	if got := names(t, dir); got != "" {
		t.Errorf("left behind: %s", got)
	}
}

// TestListenStale proves that what a killed process left is replaced.
func TestListenStale(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.sock")
	said, kill := hold(t, path)
	if said != "ok" {
		t.Fatal(said)
	}
	if _, err := Listen(path, ""); !errors.Is(err, ErrRunning) {
		t.Errorf("while it runs: %v", err)
	}
	kill()
	if got := names(t, dir); got != "s.sock s.sock.lock" {
		t.Fatalf("the killed process left %q", got)
	}
	mustListen(t, path, "")
}

func TestListenOnOthers(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(file, ""); err == nil || !strings.Contains(err.Error(), "exists and is not a socket") {
		t.Errorf("a file: %v", err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("the file is lost: %q %v", b, err)
	}

	other := filepath.Join(dir, "other.sock")
	l, err := net.Listen("unix", other)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if _, err := Listen(other, ""); !errors.Is(err, ErrRunning) || !strings.Contains(err.Error(), "by another program") {
		t.Errorf("another program's socket: %v", err)
	}
	if got := names(t, dir); got != "file other.sock" {
		t.Errorf("left: %s", got)
	}
	if _, err := Listen(file+"/s.sock", ""); err == nil {
		t.Error("a folder that is a file")
	}
}

// TestCloseSparesOthers proves that Close removes no socket but its own.
func TestCloseSparesOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	l := mustListen(t, path, "")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the other's socket is gone: %v", err)
	}
}

// TestListenRace lets many try for one socket, again and again: one at a time wins.
func TestListenRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	var wg sync.WaitGroup
	var mu sync.Mutex // held by the winner
	for range 8 {
		wg.Go(func() {
			for won := 0; won < 10; {
				l, err := Listen(path, "")
				if errors.Is(err, ErrRunning) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if !mu.TryLock() {
					t.Error("two listen")
				}
				won++
				mu.Unlock()
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// TestLastOneTakesTheFolder: two installations share ovsnet's own folder; it goes with the last, whoever made it.
func TestLastOneTakesTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ovsnet")
	one, err := Listen(filepath.Join(dir, "ovsnet.sock"), "")
	if err != nil {
		t.Fatal(err)
	}
	two, err := Listen(filepath.Join(dir, "other.sock"), "")
	if err != nil {
		t.Fatal(err)
	}
	if err = one.Close(); err != nil {
		t.Error(err)
	}
	if _, err = os.Stat(filepath.Join(dir, "other.sock")); err != nil {
		t.Error(err)
	}
	if err = two.Close(); err != nil {
		t.Error(err)
	}
	if _, err = os.Stat(dir); err == nil {
		t.Error("the folder is left")
	}
}
