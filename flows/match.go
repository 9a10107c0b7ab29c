// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// ErrInvalid is wrapped by every error of Validate.
var ErrInvalid = errors.New("invalid flow")

// Ethernet types and IP protocols that matches are made of.
const (
	EthTypeIPv4 = 0x0800
	EthTypeARP  = 0x0806
	EthTypeRARP = 0x8035
	EthTypeIPv6 = 0x86dd

	ProtoICMP   = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoICMPv6 = 58
	ProtoSCTP   = 132

	NDSolicit = 135 // ICMPv6 type of a neighbour solicitation
	NDAdvert  = 136 // ICMPv6 type of a neighbour advertisement
)

// FieldMatch is one field with the value, and where Masked the bits, that it
// must have. Value and Mask hold N bytes in network order from index 0; bits
// outside the mask are zero. It is comparable. N is zero when a constructor
// was given something that does not fit the field; Validate says so.
type FieldMatch struct {
	Field  Field
	Value  [16]byte
	Mask   [16]byte
	N      uint8
	Masked bool
}

// U matches f exactly. v must fit the field's width.
func U(f Field, v uint64) FieldMatch { return UMask(f, v, ^uint64(0)) }

// UMask matches the bits of f that are set in mask. Bits of v outside the mask
// are dropped; a mask over the whole field, and the mask of 64 ones on any
// field, is the same as none.
func UMask(f Field, v, mask uint64) FieldMatch {
	n := f.Bytes()
	if n == 0 {
		return FieldMatch{Field: f}
	}
	if n < 8 && (v&mask)>>(8*n) != 0 {
		return FieldMatch{Field: f}
	}
	var value, bits [16]byte
	putUint(value[:n], v)
	if mask == ^uint64(0) {
		return Bytes(f, value[:n], nil)
	}
	putUint(bits[:n], mask)
	return Bytes(f, value[:n], bits[:n])
}

// Untagged matches packets without a VLAN tag.
func Untagged() FieldMatch { return UMask(FieldVLANTCI, 0, 0x1fff) }

// MAC matches an Ethernet, ARP or ND hardware address.
func MAC(f Field, hw net.HardwareAddr) FieldMatch { return Bytes(f, hw, nil) }

// MACMask matches the bits of a hardware address that are set in mask.
func MACMask(f Field, hw, mask net.HardwareAddr) FieldMatch {
	if len(mask) == 0 {
		return FieldMatch{Field: f}
	}
	return Bytes(f, hw, mask)
}

// Addr matches an IPv4 or IPv6 address field. The family must be the field's.
func Addr(f Field, a netip.Addr) FieldMatch { return Bytes(f, a.AsSlice(), nil) }

// Prefix matches the addresses of p. The family must be the field's.
func Prefix(f Field, p netip.Prefix) FieldMatch {
	if !p.IsValid() {
		return FieldMatch{Field: f}
	}
	ones := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		ones[i/8] |= 0x80 >> (i % 8)
	}
	return Bytes(f, p.Addr().AsSlice(), ones)
}

// Bytes matches a field by its value in network order. A nil mask matches the
// whole field. Both must be as long as the field.
func Bytes(f Field, value, mask []byte) FieldMatch {
	n := f.Bytes()
	if n == 0 || len(value) != n || (mask != nil && len(mask) != n) {
		return FieldMatch{Field: f}
	}
	fm := FieldMatch{Field: f, N: uint8(n)} //nolint:gosec // at most 16
	copy(fm.Value[:], value)
	if mask == nil {
		return fm
	}
	ones := f.ones()
	exact := true
	for i, m := range mask {
		fm.Mask[i] = m & ones[i]
		// A value bit that the mask asks for beyond the field's width must
		// stay, so that Validate sees it.
		fm.Value[i] &= m
		exact = exact && fm.Mask[i] == ones[i]
	}
	fm.Masked = !exact
	if exact {
		fm.Mask = [16]byte{}
	}
	return fm
}

// ones is the mask of an exact match.
func (f Field) ones() [16]byte {
	if !f.Valid() {
		return [16]byte{}
	}
	return exactMasks[f]
}

