// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// defaultPriority is the one that ovs-ofctl assumes and does not print.
const defaultPriority = 32768

// Flow is one OpenFlow flow as a value. Timeouts are in seconds, zero for none.
type Flow struct {
	Table       uint8 // 0..254
	Priority    uint16
	IdleTimeout uint16
	HardTimeout uint16
	Cookie      uint64
	Match       Match
	Actions     []Action // none drops the packet
}

// Key is what makes two flows the same flow: table, priority and match.
type Key struct {
	Table    uint8
	Priority uint16
	Match    string
}

// ID is the flow's Key in a form that is quick to make and to compare, and that nobody reads.
func (f Flow) ID() string {
	b := make([]byte, 0, 64)
	b = binary.BigEndian.AppendUint16(append(b, f.Table), f.Priority)
	for _, fm := range f.Match {
		b = append(b, byte(fm.Field), fm.N)
		b = append(b, fm.Value[:fm.N]...)
		if fm.Masked {
			b = append(b, 0) // no field has this number
			b = append(b, fm.Mask[:fm.N]...)
		}
	}
	return string(b)
}

// Key is the flow's identity in its bridge.
func (f Flow) Key() Key { return Key{Table: f.Table, Priority: f.Priority, Match: f.Match.String()} }

// String is the key in ovs-ofctl's grammar.
func (k Key) String() string {
	parts := []string{fmt.Sprintf("table=%d, priority=%d", k.Table, k.Priority)}
	if k.Match != "" {
		parts = append(parts, k.Match)
	}
	return strings.Join(parts, ",")
}

// String is the flow as `ovs-ofctl -O OpenFlow15 --no-names --no-stats
// dump-flows` prints it, which `ovs-ofctl add-flow` reads back. As there, what
// has its default value (cookie 0, table 0, priority 32768) is left out.
func (f Flow) String() string {
	return f.text(f.Cookie)
}

func (f Flow) text(cookie uint64) string {
	var b strings.Builder
	b.Grow(160)
	if cookie != 0 {
		b.WriteString("cookie=0x" + strconv.FormatUint(cookie, 16) + ", ")
	}
	number := func(name string, n uint16) {
		if n != 0 {
			b.WriteString(name + "=" + strconv.Itoa(int(n)) + ", ")
		}
	}
	number("table", uint16(f.Table))
	number("idle_timeout", f.IdleTimeout)
	number("hard_timeout", f.HardTimeout)
	match := f.Match.String()
	if f.Priority != defaultPriority {
		b.WriteString("priority=" + strconv.Itoa(int(f.Priority)))
		if match != "" {
			b.WriteByte(',')
		}
	}
	b.WriteString(match)
	if match != "" || f.Priority != defaultPriority {
		b.WriteByte(' ')
	}
	b.WriteString("actions=" + actionsString(f.Actions))
	return b.String()
}

// Validate checks the match (see Match.Validate) and that the actions can be
// what a flow holds: Goto last, once, and forward; subfields within their
// fields. The switch checks what depends on its state. Errors wrap ErrInvalid
// and show the flow.
func (f Flow) Validate() error {
	if err := f.validate(); err != nil {
		return fmt.Errorf("flow %q: %w", f.String(), err)
	}
	return nil
}

func (f Flow) validate() error {
	if f.Table == TableAny {
		return fmt.Errorf("%w: table 255 is no table", ErrInvalid)
	}
	if err := f.Match.Validate(); err != nil {
		return err
	}
	for i, a := range f.Actions {
		if err := validateAction(a); err != nil {
			return err
		}
		g, ok := a.(Goto)
		switch {
		case !ok:
		case i != len(f.Actions)-1:
			return fmt.Errorf("%w: %v: must be the last action", ErrInvalid, a)
		case g.Table <= f.Table || g.Table == TableAny:
			return fmt.Errorf("%w: %v: must lead to a higher table than %d", ErrInvalid, a, f.Table)
		}
	}
	return nil
}

func validateAction(a Action) error {
	within := func(f Field, ofs, bits uint16) error {
		if !f.Valid() || bits == 0 || int(ofs)+int(bits) > int(f.Bits()) {
			return fmt.Errorf("%w: %v: no such bits in %v", ErrInvalid, a, f)
		}
		return nil
	}
	switch a := a.(type) {
	case nil:
		return fmt.Errorf("%w: an action is nil", ErrInvalid)
	case SetField:
		return a.validate()
	case OutputField:
		return within(a.Field, a.Ofs, a.Bits)
	case Copy:
		if err := within(a.Src, a.SrcOfs, a.Bits); err != nil {
			return err
		}
		return within(a.Dst, a.DstOfs, a.Bits)
	case CT:
		if a.ZoneBits != 0 {
			return within(a.ZoneField, a.ZoneOfs, a.ZoneBits)
		}
	case Learn:
		for _, s := range a.Specs {
			if s.Src != FieldInvalid || s.Kind == LearnOutput {
				if err := within(s.Src, s.SrcOfs, s.Bits); err != nil {
					return err
				}
			}
			if s.Kind == LearnOutput {
				continue
			}
			if err := within(s.Dst, s.DstOfs, s.Bits); err != nil {
				return err
			}
		}
	}
	return nil
}

// Hash24 is the hash of the flow's text without its cookie, in 24 bits: what
// goes into Cookie.Hash, so that a flow found in a switch can be compared with
// a wanted one without comparing actions.
func Hash24(f Flow) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(f.text(0))) // a hash.Hash never fails
	sum := h.Sum32()
	return (sum ^ sum>>24) & 0xffffff
}
