// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ovsnet/ovsnet/flows"
)

// readOnly are the fields that Open vSwitch lets no action write, or only ct().
var readOnly = []flows.Field{
	flows.FieldEthType, flows.FieldVLANTCI, flows.FieldIPProto, flows.FieldIPFrag, flows.FieldTCPFlags,
	flows.FieldCTState, flows.FieldCTZone, flows.FieldCTMark, flows.FieldCTLabel, flows.FieldInPort,
}

// packetKinds are the matches that make other fields possible.
func packetKinds() [][]flows.FieldMatch {
	eth := func(t uint64) flows.FieldMatch { return flows.U(flows.FieldEthType, t) }
	proto := func(p uint64) flows.FieldMatch { return flows.U(flows.FieldIPProto, p) }
	kinds := [][]flows.FieldMatch{{}, {eth(0x88cc)}, {eth(flows.EthTypeARP)}, {eth(flows.EthTypeRARP)}}
	for _, family := range []uint64{flows.EthTypeIPv4, flows.EthTypeIPv6} {
		kinds = append(kinds, []flows.FieldMatch{eth(family)})
		for _, p := range []uint64{flows.ProtoTCP, flows.ProtoUDP, flows.ProtoSCTP, 89} {
			kinds = append(kinds, []flows.FieldMatch{eth(family), proto(p)})
		}
	}
	icmp6 := []flows.FieldMatch{eth(flows.EthTypeIPv6), proto(flows.ProtoICMPv6)}
	return append(kinds, []flows.FieldMatch{eth(flows.EthTypeIPv4), proto(flows.ProtoICMP)}, icmp6,
		append(slices.Clone(icmp6), flows.U(flows.FieldICMPv6Type, flows.NDSolicit)),
		append(slices.Clone(icmp6), flows.U(flows.FieldICMPv6Type, flows.NDAdvert)))
}

func drawValue(t *rapid.T, f flows.Field) flows.FieldMatch {
	if f == flows.FieldInPort {
		return flows.U(f, rapid.SampledFrom([]uint64{1, 2, 0xfeff, uint64(flows.PortLocal)}).Draw(t, "port"))
	}
	n := f.Bytes()
	value := rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "value")
	ones := bitMask(f)
	for i := range value {
		value[i] &= ones[i]
	}
	var mask []byte
	if f.Maskable() && rapid.Bool().Draw(t, "masked") {
		mask = rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "mask")
	}
	return flows.Bytes(f, value, mask)
}

// bitMask are the bits that the field has.
func bitMask(f flows.Field) []byte {
	mask := make([]byte, f.Bytes())
	bits := int(f.Bits())
	if f == flows.FieldCTState || f == flows.FieldARPOp { // what Open vSwitch keeps of them
		bits = 8
	}
	for i := range bits {
		mask[len(mask)-1-i/8] |= 1 << (i % 8)
	}
	return mask
}

func drawField(t *rapid.T) flows.Field {
	return flows.Field(rapid.IntRange(1, flows.NumFields-1).Draw(t, "field"))
}

// drawMatch draws a match that Validate accepts.
func drawMatch(t *rapid.T) flows.Match {
	m := flows.NewMatch(rapid.SampledFrom(packetKinds()).Draw(t, "kind")...)
	for range rapid.IntRange(0, 8).Draw(t, "fields") {
		more := flows.NewMatch(append(slices.Clone(m), drawValue(t, drawField(t)))...)
		if more.Validate() == nil {
			m = more
		}
	}
	return m
}

// writable reports whether a flow with match m may write field f.
func writable(m flows.Match, f flows.Field) bool {
	if f == flows.FieldVLANVID || f == flows.FieldVLANPCP {
		_, tagged := m.Get(flows.FieldVLANVID)
		return tagged
	}
	return !slices.Contains(readOnly, f) && readable(m, f)
}

// readable reports whether a packet that matches m has field f.
func readable(m flows.Match, f flows.Field) bool {
	if _, ok := m.Get(f); ok {
		return true
	}
	switch f {
	case flows.FieldVLANVID, flows.FieldVLANPCP:
		_, ok := m.Get(flows.FieldVLANVID)
		return ok
	case flows.FieldVLANTCI:
		return true
	default:
	}
	return flows.NewMatch(append(slices.Clone(m), flows.Bytes(f, make([]byte, f.Bytes()), nil))...).Validate() == nil
}

func drawSubfield(t *rapid.T, allowed func(flows.Field) bool, atMost uint16) (f flows.Field, ofs, bits uint16) {
	for f = drawField(t); !allowed(f) || f.Bits() > atMost; {
		f = flows.FieldReg0 + flows.Field(rapid.IntRange(0, 15).Draw(t, "register"))
	}
	bits = rapid.Uint16Range(1, f.Bits()).Draw(t, "bits")
	return f, rapid.Uint16Range(0, f.Bits()-bits).Draw(t, "offset"), bits
}