var exactMasks = func() (masks [numFields][16]byte) {
	for f := FieldInPort; f < numFields; f++ {
		n, bits := f.Bytes(), int(f.Bits())
		switch f {
		case FieldInPort: // as a subfield it is the 16-bit one
			bits = 32
		case FieldCTState: // of 32 bits these are defined
			bits = 8
		default:
		}
		for i := range bits {
			masks[f][n-1-i/8] |= 1 << (i % 8)
		}
	}
	return masks
}()

// Uint is the value as a number; of fields wider than 64 bits the low 64 bits.
func (fm FieldMatch) Uint() uint64 { return getUint(fm.Value[:fm.N]) }

// UintMask is the mask as a number, all ones of the field if it is not masked.
func (fm FieldMatch) UintMask() uint64 {
	mask := fm.Mask
	if !fm.Masked {
		mask = fm.Field.ones()
	}
	return getUint(mask[:fm.N])
}

func (fm FieldMatch) isWildcard() bool { return fm.Masked && fm.Mask == [16]byte{} }

// is reports an exact match on v.
func (fm FieldMatch) is(v uint64) bool { return fm.N != 0 && !fm.Masked && fm.Uint() == v }

func (fm FieldMatch) validate() error {
	switch {
	case !fm.Field.Valid():
		return fmt.Errorf("%w: %v: unknown field", ErrInvalid, fm.Field)
	case int(fm.N) != fm.Field.Bytes():
		return fmt.Errorf("%w: %v: the value does not fit the field", ErrInvalid, fm.Field)
	case fm.Masked && !fm.Field.Maskable():
		return fmt.Errorf("%w: %v: takes no mask", ErrInvalid, fm.Field)
	}
	allowed := fm.Field.ones()
	if fm.Masked {
		allowed = fm.Mask
	}
	for i, v := range fm.Value {
		if v&^allowed[i] != 0 {
			return fmt.Errorf("%w: %v: the value does not fit the field", ErrInvalid, fm.Field)
		}
	}
	switch v := fm.Uint(); {
	case fm.Field == FieldInPort && v >= 0xff00 && v < uint64(PortInPort):
		return fmt.Errorf("%w: %v: no such port %d", ErrInvalid, fm.Field, v)
	case fm.Field == FieldIPFrag && fm.is(FragLater):
		return fmt.Errorf("%w: %v: a later fragment is a fragment; match FragAny|FragLater", ErrInvalid, fm.Field)
	case fm.Field == FieldARPOp && v > 0xff: // Open vSwitch keeps 8 bits of it
		return fmt.Errorf("%w: %v: the value does not fit the field", ErrInvalid, fm.Field)
	}
	return nil
}

// Match is a set of fields that must all match, in canonical order. Make it
// with NewMatch; the empty Match matches every packet.
type Match []FieldMatch

// NewMatch puts fields into canonical order and drops those whose mask is
// empty. It adds nothing: prerequisites must be named.
func NewMatch(fs ...FieldMatch) Match {
	m := make(Match, 0, len(fs))
	for _, f := range fs {
		if !f.isWildcard() {
			m = append(m, f)
		}
	}
	slices.SortStableFunc(m, func(a, b FieldMatch) int { return int(a.Field) - int(b.Field) })
	return m
}

// Get returns the match on field f, if there is one.
func (m Match) Get(f Field) (FieldMatch, bool) {
	for _, fm := range m {
		if fm.Field == f {
			return fm, true
		}
	}
	return FieldMatch{}, false
}

// exactly reports whether m matches field f on exactly v.
func (m Match) exactly(f Field, v uint64) bool {
	fm, ok := m.Get(f)
	return ok && fm.is(v)
}

// Validate checks what the switch would refuse: a field twice, out of order, of
// the wrong width, with a mask it does not take, or without its prerequisites
// (OpenFlow 1.5.1 section 7.2.3.6 and ovs-fields(7)). Errors wrap ErrInvalid.
func (m Match) Validate() error {
	for i, fm := range m {
		if err := fm.validate(); err != nil {
			return err
		}
		if i > 0 && m[i-1].Field == fm.Field {
			return fmt.Errorf("%w: %v: matched twice", ErrInvalid, fm.Field)
		}
		if i > 0 && m[i-1].Field > fm.Field {
			return fmt.Errorf("%w: %v: out of order; use NewMatch", ErrInvalid, fm.Field)
		}
		if missing := m.missing(fm.Field.info().need); missing != "" {
			return fmt.Errorf("%w: %v: also needs %s", ErrInvalid, fm.Field, missing)
		}
	}
	return m.validateVLAN()
}

