// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/flows/openflow"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// newCrowd is a throng whose first endpoints are there and whose spares are open.
func newCrowd(t *testing.T, more int) *throng {
	t.Helper()
	c := newThrong(t, crowdedFrom+more)
	if err := c.make(c.ends[:crowdedFrom]...); err != nil {
		t.Fatal(err)
	}
	c.holds()
	c.ends = c.ends[crowdedFrom:]
	return c
}

// flowsLoop is the part of a loop that programs the bridge.
func (c *throng) flowsLoop() *loop {
	c.t.Helper()
	d := &Driver{log: c.log}
	d.cfg.VerbTimeout = ovstest.Limit(20 * time.Second)
	l := newLoop(d)
	l.bridges[c.name] = c.bridge
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.t.Context()))
	var running sync.WaitGroup
	running.Go(func() { _ = l.runFlows(ctx) }) // it ends with ctx
	c.t.Cleanup(func() {
		cancel()
		running.Wait()
		close(l.stop)
		l.watch.Wait()
	})
	return l
}

// askedFor gives each change to a verb of its own.
func askedFor(changes []flowChange) []*programming {
	var parts []*programming
	for _, fc := range changes {
		parts = append(parts, &programming{flows: []flowChange{fc}, done: make(chan error, 1)})
	}
	return parts
}

// passes sends parts beside others, which must be possible.
func (c *throng) passes(l *loop, parts []*programming) <-chan struct{} {
	c.t.Helper()
	answered := l.pass(c.t.Context(), c.bridge, parts)
	if answered == nil {
		c.t.Fatal("they do not pass")
	}
	return answered
}

func (c *throng) briefly(call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Millisecond)
	defer cancel()
	return call(ctx)
}

// TestPass: what is new on a crowded bridge goes beside what the switch has not answered yet; what needs the bridge whole waits
// for all of it.
func TestPass(t *testing.T) {
	c := newCrowd(t, 40)
	l := c.flowsLoop()
	c.sw.PauseVSwitchd(t)
	batches := [][]*programming{askedFor(c.ends[:1]), askedFor(c.ends[1:30]), askedFor(c.ends[30:])}
	var answers []<-chan struct{}
	for _, parts := range batches {
		answers = append(answers, c.passes(l, parts))
	}
	if err := c.briefly(c.hold); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("somebody else has the bridge whole: %v", err)
	}
	if err := c.briefly(c.holdPart); err != nil {
		t.Errorf("a part of the bridge: %v", err)
	} else {
		c.letPartGo()
	}
	select {
	case <-answers[0]:
		t.Error("answered by a switch that sleeps")
	default:
	}
	c.sw.ResumeVSwitchd(t)
	for i, parts := range batches {
		<-answers[i]
		for _, p := range parts {
			if err := <-p.done; err != nil {
				t.Error(err)
			}
		}
	}
	c.holds()
}

// TestLanePasses: a lane does not wait for the answer to what comes first, and sends together what follows: after a moment,
// when there are many, or when the first is answered.
func TestLanePasses(t *testing.T) {
	const first, many = 1, spreadFrom
	for name, tt := range map[string]struct {
		together time.Duration
		answered bool
		more     int
	}{
		"after a moment":             {time.Millisecond, false, 2},
		"when there are many":        {time.Hour, false, many},
		"when the first is answered": {time.Hour, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(t, first+tt.more)
			l := c.flowsLoop()
			l.lanes.together = tt.together
			c.sw.PauseVSwitchd(t)
			parts := askedFor(c.ends)
			l.flows <- parts[0]
			c.comes(c.ends[0])
			l.flows <- parts[first]
			if tt.together == time.Hour && ovstest.Poll(20*time.Millisecond, func() error { return c.waits(c.ends[first]) }) == nil {
				t.Error("one goes alone")
			}
			for _, p := range parts[first+1:] {
				l.flows <- p
			}
			if tt.answered {
				c.sw.ResumeVSwitchd(t)
			}
			c.comes(c.ends[first:]...)
			if !tt.answered {
				c.sw.ResumeVSwitchd(t)
			}
			for _, p := range parts {
				if err := <-p.done; err != nil {
					t.Error(err)
				}
			}
			c.holds()
		})
	}
}

// comes waits until endpoints' flows are on their way to the switch.
func (c *throng) comes(ends ...flowChange) {
	c.t.Helper()
	if err := ovstest.Poll(10*time.Second, func() error { return c.waits(ends...) }); err != nil {
		c.t.Error(err)
	}
}

// waits is an error while flows of one of the endpoints wait.
func (c *throng) waits(ends ...flowChange) error {
	for _, fc := range ends {
		if !c.has(fc) {
			return fmt.Errorf("%s waits", fc.object)
		}
	}
	return nil
}

// has says whether the bridge is to have an endpoint's flows, and is at it.
func (c *throng) has(fc flowChange) bool {
	c.sharing.Lock()
	defer c.sharing.Unlock()
	_, ok := c.objects[fc.object]
	return ok
}