func drawAction(t *rapid.T, m flows.Match) flows.Action {
	read, write := func(f flows.Field) bool { return readable(m, f) }, func(f flows.Field) bool { return writable(m, f) }
	port := rapid.Uint32Range(1, 0xfeff).Draw(t, "port")
	switch rapid.IntRange(0, 10).Draw(t, "action") {
	case 0:
		return flows.Output{Port: port}
	case 1:
		return flows.Output{Port: rapid.SampledFrom([]uint32{flows.PortInPort, flows.PortNormal, flows.PortFlood, flows.PortAll, flows.PortController, flows.PortLocal}).Draw(t, "reserved")}
	case 2:
		f, ofs, bits := drawSubfield(t, read, 64)
		return flows.OutputField{Field: f, Ofs: ofs, Bits: bits}
	case 3:
		f, _, _ := drawSubfield(t, write, 128)
		if fm := drawValue(t, f); fm.Mask == [16]byte{} && fm.Masked { // a mask of nothing
			return flows.SetField{FieldMatch: flows.Bytes(f, make([]byte, f.Bytes()), nil)}
		} else {
			return flows.SetField{FieldMatch: fm}
		}
	case 4:
		src, srcOfs, bits := drawSubfield(t, read, 128)
		dst, dstOfs, dstBits := drawSubfield(t, write, 128)
		return flows.Copy{Src: src, SrcOfs: srcOfs, Dst: dst, DstOfs: dstOfs, Bits: min(bits, dstBits)}
	case 5:
		return flows.Resubmit{Port: rapid.SampledFrom([]uint32{0, port, flows.PortLocal}).Draw(t, "resubmit port"), Table: rapid.Uint8Range(0, 254).Draw(t, "table")}
	case 6:
		return flows.Group{ID: 4}
	case 7:
		return flows.Meter{ID: 1}
	case 8:
		// ct(commit) wants a state that can be committed.
		if _, tracked := m.Get(flows.FieldCTState); tracked || !readable(m, flows.FieldIPTTL) {
			return flows.Output{Port: port}
		}
		return rapid.SampledFrom([]flows.Action{
			flows.DecTTL{}, flows.Exit{}, flows.CT{}, flows.CT{Commit: true, Zone: 7}, flows.CT{HasTable: true, Table: 9, NAT: true},
			flows.CT{Commit: true, Force: true, ZoneField: flows.FieldReg3, ZoneOfs: 5, ZoneBits: 16},
		}).Draw(t, "ip action")
	case 9:
		if _, tagged := m.Get(flows.FieldVLANVID); tagged {
			return flows.SetField{FieldMatch: flows.U(flows.FieldVLANVID, uint64(rapid.Uint16Range(0, 4095).Draw(t, "vid")))}
		}
		return flows.Output{Port: port}
	default:
		return drawLearn(t, m)
	}
}

func drawLearn(t *rapid.T, m flows.Match) flows.Learn {
	a := flows.Learn{
		Table: rapid.Uint8Range(0, 254).Draw(t, "table"), Priority: rapid.Uint16().Draw(t, "priority"),
		IdleTimeout: rapid.Uint16().Draw(t, "idle"), HardTimeout: rapid.Uint16().Draw(t, "hard"),
		Cookie: rapid.Uint64().Draw(t, "cookie"), Limit: rapid.Uint32().Draw(t, "limit"), DeleteLearned: rapid.Bool().Draw(t, "delete"),
	}
	read := func(f flows.Field) bool { return readable(m, f) }
	register := func(f flows.Field) bool { return f >= flows.FieldReg0 && f <= flows.FieldReg15 }
	for range rapid.IntRange(0, 4).Draw(t, "specs") {
		src, srcOfs, bits := drawSubfield(t, read, 32)
		dst, dstOfs, dstBits := drawSubfield(t, register, 32)
		s := flows.LearnSpec{Kind: flows.LearnKind(rapid.IntRange(0, 2).Draw(t, "kind")), Src: src, SrcOfs: srcOfs, Dst: dst, DstOfs: dstOfs, Bits: min(bits, dstBits)}
		switch {
		case s.Kind == flows.LearnOutput:
			s = flows.LearnSpec{Kind: s.Kind, Src: src, SrcOfs: srcOfs, Bits: bits}
		case rapid.Bool().Draw(t, "constant"):
			s.Src, s.SrcOfs = flows.FieldInvalid, 0
			v := rapid.Uint32().Draw(t, "constant value") & (1<<s.Bits - 1)
			copy(s.Value[12:], be32(nil, v))
		}
		a.Specs = append(a.Specs, s)
	}
	return a
}

