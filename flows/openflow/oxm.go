// SPDX-License-Identifier: Apache-2.0

package openflow

import "github.com/ovsnet/ovsnet/flows"

// OXM and NXM classes (OpenFlow 1.5.1, 7.2.3.3; ovs-fields(7)).
const (
	classNXM0      = 0x0000
	classNXM1      = 0x0001
	classEricsson  = 0x1000
	classBasic     = 0x8000
	classRegisters = 0x8001
	classStats     = 0x8002
)

// oxm is a field header without its mask bit: class 16, field 7, mask 1, length 8 bits.
type oxm uint32

const hasMask = 1 << 8

func oxmHeader(class, field, length uint32) oxm { return oxm(class<<16 | field<<9 | length) }

func (h oxm) class() uint32   { return uint32(h) >> 16 }
func (h oxm) field() uint32   { return uint32(h) >> 9 & 0x7f }
func (h oxm) masked() bool    { return h&hasMask != 0 }
func (h oxm) payload() int    { return int(h & 0xff) }
func (h oxm) unmasked() oxm   { return h &^ (hasMask | 0xff) }
func (h oxm) vlanVID() bool   { return h.unmasked() == oxmVLANVID.unmasked() }
func (h oxm) withMask() oxm   { return oxmHeader(h.class(), h.field(), 2*uint32(h)&0xff) | hasMask }
func (h oxm) isXReg() bool    { return h.class() == classRegisters && h.field() < 8 && h.valueLen() == 8 }
func (h oxm) inPortNXM() bool { return h.unmasked() == oxmInPort16.unmasked() }

// valueLen is the length of the value alone.
func (h oxm) valueLen() int {
	if h.masked() {
		return h.payload() / 2
	}
	return h.payload()
}

// Headers that need care.
var (
	oxmInPort16 = oxmHeader(classNXM0, 0, 2)
	oxmVLANTCI  = oxmHeader(classNXM0, 4, 2)
	oxmVLANVID  = oxmHeader(classBasic, 6, 2)
)

// vlanPresent is the bit of OXM_OF_VLAN_VID that says that there is a tag.
const vlanPresent = 0x1000

// oxmOf is the header that the encoder writes for a field.
var oxmOf = buildHeaders()

func buildHeaders() (t [flows.NumFields]oxm) {
	set := func(f flows.Field, class, field uint32) {
		t[f] = oxmHeader(class, field, uint32(f.Bytes())) //nolint:gosec // at most 16
	}
	for n := range uint32(16) {
		set(flows.FieldReg0+flows.Field(n), classNXM1, n)
	}
	for f, field := range map[flows.Field]uint32{
		flows.FieldInPort: 0, flows.FieldMetadata: 2, flows.FieldEthDst: 3, flows.FieldEthSrc: 4, flows.FieldEthType: 5,
		flows.FieldVLANVID: 6, flows.FieldVLANPCP: 7, flows.FieldIPDSCP: 8, flows.FieldIPECN: 9, flows.FieldIPProto: 10,
		flows.FieldIPv4Src: 11, flows.FieldIPv4Dst: 12, flows.FieldTCPSrc: 13, flows.FieldTCPDst: 14,
		flows.FieldUDPSrc: 15, flows.FieldUDPDst: 16, flows.FieldSCTPSrc: 17, flows.FieldSCTPDst: 18,
		flows.FieldICMPType: 19, flows.FieldICMPCode: 20, flows.FieldARPOp: 21, flows.FieldARPSPA: 22, flows.FieldARPTPA: 23,
		flows.FieldARPSHA: 24, flows.FieldARPTHA: 25, flows.FieldIPv6Src: 26, flows.FieldIPv6Dst: 27, flows.FieldIPv6Label: 28,
		flows.FieldICMPv6Type: 29, flows.FieldICMPv6Code: 30, flows.FieldNDTarget: 31, flows.FieldNDSLL: 32, flows.FieldNDTLL: 33,
		flows.FieldTunID: 38, flows.FieldTCPFlags: 42,
	} {
		set(f, classBasic, field)
	}
	for f, field := range map[flows.Field]uint32{
		flows.FieldIPFrag: 26, flows.FieldIPTTL: 29, flows.FieldTunSrc: 31, flows.FieldTunDst: 32, flows.FieldPktMark: 33,
		flows.FieldCTState: 105, flows.FieldCTZone: 106, flows.FieldCTMark: 107, flows.FieldCTLabel: 108,
		flows.FieldTunIPv6Src: 109, flows.FieldTunIPv6Dst: 110,
	} {
		set(f, classNXM1, field)
	}
	set(flows.FieldNDReserved, classEricsson, 1)
	set(flows.FieldNDOptionsType, classEricsson, 2)
	t[flows.FieldVLANTCI] = oxmVLANTCI
	return t
}

