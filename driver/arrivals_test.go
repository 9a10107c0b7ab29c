// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration/ovstest"
	"github.com/ovsnet/ovsnet/ovsdb"
)

func arrivalsLoop() *loop {
	return &loop{log: slog.New(slog.DiscardHandler), commits: make(chan *commit, 1), wanted: make(chan struct{}, 1)}
}

// portSubmitted has commitPort make a port, and gives what it submitted and where it will say how that went.
func portSubmitted(ctx context.Context, l *loop) (*commit, <-chan portResult) {
	said := make(chan portResult, 1)
	go func() {
		number, err := l.commitPort(ctx, func() {}, ovsdb.Port{Bridge: "br", Name: "port"})
		said <- portResult{number, err}
	}()
	return <-l.commits, said
}

type portResult struct {
	number uint32
	err    error
}

// TestPortComesFirst: who waits for a port goes on when its bridge has it, and a transaction that fails then is for the audit.
func TestPortComesFirst(t *testing.T) {
	for name, failure := range map[string]error{"": nil, "fails": errors.New("no")} {
		l := arrivalsLoop()
		c, said := portSubmitted(t.Context(), l)
		l.arrivals.tell("br", "other", 1)
		l.arrivals.tell("other", "port", 2)
		l.arrivals.tell("br", "port", 3)
		l.arrivals.tell("br", "port", 4) // nobody is told twice
		if got := <-said; got.err != nil || got.number != 3 {
			t.Errorf("%s: %+v", name, got)
		}
		l.finish(c, failure)
		if got := len(l.wanted) == 1; got != (failure != nil) {
			t.Errorf("%s: an audit is asked for: %v", name, got)
		}
		if len(l.arrivals.waiting) > 0 {
			t.Errorf("%s: still waiting: %v", name, l.arrivals.waiting)
		}
	}
}

// TestTransactionComesFirst: a bridge whose news do not come keeps nobody.
func TestTransactionComesFirst(t *testing.T) {
	for name, failure := range map[string]error{"": nil, "fails": errors.New("no")} {
		l := arrivalsLoop()
		c, said := portSubmitted(t.Context(), l)
		c.results = []ovsdb.Result{{OFPort: 5}}
		l.finish(c, failure)
		l.arrivals.tell("br", "port", 6)
		if got := <-said; !errors.Is(got.err, failure) || failure == nil && got.number != 5 {
			t.Errorf("%s: %+v", name, got)
		}
		if len(l.wanted) > 0 {
			t.Errorf("%s: an audit is asked for, and the verb knows", name)
		}
	}
	l := arrivalsLoop()
	ctx, cancel := context.WithCancel(t.Context())
	_, said := portSubmitted(ctx, l)
	cancel()
	if got := <-said; !errors.Is(got.err, context.Canceled) {
		t.Errorf("%+v", got)
	}
}

// TestBridgeTellsOfPorts: the switch tells of a port that comes over the bridge's connection, though it is set up more than once.
func TestBridgeTellsOfPorts(t *testing.T) {
	c := newThrong(t, 0)
	c.settle()
	for _, port := range []string{"one", "two"} {
		came, forget := c.came.await(c.name, port)
		c.sw.Ctl(t, "add-port", c.name, port, "--", "set", "Interface", port, "type=internal")
		select {
		case number := <-came:
			if want := c.sw.Ctl(t, "get", "Interface", port, "ofport"); want != strconv.Itoa(int(number)) {
				t.Errorf("%s has number %d, and not %s", port, number, want)
			}
		case <-time.After(ovstest.Limit(10 * time.Second)):
			t.Errorf("nobody tells of %s", port)
		}
		forget()
	}
}