// TestShare: what must not go beside others.
func TestShare(t *testing.T) {
	c := newCrowd(t, 2)
	one := c.ends[:1]
	there := func() {
		if err := c.make(one...); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		set, undo func()
		changes   []flowChange
	}{
		"it is there":                {there, func() {}, one},
		"it goes":                    {func() {}, func() {}, []flowChange{{bridge: c.name, object: one[0].object}}},
		"one twice":                  {func() {}, func() {}, []flowChange{c.ends[1], c.ends[1]}},
		"the bridge is unsure":       {func() { c.unsure = true }, func() { c.unsure = false }, c.ends[1:]},
		"the bridge is held":         {func() { _ = c.tryHold() }, c.letGo, c.ends[1:]},
		"a spare is not there":       {func() { c.closeSpare(5) }, func() { c.settle() }, c.ends[1:]},
		"no connection is left":      {c.close, func() { c.settle() }, c.ends[1:]},
		"its own connection is lost": {func() { _ = c.conn.Close() }, func() { c.settle() }, c.ends[1:]},
	} {
		tt.set()
		if c.share(tt.changes) {
			t.Errorf("%s: shared", name)
			c.letPartGo()
		}
		tt.undo()
		if !c.tryHold() {
			t.Fatalf("%s: a part of it is still held", name)
		}
		c.letGo()
	}
	if !c.share(c.ends[1:]) {
		t.Fatal("nothing is against it")
	}
	c.end()
	if !c.alive() {
		t.Error("the connection of a bridge that was removed is closed while somebody uses it")
	}
	if err := c.add(t.Context(), c.ends[1:]); err != nil {
		t.Error(err)
	}
	if c.alive() || c.openSpares() > 0 {
		t.Error("connections outlive the bridge that was removed")
	}
}

// TestAddRefused: what a switch has made of changes that it refused beside others, the next change takes back; what failed so
// does not go beside others again.
func TestAddRefused(t *testing.T) {
	c := newCrowd(t, 2)
	l := c.flowsLoop()
	bad := refusable(*c.ends[0].compiled)
	c.ends[0].compiled = &bad
	if !c.share(c.ends[:1]) {
		t.Fatal("nothing is against it")
	}
	var refused *openflow.RefusedError
	if err := c.add(t.Context(), c.ends[:1]); !errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
	if !c.alive() || c.openSpares() < spreadOver {
		t.Error("connections are closed for what was refused")
	}
	if err := c.make(c.ends[1]); err != nil {
		t.Fatal(err)
	}
	c.holds()
	parts := askedFor(c.ends[:1])
	parts[0].alone = true
	if l.pass(t.Context(), c.bridge, parts) != nil {
		t.Error("what failed beside others passes again")
	}
}

// TestPassRefused: of what goes together beside others, a bad one fails alone.
func TestPassRefused(t *testing.T) {
	c := newCrowd(t, 20)
	l := c.flowsLoop()
	bad := refusable(*c.ends[7].compiled)
	c.ends[7].compiled = &bad
	parts := askedFor(c.ends)
	<-c.passes(l, parts)
	for i, p := range parts {
		err := <-p.done
		var refused *openflow.RefusedError
		if i == 7 && !errors.As(err, &refused) || i != 7 && err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	c.holds()
	if c.has(c.ends[7]) {
		t.Error("the bridge is to have what was refused")
	}
}

// TestPassIsLost: when the switch goes on the way, what went beside others is made once it is back, but for what its verb waits
// for no more.
func TestPassIsLost(t *testing.T) {
	c := newCrowd(t, 20)
	l := c.flowsLoop()
	c.sw.PauseVSwitchd(t)
	parts := askedFor(c.ends)
	answers := []<-chan struct{}{c.passes(l, parts[:1]), c.passes(l, parts[1:])}
	parts[5].left.Store(true)
	l.lanes.mu.Lock() // nothing is tried again before the switch is back
	c.sw.KillVSwitchd(t)
	if err := c.hold(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.sw.StartVSwitchd(t)
	c.letGo()
	l.lanes.mu.Unlock()
	for _, answered := range answers {
		<-answered
	}
	for i, p := range parts {
		if i == 5 {
			continue
		}
		if err := <-p.done; err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	c.holds()
	if c.has(c.ends[5]) || !c.has(c.ends[6]) {
		t.Error("what is undone is made again, or another is not")
	}
}

// TestPassStalls: a switch that does not answer in time is told of, and nothing of it comes after a comparison.
func TestPassStalls(t *testing.T) {
	c := newCrowd(t, 2)
	c.sw.PauseVSwitchd(t)
	if !c.share(c.ends) {
		t.Fatal("nothing is against it")
	}
	err := c.briefly(func(ctx context.Context) error { return c.add(ctx, c.ends) })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if c.has(c.ends[0]) || c.alive() || c.openSpares() > 0 {
		t.Error("the bridge is to have what failed, or keeps connections over which more of it can come")
	}
	c.sw.ResumeVSwitchd(t)
	if err = c.make(c.ends[1]); err != nil {
		t.Fatal(err)
	}
	c.holds()
}
