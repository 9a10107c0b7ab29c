// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ovsnet/ovsnet/flows"
)

// everyFlow has every field and every action at least once, in forms that Open
// vSwitch accepts. Priorities are unique, so that they can name a flow.
func everyFlow() []flows.Flow {
	ipv4, ipv6, arp := flows.U(flows.FieldEthType, flows.EthTypeIPv4), flows.U(flows.FieldEthType, flows.EthTypeIPv6), flows.U(flows.FieldEthType, flows.EthTypeARP)
	proto := func(p uint64) flows.FieldMatch { return flows.U(flows.FieldIPProto, p) }
	u, m := flows.U, flows.UMask
	match := flows.NewMatch
	set := func(fm flows.FieldMatch) flows.Action { return flows.SetField{FieldMatch: fm} }
	out := flows.Output{Port: 3}
	all := []flows.Flow{
		{},
		{Cookie: flows.CookieOwnerValue | 5, IdleTimeout: 100, HardTimeout: 200, Actions: []flows.Action{out}},
		{Match: match(u(flows.FieldInPort, 3)), Actions: []flows.Action{flows.Output{Port: flows.PortLocal}, flows.Output{Port: flows.PortInPort}}},
		{Match: match(u(flows.FieldInPort, uint64(flows.PortLocal))), Actions: []flows.Action{flows.Output{Port: flows.PortFlood}, flows.Output{Port: flows.PortAll}, flows.Output{Port: flows.PortNormal}, flows.Output{Port: flows.PortController}}},
		{Match: match(u(flows.FieldMetadata, 7), m(flows.FieldReg0, 0x10, 0xff), u(flows.FieldReg1, 0), u(flows.FieldReg15, 0xffffffff)), Actions: []flows.Action{
			set(u(flows.FieldMetadata, 1)), set(m(flows.FieldMetadata, 0, 1)), set(u(flows.FieldReg0, 0)), set(m(flows.FieldReg3, 0x50, 0xff0)), flows.Goto{Table: 200},
		}},
		{Match: match(m(flows.FieldReg4, 0, 4), u(flows.FieldPktMark, 5)), Actions: []flows.Action{set(u(flows.FieldPktMark, 6)), flows.OutputField{Field: flows.FieldReg1, Bits: 32}, flows.OutputField{Field: flows.FieldReg0, Ofs: 8, Bits: 16}}},
		{Match: match(u(flows.FieldTunID, 100), flows.Addr(flows.FieldTunSrc, addr("10.0.0.1")), flows.Prefix(flows.FieldTunDst, netip.MustParsePrefix("10.0.0.0/8"))), Actions: []flows.Action{
			set(u(flows.FieldTunID, 7)), set(flows.Addr(flows.FieldTunSrc, addr("1.2.3.4"))), set(flows.Addr(flows.FieldTunDst, addr("1.2.3.4"))), out,
		}},
		{Match: match(flows.Addr(flows.FieldTunIPv6Src, addr("fd00::1")), flows.Prefix(flows.FieldTunIPv6Dst, netip.MustParsePrefix("fd00::/64"))), Actions: []flows.Action{set(flows.Addr(flows.FieldTunIPv6Dst, addr("fd00::2"))), out}},
		{Match: match(flows.MAC(flows.FieldEthSrc, mac("00:00:00:00:00:01")), flows.MACMask(flows.FieldEthDst, mac("01:00:00:00:00:00"), mac("01:00:00:00:00:00"))), Actions: []flows.Action{
			flows.CopyField(flows.FieldEthSrc, flows.FieldEthDst), set(flows.MAC(flows.FieldEthSrc, mac("02:00:00:00:00:01"))), flows.Output{Port: flows.PortInPort},
		}},
		{Match: match(u(flows.FieldEthType, 0x1234)), Actions: []flows.Action{flows.Copy{Src: flows.FieldReg0, Dst: flows.FieldReg1, DstOfs: 16, Bits: 16}, flows.Copy{Src: flows.FieldInPort, Dst: flows.FieldReg3, Bits: 16}}},
		{Match: match(u(flows.FieldVLANVID, 5), arp), Actions: []flows.Action{flows.PopVLAN{}, out}},
		{Match: match(u(flows.FieldVLANVID, 5), u(flows.FieldVLANPCP, 3)), Actions: []flows.Action{set(u(flows.FieldVLANVID, 0xfff)), set(u(flows.FieldVLANPCP, 7)), out}},
		{Match: match(u(flows.FieldVLANPCP, 3)), Actions: []flows.Action{flows.PushVLAN{TPID: 0x88a8}, set(u(flows.FieldVLANVID, 9)), out}},
		{Match: match(flows.Untagged()), Actions: []flows.Action{flows.PushVLAN{TPID: 0x8100}, set(u(flows.FieldVLANVID, 0)), flows.Copy{Src: flows.FieldVLANTCI, Dst: flows.FieldReg0, Bits: 12}, out}},
		{Match: match(m(flows.FieldVLANTCI, 0x1000, 0x1000))},
		{Match: match(m(flows.FieldVLANTCI, 0, 0x1000))},
		{Match: match(m(flows.FieldVLANTCI, 0x1003, 0x1003))},
		{Match: match(m(flows.FieldVLANTCI, 3, 0xfff))},
		{Match: match(ipv4, proto(89), u(flows.FieldIPTTL, 64), u(flows.FieldIPDSCP, 46), u(flows.FieldIPECN, 1), u(flows.FieldIPFrag, 0)), Actions: []flows.Action{
			flows.DecTTL{}, flows.Exit{}, set(u(flows.FieldIPTTL, 5)), set(u(flows.FieldIPDSCP, 3)), set(u(flows.FieldIPECN, 2)), out,
		}},
		{Match: match(ipv4, m(flows.FieldIPFrag, 1, 1))},
		{Match: match(ipv4, m(flows.FieldIPFrag, 2, 2))},
		{Match: match(ipv4, m(flows.FieldIPFrag, 0, 2))},
		{Match: match(ipv4, u(flows.FieldIPFrag, 3))},
		{Match: match(ipv4, u(flows.FieldIPFrag, 1))},
		{Match: match(ipv4, flows.Addr(flows.FieldIPv4Src, addr("10.0.0.2")), flows.Prefix(flows.FieldIPv4Dst, netip.MustParsePrefix("10.0.0.0/24"))), Actions: []flows.Action{
			set(flows.Addr(flows.FieldIPv4Src, addr("10.9.9.9"))), flows.CopyField(flows.FieldIPv4Src, flows.FieldIPv4Dst), flows.Copy{Src: flows.FieldIPv4Src, Dst: flows.FieldTunDst, Bits: 32}, out,
		}},
		{Match: match(ipv4, flows.Bytes(flows.FieldIPv4Src, []byte{10, 0, 1, 0}, []byte{255, 0, 255, 0}))},
		{Match: match(ipv6, flows.Addr(flows.FieldIPv6Src, addr("fd00::2")), flows.Prefix(flows.FieldIPv6Dst, netip.MustParsePrefix("ff02::/16")), u(flows.FieldIPv6Label, 5)), Actions: []flows.Action{
			set(u(flows.FieldIPv6Label, 6)), flows.CopyField(flows.FieldIPv6Src, flows.FieldIPv6Dst), set(flows.Addr(flows.FieldIPv6Src, addr("fe80::1"))), out,
		}},
		{Match: match(ipv6, m(flows.FieldIPv6Label, 5, 0xff), flows.Bytes(flows.FieldIPv6Src, addr("fd00::5").AsSlice(), addr("ffff::ffff").AsSlice()))},
		{Match: match(ipv6, flows.Addr(flows.FieldIPv6Src, addr("::ffff:1.2.3.4")), flows.Addr(flows.FieldIPv6Dst, addr("::102:304")))},
		{Match: match(ipv6, flows.Addr(flows.FieldIPv6Src, addr("::1")), flows.Addr(flows.FieldIPv6Dst, addr("::")))},
		{Match: match(ipv6, flows.Addr(flows.FieldIPv6Src, addr("2001:db8:0:0:1:0:0:1")), flows.Addr(flows.FieldIPv6Dst, addr("2001:0:1:0:1:0:1:0")))},
		{Match: match(ipv4, proto(6), u(flows.FieldTCPSrc, 1), m(flows.FieldTCPDst, 80, 0xfff0), m(flows.FieldTCPFlags, 2, 0x12)), Actions: []flows.Action{set(u(flows.FieldTCPSrc, 9)), set(u(flows.FieldTCPDst, 8)), out}},
		{Match: match(ipv6, proto(6), u(flows.FieldTCPFlags, 2)), Actions: []flows.Action{flows.Copy{Src: flows.FieldTCPFlags, Dst: flows.FieldReg0, Bits: 12}}},
		{Match: match(ipv4, proto(6), u(flows.FieldTCPFlags, 0))},
		{Match: match(ipv4, proto(17), u(flows.FieldUDPSrc, 68), u(flows.FieldUDPDst, 67)), Actions: []flows.Action{set(u(flows.FieldUDPSrc, 1)), flows.CopyField(flows.FieldUDPSrc, flows.FieldUDPDst), out}},
		{Match: match(ipv6, proto(132), u(flows.FieldSCTPSrc, 68), u(flows.FieldSCTPDst, 67)), Actions: []flows.Action{set(u(flows.FieldSCTPDst, 1)), out}},
		{Match: match(ipv4, proto(132), m(flows.FieldSCTPSrc, 64, 0xff40))},
		{Match: match(ipv4, proto(1), u(flows.FieldICMPType, 8), u(flows.FieldICMPCode, 0)), Actions: []flows.Action{set(u(flows.FieldICMPType, 0)), out}},
		{Match: match(ipv4, proto(2))},
		{Match: match(ipv6, proto(58), u(flows.FieldICMPv6Type, 128), u(flows.FieldICMPv6Code, 0))},
		{Match: match(ipv6, proto(58), u(flows.FieldICMPv6Type, 135), flows.Addr(flows.FieldNDTarget, addr("fe80::1")), flows.MAC(flows.FieldNDSLL, mac("00:00:00:00:00:01")))},
		{Match: match(ipv6, proto(58), u(flows.FieldICMPv6Type, 136), flows.Prefix(flows.FieldNDTarget, netip.MustParsePrefix("fe80::/10")), flows.MAC(flows.FieldNDTLL, mac("00:00:00:00:00:01")),
			u(flows.FieldNDReserved, 0x60000000), u(flows.FieldNDOptionsType, 2))},
		ndResponder()[0],
		ndResponder()[1],
		{Match: match(ipv6, proto(58), u(flows.FieldICMPv6Type, 135)), Actions: []flows.Action{set(flows.MAC(flows.FieldNDSLL, mac("02:00:00:00:00:01"))), out}},
		{Match: match(ipv6, proto(58), u(flows.FieldICMPv6Type, 136)), Actions: []flows.Action{set(flows.MAC(flows.FieldNDTLL, mac("02:00:00:00:00:01"))), out}},
		arpResponder(),
		{Match: match(arp, flows.MACMask(flows.FieldARPSHA, mac("01:00:00:00:00:00"), mac("01:00:00:00:00:00")), flows.Prefix(flows.FieldARPSPA, netip.MustParsePrefix("10.0.0.0/8")), flows.MAC(flows.FieldARPTHA, mac("00:00:00:00:00:00")))},
		{Match: match(u(flows.FieldEthType, flows.EthTypeRARP), u(flows.FieldARPOp, 0))},
		{Match: match(ipv4, m(flows.FieldCTState, flows.CTTrk|flows.CTEst, flows.CTTrk|flows.CTEst|flows.CTNew), u(flows.FieldCTZone, 5), m(flows.FieldCTMark, 5, 15), m(flows.FieldCTLabel, 1, 1)),
			Actions: []flows.Action{flows.CT{Commit: true, HasTable: true, Table: 3, Zone: 5, NAT: true}}},
		{Match: match(ipv4, u(flows.FieldCTState, 0)), Actions: []flows.Action{flows.CT{HasTable: true, Table: 0, ZoneField: flows.FieldReg0, ZoneOfs: 3, ZoneBits: 16}}},
		{Match: match(ipv4, u(flows.FieldCTState, flows.CTTrk|flows.CTEst), u(flows.FieldCTMark, 9), u(flows.FieldCTLabel, 0x1234)), Actions: []flows.Action{flows.CT{}, flows.CT{NAT: true}, flows.CT{Commit: true, Force: true}}},
		{Actions: []flows.Action{flows.Resubmit{Table: 5}, flows.Resubmit{Port: 4, Table: 6}, flows.Resubmit{Port: 7, Table: flows.TableAny}, flows.Resubmit{Port: flows.PortLocal, Table: 8}}},
		{Actions: []flows.Action{flows.Meter{ID: 1}, flows.Group{ID: 4}}},
		{Actions: []flows.Action{flows.SetField{FieldMatch: u(flows.FieldInPort, 0)}, out}},
		learner(),
		{Match: match(arp), Actions: []flows.Action{flows.Learn{Table: 7, HardTimeout: 30, Priority: 32768, DeleteLearned: true, Specs: []flows.LearnSpec{
			flows.LearnMatchValue(arp), {Kind: flows.LearnMatch, Dst: flows.FieldReg2, Bits: 16, Value: [16]byte{15: 5}},
			flows.LearnMatchValue(flows.MAC(flows.FieldEthSrc, mac("00:00:00:00:00:01"))),
			flows.LearnMatchField(flows.FieldARPSPA, flows.FieldARPTPA),
			flows.LearnLoadValue(flows.MAC(flows.FieldEthDst, mac("00:00:00:00:00:02"))),
			{Kind: flows.LearnLoad, Dst: flows.FieldReg0, DstOfs: 4, Bits: 4, Value: [16]byte{15: 7}},
		}}}},
	}
	for i := range all {
		all[i].Priority = uint16(1000 + i)
		if i > 0 && all[i].Table == 0 {
			all[i].Table = uint8(i % 100)
		}
	}
	return all
}

