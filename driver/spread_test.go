// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/flows/openflow"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// throng is a bridge that has a network's flows, and the flows of endpoints that are to come.
type throng struct {
	*bridge
	t    *testing.T
	sw   *ovstest.Switch
	ends []flowChange
}

func newThrong(t *testing.T, ends int) *throng {
	t.Helper()
	w := newWorld()
	rec := testRecord("net1")
	rec.Pools[0].Subnet = pfx("10.1.0.0/16")
	if err := w.addNetwork(rec); err != nil {
		t.Fatal(err)
	}
	n := w.networks[rec.ID]
	c := &throng{t: t, sw: ovstest.Start(t)}
	c.sw.AddBridge(t, n.Bridge)
	c.bridge = newBridge(n.Bridge, filepath.Dir(c.sw.Mgmt(n.Bridge)), new(arrivals), slog.New(slog.DiscardHandler))
	t.Cleanup(c.close)
	fcs, err := networkFlows(n, false)
	if err != nil {
		t.Fatal(err)
	}
	if err = c.make(fcs...); err != nil {
		t.Fatal(err)
	}
	for i := range ends {
		e, err := w.addEndpoint(testEndpoint(fmt.Sprintf("%012d", i), fmt.Sprintf("10.1.%d.%d/16", 1+i/200, 1+i%200)))
		if err != nil {
			t.Fatal(err)
		}
		fc, err := compileEndpoint(n, e)
		if err != nil {
			t.Fatal(err)
		}
		c.ends = append(c.ends, fc)
	}
	return c
}

func (c *throng) make(changes ...flowChange) error {
	ctx, cancel := context.WithTimeout(c.t.Context(), ovstest.Limit(10*time.Second))
	defer cancel()
	return c.apply(ctx, changes)
}

// settle compares the switch with its objects, as the next change does after a failure.
func (c *throng) settle() (repairs int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), ovstest.Limit(10*time.Second))
	defer cancel()
	repairs, err := c.sync(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	return repairs
}

// holds wants the switch to hold what its objects say, and nothing else.
func (c *throng) holds() {
	c.t.Helper()
	if n := c.settle(); n > 0 {
		c.t.Errorf("the switch differs in %d from what its objects say", n)
	}
}

func (c *throng) spreads(changes []flowChange) bool { return spreads(changes, c.touched(changes)) }

// TestSpread: what comes at once goes over several connections, and the switch holds the same as if it had not.
func TestSpread(t *testing.T) {
	c := newThrong(t, 100)
	few, many := c.ends[:spreadFrom-1], c.ends[spreadFrom-1:]
	if c.spreads(few) || !c.spreads(many) || c.spreads(append(many[:len(many):len(many)], many[0])) {
		t.Errorf("of %d, %d and %d with one twice, the second alone is spread", len(few), len(many), len(many)+1)
	}
	for _, changes := range [][]flowChange{few, many, c.ends} {
		if err := c.make(changes...); err != nil {
			t.Fatal(err)
		}
		c.holds()
	}
	if c.spreads(c.ends) {
		t.Error("what is there already is spread")
	}
}

// TestBundles: nothing is lost when changes are divided, an endpoint's flows stay together, and who joins a group joins in one
// message.
func TestBundles(t *testing.T) {
	c := newThrong(t, 100)
	for _, n := range []int{1, 2, 3, spreadFrom, 33, 100} {
		changes := c.ends[:n]
		var want flows.Compiled
		place := map[string]int{} // of a flow's endpoint, by the flow
		for i, fc := range changes {
			join(&want, *fc.compiled)
			for _, f := range fc.compiled.Flows {
				place[f.Key().String()] = i
			}
		}
		all, made := bundles(changes), 0
		in := map[int]int{}
		for i, u := range all {
			made += len(u.Flows)
			for _, f := range u.Flows {
				end := place[f.Key().String()]
				if first, ok := in[end]; ok && first != i {
					t.Fatalf("%d: endpoint %d is in bundles %d and %d", n, end, first, i)
				}
				in[end] = i
			}
			if i > 0 && len(u.Groups) > 0 || !u.InOneGo {
				t.Errorf("%d: bundle %d has groups, or is in two goes", n, i)
			}
		}
		if most := max(inOneTurn, (n+spreadOver-1)/spreadOver); len(all) != (n+most-1)/most {
			t.Errorf("%d: %d bundles", n, len(all))
		}
		if made != len(want.Flows) || len(all) > spreadOver || len(all) > n {
			t.Errorf("%d: %d flows of %d in %d bundles", n, made, len(want.Flows), len(all))
		}
		buckets := 0
		for _, g := range all[0].Groups {
			buckets += len(g.Group.Buckets)
		}
		if buckets != len(want.Members) || buckets == 0 {
			t.Errorf("%d: %d buckets for %d members", n, buckets, len(want.Members))
		}
	}
}

