// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// portFlow is a valid flow of ours for one port.
func portFlow(port uint32, table uint8) flows.Flow {
	f := flows.Flow{Table: table, Priority: 100, Match: flows.NewMatch(flows.U(flows.FieldInPort, uint64(port))), Actions: out(port + 1)}
	f.Cookie = flows.Cookie{Row: 1, Object: uint16(port), Hash: flows.Hash24(f)}.Uint64()
	return f
}

// refusedFlow passes our validation but not the switch's: nd_tll wants an
// advertisement.
func refusedFlow(priority uint16) flows.Flow {
	return flows.Flow{Priority: priority, Actions: []flows.Action{flows.SetField{FieldMatch: flows.MAC(flows.FieldNDTLL, mac("02:00:00:00:00:01"))}}}
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	ctx := testContext(t)
	kept := portFlow(9, 1)
	if err := b.Apply(ctx, Update{Flows: []flows.Flow{kept}}); err != nil {
		t.Fatal(err)
	}
	noGroup := portFlow(2, 0)
	noGroup.Actions = []flows.Action{flows.Group{ID: 77}}
	for name, c := range map[string]struct {
		bad  flows.Flow
		want string
	}{
		"refused when added":     {refusedFlow(5), "OFPBAC_MATCH_INCONSISTENT"},
		"refused when committed": {noGroup, "OFPBAC_BAD_OUT_GROUP"},
	} {
		err := b.Apply(ctx, Update{
			Flows:  []flows.Flow{portFlow(1, 0), c.bad, portFlow(3, 0)},
			Delete: []flows.Flow{kept},
			Groups: []GroupMod{{Command: GroupAdd, Group: flows.GroupDesc{ID: 4}}},
		})
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Name != c.want || refused.Message != c.bad.String() {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff([]string{kept.String()}, b.flowTexts(t)); diff != "" {
			t.Errorf("%s: the switch changed:\n%s", name, diff)
		}
		if groups := b.groupTexts(t); len(groups) != 0 {
			t.Errorf("%s: the switch has groups: %v", name, groups)
		}
	}
}

// TestInOneGo: an update whose commit goes along is made, and of one with a part that can't be taken the rest is; one that can't
// be sent, or whose commit is refused, makes nothing.
func TestInOneGo(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	ctx := testContext(t)
	one, two, three := portFlow(1, 0), portFlow(2, 0), portFlow(3, 0)
	holds := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, b.flowTexts(t)); diff != "" {
			t.Errorf("the switch has other flows:\n%s", diff)
		}
	}
	if err := b.Apply(ctx, Update{InOneGo: true, Flows: []flows.Flow{one}}); err != nil {
		t.Fatal(err)
	}
	holds(one.String())
	var refused *RefusedError
	err := b.Apply(ctx, Update{InOneGo: true, Flows: []flows.Flow{refusedFlow(5), two}})
	if !errors.As(err, &refused) || refused.Name != "OFPBAC_MATCH_INCONSISTENT" {
		t.Errorf("refused when added: %v", err)
	}
	holds(one.String(), two.String())
	long := three
	long.Actions = slices.Repeat(out(4), 5000)
	var large *TooLargeError
	if err = b.Apply(ctx, Update{InOneGo: true, Flows: []flows.Flow{three, long}}); !errors.As(err, &large) {
		t.Errorf("a flow too large for a message: %v", err)
	}
	holds(one.String(), two.String())
	noGroup := three
	noGroup.Actions = []flows.Action{flows.Group{ID: 77}}
	if err = b.Apply(ctx, Update{InOneGo: true, Flows: []flows.Flow{three, noGroup}}); !errors.As(err, &refused) {
		t.Errorf("refused when committed: %v", err)
	}
	holds(one.String(), two.String())
	if err = b.Apply(ctx, Update{InOneGo: true, Flows: []flows.Flow{three}}); err != nil {
		t.Error(err)
	}
	holds(one.String(), two.String(), three.String())
}

func TestInvalidUpdateIsNotSent(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	backwards := portFlow(1, 5)
	backwards.Actions = []flows.Action{flows.Goto{Table: 5}}
	noPrereq := flows.Flow{Match: flows.NewMatch(flows.U(flows.FieldTCPDst, 80))}
	for _, u := range []Update{
		{Flows: []flows.Flow{portFlow(1, 0), backwards}},
		{Flows: []flows.Flow{noPrereq}},
		{Delete: []flows.Flow{noPrereq}},
		{Groups: []GroupMod{{Command: GroupAdd, Group: flows.GroupDesc{Type: flows.GroupIndirect}}}},
	} {
		if err := b.Apply(testContext(t), u); !errors.Is(err, flows.ErrInvalid) {
			t.Errorf("%v: %v", u, err)
		}
	}
	if texts := b.flowTexts(t); len(texts) != 0 {
		t.Errorf("flows are there: %q", texts)
	}
	if err := b.Apply(testContext(t), Update{}); err != nil {
		t.Errorf("an empty update: %v", err)
	}
}

