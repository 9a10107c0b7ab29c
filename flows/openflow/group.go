// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"fmt"

	"github.com/ovsnet/ovsnet/flows"
)

// GroupCommand is what a GroupMod does.
type GroupCommand uint16

// The group commands, with their numbers on the wire (OpenFlow 1.5.1, 7.3.4.3;
// GroupAddOrModify is Open vSwitch's).
const (
	GroupAdd          GroupCommand = 0      // refused if the group exists
	GroupModify       GroupCommand = 1      // replaces type and buckets; refused if the group does not exist
	GroupDelete       GroupCommand = 2      // and every flow that uses it; success if there is none
	GroupInsertBucket GroupCommand = 3      // adds Group.Buckets; refused if a bucket id is taken
	GroupRemoveBucket GroupCommand = 5      // removes the bucket BucketID; refused if there is none
	GroupAddOrModify  GroupCommand = 0x8000 // whichever applies
)

// String is ovs-ofctl's name for the command.
func (c GroupCommand) String() string {
	switch c {
	case GroupAdd:
		return "add-group"
	case GroupModify:
		return "mod-group"
	case GroupDelete:
		return "del-groups"
	case GroupInsertBucket:
		return "insert-buckets"
	case GroupRemoveBucket:
		return "remove-buckets"
	case GroupAddOrModify:
		return "--may-create mod-group"
	}
	return fmt.Sprintf("command %d", uint16(c))
}

// Places of GroupInsertBucket, and GroupRemoveBucket's way to mean them all.
const (
	BucketFirst uint32 = 0xfffffffd
	BucketLast  uint32 = 0xfffffffe
	BucketAll   uint32 = 0xffffffff
)

// GroupMod is one change to one group.
type GroupMod struct {
	Command GroupCommand
	Group   flows.GroupDesc // GroupDelete and GroupRemoveBucket use its ID alone
	// BucketID is the bucket that GroupRemoveBucket removes, or the one behind
	// which GroupInsertBucket inserts; there zero means BucketLast.
	BucketID uint32
}

// String is the command and its argument in ovs-ofctl's grammar.
func (m GroupMod) String() string {
	switch m.Command {
	case GroupDelete:
		return fmt.Sprintf("%v group_id=%d", m.Command, m.Group.ID)
	case GroupRemoveBucket:
		return fmt.Sprintf("%v group_id=%d,command_bucket_id=%d", m.Command, m.Group.ID, m.BucketID)
	default:
	}
	return fmt.Sprintf("%v %v", m.Command, m.Group)
}

// bucket properties.
const (
	propWeight    = 0
	propWatchPort = 1
)

// appendGroupMod appends an ofp_group_mod.
func appendGroupMod(b []byte, xid uint32, m GroupMod) ([]byte, error) {
	start := len(b)
	g := m.Group
	place := BucketAll
	switch m.Command {
	case GroupDelete:
		g.Buckets = nil
	case GroupRemoveBucket:
		g.Buckets, place = nil, m.BucketID
	case GroupInsertBucket:
		if place = m.BucketID; place == 0 {
			place = BucketLast
		}
	case GroupAdd, GroupModify, GroupAddOrModify:
	}
	b = appendHeader(b, typeGroupMod, xid)
	b = append(be16(b, uint16(m.Command)), byte(g.Type), 0)
	b = pad(be32(b, g.ID), 4)
	b = be32(b, place)
	buckets := len(b)
	for _, k := range g.Buckets {
		var err error
		if b, err = appendBucket(b, g.Type, k); err != nil {
			return b[:start], err
		}
	}
	b, err := finish(b, start, m.String)
	if err == nil {
		setLen(b, buckets, start+16)
	}
	return b, err
}

func appendBucket(b []byte, t flows.GroupType, k flows.Bucket) ([]byte, error) {
	start := len(b)
	b = be32(be32(b, 0), k.ID)
	b, err := appendActions(b, k.Actions)
	if err != nil {
		return b, err
	}
	setLen(b, start+8, start+2)
	if t == flows.GroupSelect {
		b = pad(be16(be32(b, propWeight<<16|8), k.Weight), 2)
	}
	if k.WatchPort != 0 {
		b = be32(be32(b, propWatchPort<<16|8), k.WatchPort)
	}
	setLen(b, start, start)
	return b, nil
}

// decodeGroupDesc splits one ofp_group_desc (OpenFlow 1.5.1, 7.3.5.10) off b.
// Group properties are ignored.
func decodeGroupDesc(b []byte) (flows.GroupDesc, []byte, error) {
	const what = "group description"
	entry, rest, err := tlv(what, b, 0, 16)
	if err != nil {
		return flows.GroupDesc{}, nil, err
	}
	g := flows.GroupDesc{ID: get32(entry[4:]), Type: flows.GroupType(entry[2])}
	n := int(get16(entry[8:]))
	if n > len(entry)-16 {
		return flows.GroupDesc{}, nil, malformed(what, "buckets of %d bytes in %d", n, len(entry)-16)
	}
	for buckets := entry[16 : 16+n]; len(buckets) > 0; {
		var k flows.Bucket
		if k, buckets, err = decodeBucket(buckets, g.Type); err != nil {
			return flows.GroupDesc{}, nil, err
		}
		g.Buckets = append(g.Buckets, k)
	}
	return g, rest, nil
}

func decodeBucket(b []byte, t flows.GroupType) (flows.Bucket, []byte, error) {
	const what = "bucket"
	entry, rest, err := tlv(what, b, 0, 8)
	if err != nil {
		return flows.Bucket{}, nil, err
	}
	k := flows.Bucket{ID: get32(entry[4:])}
	if t == flows.GroupSelect {
		k.Weight = 1
	}
	n := int(get16(entry[2:]))
	if n > len(entry)-8 {
		return flows.Bucket{}, nil, malformed(what, "actions of %d bytes in %d", n, len(entry)-8)
	}
	if k.Actions, err = decodeActions(nil, entry[8:8+n]); err != nil {
		return flows.Bucket{}, nil, err
	}
	for props := entry[8+n:]; len(props) > 0; {
		var p []byte
		if p, props, err = tlv(what, props, 2, 4); err != nil {
			return flows.Bucket{}, nil, err
		}
		switch kind := get16(p); {
		case kind == propWeight && len(p) == 8:
			k.Weight = get16(p[4:])
		case kind == propWatchPort && len(p) == 8 && get32(p[4:]) != flows.PortAny:
			k.WatchPort = get32(p[4:])
		}
	}
	return k, rest, nil
}
