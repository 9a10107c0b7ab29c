// SPDX-License-Identifier: Apache-2.0

package ovsdb_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration/ovstest"
	"github.com/ovsnet/ovsnet/ovsdb"
)

// record is a log that a test reads while it is written.
type record struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(p)
}

func (r *record) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Split(strings.TrimSpace(r.buf.String()), "\n")
}

func (r *record) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

func connected(e ovsdb.Event) bool { return e.Connected }

func TestUnavailable(t *testing.T) {
	dir := t.TempDir()
	refusing := filepath.Join(dir, "file")
	if err := os.WriteFile(refusing, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ endpoint, text string }{
		"no socket": {
			"unix:" + dir + "/db.sock",
			"no such file or directory; start openvswitch-switch, or correct the setting ovsdb",
		},
		"nobody listens": {
			"unix:" + refusing,
			"connection refused; start openvswitch-switch, or correct the setting ovsdb",
		},
		"relative": {
			"unix:db.sock",
			"not an endpoint of the form unix:/path or tcp:address:port; correct the setting ovsdb",
		},
		"empty": {
			"",
			"not an endpoint of the form unix:/path or tcp:address:port; correct the setting ovsdb",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log record
			c := run(t, ovsdb.Options{Endpoint: test.endpoint, Log: log.logger(), Reconnect: time.Millisecond})
			want := "Open vSwitch is not reachable at " + test.endpoint + ": " + test.text
			err := ovstest.Poll(patience, func() error {
				if err := c.Check(); !errors.Is(err, ovsdb.ErrUnavailable) || err.Error() != want {
					return err
				}
				return nil
			})
			if err != nil {
				t.Fatalf("got %q, want %q", err, want)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			if err := c.Wait(ctx); !errors.Is(err, ovsdb.ErrUnavailable) || err.Error() != want {
				t.Errorf("Wait: %v", err)
			}
			if err := commit(t, c, ovsdb.RemovePort{Name: "p"}).Err; !errors.Is(err, ovsdb.ErrUnavailable) {
				t.Errorf("Commit: %v", err)
			}
			if _, err := c.Snapshot(ctx); !errors.Is(err, ovsdb.ErrUnavailable) {
				t.Errorf("Snapshot: %v", err)
			}
			if _, err := c.Bridge("b"); !errors.Is(err, ovsdb.ErrUnavailable) {
				t.Errorf("Bridge: %v", err)
			}
			if _, err := c.Port("p"); !errors.Is(err, ovsdb.ErrUnavailable) {
				t.Errorf("Port: %v", err)
			}
			if lines := log.lines(); len(lines) > 1 {
				t.Errorf("many attempts made %d records:\n%s", len(lines), strings.Join(lines, "\n"))
			}
		})
	}
}