// TestSpreadTakesTurns: each connection is used before one is used again, so that what passes does not wait behind what it passes.
func TestSpreadTakesTurns(t *testing.T) {
	c := newThrong(t, inOneTurn*spreadOver)
	none := errors.New("none")
	var mu sync.Mutex
	used := map[int]int{}
	for some := range slices.Chunk(c.ends, 5*inOneTurn) {
		err := c.spread(t.Context(), some, func(_ context.Context, i int) (*openflow.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			used[i]++
			return nil, none
		})
		if !errors.Is(err, none) {
			t.Error(err)
		}
	}
	for i := range spreadOver {
		if used[i] != 1 {
			t.Errorf("connection %d is used %d times", i, used[i])
		}
	}
}

// TestSpreadFails: when one of the bundles is refused, what others have made is taken back, and each can be made alone.
func TestSpreadFails(t *testing.T) {
	c := newThrong(t, 40)
	dump := func() string { return c.sw.OFCtl(t, "-OOpenFlow15", "--no-stats", "dump-flows", c.name) }
	before := dump()
	bad := *c.ends[30].compiled
	bad.Members = append(bad.Members, flows.Member{Group: 0xdead, Bucket: flows.Bucket{ID: 7}})
	c.ends[30].compiled = &bad
	var refused *openflow.RefusedError
	if err := c.make(c.ends...); !errors.As(err, &refused) || refused.Name != "OFPGMFC_UNKNOWN_GROUP" {
		t.Fatalf("a group that is not there: %v", err)
	}
	if dump() == before {
		t.Error("the other bundles have made nothing: there was but one")
	}
	c.settle()
	if after := dump(); after != before {
		t.Errorf("it has left flows behind:\n%s\nwant\n%s", after, before)
	}
	for i, fc := range c.ends {
		if err := c.make(fc); (err != nil) != (i == 30) {
			t.Errorf("alone, %d: %v", i, err)
		}
	}
	c.holds()
}

// refusable is an endpoint with a flow that passes our validation but not the switch's: nd_tll wants an advertisement.
func refusable(c flows.Compiled) flows.Compiled {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	nd := c.Flows[0]
	nd.Actions = []flows.Action{flows.SetField{FieldMatch: flows.MAC(flows.FieldNDTLL, mac)}}
	nd.Cookie ^= 1 // another flow than the one before
	c.Flows = append(slices.Clone(c.Flows[1:]), nd)
	return c
}

// TestNewInOneGo: what is new goes with its commit, and when a part of it is refused the next change takes back the rest; what
// changes something goes as a whole or not at all.
func TestNewInOneGo(t *testing.T) {
	c := newThrong(t, 2)
	dump := func() string { return c.sw.OFCtl(t, "-OOpenFlow15", "--no-stats", "dump-flows", c.name) }
	before := dump()
	bad := refusable(*c.ends[0].compiled)
	failing := c.ends[0]
	failing.compiled = &bad
	var refused *openflow.RefusedError
	if err := c.make(failing); !errors.As(err, &refused) {
		t.Fatalf("a flow that the switch refuses: %v", err)
	}
	if dump() == before {
		t.Error("nothing else was made: the commit did not go along")
	}
	if err := c.make(c.ends[1]); err != nil {
		t.Fatal(err)
	}
	c.holds()
	if err := c.make(c.ends[0]); err != nil {
		t.Fatal(err)
	}
	before = dump()
	if err := c.make(failing); !errors.As(err, &refused) {
		t.Fatalf("a change that the switch refuses: %v", err)
	}
	if after := dump(); after != before {
		t.Errorf("the change was made in part:\n%s\nwant\n%s", after, before)
	}
}

// TestSpreadIsLost: when the switch goes on the way, what is made is made once it is back.
func TestSpreadIsLost(t *testing.T) {
	c := newThrong(t, 40)
	if err := c.make(c.ends[:20]...); err != nil {
		t.Fatal(err)
	}
	c.sw.RestartVSwitchd(t)
	if err := c.make(c.ends[20:]...); err != nil {
		t.Fatal(err)
	}
	c.holds()
}