// learner is MAC learning from a tunnel, with a limit.
func learner() flows.Flow {
	return flows.Flow{Actions: []flows.Action{flows.Learn{Table: 7, IdleTimeout: 300, Priority: 50, Cookie: 5, Limit: 100, Specs: []flows.LearnSpec{
		{Kind: flows.LearnMatch, Src: flows.FieldVLANTCI, Dst: flows.FieldVLANTCI, Bits: 12},
		flows.LearnMatchField(flows.FieldEthDst, flows.FieldEthSrc),
		flows.LearnLoadField(flows.FieldTunDst, flows.FieldTunSrc),
		flows.LearnOutputField(flows.FieldInPort),
	}}}}
}

func arpResponder() flows.Flow {
	hw := mac("02:00:00:00:00:01")
	return flows.Flow{
		Match: flows.NewMatch(flows.U(flows.FieldEthType, flows.EthTypeARP), flows.U(flows.FieldARPOp, 1), flows.Addr(flows.FieldARPTPA, addr("10.0.0.1"))),
		Actions: []flows.Action{
			flows.CopyField(flows.FieldEthSrc, flows.FieldEthDst), flows.SetField{FieldMatch: flows.MAC(flows.FieldEthSrc, hw)},
			flows.SetField{FieldMatch: flows.U(flows.FieldARPOp, 2)},
			flows.CopyField(flows.FieldARPSHA, flows.FieldARPTHA), flows.SetField{FieldMatch: flows.MAC(flows.FieldARPSHA, hw)},
			flows.CopyField(flows.FieldARPSPA, flows.FieldARPTPA), flows.SetField{FieldMatch: flows.Addr(flows.FieldARPSPA, addr("10.0.0.1"))},
			flows.Output{Port: flows.PortInPort},
		},
	}
}

