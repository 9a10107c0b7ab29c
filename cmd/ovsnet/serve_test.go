// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/driver"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// patience is how long a test waits for what takes milliseconds.
const patience = 30 * time.Second

// text is a buffer that a running command writes to while a test reads.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *text) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *text) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// serving is one "ovsnet serve" of a test's own.
type serving struct {
	environ        []string
	socket, plugin string
	status         string
	log            text
	stop           context.CancelFunc
	ended          chan int
}

// environment gives settings under which nothing of the machine is touched.
func environment(t *testing.T, ovsdb string) (*serving, string) {
	t.Helper()
	dir := t.TempDir()
	s := &serving{
		socket: filepath.Join(dir, "ovs.sock"), plugin: filepath.Join(dir, "ovsnet.sock"), status: filepath.Join(dir, "status.sock"),
		ended: make(chan int, 1),
	}
	file := filepath.Join(dir, "ovsnet.yaml")
	if err := os.WriteFile(file, []byte("mtu: 1400\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.environ = []string{
		"OVSNET_CONFIG=" + file, "OVSNET_OVSDB=" + ovsdb, "OVSNET_SOCKET=" + s.socket, "OVSNET_PLUGIN_SOCKET=" + s.plugin,
		"OVSNET_STATUS_SOCKET=" + s.status, "OVSNET_STATE_DIR=" + filepath.Join(dir, "state"), "OVSNET_SCOPE=global",
		"OVSNET_SOCKET_GROUP=" + group(), "OVSNET_DATAPATH=netdev",
	}
	return s, dir
}

// group is one that this process may give to a file.
func group() string {
	text, err := json.Marshal(os.Getgid())
	if err != nil {
		return "root"
	}
	return string(text)
}

// start runs "ovsnet serve" until it has told systemd, played by the test, that it is ready.
func (s *serving) start(t *testing.T, dir string) *net.UnixConn {
	t.Helper()
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := notify.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("NOTIFY_SOCKET", notify.LocalAddr().String())
	ctx, stop := context.WithCancel(t.Context())
	s.stop = stop
	go func() { s.ended <- run(ctx, []string{"serve", "--log-level=debug"}, s.environ, &s.log, &s.log) }()
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("log of the daemon:\n%s", s.log.String())
		}
	})
	expect(t, notify, "READY=1", s)
	return notify
}

// expect waits for one message to systemd.
func expect(t *testing.T, notify *net.UnixConn, want string, s *serving) {
	t.Helper()
	if err := notify.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := notify.Read(b)
	if err != nil || string(b[:n]) != want {
		t.Fatalf("systemd was told %q, %v, want %q; log:\n%s", b[:n], err, want, s.log.String())
	}
}

// call posts as Docker does.
func call(t *testing.T, socket, path string) string {
	t.Helper()
	answer, err := ask(t.Context(), socket, http.MethodPost, path)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return string(answer)
}

// ovsnet runs a command to its end.
func (s *serving) ovsnet(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var out text
	return run(t.Context(), args, s.environ, &out, &out), out.String()
}