func drawFlow(t *rapid.T) flows.Flow {
	f := flows.Flow{
		Table: rapid.Uint8Range(0, 250).Draw(t, "table"), Priority: rapid.Uint16().Draw(t, "priority"), Cookie: rapid.Uint64().Draw(t, "cookie"),
		IdleTimeout: rapid.SampledFrom([]uint16{0, 100, 65535}).Draw(t, "idle"), HardTimeout: rapid.SampledFrom([]uint16{0, 100, 65535}).Draw(t, "hard"),
		Match: drawMatch(t),
	}
	for range rapid.IntRange(0, 5).Draw(t, "actions") {
		f.Actions = append(f.Actions, drawAction(t, f.Match))
	}
	if rapid.Bool().Draw(t, "goto") {
		f.Actions = append(f.Actions, flows.Goto{Table: f.Table + 1})
	}
	return f
}

// equalFlows takes no match and an empty one for the same.
var equalFlows = cmp.Comparer(slices.Equal[flows.Match])

func TestFlowRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawFlow(t)
		if err := want.Validate(); err != nil {
			t.Fatal(err)
		}
		mod, err := appendFlowMod(nil, 1, want)
		if err != nil {
			t.Fatal(err)
		}
		match, unknown, instructions, err := decodeMatch(mod[48:])
		if err != nil || unknown {
			t.Fatalf("%v: unknown %v: %v", want, unknown, err)
		}
		got := flows.Flow{
			Table: mod[24], Priority: get16(mod[30:]), IdleTimeout: get16(mod[26:]), HardTimeout: get16(mod[28:]), Cookie: get64(mod[8:]), Match: match,
		}
		if got.Actions, err = decodeInstructions(instructions); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, equalFlows); diff != "" {
			t.Fatalf("%v (-want +got):\n%s", want, diff)
		}
	})
}

func TestGroupRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := flows.GroupDesc{ID: rapid.Uint32().Draw(t, "id"), Type: flows.GroupType(rapid.IntRange(0, 3).Draw(t, "type"))}
		for range rapid.IntRange(0, 5).Draw(t, "buckets") {
			k := flows.Bucket{ID: rapid.Uint32().Draw(t, "bucket"), WatchPort: rapid.Uint32Range(0, 0xfeff).Draw(t, "watch")}
			if want.Type == flows.GroupSelect {
				k.Weight = rapid.Uint16().Draw(t, "weight")
			}
			for range rapid.IntRange(0, 3).Draw(t, "actions") {
				k.Actions = append(k.Actions, drawAction(t, nil))
			}
			want.Buckets = append(want.Buckets, k)
		}
		mod, err := appendGroupMod(nil, 1, GroupMod{Command: GroupAdd, Group: want})
		if err != nil {
			t.Fatal(err)
		}
		// A description has the buckets of a group_mod behind a head of its own.
		desc := be16(nil, uint16(len(mod)-8))
		desc = append(desc, mod[10], 0)
		desc = append(desc, mod[12:16]...)
		desc = append(pad(append(desc, mod[16:18]...), 6), mod[24:]...)
		got, rest, err := decodeGroupDesc(desc)
		if err != nil || len(rest) != 0 {
			t.Fatalf("%v: %d bytes left: %v", want, len(rest), err)
		}
		if diff := cmp.Diff(want, got, equalFlows); diff != "" {
			t.Fatalf("%v (-want +got):\n%s", want, diff)
		}
	})
}

// Any flow that Validate accepts, the switch accepts, and reads as we do.
func TestRandomFlowsOnTheSwitch(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	err := b.Meters(testContext(t), []MeterMod{{MeterAdd, flows.MeterDesc{ID: 1, Rate: 1000}}})
	if err == nil {
		err = b.Apply(testContext(t), Update{Groups: []GroupMod{{Command: GroupAdd, Group: flows.GroupDesc{ID: 4}}}})
	}
	if err != nil {
		t.Fatal(err)
	}
	var last []flows.Flow
	rapid.Check(t, func(rt *rapid.T) {
		want := make([]flows.Flow, 10)
		for i := range want {
			want[i] = drawFlow(rt)
			want[i].Cookie = flows.CookieOwnerValue
			want[i].Priority = uint16(i + 1)
		}
		if err := b.Apply(testContext(t), Update{Delete: last, Flows: want}); err != nil {
			rt.Fatal(err)
		}
		last = want
		var texts []string
		for _, f := range want {
			texts = append(texts, f.String())
		}
		slices.Sort(texts)
		if diff := cmp.Diff(strings.Join(texts, "\n"), strings.Join(b.flowTexts(t), "\n")); diff != "" {
			rt.Fatalf("ovs-ofctl reads other than we wrote (-written +read):\n%s", diff)
		}
		stats, err := b.DumpFlows(testContext(t), 0, 0)
		if err != nil {
			rt.Fatal(err)
		}
		var read []flows.Flow
		for _, s := range stats {
			read = append(read, s.Flow)
		}
		slices.SortFunc(read, func(a, b flows.Flow) int { return int(a.Priority) - int(b.Priority) })
		if diff := cmp.Diff(want, read, equalFlows); diff != "" {
			rt.Fatalf("we read other than we wrote (-written +read):\n%s", diff)
		}
	})
}
