// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"fmt"
	"strconv"
	"strings"
)

// Reserved port numbers of OpenFlow 1.5.1, section 7.2.1.
const (
	PortMax        uint32 = 0xffffff00 // the first number that is no ordinary port
	PortInPort     uint32 = 0xfffffff8 // back where the packet came from
	PortTable      uint32 = 0xfffffff9 // from the first table
	PortNormal     uint32 = 0xfffffffa // MAC learning of Open vSwitch
	PortFlood      uint32 = 0xfffffffb // all ports but the ingress and no-flood ones
	PortAll        uint32 = 0xfffffffc // all ports but the ingress
	PortController uint32 = 0xfffffffd // to the controller
	PortLocal      uint32 = 0xfffffffe // the bridge's own (internal) port
	PortAny        uint32 = 0xffffffff // no port
)

// TableAny as the table of Resubmit is the current table.
const TableAny uint8 = 0xff

// Action is one action of a flow or bucket. Its text is ovs-ofctl's. A list of
// no actions drops the packet. All but Learn are comparable.
type Action interface {
	fmt.Stringer
	isAction()
}

// Output sends the packet to a port.
type Output struct{ Port uint32 }

// OutputField sends the packet to the port whose number a subfield holds.
type OutputField struct {
	Field Field
	Ofs   uint16 // first bit
	Bits  uint16 // number of bits
}

// Group hands the packet to a group.
type Group struct{ ID uint32 }

// Meter drops the packet if it exceeds the meter's rate.
type Meter struct{ ID uint32 }

// SetField writes a value, or the masked bits of one, to a field.
type SetField struct{ FieldMatch }

// Copy copies Bits bits of one field to another (copy_field of OpenFlow 1.5,
// "move" in ovs-ofctl).
type Copy struct {
	Src    Field
	SrcOfs uint16
	Dst    Field
	DstOfs uint16
	Bits   uint16
}

// CopyField copies the whole of src to dst, which must be as wide.
func CopyField(src, dst Field) Copy { return Copy{Src: src, Dst: dst, Bits: src.Bits()} }

// Resubmit searches another table now and then goes on with the next action.
type Resubmit struct {
	Port  uint32 // as if it had come in here; 0 keeps the ingress port
	Table uint8  // TableAny is the current table
}

// PushVLAN adds a VLAN tag with the given Ethernet type, 0x8100 or 0x88a8.
type PushVLAN struct{ TPID uint16 }

// PopVLAN removes the outer VLAN tag.
type PopVLAN struct{}

// DecTTL decrements the TTL or hop limit; a packet that reaches zero ends here.
type DecTTL struct{}

// Exit ends all that becomes of the packet, in the flows that resubmitted it here too.
type Exit struct{}

// CT sends the packet through the connection tracker (ct() of ovs-actions(7)).
type CT struct {
	Commit   bool
	Force    bool // with Commit: replace a connection of the other direction
	HasTable bool
	Table    uint8 // where a copy of the packet goes on, tracked; needs HasTable
	Zone     uint16
	// With ZoneBits not zero, the zone is a subfield and Zone must be zero.
	ZoneField Field
	ZoneOfs   uint16
	ZoneBits  uint16
	NAT       bool // translate the packets of a connection that was committed with NAT
}

// Goto is the goto_table instruction: it must be the last of a flow's actions
// and lead to a higher table. Buckets cannot hold it.
type Goto struct{ Table uint8 }

// Raw is an action or instruction that this package has no type for, as found
// in a switch. Type is the OpenFlow action or instruction type and Bytes the
// whole of it on the wire. It encodes back to the same bytes.
type Raw struct {
	Instruction bool
	Type        uint16
	Bytes       string
}

func (Output) isAction()      {}
func (OutputField) isAction() {}
func (Group) isAction()       {}
func (Meter) isAction()       {}
func (SetField) isAction()    {}
func (Copy) isAction()        {}
func (Resubmit) isAction()    {}
func (PushVLAN) isAction()    {}
func (PopVLAN) isAction()     {}
func (DecTTL) isAction()      {}
func (Exit) isAction()        {}
func (CT) isAction()          {}
func (Goto) isAction()        {}
func (Raw) isAction()         {}

