// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"errors"
	"net"
	"net/netip"
	"testing"
)

func mac(s string) net.HardwareAddr {
	hw, err := net.ParseMAC(s)
	if err != nil {
		return nil
	}
	return hw
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestMatchText(t *testing.T) {
	t.Parallel()
	ipv4, ipv6, arp := U(FieldEthType, EthTypeIPv4), U(FieldEthType, EthTypeIPv6), U(FieldEthType, EthTypeARP)
	icmp6 := U(FieldIPProto, ProtoICMPv6)
	for _, c := range []struct {
		want string
		m    Match
	}{
		{"", NewMatch()},
		{"ip,in_port=3,nw_src=10.0.0.2", NewMatch(Addr(FieldIPv4Src, addr("10.0.0.2")), ipv4, U(FieldInPort, 3))},
		{"ip,reg0=0,reg1=0x10/0xff,metadata=0x7,in_port=LOCAL,nw_src=10.0.0.0/24", NewMatch(ipv4,
			U(FieldReg0, 0), UMask(FieldReg0+1, 0x10, 0xff), U(FieldMetadata, 7), U(FieldInPort, uint64(PortLocal)),
			Prefix(FieldIPv4Src, netip.MustParsePrefix("10.0.0.0/24")))},
		{"arp,dl_vlan=5,arp_tpa=10.0.0.1,arp_op=1", NewMatch(arp, U(FieldVLANVID, 5), U(FieldARPOp, 1), Addr(FieldARPTPA, addr("10.0.0.1")))},
		{"vlan_tci=0x0000/0x1fff", NewMatch(Untagged())},
		{"vlan_tci=0x1000/0x1000", NewMatch(UMask(FieldVLANTCI, 0x1000, 0x1000))},
		{"dl_vlan=4,dl_vlan_pcp=3", NewMatch(U(FieldVLANPCP, 3), U(FieldVLANVID, 4))},
		{"dl_dst=01:00:00:00:00:00/01:00:00:00:00:00", NewMatch(MACMask(FieldEthDst, mac("01:00:00:00:00:00"), mac("01:00:00:00:00:00")))},
		{"icmp6,icmp_type=135,nd_target=fe80::1,nd_sll=00:00:00:00:00:01", NewMatch(ipv6, icmp6, U(FieldICMPv6Type, 135),
			Addr(FieldNDTarget, addr("fe80::1")), MAC(FieldNDSLL, mac("00:00:00:00:00:01")))},
		{"icmp6,ipv6_src=fe80::/10,ipv6_dst=::,icmp_type=136,nd_target=fe80::/64,nd_reserved=1610612736,nd_options_type=2", NewMatch(
			ipv6, icmp6, U(FieldICMPv6Type, 136), Prefix(FieldIPv6Src, netip.MustParsePrefix("fe80::/10")), Addr(FieldIPv6Dst, addr("::")),
			Prefix(FieldNDTarget, netip.MustParsePrefix("fe80::/64")), U(FieldNDReserved, 0x60000000), U(FieldNDOptionsType, 2))},
		{"ipv6,ipv6_src=::ffff:1.2.3.4,ipv6_dst=::1.2.3.4", NewMatch(ipv6, Addr(FieldIPv6Src, addr("::ffff:1.2.3.4")), Addr(FieldIPv6Dst, addr("::102:304")))},
		{"ipv6,ipv6_src=fd00::5/ffff::ffff,ipv6_label=0x00005/0x000ff", NewMatch(ipv6, UMask(FieldIPv6Label, 5, 0xff),
			Bytes(FieldIPv6Src, addr("fd00::5").AsSlice(), addr("ffff::ffff").AsSlice()))},
		{"tcp6,tp_dst=0x50/0xfff0,tcp_flags=+syn-ack", NewMatch(ipv6, U(FieldIPProto, ProtoTCP), UMask(FieldTCPDst, 0x50, 0xfff0), UMask(FieldTCPFlags, 2, 0x12))},
		{"tcp,nw_tos=12,nw_ecn=1,nw_ttl=64,tp_dst=80", NewMatch(ipv4, U(FieldIPProto, ProtoTCP), U(FieldIPDSCP, 3), U(FieldIPECN, 1), U(FieldIPTTL, 64), U(FieldTCPDst, 80))},
		{"ip,nw_proto=89,nw_frag=no", NewMatch(ipv4, U(FieldIPProto, 89), U(FieldIPFrag, 0))},
		{"ip,nw_frag=not_later", NewMatch(ipv4, UMask(FieldIPFrag, 0, FragLater))},
		{"pkt_mark=0x5,dl_type=0x1234", NewMatch(U(FieldEthType, 0x1234), U(FieldPktMark, 5))},
		{"ct_state=-new+est+trk,ct_zone=5,ct_mark=0x5/0xf,ct_label=0x1234,ip", NewMatch(ipv4, UMask(FieldCTState, CTEst|CTTrk, CTEst|CTTrk|CTNew),
			U(FieldCTZone, 5), UMask(FieldCTMark, 5, 15), U(FieldCTLabel, 0x1234))},
		{"ct_state=new|est|rel|rpl|inv|trk|snat|dnat,ip", NewMatch(ipv4, U(FieldCTState, 0xff))},
		{"tun_id=0x64,tun_src=1.2.3.4,tun_dst=5.6.7.8/31", NewMatch(U(FieldTunID, 0x64), Addr(FieldTunSrc, addr("1.2.3.4")),
			Prefix(FieldTunDst, netip.MustParsePrefix("5.6.7.8/31")))},
		{"reg0=0x1", NewMatch(UMask(FieldReg3, 1, 0), U(FieldReg0, 1))},
	} {
		if got := c.m.String(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
		if err := c.m.Validate(); err != nil {
			t.Errorf("%s: %v", c.want, err)
		}
	}
}

func TestMatchValidate(t *testing.T) {
	t.Parallel()
	ipv4, ipv6 := U(FieldEthType, EthTypeIPv4), U(FieldEthType, EthTypeIPv6)
	tcp := U(FieldIPProto, ProtoTCP)
	for name, m := range map[string]Match{
		"twice":              NewMatch(U(FieldReg0, 1), U(FieldReg0, 2)),
		"unordered":          {ipv4, U(FieldReg0, 1)},
		"no ethertype":       NewMatch(Addr(FieldIPv4Src, addr("1.2.3.4"))),
		"wrong family":       NewMatch(ipv4, Addr(FieldIPv4Src, addr("fe80::1"))),
		"other ethertype":    NewMatch(ipv6, Addr(FieldIPv4Src, addr("1.2.3.4"))),
		"no protocol":        NewMatch(ipv4, U(FieldTCPDst, 80)),
		"udp port of tcp":    NewMatch(ipv4, tcp, U(FieldUDPDst, 80)),
		"no such fragment":   NewMatch(ipv4, U(FieldIPFrag, FragLater)),
		"later fragment":     NewMatch(ipv4, tcp, U(FieldIPFrag, 3), U(FieldTCPDst, 80)),
		"target of an echo":  NewMatch(ipv6, U(FieldIPProto, ProtoICMPv6), U(FieldICMPv6Type, 128), Addr(FieldNDTarget, addr("fe80::1"))),
		"tll of a request":   NewMatch(ipv6, U(FieldIPProto, ProtoICMPv6), U(FieldICMPv6Type, 135), MAC(FieldNDTLL, mac("00:00:00:00:00:01"))),
		"nd with a code":     NewMatch(ipv6, U(FieldIPProto, ProtoICMPv6), U(FieldICMPv6Type, 135), U(FieldICMPv6Code, 1), Addr(FieldNDTarget, addr("fe80::1"))),
		"masked proto":       NewMatch(ipv4, UMask(FieldIPProto, 1, 3)),
		"wide":               NewMatch(U(FieldReg0, 1<<32)),
		"wide bits":          NewMatch(U(FieldVLANVID, 0x1005)),
		"wide masked bits":   NewMatch(ipv6, UMask(FieldIPv6Label, 0x100000, 0x1000ff)),
		"short MAC":          NewMatch(MAC(FieldEthDst, net.HardwareAddr{1})),
		"no mask":            NewMatch(MACMask(FieldEthDst, mac("00:00:00:00:00:01"), nil)),
		"no field":           NewMatch(U(FieldInvalid, 1)),
		"beyond the fields":  NewMatch(U(Field(NumFields), 1)),
		"zero prefix":        NewMatch(ipv4, Prefix(FieldIPv4Src, netip.Prefix{})),
		"port":               NewMatch(U(FieldInPort, 0xff00)),
		"arp op":             NewMatch(U(FieldEthType, EthTypeARP), U(FieldARPOp, 256)),
		"tci priority":       NewMatch(U(FieldVLANTCI, 0)),
		"tci of one vlan":    NewMatch(UMask(FieldVLANTCI, 0x1005, 0x1fff)),
		"tci and vid":        NewMatch(Untagged(), U(FieldVLANVID, 3)),
		"tci and pcp":        NewMatch(Untagged(), U(FieldVLANPCP, 3)),
		"MAC as a number":    {FieldMatch{Field: FieldEthDst, N: 4}},
		"value outside mask": {FieldMatch{Field: FieldReg0, N: 4, Masked: true, Value: [16]byte{1}, Mask: [16]byte{2}}},
	} {
		if err := m.Validate(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v: error %v", name, m, err)
		}
	}
}

func TestFieldMatchIsCanonical(t *testing.T) {
	t.Parallel()
	if a, b := UMask(FieldReg0, 5, 0xffffffff), U(FieldReg0, 5); a != b {
		t.Errorf("a full mask: %v and none: %v", a, b)
	}
	if a, b := UMask(FieldReg0, 0xff, 0xf), UMask(FieldReg0, 0xf, 0xf); a != b {
		t.Errorf("bits outside the mask stay: %v, %v", a, b)
	}
	if a, b := Bytes(FieldCTState, []byte{0, 0, 0, 1}, []byte{255, 255, 255, 255}), U(FieldCTState, 1); a != b {
		t.Errorf("a mask wider than the field: %v, %v", a, b)
	}
	if a, b := Prefix(FieldIPv4Src, netip.MustParsePrefix("10.0.0.1/32")), Addr(FieldIPv4Src, addr("10.0.0.1")); a != b {
		t.Errorf("a host prefix: %v, %v", a, b)
	}
	if a, b := Prefix(FieldIPv4Src, netip.MustParsePrefix("10.0.0.1/8")), Prefix(FieldIPv4Src, netip.MustParsePrefix("10.0.0.0/8")); a != b {
		t.Errorf("host bits of a prefix: %v, %v", a, b)
	}
}

func TestEveryFieldHasAText(t *testing.T) {
	t.Parallel()
	inText := map[Field]bool{}
	for _, f := range matchText {
		inText[f] = true
	}
	for f := FieldInPort; f < numFields; f++ {
		if info := f.info(); info.name == "" || info.match == "" || info.subfield == "" || info.bytes == 0 || info.bits == 0 {
			t.Errorf("field %d: no entry in the table", f)
		}
		if !inText[f] {
			t.Errorf("%v: not in matchText", f)
		}
	}
}