// tableAdvertise is where ndResponder goes on.
const tableAdvertise = 210

// ndResponder answers a neighbour solicitation, in two tables: Open vSwitch
// lets only a flow that matches advertisements write the target option. (It
// accepts nd_sll followed by nd_options_type=2 too, but executes them the other
// way round, so that the answer keeps the asker's own address.)
func ndResponder() []flows.Flow {
	hw, target := mac("02:00:00:00:00:01"), addr("fd00::1")
	ipv6, icmp6 := flows.U(flows.FieldEthType, flows.EthTypeIPv6), flows.U(flows.FieldIPProto, flows.ProtoICMPv6)
	return []flows.Flow{
		{
			Match: flows.NewMatch(ipv6, icmp6, flows.U(flows.FieldIPTTL, 255),
				flows.U(flows.FieldICMPv6Type, flows.NDSolicit), flows.U(flows.FieldICMPv6Code, 0), flows.Addr(flows.FieldNDTarget, target)),
			Actions: []flows.Action{
				flows.CopyField(flows.FieldEthSrc, flows.FieldEthDst), flows.SetField{FieldMatch: flows.MAC(flows.FieldEthSrc, hw)},
				flows.CopyField(flows.FieldIPv6Src, flows.FieldIPv6Dst), flows.SetField{FieldMatch: flows.Addr(flows.FieldIPv6Src, target)},
				flows.SetField{FieldMatch: flows.U(flows.FieldNDOptionsType, 2)},
				flows.SetField{FieldMatch: flows.U(flows.FieldNDReserved, 0x60000000)},
				flows.SetField{FieldMatch: flows.U(flows.FieldICMPv6Type, flows.NDAdvert)},
				flows.Goto{Table: tableAdvertise},
			},
		},
		{
			Table: tableAdvertise, Match: flows.NewMatch(ipv6, icmp6, flows.U(flows.FieldICMPv6Type, flows.NDAdvert)),
			Actions: []flows.Action{flows.CopyField(flows.FieldEthSrc, flows.FieldNDTLL), flows.Output{Port: flows.PortInPort}},
		},
	}
}

