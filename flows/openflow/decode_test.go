// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"errors"
	"testing"

	"github.com/ovsnet/ovsnet/flows"
)

// description is an ofp_flow_desc of f as a switch would send it.
func description(t *testing.T, f flows.Flow) []byte {
	t.Helper()
	b := append(pad(nil, 4), f.Table, 0)
	b = be32(be16(be16(be16(b, f.Priority), f.IdleTimeout), f.HardTimeout), 0)
	b = appendMatch(be64(b, f.Cookie), f.Match)
	b = pad(be32(b, 16), 0) // reserved, length 16
	b = append(be32(b, classStats<<16|statPackets<<9|8), 0, 0, 0, 0, 0, 0, 0, 5)
	b, err := appendInstructions(b, f.Actions)
	if err != nil {
		t.Fatal(err)
	}
	setLen(b, 0, 0)
	return b
}

// Whatever is cut off, the rest is refused with a DecodeError or read.
func TestCutDescriptions(t *testing.T) {
	t.Parallel()
	for _, f := range everyFlow() {
		whole := description(t, f)
		s, rest, err := decodeFlowDesc(whole)
		if err != nil || len(rest) != 0 || s.String() != f.String() || s.Packets != 5 {
			t.Fatalf("%v: %v, %d packets, %d bytes left, %v", f, s, s.Packets, len(rest), err)
		}
		for n := range whole {
			var malformed *DecodeError
			if _, _, err := decodeFlowDesc(whole[:n]); !errors.As(err, &malformed) {
				t.Fatalf("%v cut to %d bytes: %v", f, n, err)
			}
			// The same with a length that agrees: no panic, and no untyped error.
			if n < 2 {
				continue
			}
			cut := append([]byte{}, whole[:n]...)
			setLen(cut, 0, 0)
			if _, _, err := decodeFlowDesc(cut); err != nil && !errors.As(err, &malformed) {
				t.Fatalf("%v shortened to %d bytes: %v", f, n, err)
			}
		}
	}
}

func TestMalformedDescriptions(t *testing.T) {
	t.Parallel()
	flow := func(b []byte) error { _, _, err := decodeFlowDesc(b); return err }
	group := func(b []byte) error { _, _, err := decodeGroupDesc(b); return err }
	meter := func(b []byte) error { _, _, err := decodeMeterDesc(b); return err }
	good := description(t, flows.Flow{Actions: out(1)})
	with := func(at int, v byte) []byte {
		b := append([]byte{}, good...)
		b[at] = v
		return b
	}
	for name, err := range map[string]error{
		"flow: longer than its message":  flow(with(1, 255)),
		"flow: other match type":         flow(with(25, 2)),
		"flow: match of 3 bytes":         flow(with(27, 3)),
		"flow: statistics of 3 bytes":    flow(with(35, 3)),
		"flow: statistic beyond the end": flow(with(39, 200)),
		"flow: instruction of no bytes":  flow(with(51, 0)),
		"flow: action of 12 bytes":       flow(with(59, 12)),
		"group: buckets beyond the end":  group([]byte{0, 16, 0, 0, 0, 0, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0}),
		"group: a short bucket":          group([]byte{0, 24, 0, 0, 0, 0, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0}),
		"group: actions beyond the end":  group([]byte{0, 24, 0, 0, 0, 0, 0, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 8, 0, 8, 0, 0, 0, 0}),
		"group: a property of no bytes":  group([]byte{0, 32, 0, 0, 0, 0, 0, 1, 0, 16, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}),
		"meter: a short band":            meter([]byte{0, 16, 0, 0, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 0, 0}),
		"meter: a band without an end":   meter([]byte{0, 10, 0, 0, 0, 0, 0, 1, 0, 1}),
		"a mask of half a value":         func() error { _, _, _, _, err := oxmTLV("x", []byte{0x80, 0, 1, 3, 0, 0, 0}); return err }(),
		"a field header cut off":         func() error { _, _, _, _, err := oxmTLV("x", []byte{0x80, 0, 1}); return err }(),
	} {
		var malformed *DecodeError
		if !errors.As(err, &malformed) || malformed.Error() == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := appendActions(nil, []flows.Action{flows.Goto{Table: 1}}); !errors.Is(err, flows.ErrInvalid) {
		t.Errorf("goto in a bucket: %v", err)
	}
}

func TestCommandsReadLikeOvsOfctl(t *testing.T) {
	t.Parallel()
	g := flows.GroupDesc{ID: 4}
	for want, mod := range map[string]interface{ String() string }{
		"add-group group_id=4,type=all":                 GroupMod{Command: GroupAdd, Group: g},
		"mod-group group_id=4,type=all":                 GroupMod{Command: GroupModify, Group: g},
		"--may-create mod-group group_id=4,type=all":    GroupMod{Command: GroupAddOrModify, Group: g},
		"del-groups group_id=4":                         GroupMod{Command: GroupDelete, Group: g},
		"insert-buckets group_id=4,type=all":            GroupMod{Command: GroupInsertBucket, Group: g},
		"remove-buckets group_id=4,command_bucket_id=7": GroupMod{Command: GroupRemoveBucket, Group: g, BucketID: 7},
		"command 9 group_id=4,type=all":                 GroupMod{Command: 9, Group: g},
		"add-meter meter=1,kbps,band=type=drop,rate=5":  MeterMod{MeterAdd, flows.MeterDesc{ID: 1, Rate: 5}},
		"mod-meter meter=1,kbps,band=type=drop,rate=5":  MeterMod{MeterModify, flows.MeterDesc{ID: 1, Rate: 5}},
		"del-meter meter=1":                             MeterMod{MeterDelete, flows.MeterDesc{ID: 1, Rate: 5}},
		"command 9 meter=1,kbps,band=type=drop,rate=5":  MeterMod{9, flows.MeterDesc{ID: 1, Rate: 5}},
		"delete table=3, priority=5":                    step{flow: &flows.Flow{Table: 3, Priority: 5}, remove: true},
	} {
		if got := mod.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
