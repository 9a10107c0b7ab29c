// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"fmt"
	"strings"
)

// GroupType is how a group chooses among its buckets (OpenFlow 1.5.1, 7.3.4.3).
type GroupType uint8

// The group types, with their numbers on the wire.
const (
	GroupAll          GroupType = iota // every bucket, each with a copy of the packet
	GroupSelect                        // one bucket by hash and weight
	GroupIndirect                      // the only bucket
	GroupFastFailover                  // the first live bucket
)

// String is ovs-ofctl's word for the type.
func (t GroupType) String() string {
	if names := [...]string{"all", "select", "indirect", "ff"}; int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("type%d", uint8(t))
}

// Bucket is one bucket of a group.
type Bucket struct {
	ID        uint32 // unique in its group, at most BucketIDMax
	Weight    uint16 // share of a GroupSelect; 0 is never chosen
	WatchPort uint32 // live while this port is; 0 watches none
	Actions   []Action
}

// BucketIDMax is the greatest bucket id.
const BucketIDMax uint32 = 0xffffff00

// GroupIDMax is the greatest group id.
const GroupIDMax uint32 = 0xffffff00

// GroupDesc is a group as a value; Group is the action that uses one.
type GroupDesc struct {
	ID      uint32
	Type    GroupType
	Buckets []Bucket
}

// String is the group as `ovs-ofctl -O OpenFlow15 --no-names dump-groups`
// prints it and `ovs-ofctl add-group` reads it.
func (g GroupDesc) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "group_id=%d,type=%v", g.ID, g.Type)
	for _, bucket := range g.Buckets {
		b.WriteString(",bucket=" + bucket.text(g.Type))
	}
	return b.String()
}

func (k Bucket) text(t GroupType) string {
	parts := []string{fmt.Sprintf("bucket_id:%d", k.ID)}
	usual := uint16(0)
	if t == GroupSelect {
		usual = 1
	}
	if k.Weight != usual {
		parts = append(parts, fmt.Sprintf("weight:%d", k.Weight))
	}
	if k.WatchPort != 0 {
		parts = append(parts, "watch_port:"+portName(k.WatchPort))
	}
	return strings.Join(append(parts, "actions="+actionsString(k.Actions)), ",")
}

// Validate checks what the switch would refuse of the group itself: ids out of
// range or used twice, too many buckets for the type, an action that no bucket
// can hold. Errors wrap ErrInvalid.
func (g GroupDesc) Validate() error {
	if g.ID > GroupIDMax {
		return fmt.Errorf("%w: group %d: the id is out of range", ErrInvalid, g.ID)
	}
	if g.Type == GroupIndirect && len(g.Buckets) != 1 {
		return fmt.Errorf("%w: group %d: an indirect group has one bucket", ErrInvalid, g.ID)
	}
	seen := make(map[uint32]bool, len(g.Buckets))
	for _, k := range g.Buckets {
		if k.ID > BucketIDMax || seen[k.ID] {
			return fmt.Errorf("%w: group %d: bucket id %d is out of range or there twice", ErrInvalid, g.ID, k.ID)
		}
		seen[k.ID] = true
		for _, a := range k.Actions {
			if err := validateAction(a); err != nil {
				return fmt.Errorf("group %d: %w", g.ID, err)
			}
			if _, ok := a.(Goto); ok {
				return fmt.Errorf("%w: group %d: a bucket cannot hold %v", ErrInvalid, g.ID, a)
			}
		}
	}
	return nil
}

// MeterDesc is a meter with one band that drops what exceeds the rate.
type MeterDesc struct {
	ID               uint32
	PacketsPerSecond bool   // Rate in packets per second, else in kbit/s
	Rate             uint32 // see PacketsPerSecond
	Burst            uint32 // packets or kbit; for 0 Open vSwitch takes the rate
}

// String is the meter in the grammar of `ovs-ofctl add-meter`.
func (m MeterDesc) String() string {
	unit, burst, size := "kbps", "", ""
	if m.PacketsPerSecond {
		unit = "pktps"
	}
	if m.Burst != 0 {
		burst, size = ",burst", fmt.Sprintf(",burst_size=%d", m.Burst)
	}
	return fmt.Sprintf("meter=%d,%s%s,band=type=drop,rate=%d%s", m.ID, unit, burst, m.Rate, size)
}