func TestDeleteLeavesStrangersAlone(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	ours, stranger := portFlow(1, 0), portFlow(2, 0)
	stranger.Cookie = 0x1234
	near := portFlow(1, 0)
	near.Priority++
	if err := b.Apply(testContext(t), Update{Flows: []flows.Flow{ours, stranger, near}}); err != nil {
		t.Fatal(err)
	}
	gone := portFlow(3, 0)
	if err := b.Apply(testContext(t), Update{Delete: []flows.Flow{ours, stranger, gone}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{stranger.String(), near.String()}, b.flowTexts(t)); diff != "" {
		t.Errorf("(-want +have):\n%s", diff)
	}
	own, err := b.DumpFlows(testContext(t), flows.CookieOwnerValue, flows.CookieOwnerMask)
	if err != nil || len(own) != 1 || own[0].Key() != near.Key() {
		t.Errorf("our flows: %v, %v", own, err)
	}
}

func TestReplacingKeepsCountersAndDeletesInOneStep(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	b.sw.Ctl(t, "add-port", bridgeName, "p1", "--", "set", "Interface", "p1", "type=dummy", "ofport_request=1")
	f := portFlow(1, 0)
	if err := b.Apply(testContext(t), Update{Flows: []flows.Flow{f}}); err != nil {
		t.Fatal(err)
	}
	b.sw.OFCtl(t, "packet-out", bridgeName, "in_port=1 packet=ffffffffffff0200000000990000000000000000000000000000 actions=table")
	f.Actions = out(5)
	if err := b.Apply(testContext(t), Update{Flows: []flows.Flow{f}}); err != nil {
		t.Fatal(err)
	}
	stats, err := b.DumpFlows(testContext(t), 0, 0)
	if err != nil || len(stats) != 1 {
		t.Fatalf("%v, %v", stats, err)
	}
	if s := stats[0]; s.String() != f.String() || s.Packets != 1 || s.Bytes != 26 || s.Duration > time.Minute {
		t.Errorf("%v: %d packets, %d bytes, %v", s, s.Packets, s.Bytes, s.Duration)
	}
	err = ovstest.Poll(5*time.Second, func() error {
		aged, failed := b.DumpFlows(testContext(t), 0, 0)
		if failed == nil && (len(aged) != 1 || aged[0].Duration <= stats[0].Duration) {
			failed = fmt.Errorf("%v has not aged", aged)
		}
		return failed
	})
	if err != nil {
		t.Error(err)
	}
	// The same key deleted and added: the addition wins.
	if err := b.Apply(testContext(t), Update{Flows: []flows.Flow{f}, Delete: []flows.Flow{f}}); err != nil {
		t.Fatal(err)
	}
	if texts := b.flowTexts(t); len(texts) != 1 || texts[0] != f.String() {
		t.Errorf("%q", texts)
	}
}

// A flood of refusals, more than socket buffers hold, must not block anyone.
func TestFloodOfRefusals(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	var u Update
	for i := range 20000 {
		u.Flows = append(u.Flows, refusedFlow(uint16(i)))
	}
	var refused *RefusedError
	if err := b.Apply(testContext(t), u); !errors.As(err, &refused) || refused.Message != u.Flows[0].String() {
		t.Errorf("%v", err)
	}
	if err := b.Apply(testContext(t), Update{Flows: []flows.Flow{portFlow(1, 0)}}); err != nil {
		t.Errorf("after it: %v", err)
	}
}

func TestConcurrentCalls(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	ctx := testContext(t)
	const callers, rounds = 8, 20
	var wg sync.WaitGroup
	failures := make(chan error, callers*rounds)
	for n := range uint32(callers) {
		wg.Go(func() {
			for i := range uint32(rounds) {
				failures <- b.round(ctx, 1+n*rounds+i)
			}
		})
	}
	wg.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			t.Error(err)
		}
	}
	if texts := b.flowTexts(t); len(texts) != callers*rounds {
		t.Errorf("%d flows, want %d", len(texts), callers*rounds)
	}
}

// round mixes a good change, a refused one and reading.
func (b *bridge) round(ctx context.Context, port uint32) error {
	f := portFlow(port, 0)
	if err := b.Apply(ctx, Update{Flows: []flows.Flow{f, portFlow(port, 1)}}); err != nil {
		return err
	}
	bad := refusedFlow(uint16(port))
	var refused *RefusedError
	if err := b.Apply(ctx, Update{Flows: []flows.Flow{bad}}); !errors.As(err, &refused) || refused.Message != bad.String() {
		return fmt.Errorf("refusal of %v: %w", bad, err)
	}
	stats, err := b.DumpFlows(ctx, f.Cookie, ^uint64(0xffffff))
	if err != nil {
		return err
	}
	if len(stats) != 2 {
		return fmt.Errorf("%d flows of port %d", len(stats), port)
	}
	if err := b.Apply(ctx, Update{Delete: []flows.Flow{f}}); err != nil {
		return err
	}
	if err := b.Barrier(ctx); err != nil {
		return err
	}
	return b.Echo(ctx)
}

func TestRefusalIsReadable(t *testing.T) {
	t.Parallel()
	e := &RefusedError{Message: "priority=1 actions=group:5", Type: 2, Code: 9, Name: "OFPBAC_BAD_OUT_GROUP"}
	if got, want := e.Error(), `openflow: the switch refused "priority=1 actions=group:5": OFPBAC_BAD_OUT_GROUP (type 2, code 9)`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for body, want := range map[string]string{
		"\x00\x06\x00\x00":                 "OFPGMFC_GROUP_EXISTS",
		"\x00\x63\x00\x00":                 "unknown error",
		"\x00\x06\x00\xff":                 "unknown error",
		"\xff\xff\x00\x0f\x00\x00\x23\x20": "NXBAC_BAD_CONJUNCTION",
		"\xff\xff\x00\x0f\x00\x00\x23\x21": "unknown error",
	} {
		if err := refusal(name("x"), []byte(body)); !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", body, err, want)
		}
	}
	var malformed *DecodeError
	for _, body := range []string{"", "\x00\x01", "\xff\xff\x00\x01\x00\x00"} {
		if err := refusal(name("x"), []byte(body)); !errors.As(err, &malformed) {
			t.Errorf("%q: %v", body, err)
		}
	}
	long := &TooLargeError{Message: strings.Repeat("x", 1000), Bytes: 70000}
	if text := long.Error(); len(text) > 400 || !strings.Contains(text, "70000 bytes") {
		t.Errorf("%s", text)
	}
}
