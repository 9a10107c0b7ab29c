// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ovsnet/ovsnet/flows"
)

func out(port uint32) []flows.Action { return []flows.Action{flows.Output{Port: port}} }

// groupTexts is what ovs-ofctl says of the bridge's groups, which has its order.
func (b *bridge) groupTexts(t *testing.T) []string {
	t.Helper()
	var texts []string
	for line := range strings.Lines(b.sw.OFCtl(t, "--no-names", "dump-groups", bridgeName)) {
		if strings.Contains(line, "group_id=") {
			texts = append(texts, strings.TrimSpace(line))
		}
	}
	slices.Sort(texts)
	return texts
}

func (b *bridge) groups(t *testing.T, mods ...GroupMod) {
	t.Helper()
	if err := b.Apply(testContext(t), Update{Groups: mods}); err != nil {
		t.Fatal(err)
	}
}

// wantGroups checks ovs-ofctl's reading and ours.
func (b *bridge) wantGroups(t *testing.T, want ...flows.GroupDesc) {
	t.Helper()
	texts := []string{}
	for _, g := range want {
		texts = append(texts, g.String())
	}
	slices.Sort(texts)
	if diff := cmp.Diff(texts, append([]string{}, b.groupTexts(t)...)); diff != "" {
		t.Errorf("ovs-ofctl reads other groups (-want +read):\n%s", diff)
	}
	got, err := b.DumpGroups(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b flows.GroupDesc) int { return int(a.ID) - int(b.ID) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("we read other groups (-want +read):\n%s", diff)
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	flood := flows.GroupDesc{ID: 4, Type: flows.GroupAll, Buckets: []flows.Bucket{
		{ID: 1, Actions: out(1)},
		{ID: 7, Actions: []flows.Action{flows.SetField{FieldMatch: flows.Addr(flows.FieldTunDst, addr("1.2.3.4"))}, flows.Output{Port: 2}}},
	}}
	balance := flows.GroupDesc{ID: 5, Type: flows.GroupSelect, Buckets: []flows.Bucket{
		{ID: 1, Weight: 5, WatchPort: 3, Actions: []flows.Action{flows.Resubmit{Table: 50}}}, {ID: 2, Weight: 1}, {ID: 3, Actions: out(3)},
	}}
	one := flows.GroupDesc{ID: 7, Type: flows.GroupIndirect, Buckets: []flows.Bucket{{ID: 9, Actions: out(1)}}}
	failover := flows.GroupDesc{ID: 8, Type: flows.GroupFastFailover, Buckets: []flows.Bucket{{ID: 1, WatchPort: 1, Actions: out(1)}, {ID: 2, WatchPort: flows.PortLocal, Actions: out(flows.PortLocal)}}}
	b.groups(t, GroupMod{Command: GroupAdd, Group: flood}, GroupMod{Command: GroupAdd, Group: balance},
		GroupMod{Command: GroupAddOrModify, Group: one}, GroupMod{Command: GroupAdd, Group: failover})
	b.wantGroups(t, flood, balance, one, failover)

	one.Buckets = []flows.Bucket{{ID: 9, Actions: out(2)}}
	failover.Buckets = failover.Buckets[:1]
	b.groups(t, GroupMod{Command: GroupModify, Group: failover}, GroupMod{Command: GroupAddOrModify, Group: one},
		GroupMod{Command: GroupDelete, Group: flows.GroupDesc{ID: 5}}, GroupMod{Command: GroupDelete, Group: flows.GroupDesc{ID: 55}})
	b.wantGroups(t, flood, one, failover)

	// A bucket for a new port and away with an old one: the cost does not
	// depend on how many there are.
	b.groups(t, GroupMod{Command: GroupInsertBucket, Group: flows.GroupDesc{ID: 4, Buckets: []flows.Bucket{{ID: 3, Actions: out(3)}}}},
		GroupMod{Command: GroupInsertBucket, BucketID: BucketFirst, Group: flows.GroupDesc{ID: 4, Buckets: []flows.Bucket{{ID: 2, Actions: out(9)}}}},
		GroupMod{Command: GroupRemoveBucket, BucketID: 7, Group: flows.GroupDesc{ID: 4}})
	flood.Buckets = []flows.Bucket{{ID: 2, Actions: out(9)}, {ID: 1, Actions: out(1)}, {ID: 3, Actions: out(3)}}
	b.wantGroups(t, flood, one, failover)
	b.groups(t, GroupMod{Command: GroupRemoveBucket, BucketID: BucketAll, Group: flows.GroupDesc{ID: 4}})
	flood.Buckets = nil
	b.wantGroups(t, flood, one, failover)
}

func TestRefusedGroups(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	g := flows.GroupDesc{ID: 4, Buckets: []flows.Bucket{{ID: 1, Actions: out(1)}}}
	b.groups(t, GroupMod{Command: GroupAdd, Group: g})
	for name, mod := range map[string]GroupMod{
		"OFPGMFC_GROUP_EXISTS":   {Command: GroupAdd, Group: g},
		"OFPGMFC_UNKNOWN_GROUP":  {Command: GroupModify, Group: flows.GroupDesc{ID: 44}},
		"OFPGMFC_BUCKET_EXISTS":  {Command: GroupInsertBucket, Group: g},
		"OFPGMFC_UNKNOWN_BUCKET": {Command: GroupRemoveBucket, BucketID: 7, Group: g},
	} {
		err := b.Apply(testContext(t), Update{
			Groups: []GroupMod{{Command: GroupAdd, Group: flows.GroupDesc{ID: 9}}, mod},
			Flows:  []flows.Flow{{Actions: out(1)}},
		})
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Name != name || refused.Message != mod.String() {
			t.Errorf("%v: %v, want %s", mod, err, name)
		}
	}
	b.wantGroups(t, g)
	if texts := b.flowTexts(t); len(texts) != 0 {
		t.Errorf("flows of refused updates are there: %q", texts)
	}
	huge := flows.GroupDesc{ID: 5}
	for i := range uint32(3000) {
		huge.Buckets = append(huge.Buckets, flows.Bucket{ID: i, Actions: out(i + 1)})
	}
	var tooLarge *TooLargeError
	if err := b.Apply(testContext(t), Update{Groups: []GroupMod{{Command: GroupAdd, Group: huge}}}); !errors.As(err, &tooLarge) {
		t.Errorf("a group of 3,000 buckets: %v", err)
	}
	huge.Buckets = huge.Buckets[:2500]
	b.groups(t, GroupMod{Command: GroupAdd, Group: huge})
	b.wantGroups(t, g, huge)
}

func TestMeters(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	ctx := testContext(t)
	want := []flows.MeterDesc{{ID: 1, PacketsPerSecond: true, Rate: 100, Burst: 10}, {ID: 2, Rate: 1000}}
	if err := b.Meters(ctx, []MeterMod{{MeterAdd, want[0]}, {MeterAdd, flows.MeterDesc{ID: 2, Rate: 5}}, {MeterModify, want[1]}, {MeterDelete, flows.MeterDesc{ID: 3}}}); err != nil {
		t.Fatal(err)
	}
	check := func() {
		t.Helper()
		got, err := b.DumpMeters(ctx)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(got, func(a, b flows.MeterDesc) int { return int(a.ID) - int(b.ID) })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("other meters (-want +read):\n%s", diff)
		}
	}
	want[1].Burst = want[1].Rate // Open vSwitch's choice
	check()
	if text := b.sw.OFCtl(t, "dump-meters", bridgeName); !strings.Contains(text, "meter=1 pktps burst bands=\ntype=drop rate=100 burst_size=10") {
		t.Errorf("ovs-ofctl reads %s", text)
	}
	bad := MeterMod{MeterAdd, want[0]}
	err := b.Meters(ctx, []MeterMod{{MeterDelete, want[1]}, bad, {MeterModify, flows.MeterDesc{ID: 9, Rate: 1}}})
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Name != "OFPMMFC_METER_EXISTS" || refused.Message != bad.String() || !strings.Contains(err.Error(), "OFPMMFC_UNKNOWN_METER") {
		t.Errorf("refused meters: %v", err)
	}
	want = want[:1]
	check()
	if err := b.Meters(ctx, nil); err != nil {
		t.Error(err)
	}
	// What our text says of a meter, ovs-ofctl understands.
	b.sw.OFCtl(t, "mod-meter", bridgeName, want[0].String())
	check()
}

func TestPorts(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	b.sw.Ctl(t, "add-port", bridgeName, "p-with-15-bytes", "--", "set", "Interface", "p-with-15-bytes", "type=dummy", "ofport_request=7")
	got, err := b.Ports(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(a, b Port) int { return strings.Compare(a.Name, b.Name) })
	if len(got) != 2 || got[0].Name != bridgeName || got[0].Number != flows.PortLocal || got[1].Name != "p-with-15-bytes" || got[1].Number != 7 || got[1].MAC.String() != strings.Trim(b.sw.Ctl(t, "get", "Interface", "p-with-15-bytes", "mac_in_use"), `"`) {
		t.Errorf("ports: %v", got)
	}
	if !got[1].Up {
		t.Errorf("a dummy port is down: %v", got[1])
	}
	b.sw.OFCtl(t, "mod-port", bridgeName, "p-with-15-bytes", "down")
	if got, err = b.Ports(testContext(t)); err != nil {
		t.Fatal(err)
	}
	for _, p := range got {
		if p.Number == 7 && p.Up {
			t.Errorf("a port that was set down is up: %v", p)
		}
	}
}
