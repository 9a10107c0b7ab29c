// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"fmt"

	"github.com/ovsnet/ovsnet/flows"
)

// Action types (OpenFlow 1.5.1, 7.2.6) and Open vSwitch's subtypes.
const (
	actOutput       = 0
	actPushVLAN     = 17
	actPopVLAN      = 18
	actGroup        = 22
	actDecTTL       = 24
	actSetField     = 25
	actCopyField    = 28
	actMeter        = 29
	actExperimenter = 0xffff

	nxResubmitTable = 14
	nxOutputReg     = 15
	nxLearn         = 16
	nxExit          = 17
	nxCT            = 35
	nxNAT           = 36
	nxLearn2        = 45
)

// Instruction types (OpenFlow 1.5.1, 7.2.5).
const (
	instGoto         = 1
	instApplyActions = 4
)

// controllerMaxLen asks for whole packets (OFPCML_NO_BUFFER).
const controllerMaxLen = 0xffff

// appendInstructions appends what a flow does: one apply_actions instruction
// for its actions, then raw instructions and goto_table.
func appendInstructions(b []byte, actions []flows.Action) ([]byte, error) {
	var err error
	applying := -1
	for _, a := range actions {
		switch a := a.(type) {
		case flows.Goto:
			b = append(be16(be16(b, instGoto), 8), a.Table, 0, 0, 0)
			continue
		case flows.Raw:
			if a.Instruction {
				b = append(b, a.Bytes...)
				continue
			}
		}
		start := len(b)
		if applying < 0 {
			applying = start
			b = pad(be16(b, instApplyActions), 6)
		}
		if b, err = appendAction(b, a); err != nil {
			return b, err
		}
		// Actions after an instruction belong before it; Validate refuses them.
		setLen(b, applying, applying+2)
	}
	return b, nil
}

func appendActions(b []byte, actions []flows.Action) ([]byte, error) {
	var err error
	for _, a := range actions {
		if b, err = appendAction(b, a); err != nil {
			return b, err
		}
	}
	return b, nil
}

func appendAction(b []byte, a flows.Action) ([]byte, error) {
	start := len(b)
	switch a := a.(type) {
	case flows.Output:
		maxLen := uint16(0)
		if a.Port == flows.PortController {
			maxLen = controllerMaxLen
		}
		return pad(be16(be32(be16(be16(b, actOutput), 16), a.Port), maxLen), 6), nil
	case flows.PushVLAN:
		return pad(be16(be16(be16(b, actPushVLAN), 8), a.TPID), 2), nil
	case flows.PopVLAN:
		return pad(be16(be16(b, actPopVLAN), 8), 4), nil
	case flows.DecTTL:
		return pad(be16(be16(b, actDecTTL), 8), 4), nil
	case flows.Group:
		return be32(be16(be16(b, actGroup), 8), a.ID), nil
	case flows.Meter:
		return be32(be16(be16(b, actMeter), 8), a.ID), nil
	case flows.SetField:
		b = appendSetField(be32(b, actSetField<<16), a.FieldMatch)
	case flows.Copy:
		b = be32(b, actCopyField<<16)
		b = pad(be16(be16(be16(b, a.Bits), a.SrcOfs), a.DstOfs), 2)
		b = be32(be32(b, uint32(subfieldOxm(a.Src))), uint32(subfieldOxm(a.Dst)))
	case flows.OutputField:
		b = be16(appendNicira(b, nxOutputReg), ofsBits(a.Ofs, a.Bits))
		b = pad(be16(be32(b, uint32(subfieldOxm(a.Field))), controllerMaxLen), 6)
	case flows.Resubmit:
		port := a.Port
		if port == 0 {
			port = flows.PortInPort
		}
		b = be16(appendNicira(b, nxResubmitTable), uint16(port)) //nolint:gosec // the low 16 bits of a reserved port are its short form
		b = append(b, a.Table, 0, 0, 0)
	case flows.Exit:
		b = appendNicira(b, nxExit)
	case flows.CT:
		b = appendCT(b, a)
	case flows.Learn:
		b = appendLearn(b, a)
	case flows.Raw:
		return append(b, a.Bytes...), nil
	default:
		return b, fmt.Errorf("openflow: action %v: %w: cannot stand here", a, flows.ErrInvalid)
	}
	b = padTo8(b, start)
	setLen(b, start, start+2)
	return b, nil
}

// appendNicira appends the head of an action of Open vSwitch's own.
func appendNicira(b []byte, subtype uint16) []byte {
	return be16(be32(be32(b, actExperimenter<<16), niciraID), subtype)
}

// ofsBits is a range of bits as Open vSwitch packs it.
func ofsBits(ofs, bits uint16) uint16 { return ofs<<6 | (bits - 1) }

func appendSetField(b []byte, fm flows.FieldMatch) []byte {
	if fm.Field == flows.FieldInPort {
		return append(be32(b, uint32(oxmInPort16)), fm.Value[2:4]...)
	}
	return appendOxm(b, fm)
}

// appendCT appends struct nx_action_conntrack without length and padding.
func appendCT(b []byte, a flows.CT) []byte {
	var flags uint16
	if a.Commit {
		flags |= 1
	}
	if a.Force {
		flags |= 2
	}
	b = be16(appendNicira(b, nxCT), flags)
	if a.ZoneBits != 0 {
		b = be16(be32(b, uint32(subfieldOxm(a.ZoneField))), ofsBits(a.ZoneOfs, a.ZoneBits))
	} else {
		b = be16(be32(b, 0), a.Zone)
	}
	table := flows.TableAny
	if a.HasTable {
		table = a.Table
	}
	b = append(b, table, 0, 0, 0, 0, 0)
	if a.NAT {
		nat := len(b)
		b = pad(appendNicira(b, nxNAT), 6)
		setLen(b, nat, nat+2)
	}
	return b
}