// fieldOf is the reverse of oxmOf, with Nicira's other spellings of the same
// fields. The key is a header without length and mask.
var fieldOf = buildFields()

func buildFields() map[oxm]flows.Field {
	m := map[oxm]flows.Field{oxmInPort16.unmasked(): flows.FieldInPort}
	for f, h := range oxmOf {
		if h != 0 {
			m[h.unmasked()] = flows.Field(f)
		}
	}
	for nxm, f := range map[uint32]flows.Field{
		1: flows.FieldEthDst, 2: flows.FieldEthSrc, 3: flows.FieldEthType, 6: flows.FieldIPProto, 7: flows.FieldIPv4Src,
		8: flows.FieldIPv4Dst, 9: flows.FieldTCPSrc, 10: flows.FieldTCPDst, 11: flows.FieldUDPSrc, 12: flows.FieldUDPDst,
		13: flows.FieldICMPType, 14: flows.FieldICMPCode, 15: flows.FieldARPOp, 16: flows.FieldARPSPA, 17: flows.FieldARPTPA,
	} {
		m[oxmHeader(classNXM0, nxm, 0)] = f
	}
	for nxm, f := range map[uint32]flows.Field{
		16: flows.FieldTunID, 17: flows.FieldARPSHA, 18: flows.FieldARPTHA, 19: flows.FieldIPv6Src, 20: flows.FieldIPv6Dst,
		21: flows.FieldICMPv6Type, 22: flows.FieldICMPv6Code, 23: flows.FieldNDTarget, 24: flows.FieldNDSLL, 25: flows.FieldNDTLL,
		27: flows.FieldIPv6Label, 28: flows.FieldIPECN, 34: flows.FieldTCPFlags,
	} {
		m[oxmHeader(classNXM1, nxm, 0)] = f
	}
	return m
}

// subfieldOxm is the header of a field in copy_field, learn and output: with
// its whole width, so 16 bits for the ingress port.
func subfieldOxm(f flows.Field) oxm {
	if f == flows.FieldInPort {
		return oxmInPort16
	}
	if int(f) >= len(oxmOf) {
		return 0
	}
	return oxmOf[f]
}

// subfieldOf is the reverse of subfieldOxm.
func subfieldOf(h oxm) (flows.Field, bool) {
	f, ok := fieldOf[h.unmasked()]
	if !ok || h.masked() {
		return 0, false
	}
	want := subfieldOxm(f).payload()
	return f, h.payload() == want
}

// appendOxm appends header and value, and the mask of a masked field.
func appendOxm(b []byte, fm flows.FieldMatch) []byte {
	h := oxmOf[fm.Field]
	switch fm.Field {
	case flows.FieldVLANVID:
		fm.Value[0] |= vlanPresent >> 8
	case flows.FieldVLANTCI:
		// OpenFlow's vlan_vid has the same low 13 bits.
		h = oxmVLANVID
	default:
	}
	n := fm.N
	if !fm.Masked {
		return append(be32(b, uint32(h)), fm.Value[:n]...)
	}
	b = append(be32(b, uint32(h.withMask())), fm.Value[:n]...)
	return append(b, fm.Mask[:n]...)
}

// oxmTLV splits the first field off b.
func oxmTLV(what string, b []byte) (h oxm, value, mask, rest []byte, err error) {
	if len(b) < 4 {
		return 0, nil, nil, nil, malformed(what, "%d bytes where a field header has 4", len(b))
	}
	h = oxm(get32(b))
	n := h.payload()
	if len(b) < 4+n {
		return 0, nil, nil, nil, malformed(what, "field %#08x is longer than the %d bytes left", uint32(h), len(b)-4)
	}
	body, rest := b[4:4+n], b[4+n:]
	if !h.masked() {
		return h, body, nil, rest, nil
	}
	if n%2 != 0 {
		return 0, nil, nil, nil, malformed(what, "field %#08x has a value and a mask of different lengths", uint32(h))
	}
	return h, body[:n/2], body[n/2:], rest, nil
}
