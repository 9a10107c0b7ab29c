// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"fmt"
	"strings"
)

// Learn adds or refreshes a flow made from the packet, as learn() of
// ovs-actions(7) describes it. Timeouts are in seconds, zero for none.
type Learn struct {
	Table         uint8
	Priority      uint16
	IdleTimeout   uint16
	HardTimeout   uint16
	Cookie        uint64
	Limit         uint32 // most flows with this table and cookie; zero for no limit
	DeleteLearned bool   // deleting this flow deletes what it learned
	Specs         []LearnSpec
}

// LearnKind is what a LearnSpec contributes to the learned flow.
type LearnKind uint8

// The kinds of LearnSpec.
const (
	LearnMatch  LearnKind = iota // a match on Dst
	LearnLoad                    // an action that loads Dst
	LearnOutput                  // an action that outputs to the port in Src
)

// LearnSpec is one part of a learned flow: Bits bits that come from the
// packet's Src, or from Value if Src is FieldInvalid, and go to Dst.
type LearnSpec struct {
	Kind   LearnKind
	Src    Field
	SrcOfs uint16
	Dst    Field
	DstOfs uint16
	Bits   uint16
	Value  [16]byte // a 128-bit number in network order
}

// LearnMatchField makes the learned flow match its dst on the packet's src.
func LearnMatchField(dst, src Field) LearnSpec {
	return LearnSpec{Kind: LearnMatch, Src: src, Dst: dst, Bits: dst.Bits()}
}

// LearnMatchValue makes the learned flow match a constant. Masks do not apply.
func LearnMatchValue(fm FieldMatch) LearnSpec {
	return LearnSpec{Kind: LearnMatch, Dst: fm.Field, Bits: fm.Field.Bits(), Value: fm.number()}
}

// LearnLoadField makes the learned flow load its dst with this packet's src.
func LearnLoadField(dst, src Field) LearnSpec {
	return LearnSpec{Kind: LearnLoad, Src: src, Dst: dst, Bits: dst.Bits()}
}

// LearnLoadValue makes the learned flow load a constant.
func LearnLoadValue(fm FieldMatch) LearnSpec {
	return LearnSpec{Kind: LearnLoad, Dst: fm.Field, Bits: fm.Field.Bits(), Value: fm.number()}
}

// LearnOutputField makes the learned flow output to the port in this packet's src.
func LearnOutputField(src Field) LearnSpec {
	return LearnSpec{Kind: LearnOutput, Src: src, Bits: src.Bits()}
}

// number moves a value to the low end of 16 bytes.
func (fm FieldMatch) number() (n [16]byte) {
	copy(n[16-fm.N:], fm.Value[:fm.N])
	return n
}

func (Learn) isAction() {}

// String is "learn(table=2,idle_timeout=300,...)".
func (a Learn) String() string {
	parts := []string{fmt.Sprintf("table=%d", a.Table)}
	add := func(when bool, format string, args ...any) {
		if when {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(a.IdleTimeout != 0, "idle_timeout=%d", a.IdleTimeout)
	add(a.HardTimeout != 0, "hard_timeout=%d", a.HardTimeout)
	add(a.Priority != defaultPriority, "priority=%d", a.Priority)
	add(a.DeleteLearned, "delete_learned")
	add(a.Cookie != 0, "cookie=%#x", a.Cookie)
	add(a.Limit != 0, "limit=%d", a.Limit)
	for _, s := range a.Specs {
		parts = append(parts, s.String())
	}
	return "learn(" + strings.Join(parts, ",") + ")"
}

// String is the spec as it stands inside learn().
func (s LearnSpec) String() string {
	src, dst := subfield(s.Src, s.SrcOfs, s.Bits), subfield(s.Dst, s.DstOfs, s.Bits)
	constant := s.Src == FieldInvalid
	switch {
	case s.Kind == LearnOutput:
		return "output:" + src
	case s.Kind == LearnLoad && constant:
		return "load:" + hex(s.Value[:]) + "->" + dst
	case s.Kind == LearnLoad:
		return "load:" + src + "->" + dst
	case constant && s.DstOfs == 0 && s.Bits == s.Dst.Bits():
		n := s.Dst.Bytes()
		return s.Dst.String() + "=" + Bytes(s.Dst, s.Value[16-n:], nil).valueString()
	case constant:
		return dst + "=" + hex(s.Value[:])
	case s.Src == s.Dst && s.SrcOfs == s.DstOfs:
		return dst
	}
	return dst + "=" + src
}