func TestServe(t *testing.T) {
	sw := ovstest.Start(t)
	s, dir := environment(t, sw.DB)
	notify := s.start(t, dir)

	for socket, scope := range map[string]string{s.socket: `"Scope":"local"`, s.plugin: `"Scope":"global"`} {
		if got := call(t, socket, "/Plugin.Activate"); !strings.Contains(got, "NetworkDriver") {
			t.Errorf("%s: activation answers %s", socket, got)
		}
		if got := call(t, socket, "/NetworkDriver.GetCapabilities"); !strings.Contains(got, scope) {
			t.Errorf("%s: capabilities are %s, want %s", socket, got, scope)
		}
		if fi, err := os.Stat(socket); err != nil || fi.Mode().Perm() != 0o660 {
			t.Errorf("%s: %v, %v, want mode 0660", socket, fi.Mode(), err)
		}
	}

	if err := ovstest.Poll(patience, func() error {
		answer, err := ask(t.Context(), s.status, http.MethodGet, statusPath)
		if err != nil {
			return err
		}
		var st driver.Status
		if err := json.Unmarshal(answer, &st); err != nil || st.OVS.Connected {
			return err
		}
		return &net.AddrError{Err: st.OVS.Error, Addr: s.status}
	}); err != nil {
		t.Fatal(err)
	}
	if code, out := s.ovsnet(t, "status"); code != 0 || !strings.Contains(out, "connected at "+sw.DB) {
		t.Errorf("status %d:\n%s", code, out)
	}
	if code, out := s.ovsnet(t, "status", "--json"); code != 0 || !json.Valid([]byte(out)) {
		t.Errorf("status --json %d:\n%s", code, out)
	}
	if code, out := s.ovsnet(t, "serve"); code == 0 || !strings.Contains(out, "running already") {
		t.Errorf("a second one: exit status %d, %s", code, out)
	}

	s.stop()
	expect(t, notify, "STOPPING=1", s)
	select {
	case code := <-s.ended:
		if code != 0 {
			t.Errorf("exit status %d", code)
		}
	case <-time.After(patience):
		t.Fatal("does not end")
	}
	for _, socket := range []string{s.socket, s.plugin, s.status} {
		if _, err := os.Lstat(socket); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", socket, err)
		}
	}
	if code, out := s.ovsnet(t, "status"); code == 0 || !strings.Contains(out, "does not answer") {
		t.Errorf("status of an ended daemon %d: %s", code, out)
	}
}

// TestServeWithoutOpenVSwitch: the doors are open, and what Docker is told names what is missing.
func TestServeWithoutOpenVSwitch(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "db.sock")
	s, at := environment(t, "unix:"+missing)
	s.start(t, at)
	if got := call(t, s.socket, "/NetworkDriver.GetCapabilities"); !strings.Contains(got, "Scope") {
		t.Errorf("capabilities: %s", got)
	}
	if code, out := s.ovsnet(t, "status"); code != 0 || !strings.Contains(out, "NOT connected") || !strings.Contains(out, missing) {
		t.Errorf("status %d:\n%s", code, out)
	}
	if code, out := s.ovsnet(t, "doctor"); code != 1 || !strings.Contains(out, "Open vSwitch is not reachable at unix:"+missing) {
		t.Errorf("doctor %d:\n%s", code, out)
	}
	s.stop()
	if code := <-s.ended; code != 0 {
		t.Errorf("exit status %d", code)
	}
}

func TestServeNeedsADoor(t *testing.T) {
	s, _ := environment(t, "unix:/nowhere")
	s.environ = append(s.environ, "OVSNET_SOCKET=none", "OVSNET_PLUGIN_SOCKET=none")
	if code, out := s.ovsnet(t, "serve"); code != 1 || !strings.Contains(out, "no socket to serve") {
		t.Errorf("exit status %d: %s", code, out)
	}
}

// TestReload: SIGHUP takes over the peers of the file; settings that are wrong change nothing, others are for a restart.
func TestReload(t *testing.T) {
	s, dir := environment(t, "unix:/nowhere/db.sock")
	s.start(t, dir)
	file := filepath.Join(dir, "ovsnet.yaml")
	for _, c := range []struct{ file, says string }{
		{"mtu: 1400\npeers: [192.0.2.7, fd00::7]\n", `msg="settings read again" peers="[192.0.2.7 fd00::7]"`},
		{"mtu: 1400\npeers: [300.1.1.1]\n", "going on with those before"},
		{"mtu: 1300\npeers: [192.0.2.8]\n", "settings other than peers have changed"},
	} {
		if err := os.WriteFile(file, []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		if err := ovstest.Poll(patience, func() error {
			if strings.Contains(s.log.String(), c.says) {
				return nil
			}
			return &missing{s.log.String()}
		}); err != nil {
			t.Fatalf("%q: %v", c.says, err)
		}
	}
	if n := strings.Count(s.log.String(), "other than peers"); n != 1 {
		t.Errorf("other settings were found changed %d times", n)
	}
	s.stop()
	if code := <-s.ended; code != 0 {
		t.Errorf("exit status %d", code)
	}
}
