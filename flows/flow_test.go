// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestActionText(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]Action{
		"output:3":                                     Output{3},
		"LOCAL":                                        Output{PortLocal},
		"IN_PORT":                                      Output{PortInPort},
		"CONTROLLER:65535":                             Output{PortController},
		"output:NXM_NX_REG0[0..15]":                    OutputField{FieldReg0, 0, 16},
		"output:NXM_NX_REG3[]":                         OutputField{FieldReg3, 0, 32},
		"group:4":                                      Group{4},
		"meter:1":                                      Meter{1},
		"set_field:0x5->reg3":                          SetField{U(FieldReg3, 5)},
		"set_field:0->reg0":                            SetField{U(FieldReg0, 0)},
		"set_field:0x50/0xff0->reg4":                   SetField{UMask(FieldReg4, 0x50, 0xff0)},
		"set_field:4101->vlan_vid":                     SetField{U(FieldVLANVID, 5)},
		"set_field:3->ip_dscp":                         SetField{U(FieldIPDSCP, 3)},
		"set_field:1.2.3.4->tun_dst":                   SetField{Addr(FieldTunDst, addr("1.2.3.4"))},
		"set_field:1610612736->nd_reserved":            SetField{U(FieldNDReserved, 0x60000000)},
		"set_field:0->in_port":                         SetField{U(FieldInPort, 0)},
		"set_field:02:00:00:00:00:01->eth_src":         SetField{MAC(FieldEthSrc, mac("02:00:00:00:00:01"))},
		"move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]":      CopyField(FieldEthSrc, FieldEthDst),
		"move:NXM_NX_REG0[0..15]->NXM_NX_REG1[16..31]": Copy{FieldReg0, 0, FieldReg1, 16, 16},
		"move:NXM_OF_IN_PORT[]->NXM_NX_REG3[0..15]":    Copy{FieldInPort, 0, FieldReg3, 0, 16},
		"resubmit(,3)":                                 Resubmit{Table: 3},
		"resubmit(4,5)":                                Resubmit{4, 5},
		"resubmit:3":                                   Resubmit{3, TableAny},
		"push_vlan:0x8100":                             PushVLAN{0x8100},
		"pop_vlan":                                     PopVLAN{},
		"dec_ttl":                                      DecTTL{},
		"exit":                                         Exit{},
		"ct()":                                         CT{},
		"ct(commit,table=3,zone=5,nat)":                CT{Commit: true, HasTable: true, Table: 3, Zone: 5, NAT: true},
		"ct(table=0,zone=NXM_NX_REG0[0..15])":          CT{HasTable: true, ZoneField: FieldReg0, ZoneBits: 16},
		"goto_table:20":                                Goto{20},
		"unknown_action(type=65535,ffff)":              Raw{Type: 65535, Bytes: "\xff\xff"},
		"learn(table=2,idle_timeout=300,priority=50,cookie=0x5,limit=100,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]," +
			"load:NXM_NX_TUN_IPV4_SRC[]->NXM_NX_TUN_IPV4_DST[],output:NXM_OF_IN_PORT[])": Learn{Table: 2, IdleTimeout: 300, Priority: 50, Cookie: 5, Limit: 100,
			Specs: []LearnSpec{
				{Kind: LearnMatch, Src: FieldVLANTCI, Dst: FieldVLANTCI, Bits: 12},
				LearnMatchField(FieldEthDst, FieldEthSrc), LearnLoadField(FieldTunDst, FieldTunSrc), LearnOutputField(FieldInPort),
			}},
		"learn(table=2,hard_timeout=300,delete_learned,eth_type=0x806,NXM_NX_REG2[0..15]=0x5,eth_src=00:00:00:00:00:01,load:0x7->NXM_NX_REG0[])": Learn{
			Table: 2, HardTimeout: 300, Priority: defaultPriority, DeleteLearned: true,
			Specs: []LearnSpec{
				LearnMatchValue(U(FieldEthType, 0x806)), {Kind: LearnMatch, Dst: FieldReg2, Bits: 16, Value: [16]byte{15: 5}},
				LearnMatchValue(MAC(FieldEthSrc, mac("00:00:00:00:00:01"))), LearnLoadValue(U(FieldReg0, 7)),
			}},
	} {
		if got := a.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestFlowText(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]Flow{
		"actions=drop":            {Priority: defaultPriority},
		"priority=0 actions=drop": {},
		"cookie=0x5, table=1, idle_timeout=10, hard_timeout=20, priority=12 actions=drop": {Cookie: 5, Table: 1, IdleTimeout: 10, HardTimeout: 20, Priority: 12},
		"table=10, priority=100,ip,in_port=3,nw_src=10.0.0.2 actions=goto_table:20": {Table: 10, Priority: 100,
			Match:   NewMatch(U(FieldInPort, 3), U(FieldEthType, EthTypeIPv4), Addr(FieldIPv4Src, addr("10.0.0.2"))),
			Actions: []Action{Goto{20}}},
		"table=1, in_port=1 actions=output:2,output:3": {Table: 1, Priority: defaultPriority, Match: NewMatch(U(FieldInPort, 1)),
			Actions: []Action{Output{2}, Output{3}}},
	} {
		if got := f.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got := (Key{Table: 3, Priority: 5, Match: "ip"}).String(); got != "table=3, priority=5,ip" {
		t.Errorf("key: %s", got)
	}
}

// TestFlowID: two flows have one id when they have one key, and only then.
func TestFlowID(t *testing.T) {
	t.Parallel()
	var all []Flow
	for _, m := range []Match{
		nil, NewMatch(U(FieldReg0, 1)), NewMatch(UMask(FieldReg0, 1, 1)), NewMatch(UMask(FieldReg0, 1, 3)), NewMatch(U(FieldReg0, 1), U(FieldReg1, 0)),
		NewMatch(U(FieldReg1, 1)), NewMatch(U(FieldReg1, 0), U(FieldReg0, 1)), NewMatch(UMask(FieldReg0, 1, 0)),
		NewMatch(U(FieldIPProto, 1), U(FieldEthType, EthTypeIPv4)), NewMatch(U(FieldIPProto, 1), U(FieldEthType, EthTypeIPv6)),
		NewMatch(Addr(FieldTunSrc, addr("192.0.2.1"))), NewMatch(Addr(FieldTunIPv6Src, addr("::192.0.2.1"))),
	} {
		for _, at := range []struct {
			table    uint8
			priority uint16
		}{{0, 1}, {1, 0}, {0, 0x100}} {
			all = append(all, Flow{Table: at.table, Priority: at.priority, Match: m, Cookie: uint64(len(all))})
		}
	}
	for _, a := range all {
		for _, b := range all {
			if same := a.Key() == b.Key(); same != (a.ID() == b.ID()) {
				t.Errorf("%s and %s: one key is %t, one id %t", a, b, same, !same)
			}
		}
	}
}

func TestFlowValidate(t *testing.T) {
	t.Parallel()
	good := Flow{Table: 1, Actions: []Action{SetField{U(FieldReg0, 1)}, CopyField(FieldEthSrc, FieldEthDst), Goto{2}}}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for name, f := range map[string]Flow{
		"table 255":       {Table: 255},
		"match":           {Match: NewMatch(U(FieldTCPDst, 1))},
		"goto back":       {Table: 1, Actions: []Action{Goto{1}}},
		"goto not last":   {Actions: []Action{Goto{1}, Output{1}}},
		"nil action":      {Actions: []Action{nil}},
		"wide value":      {Actions: []Action{SetField{U(FieldReg0, 1<<40)}}},
		"wide copy":       {Actions: []Action{CopyField(FieldEthSrc, FieldReg0)}},
		"empty copy":      {Actions: []Action{Copy{Src: FieldReg0, Dst: FieldReg1}}},
		"output bits":     {Actions: []Action{OutputField{FieldReg0, 30, 5}}},
		"ct zone":         {Actions: []Action{CT{ZoneField: FieldReg0, ZoneOfs: 20, ZoneBits: 16}}},
		"learn from bits": {Actions: []Action{Learn{Specs: []LearnSpec{{Kind: LearnOutput}}}}},
		"learn to bits":   {Actions: []Action{Learn{Specs: []LearnSpec{LearnMatchField(FieldReg0, FieldInPort)}}}},
	} {
		if err := f.Validate(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v: error %v", name, f, err)
		}
	}
}

func TestGroupText(t *testing.T) {
	t.Parallel()
	for want, g := range map[string]GroupDesc{
		"group_id=8,type=all": {ID: 8},
		"group_id=4,type=all,bucket=bucket_id:1,actions=output:1,bucket=bucket_id:7,actions=set_field:1.2.3.4->tun_dst,output:2": {ID: 4, Buckets: []Bucket{
			{ID: 1, Actions: []Action{Output{1}}},
			{ID: 7, Actions: []Action{SetField{Addr(FieldTunDst, addr("1.2.3.4"))}, Output{2}}},
		}},
		"group_id=5,type=select,bucket=bucket_id:1,weight:5,watch_port:3,actions=output:1,bucket=bucket_id:0,actions=drop": {ID: 5, Type: GroupSelect, Buckets: []Bucket{
			{ID: 1, Weight: 5, WatchPort: 3, Actions: []Action{Output{1}}}, {Weight: 1},
		}},
		"group_id=6,type=ff": {ID: 6, Type: GroupFastFailover},
	} {
		if got := g.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if err := g.Validate(); err != nil {
			t.Errorf("%s: %v", want, err)
		}
	}
	if got := (MeterDesc{ID: 1, PacketsPerSecond: true, Rate: 100, Burst: 10}).String(); got != "meter=1,pktps,burst,band=type=drop,rate=100,burst_size=10" {
		t.Errorf("meter: %s", got)
	}
	for name, g := range map[string]GroupDesc{
		"id":       {ID: GroupIDMax + 1},
		"bucket":   {Buckets: []Bucket{{ID: BucketIDMax + 1}}},
		"twice":    {Buckets: []Bucket{{ID: 1}, {ID: 1}}},
		"goto":     {Buckets: []Bucket{{Actions: []Action{Goto{1}}}}},
		"indirect": {Type: GroupIndirect},
		"action":   {Buckets: []Bucket{{Actions: []Action{nil}}}},
	} {
		if err := g.Validate(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestCookieRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Cookie{Row: rapid.Uint8().Draw(t, "row"), Object: rapid.Uint16().Draw(t, "object"), Hash: rapid.Uint32Max(0xffffff).Draw(t, "hash")}
		v := c.Uint64()
		if v&CookieOwnerMask != CookieOwnerValue {
			t.Fatalf("%#x is not marked as ours", v)
		}
		if back, ok := ParseCookie(v); !ok || back != c {
			t.Fatalf("%v became %#x became %v", c, v, back)
		}
	})
	if _, ok := ParseCookie(0x0e76 << 48); ok {
		t.Error("a stranger's cookie was taken for ours")
	}
}

func TestHash24(t *testing.T) {
	t.Parallel()
	a := Flow{Table: 1, Actions: []Action{Output{1}}}
	b := a
	b.Cookie = Cookie{Row: 1, Hash: Hash24(a)}.Uint64()
	if Hash24(a) != Hash24(b) {
		t.Error("the hash depends on the cookie")
	}
	b.Actions = []Action{Output{2}}
	if Hash24(a) == Hash24(b) {
		t.Error("the hash does not depend on the actions")
	}
	if Hash24(a)>>24 != 0 {
		t.Error("more than 24 bits")
	}
}