// flowTexts is what ovs-ofctl says is in the bridge.
func (b *bridge) flowTexts(t *testing.T) []string {
	t.Helper()
	var texts []string
	for line := range strings.Lines(b.sw.OFCtl(t, "--no-names", "--no-stats", "dump-flows", bridgeName)) {
		texts = append(texts, strings.TrimSpace(line))
	}
	slices.Sort(texts)
	return texts
}

// ownTexts is what we say is in the bridge.
func (b *bridge) ownTexts(t *testing.T) []string {
	t.Helper()
	stats, err := b.DumpFlows(testContext(t), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	texts := make([]string, len(stats))
	for i, s := range stats {
		texts[i] = s.String()
	}
	slices.Sort(texts)
	return texts
}

func TestFlowsReadAsWritten(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	if err := b.Meters(testContext(t), []MeterMod{{MeterAdd, flows.MeterDesc{ID: 1, PacketsPerSecond: true, Rate: 10}}}); err != nil {
		t.Fatal(err)
	}
	want := everyFlow()
	err := b.Apply(testContext(t), Update{Flows: want, Groups: []GroupMod{{Command: GroupAdd, Group: flows.GroupDesc{ID: 4}}}})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, f := range want {
		texts = append(texts, f.String())
	}
	slices.Sort(texts)
	if diff := cmp.Diff(texts, b.flowTexts(t)); diff != "" {
		t.Errorf("ovs-ofctl reads other than we wrote (-written +read):\n%s", diff)
	}
	stats, err := b.DumpFlows(testContext(t), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var read []flows.Flow
	for _, s := range stats {
		if s.Unknown {
			t.Errorf("%v: has unknown fields", s)
		}
		read = append(read, s.Flow)
	}
	byPriority := func(a, b flows.Flow) int { return int(a.Priority) - int(b.Priority) }
	slices.SortFunc(read, byPriority)
	if diff := cmp.Diff(want, read, equalFlows); diff != "" {
		t.Errorf("we read other than we wrote (-written +read):\n%s", diff)
	}
}
