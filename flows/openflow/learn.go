// SPDX-License-Identifier: Apache-2.0

package openflow

import "github.com/ovsnet/ovsnet/flows"

// Flags of a learn action, and the bits of the header of one of its specs
// (Open vSwitch's nicira-ext: struct nx_action_learn).
const (
	learnDeleteLearned = 1 << 1

	specImmediate = 1 << 13
	specLoad      = 1 << 11
	specOutput    = 2 << 11
	specBits      = 1<<10 - 1 // up to 1023, so 10 bits
)

// appendLearn appends struct nx_action_learn, or nx_action_learn2 where there
// is a limit, without length and padding.
func appendLearn(b []byte, a flows.Learn) []byte {
	subtype := uint16(nxLearn)
	if a.Limit != 0 {
		subtype = nxLearn2
	}
	var flags uint16
	if a.DeleteLearned {
		flags |= learnDeleteLearned
	}
	b = be16(be16(be16(appendNicira(b, subtype), a.IdleTimeout), a.HardTimeout), a.Priority)
	b = be16(be64(b, a.Cookie), flags)
	b = append(b, a.Table, 0, 0, 0, 0, 0)
	if a.Limit != 0 {
		b = pad(be32(b, a.Limit), 4)
	}
	for _, s := range a.Specs {
		b = appendLearnSpec(b, s)
	}
	return b
}

func appendLearnSpec(b []byte, s flows.LearnSpec) []byte {
	head := s.Bits
	switch s.Kind {
	case flows.LearnLoad:
		head |= specLoad
	case flows.LearnOutput:
		head |= specOutput
	case flows.LearnMatch:
	}
	if s.Src == flows.FieldInvalid {
		b = be16(b, head|specImmediate)
		b = append(b, s.Value[16-immediateLen(s.Bits):]...)
	} else {
		b = be16(b, head)
		b = be16(be32(b, uint32(subfieldOxm(s.Src))), s.SrcOfs)
	}
	if s.Kind == flows.LearnOutput {
		return b
	}
	return be16(be32(b, uint32(subfieldOxm(s.Dst))), s.DstOfs)
}

// immediateLen is the length of a constant of so many bits: whole 16-bit words.
func immediateLen(bits uint16) int { return 2 * ((int(bits) + 15) / 16) }

// decodeLearn reads either form; head is its length before the specs.
func decodeLearn(b []byte, head int) (flows.Action, bool) {
	a := flows.Learn{
		IdleTimeout: get16(b[10:]), HardTimeout: get16(b[12:]), Priority: get16(b[14:]), Cookie: get64(b[16:]),
		DeleteLearned: get16(b[24:])&learnDeleteLearned != 0, Table: b[26],
	}
	if get16(b[24:])&^learnDeleteLearned != 0 || get32(b[28:]) != 0 { // another flag, or a timeout after FIN
		return nil, false
	}
	if head == 40 {
		a.Limit = get32(b[32:])
		if a.Limit == 0 { // flows.Learn would encode to the short form
			return nil, false
		}
	}
	for b = b[head:]; len(b) >= 2 && get16(b) != 0; {
		s, n, ok := decodeLearnSpec(b)
		if !ok {
			return nil, false
		}
		a.Specs = append(a.Specs, s)
		b = b[n:]
	}
	return a, true
}

// decodeLearnSpec reads the spec at the start of b and says how long it is.
func decodeLearnSpec(b []byte) (s flows.LearnSpec, n int, ok bool) {
	head := get16(b)
	s.Bits, n = head&specBits, 2
	switch head &^ (specBits | specImmediate) {
	case 0:
	case specLoad:
		s.Kind = flows.LearnLoad
	case specOutput:
		s.Kind = flows.LearnOutput
	default:
		return s, 0, false
	}
	if head&specImmediate != 0 {
		size := immediateLen(s.Bits)
		if size > len(s.Value) || len(b) < n+size || s.Kind == flows.LearnOutput {
			return s, 0, false
		}
		copy(s.Value[16-size:], b[n:n+size])
		n += size
	} else if s.Src, s.SrcOfs, ok = specField(b[n:]); ok {
		n += 6
	} else {
		return s, 0, false
	}
	if s.Kind == flows.LearnOutput {
		return s, n, true
	}
	if s.Dst, s.DstOfs, ok = specField(b[n:]); !ok {
		return s, 0, false
	}
	return s, n + 6, true
}

func specField(b []byte) (flows.Field, uint16, bool) {
	if len(b) < 6 {
		return 0, 0, false
	}
	f, ok := subfieldOf(oxm(get32(b)))
	return f, get16(b[4:]), ok
}