func TestNotRunning(t *testing.T) {
	c := ovsdb.New(ovsdb.Options{Endpoint: "unix:/nowhere/db.sock"})
	want := "Open vSwitch is not reachable at unix:/nowhere/db.sock: not connected yet; start openvswitch-switch"
	if err := c.Check(); err == nil || err.Error() != want {
		t.Errorf("Check: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := c.Run(ctx); err == nil {
		t.Error("a second Run")
	}
}

func TestDatabaseRestarts(t *testing.T) {
	s := ovstest.Start(t)
	var log record
	c := run(t, ovsdb.Options{Endpoint: s.DB, Log: log.logger()})
	event(t, c, connected)
	must(t, c, ovsdb.EnsureBridge{Bridge: testBridge("br-a")}, ovsdb.EnsurePort{Port: testPort("br-a", "p1")})

	s.KillDB(t)
	err := ovstest.Poll(patience, func() error {
		if err := commit(t, c, ovsdb.RemovePort{Name: "p1"}).Err; !errors.Is(err, ovsdb.ErrUnavailable) {
			return errors.New("still connected")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.StartDB(t)
	event(t, c, connected)
	if p, failed := c.Port("p1"); failed != nil || p.OFPort == 0 {
		t.Errorf("port after the restart: %+v, %v", p, failed)
	}
	must(t, c, ovsdb.EnsurePort{Port: testPort("br-a", "p1")}, ovsdb.EnsurePort{Port: testPort("br-a", "p2")})

	// The database comes back empty, at first without its one row.
	s.StopDB(t)
	wipe(t, s)
	s.StartDB(t)
	err = ovstest.Poll(patience, func() error {
		if state := c.Check(); state == nil || !strings.Contains(state.Error(), "the database holds no Open_vSwitch row; start openvswitch-switch") {
			return errors.New("no such state")
		}
		return nil
	})
	if err != nil {
		t.Errorf("%v: %v", err, c.Check())
	}
	s.Ctl(t, "--no-wait", "init")
	event(t, c, connected)
	if snapshot, err := c.Snapshot(deadline(t)); err != nil || len(snapshot.Bridges)+len(snapshot.Ports) != 0 {
		t.Errorf("an empty database shows %+v, %v", snapshot, err)
	}
	must(t, c, ovsdb.EnsureBridge{Bridge: testBridge("br-a")}, ovsdb.EnsurePort{Port: testPort("br-a", "p1")})
	for _, line := range log.lines() {
		t.Log(line)
	}
	if n := len(log.lines()); n > 10 {
		t.Errorf("%d log records for two restarts", n)
	}
}

// TestReconnectsFirst: the client is back at a database before ovs-vswitchd, which waits a second at least: what an empty one
// lacks is written before ovs-vswitchd would remove its bridges for it. Of three times one counts, on a machine that may be busy.
func TestReconnectsFirst(t *testing.T) {
	s := ovstest.Start(t)
	c := run(t, ovsdb.Options{Endpoint: s.DB, Reconnect: -1}) // the default
	event(t, c, connected)
	least := patience
	for range 3 {
		s.KillDB(t)
		s.StartDB(t)
		begin := time.Now()
		event(t, c, connected)
		least = min(least, time.Since(begin))
	}
	if least > 400*time.Millisecond {
		t.Errorf("connected %v after the database was there", least)
	}
}

func TestVSwitchdStopped(t *testing.T) {
	s := ovstest.Start(t)
	c := connect(t, s)
	must(t, c, ovsdb.EnsureBridge{Bridge: testBridge("br-a")})
	s.StopVSwitchd(t)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	err := c.Commit(ctx, []ovsdb.Change{ovsdb.EnsurePort{Port: testPort("br-a", "p1")}})[0].Err
	if !errors.Is(err, ovsdb.ErrNotApplied) || !errors.Is(err, context.DeadlineExceeded) ||
		!strings.Contains(err.Error(), "port p1: ovs-vswitchd does not answer (transaction ") {
		t.Errorf("error %v", err)
	}
	// The row is there, and the same wish waits for its number.
	s.StartVSwitchd(t)
	if r := must(t, c, ovsdb.EnsurePort{Port: testPort("br-a", "p1")}); r[0].OFPort == 0 {
		t.Error("no number")
	}
}

func TestDatabaseHangs(t *testing.T) {
	s := ovstest.Start(t)
	c := connect(t, s)
	id := serverOf(t, s)
	if err := syscall.Kill(id, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	// More than a socket's buffer takes, so that the write blocks too.
	big := testBridge("br-a")
	big.OtherConfig = map[string]string{"big": strings.Repeat("x", 1<<20)}
	for _, bridge := range []ovsdb.Bridge{testBridge("br-a"), big} {
		err := c.Commit(ctx, []ovsdb.Change{ovsdb.EnsureBridge{Bridge: bridge}})[0].Err
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	}
	if err := syscall.Kill(id, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	must(t, c, ovsdb.EnsureBridge{Bridge: testBridge("br-a")})
}

func TestEvents(t *testing.T) {
	s := ovstest.Start(t)
	c := run(t, ovsdb.Options{Endpoint: s.DB})
	event(t, c, connected)
	ensure := []ovsdb.Change{ovsdb.EnsureBridge{Bridge: testBridge("br-a")}, ovsdb.EnsurePort{Port: testPort("br-a", "p1")}}
	brief := []ovsdb.Change{ovsdb.EnsureBridge{Bridge: testBridge("br-b")}, ovsdb.EnsurePort{Port: testPort("br-b", "p2")}}
	remove := []ovsdb.Change{ovsdb.RemovePort{Bridge: "br-b", Name: "p2"}, ovsdb.RemoveBridge{Name: "br-b"}}
	rows := func(e ovsdb.Event) bool { return e.Rows }

	// Our own changes, a stranger's rows and statistics are not told.
	must(t, c, ensure...)
	must(t, c, brief...)
	must(t, c, ensure...)
	must(t, c, remove...)
	s.AddBridge(t, "br-x")
	s.Ctl(t, "set", "Interface", "br-x", "mtu_request=900")
	select {
	case e := <-c.Changed():
		t.Errorf("event %+v without a reason", e)
	default:
	}
	for name, args := range map[string][]string{
		"port removed":     {"del-port", "p1"},
		"bridge changed":   {"set", "Bridge", "br-a", "fail_mode=standalone"},
		"identity changed": {"set", "Interface", "p1", "external_ids:attached-mac=0a:00:00:00:00:03"},
		"mark removed":     {"remove", "Port", "p1", "external_ids", "ovsnet-owner"},
		"number changed":   {"set", "Interface", "p1", "ofport_request=99"},
		"bridge removed":   {"del-br", "br-a"},
	} {
		t.Run(name, func(t *testing.T) {
			s.Ctl(t, args...)
			event(t, c, rows)
			if name == "mark removed" {
				// Without it the port is a stranger's, and Ensure would say so.
				s.Ctl(t, "set", "Port", "p1", "external_ids:ovsnet-owner=ovsnet")
			}
			must(t, c, ensure...)
		})
	}
}