// validateVLAN refuses combinations that OpenFlow 1.5 cannot carry: it has one
// VLAN id field, and no way to match part of the priority.
func (m Match) validateVLAN() error {
	tci, ok := m.Get(FieldVLANTCI)
	if !ok {
		return nil
	}
	if _, both := m.Get(FieldVLANVID); both {
		return fmt.Errorf("%w: %v: with %v; match one of them", ErrInvalid, FieldVLANTCI, FieldVLANVID)
	}
	if _, both := m.Get(FieldVLANPCP); both {
		return fmt.Errorf("%w: %v: with %v; match the VLAN id or the priority", ErrInvalid, FieldVLANTCI, FieldVLANPCP)
	}
	if tci.UintMask()&^0x1fff != 0 {
		return fmt.Errorf("%w: %v: only the bits 0x1fff can be matched", ErrInvalid, FieldVLANTCI)
	}
	// These have a spelling of their own, and a flow must have one only.
	if mask, v := tci.UintMask(), tci.Uint(); mask == 0x1fff && v&0x1000 != 0 {
		return fmt.Errorf("%w: %v: use %v for one VLAN id", ErrInvalid, FieldVLANTCI, FieldVLANVID)
	}
	return nil
}

// missing names the first prerequisite that m lacks, or nothing.
func (m Match) missing(need prereq) string {
	v4, v6 := m.exactly(FieldEthType, EthTypeIPv4), m.exactly(FieldEthType, EthTypeIPv6)
	switch need {
	case needNothing:
		return ""
	case needARP:
		return unless(m.exactly(FieldEthType, EthTypeARP) || m.exactly(FieldEthType, EthTypeRARP), "eth_type=0x806")
	case needIP:
		return unless(v4 || v6, "eth_type=0x800 or 0x86dd")
	case needIPv4:
		return unless(v4, "eth_type=0x800")
	case needIPv6:
		return unless(v6, "eth_type=0x86dd")
	default:
	}
	// Only the first fragment has a transport header.
	if frag, ok := m.Get(FieldIPFrag); ok && frag.Uint()&FragLater != 0 {
		return "ip_frag other than later"
	}
	switch need {
	case needTCP:
		return unless((v4 || v6) && m.exactly(FieldIPProto, ProtoTCP), "nw_proto=6")
	case needUDP:
		return unless((v4 || v6) && m.exactly(FieldIPProto, ProtoUDP), "nw_proto=17")
	case needSCTP:
		return unless((v4 || v6) && m.exactly(FieldIPProto, ProtoSCTP), "nw_proto=132")
	case needICMP:
		return unless(v4 && m.exactly(FieldIPProto, ProtoICMP), "eth_type=0x800 and nw_proto=1")
	case needICMPv6:
		return unless(v6 && m.exactly(FieldIPProto, ProtoICMPv6), "eth_type=0x86dd and nw_proto=58")
	default:
	}
	if code, ok := m.Get(FieldICMPv6Code); ok && !code.is(0) {
		return "icmpv6_code=0"
	}
	ns, na := m.exactly(FieldICMPv6Type, NDSolicit), m.exactly(FieldICMPv6Type, NDAdvert)
	switch need {
	case needNS:
		return unless(ns, "icmpv6_type=135")
	case needNA:
		return unless(na, "icmpv6_type=136")
	default:
		return unless(ns || na, "icmpv6_type=135 or 136")
	}
}

func unless(ok bool, missing string) string {
	if ok {
		return ""
	}
	return missing
}

func putUint(b []byte, v uint64) {
	var full [16]byte
	binary.BigEndian.PutUint64(full[8:], v)
	copy(b, full[16-len(b):])
}

func getUint(b []byte) uint64 {
	var v uint64
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}
