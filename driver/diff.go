// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"cmp"
	"maps"
	"slices"

	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/flows/openflow"
)

// diffFlows says what to add to and delete from old to get now. A flow is the same when its id is, and unchanged when
// its cookie is: the cookie holds a hash of the content.
func diffFlows(old, now []flows.Flow) (add, del []flows.Flow) {
	had := make(map[string]uint64, len(old))
	ids := make([]string, len(old))
	for i, f := range old {
		ids[i] = f.ID()
		had[ids[i]] = f.Cookie
	}
	for _, f := range now {
		id := f.ID()
		if cookie, ok := had[id]; !ok || cookie != f.Cookie {
			add = append(add, f)
		}
		delete(had, id)
	}
	for i, f := range old {
		if _, left := had[ids[i]]; left {
			del = append(del, f)
		}
	}
	return add, del
}

// diffGroups says what a changed object means for the groups: its own come and go, its memberships are buckets.
func diffGroups(old, now flows.Compiled) []openflow.GroupMod {
	var mods []openflow.GroupMod
	had := map[uint32]bool{}
	for _, g := range old.Groups {
		had[g.ID] = true
	}
	for _, g := range now.Groups {
		if !had[g.ID] {
			mods = append(mods, openflow.GroupMod{Command: openflow.GroupAddOrModify, Group: g})
		}
		delete(had, g.ID)
	}
	type place struct{ group, bucket uint32 }
	was := map[place]flows.Bucket{}
	for _, m := range old.Members {
		was[place{m.Group, m.Bucket.ID}] = m.Bucket
	}
	var joining []flows.Member
	for _, m := range now.Members {
		at := place{m.Group, m.Bucket.ID}
		before, ok := was[at]
		delete(was, at)
		if ok && sameBucket(before, m.Bucket) {
			continue
		}
		if ok {
			mods = append(mods, removeBucket(m.Group, m.Bucket.ID))
		}
		joining = append(joining, m)
	}
	mods = append(mods, insertBuckets(joining)...)
	for _, m := range old.Members {
		if _, left := was[place{m.Group, m.Bucket.ID}]; left && !had[m.Group] {
			mods = append(mods, removeBucket(m.Group, m.Bucket.ID))
		}
	}
	for id := range had {
		mods = append(mods, openflow.GroupMod{Command: openflow.GroupDelete, Group: flows.GroupDesc{ID: id}})
	}
	return mods
}

// mostBuckets keeps a message of buckets, which have some 50 bytes each, well below OpenFlow's 64 KiB.
const mostBuckets = 200

// insertBuckets makes memberships. A switch copies a group for each change of it: what joins together is one.
func insertBuckets(members []flows.Member) []openflow.GroupMod {
	buckets := map[uint32][]flows.Bucket{}
	for _, m := range members {
		buckets[m.Group] = append(buckets[m.Group], m.Bucket)
	}
	var mods []openflow.GroupMod
	for _, group := range slices.Sorted(maps.Keys(buckets)) {
		for some := range slices.Chunk(buckets[group], mostBuckets) {
			mods = append(mods, openflow.GroupMod{Command: openflow.GroupInsertBucket,
				Group: flows.GroupDesc{ID: group, Type: flows.GroupAll, Buckets: some}})
		}
	}
	return mods
}

func removeBucket(group, bucket uint32) openflow.GroupMod {
	return openflow.GroupMod{Command: openflow.GroupRemoveBucket, Group: flows.GroupDesc{ID: group, Type: flows.GroupAll}, BucketID: bucket}
}

func sameBucket(a, b flows.Bucket) bool {
	return a.ID == b.ID && slices.EqualFunc(a.Actions, b.Actions, func(x, y flows.Action) bool { return x.String() == y.String() })
}

// compareGroups says how to make the switch's groups those wanted. A bridge of ours has no groups but ours.
func compareGroups(have, want []flows.GroupDesc) []openflow.GroupMod {
	var mods []openflow.GroupMod
	had := map[uint32]flows.GroupDesc{}
	for _, g := range have {
		had[g.ID] = g
	}
	for _, g := range want {
		old, ok := had[g.ID]
		delete(had, g.ID)
		byID := func(a, b flows.Bucket) int { return cmp.Compare(a.ID, b.ID) }
		slices.SortFunc(old.Buckets, byID)
		if !ok || old.Type != g.Type || !slices.EqualFunc(old.Buckets, g.Buckets, sameBucket) {
			mods = append(mods, openflow.GroupMod{Command: openflow.GroupAddOrModify, Group: g})
		}
	}
	for id := range had {
		mods = append(mods, openflow.GroupMod{Command: openflow.GroupDelete, Group: flows.GroupDesc{ID: id}})
	}
	return mods
}

// diffMeters says how to make the switch's meters those wanted, and which are to be removed after the flows that name them.
func diffMeters(have, want []flows.MeterDesc) (mods, gone []openflow.MeterMod) {
	had := map[uint32]flows.MeterDesc{}
	for _, m := range have {
		had[m.ID] = m
	}
	for _, m := range want {
		old, ok := had[m.ID]
		delete(had, m.ID)
		switch {
		case !ok:
			mods = append(mods, openflow.MeterMod{Command: openflow.MeterAdd, Meter: m})
		case old != m:
			mods = append(mods, openflow.MeterMod{Command: openflow.MeterModify, Meter: m})
		}
	}
	for id := range had {
		gone = append(gone, openflow.MeterMod{Command: openflow.MeterDelete, Meter: flows.MeterDesc{ID: id}})
	}
	return mods, gone
}