var portNames = map[uint32]string{
	PortInPort: "IN_PORT", PortTable: "TABLE", PortNormal: "NORMAL", PortFlood: "FLOOD",
	PortAll: "ALL", PortController: "CONTROLLER", PortLocal: "LOCAL", PortAny: "ANY",
}

func portName(p uint32) string {
	if name, ok := portNames[p]; ok {
		return name
	}
	return strconv.FormatUint(uint64(p), 10)
}

// subfield is NAME[], NAME[bit] or NAME[first..last].
func subfield(f Field, ofs, bits uint16) string {
	name := f.info().subfield
	if name == "" {
		name = f.String()
	}
	switch {
	case ofs == 0 && bits == f.Bits():
		return name + "[]"
	case bits == 1:
		return fmt.Sprintf("%s[%d]", name, ofs)
	}
	return fmt.Sprintf("%s[%d..%d]", name, ofs, int(ofs)+int(bits)-1)
}

// String is "output:3", or the name of a reserved port.
func (a Output) String() string {
	switch name, reserved := portNames[a.Port]; {
	case a.Port == PortController:
		return "CONTROLLER:65535"
	case reserved:
		return name
	}
	return "output:" + portName(a.Port)
}

// String is "output:NXM_NX_REG0[0..15]".
func (a OutputField) String() string { return "output:" + subfield(a.Field, a.Ofs, a.Bits) }

// String is "group:4".
func (a Group) String() string { return fmt.Sprintf("group:%d", a.ID) }

// String is "meter:1".
func (a Meter) String() string { return fmt.Sprintf("meter:%d", a.ID) }

// String is "set_field:0x5->reg3".
func (a SetField) String() string {
	fm := a.FieldMatch
	if fm.Field == FieldVLANVID && fm.N == 2 {
		// On the wire and in the text the presence bit belongs to the id.
		fm.Value[0] |= 0x10
	}
	return "set_field:" + fm.valueString() + "->" + fm.Field.String()
}

// String is "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]".
func (a Copy) String() string {
	return "move:" + subfield(a.Src, a.SrcOfs, a.Bits) + "->" + subfield(a.Dst, a.DstOfs, a.Bits)
}

// String is "resubmit(,3)".
func (a Resubmit) String() string {
	port := ""
	if a.Port != 0 && a.Port != PortInPort {
		port = portName(a.Port)
		if a.Table == TableAny {
			return "resubmit:" + port
		}
	}
	if a.Table == TableAny {
		return "resubmit(,)"
	}
	return fmt.Sprintf("resubmit(%s,%d)", port, a.Table)
}

// String is "push_vlan:0x8100".
func (a PushVLAN) String() string { return fmt.Sprintf("push_vlan:0x%04x", a.TPID) }

// String is "pop_vlan".
func (PopVLAN) String() string { return "pop_vlan" }

// String is "dec_ttl".
func (DecTTL) String() string { return "dec_ttl" }

// String is "exit".
func (Exit) String() string { return "exit" }

// String is "ct(commit,table=3,zone=5,nat)".
func (a CT) String() string {
	var parts []string
	if a.Commit {
		parts = append(parts, "commit")
	}
	if a.Force {
		parts = append(parts, "force")
	}
	if a.HasTable {
		parts = append(parts, fmt.Sprintf("table=%d", a.Table))
	}
	switch {
	case a.ZoneBits != 0:
		parts = append(parts, "zone="+subfield(a.ZoneField, a.ZoneOfs, a.ZoneBits))
	case a.Zone != 0:
		parts = append(parts, fmt.Sprintf("zone=%d", a.Zone))
	}
	if a.NAT {
		parts = append(parts, "nat")
	}
	return "ct(" + strings.Join(parts, ",") + ")"
}

// String is "goto_table:20".
func (a Goto) String() string { return fmt.Sprintf("goto_table:%d", a.Table) }

// String shows the type and bytes; ovs-ofctl has no grammar for it.
func (a Raw) String() string {
	kind := "action"
	if a.Instruction {
		kind = "instruction"
	}
	return fmt.Sprintf("unknown_%s(type=%d,%x)", kind, a.Type, a.Bytes)
}

func actionsString(actions []Action) string {
	if len(actions) == 0 {
		return "drop"
	}
	parts := make([]string, len(actions))
	for i, a := range actions {
		if a == nil {
			parts[i] = "<nil>"
			continue
		}
		parts[i] = a.String()
	}
	return strings.Join(parts, ",")
}
