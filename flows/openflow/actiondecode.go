// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"encoding/binary"

	"github.com/ovsnet/ovsnet/flows"
)

// decodeInstructions reads the instructions of a flow into its actions.
func decodeInstructions(b []byte) ([]flows.Action, error) {
	var actions []flows.Action
	for len(b) > 0 {
		inst, rest, err := tlv("instruction", b, 2, 4)
		if err != nil {
			return nil, err
		}
		b = rest
		switch kind := get16(inst); {
		case kind == instGoto && len(inst) == 8:
			actions = append(actions, flows.Goto{Table: inst[4]})
		case kind == instApplyActions && len(inst) >= 8:
			if actions, err = decodeActions(actions, inst[8:]); err != nil {
				return nil, err
			}
		default:
			actions = append(actions, flows.Raw{Instruction: true, Type: kind, Bytes: string(inst)})
		}
	}
	return actions, nil
}

// decodeActions appends the actions in b to list. An action that package flows
// has no type for, or not with these arguments, becomes flows.Raw.
func decodeActions(list []flows.Action, b []byte) ([]flows.Action, error) {
	for len(b) > 0 {
		act, rest, err := tlv("action", b, 2, 8)
		if err != nil {
			return nil, err
		}
		if len(act)%8 != 0 {
			return nil, malformed("action", "length %d is no multiple of 8", len(act))
		}
		b = rest
		a, ok := decodeAction(get16(act), act)
		if !ok {
			a = flows.Raw{Type: get16(act), Bytes: string(act)}
		}
		list = append(list, a)
	}
	return list, nil
}

func decodeAction(kind uint16, b []byte) (flows.Action, bool) {
	switch {
	case kind == actOutput && len(b) == 16:
		port := get32(b[4:])
		whole := port != flows.PortController || get16(b[8:]) == controllerMaxLen
		return flows.Output{Port: port}, whole
	case kind == actPushVLAN && len(b) == 8:
		return flows.PushVLAN{TPID: get16(b[4:])}, true
	case kind == actPopVLAN && len(b) == 8:
		return flows.PopVLAN{}, true
	case kind == actDecTTL && len(b) == 8:
		return flows.DecTTL{}, true
	case kind == actGroup && len(b) == 8:
		return flows.Group{ID: get32(b[4:])}, true
	case kind == actMeter && len(b) == 8:
		return flows.Meter{ID: get32(b[4:])}, true
	case kind == actSetField:
		return decodeSetField(b[4:])
	case kind == actCopyField:
		return decodeCopy(b)
	case kind == actExperimenter && len(b) >= 16 && get32(b[4:]) == niciraID:
		return decodeNicira(get16(b[8:]), b)
	}
	return nil, false
}

func decodeSetField(b []byte) (flows.Action, bool) {
	h, value, mask, _, err := oxmTLV("set_field", b)
	if err != nil {
		return nil, false
	}
	f, ok := fieldOf[h.unmasked()]
	switch {
	case !ok || (mask != nil && !f.Maskable()):
		return nil, false
	case f == flows.FieldInPort:
		if h.inPortNXM() && len(value) == 2 {
			return flows.SetField{FieldMatch: flows.U(f, widenPort(get16(value)))}, true
		}
		return nil, false
	case f == flows.FieldVLANVID:
		if len(value) == 2 && value[0]&^0xf == vlanPresent>>8 {
			return flows.SetField{FieldMatch: flows.U(f, uint64(get16(value)&0xfff))}, true
		}
		return nil, false
	case f == flows.FieldVLANTCI || len(value) != f.Bytes():
		return nil, false
	}
	return flows.SetField{FieldMatch: flows.Bytes(f, value, mask)}, true
}

func decodeCopy(b []byte) (flows.Action, bool) {
	if len(b) < 20 {
		return nil, false
	}
	src, ok1 := subfieldOf(oxm(get32(b[12:])))
	dst, ok2 := subfieldOf(oxm(get32(b[16:])))
	return flows.Copy{Src: src, SrcOfs: get16(b[6:]), Dst: dst, DstOfs: get16(b[8:]), Bits: get16(b[4:])}, ok1 && ok2
}

func decodeNicira(subtype uint16, b []byte) (flows.Action, bool) {
	switch {
	case subtype == nxResubmitTable && len(b) == 16:
		a := flows.Resubmit{Port: uint32(widenPort(get16(b[10:]))), Table: b[12]} //nolint:gosec // a port has 32 bits
		if a.Port == flows.PortInPort {
			a.Port = 0
		}
		return a, true
	case subtype == nxOutputReg && len(b) == 24:
		f, ok := subfieldOf(oxm(get32(b[12:])))
		ofs, bits := splitOfsBits(get16(b[10:]))
		return flows.OutputField{Field: f, Ofs: ofs, Bits: bits}, ok && get16(b[16:]) == controllerMaxLen
	case subtype == nxExit && len(b) == 16:
		return flows.Exit{}, true
	case subtype == nxCT && len(b) >= 24:
		return decodeCT(b)
	case subtype == nxLearn && len(b) >= 32:
		return decodeLearn(b, 32)
	case subtype == nxLearn2 && len(b) >= 40:
		return decodeLearn(b, 40)
	}
	return nil, false
}

func splitOfsBits(v uint16) (ofs, bits uint16) { return v >> 6, v&0x3f + 1 }

func decodeCT(b []byte) (flows.Action, bool) {
	flags := get16(b[10:])
	a := flows.CT{Commit: flags&1 != 0, Force: flags&2 != 0, HasTable: b[18] != flows.TableAny}
	if a.HasTable {
		a.Table = b[18]
	}
	zone := get16(b[16:])
	if src := get32(b[12:]); src != 0 {
		f, ok := subfieldOf(oxm(src))
		if !ok {
			return nil, false
		}
		a.ZoneField = f
		a.ZoneOfs, a.ZoneBits = splitOfsBits(zone)
	} else {
		a.Zone = zone
	}
	if flags&^3 != 0 || get16(b[22:]) != 0 { // a flag or an ALG that flows.CT has not
		return nil, false
	}
	if nested := b[24:]; len(nested) > 0 {
		a.NAT = string(nested) == plainNAT
		return a, a.NAT
	}
	return a, true
}

// plainNAT is struct nx_action_nat without flags or ranges.
var plainNAT = func() string {
	b := pad(appendNicira(nil, nxNAT), 6)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return string(b)
}()
