// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"fmt"

	"github.com/ovsnet/ovsnet/flows"
)

// MeterCommand is what a MeterMod does.
type MeterCommand uint16

// The meter commands, with their numbers on the wire (OpenFlow 1.5.1, 7.3.4.4).
const (
	MeterAdd    MeterCommand = 0 // refused if the meter exists
	MeterModify MeterCommand = 1 // refused if it does not
	MeterDelete MeterCommand = 2 // and every flow that uses it; success if there is none
)

// String is ovs-ofctl's name for the command.
func (c MeterCommand) String() string {
	switch c {
	case MeterAdd:
		return "add-meter"
	case MeterModify:
		return "mod-meter"
	case MeterDelete:
		return "del-meter"
	}
	return fmt.Sprintf("command %d", uint16(c))
}

// MeterMod is one change to one meter.
type MeterMod struct {
	Command MeterCommand
	Meter   flows.MeterDesc // MeterDelete uses its ID alone
}

// String is the command and its argument in ovs-ofctl's grammar.
func (m MeterMod) String() string {
	if m.Command == MeterDelete {
		return fmt.Sprintf("%v meter=%d", m.Command, m.Meter.ID)
	}
	return fmt.Sprintf("%v %v", m.Command, m.Meter)
}

// Flags and the band type of a meter.
const (
	meterKbps  = 1 << 0
	meterPktps = 1 << 1
	meterBurst = 1 << 2
	bandDrop   = 1
)

// appendMeterMod appends an ofp_meter_mod.
func appendMeterMod(b []byte, xid uint32, m MeterMod) ([]byte, error) {
	start := len(b)
	flags := uint16(meterKbps)
	if m.Meter.PacketsPerSecond {
		flags = meterPktps
	}
	if m.Meter.Burst != 0 {
		flags |= meterBurst
	}
	b = be16(appendHeader(b, typeMeterMod, xid), uint16(m.Command))
	b = be32(be16(b, flags), m.Meter.ID)
	if m.Command != MeterDelete {
		b = be32(b, bandDrop<<16|16)
		b = pad(be32(be32(b, m.Meter.Rate), m.Meter.Burst), 4)
	}
	return finish(b, start, m.String)
}

// decodeMeterDesc splits one ofp_meter_desc (OpenFlow 1.5.1, 7.3.5.14) off b.
// Of its bands the first that drops counts.
func decodeMeterDesc(b []byte) (flows.MeterDesc, []byte, error) {
	const what = "meter description"
	entry, rest, err := tlv(what, b, 0, 8)
	if err != nil {
		return flows.MeterDesc{}, nil, err
	}
	m := flows.MeterDesc{ID: get32(entry[4:]), PacketsPerSecond: get16(entry[2:])&meterPktps != 0}
	for bands := entry[8:]; len(bands) > 0; {
		var band []byte
		if band, bands, err = tlv(what, bands, 2, 12); err != nil {
			return flows.MeterDesc{}, nil, err
		}
		if get16(band) == bandDrop {
			m.Rate, m.Burst = get32(band[4:]), get32(band[8:])
			break
		}
	}
	return m, rest, nil
}
