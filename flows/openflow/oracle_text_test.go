// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ovsnet/ovsnet/flows"
)

// operatorsFlows are what an operator might type; ours must read as ovs-ofctl.
const operatorsFlows = `table=0,priority=1,cookie=0x5,actions=drop
table=1,actions=resubmit(,3)
table=10,priority=101,ip,in_port=LOCAL,nw_src=10.0.0.0/24,reg0=0,reg1=0x10/0xff,metadata=0x7,actions=set_field:0x5->reg3,set_field:0x50/0xff0->reg4,set_field:00:11:22:33:44:55->eth_dst,goto_table:20
table=1,priority=2,arp,arp_op=1,arp_tpa=10.0.0.1,dl_vlan=5,actions=move:eth_src[]->eth_dst[],set_field:2->arp_op,set_field:1.2.3.4->arp_spa,move:arp_sha->arp_tha,in_port
table=1,priority=4,dl_vlan=4,dl_vlan_pcp=3,actions=pop_vlan,output:3
table=1,priority=5,dl_vlan_pcp=3,actions=push_vlan:0x8100,set_field:4101->vlan_vid,output:LOCAL
table=1,priority=6,vlan_tci=0x1000/0x1000,actions=flood
table=1,priority=7,vlan_tci=0x0/0x1000,actions=all
table=1,priority=9,vlan_tci=0/0x1fff,actions=normal
table=1,priority=10,icmp6,icmpv6_type=135,nd_target=fe80::1,nd_sll=00:00:00:00:00:01,ipv6_label=0x5,actions=controller
table=1,priority=12,tcp,tp_dst=80,ip_dscp=3,nw_ecn=1,nw_ttl=64,actions=dec_ttl
table=1,priority=14,udp,tp_dst=67,ip_frag=first,actions=set_field:3->ip_dscp,set_field:1->nw_ecn,set_field:5->nw_ttl
table=1,priority=18,ct_state=+trk+est-new,ip,ct_zone=5,ct_mark=0x5/0xf,ct_label=0x1234,actions=ct(commit,table=3,zone=5,nat)
table=1,priority=19,ct_state=-trk,ip,ct_label=0x1/0x1,actions=ct(table=3,zone=NXM_NX_REG0[0..15])
table=1,priority=20,tun_id=0x64,tun_src=1.2.3.4,tun_dst=5.6.7.8/31,actions=set_field:0x64->tun_id,set_field:1.2.3.4->tun_dst,output:5
table=1,priority=22,reg15=5,rarp,actions=learn(table=2,idle_timeout=300,priority=50,cookie=0x5,limit=100,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:NXM_NX_TUN_IPV4_SRC[]->NXM_NX_TUN_IPV4_DST[],output:NXM_OF_IN_PORT[])
table=1,priority=23,reg15=5,actions=learn(table=2,hard_timeout=300,priority=50,delete_learned,eth_type=0x800,reg1=0x5,load:0x7->NXM_NX_REG0[])
table=1,priority=24,idle_timeout=10,hard_timeout=20,sctp,tp_src=5,actions=output:reg0[0..15]
table=1,priority=27,ip,nw_dst=10.0.0.1/255.0.255.0,actions=output:65000,output:5,ALL
table=1,priority=29,in_port=5,reg0=0x5/0x5,reg1=0/0x5,actions=move:reg0[0..15]->reg1[16..31],set_field:0/0x1->metadata,output:5
table=1,priority=40,dl_vlan=0,actions=drop
priority=32768,ipv6,ipv6_src=::ffff:1.2.3.4,ipv6_dst=2001:db8:0:0:1:0:0:1,actions=resubmit:3,resubmit(4,5),resubmit(in_port,5)
`

// strangersFlows hold what package flows has no words for.
const strangersFlows = `priority=1,in_port=1,actions=note:00.11.22
priority=2,ip,in_port=1,actions=ct_clear,controller(max_len=100),dec_ttl(1,2)
priority=3,in_port=1,actions=write_actions(output:5),write_metadata:0x5
priority=4,in_port=1,actions=clear_actions
priority=5,tcp,in_port=1,actions=fin_timeout(idle_timeout=10)
priority=6,in_port=1,actions=push:NXM_NX_REG0[],pop:NXM_NX_REG0[]
priority=7,in_port=1,actions=multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[])
priority=8,in_port=1,actions=bundle(eth_src,0,hrw,ofport,members:1,2)
priority=9,in_port=1,actions=sample(probability=100),output(port=3,max_len=100)
priority=10,ip,in_port=1,actions=ct(commit,nat(src=10.0.0.1-10.0.0.9:1-9)),ct(commit,exec(set_field:0x5->ct_mark))
priority=11,in_port=1,actions=clone(output:1),check_pkt_larger(100)->NXM_NX_REG0[0]
priority=12,in_port=1,actions=set_queue:3,output:1
priority=13,in_port=1,actions=learn(table=3,fin_idle_timeout=5,result_dst=NXM_NX_REG3[0],send_flow_rem,NXM_OF_ETH_SRC[])
priority=14,in_port=1,actions=set_field:0x5->tun_gbp_id,move:NXM_NX_XXREG0[]->NXM_NX_XXREG1[]
priority=15,in_port=1,actions=conjunction(1,1/2)
priority=16,conj_id=1,actions=drop
priority=17,tun_gbp_id=5,actions=drop
priority=18,mpls,mpls_label=5,actions=drop
priority=19,tun_flags=+oam,actions=drop
priority=20,tcp,in_port=1,actions=fin_timeout(idle_timeout=3),set_field:0x1234->xreg0
priority=22,in_port=1,importance=5,send_flow_rem,check_overlap,actions=group:7
`

// addText gives flows to the switch as an operator would.
func (b *bridge) addText(t *testing.T, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "flows")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b.sw.OFCtl(t, "add-flows", bridgeName, file)
}

func TestOperatorsFlowsReadLikeOvsOfctl(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	b.addText(t, operatorsFlows)
	if diff := cmp.Diff(b.flowTexts(t), b.ownTexts(t)); diff != "" {
		t.Errorf("we read other than ovs-ofctl (-ovs-ofctl +we):\n%s", diff)
	}
}

func TestStrangersFlowsAreReadAndKept(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	b.sw.OFCtl(t, "add-group", bridgeName, "group_id=7,type=select,selection_method=dp_hash,bucket=actions=ct_clear")
	b.addText(t, strangersFlows)
	stats, err := b.DumpFlows(testContext(t), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Count(strangersFlows, "\n"); len(stats) != want {
		t.Errorf("%d flows of %d", len(stats), want)
	}
	unknown := 0
	for _, s := range stats {
		raw := slices.ContainsFunc(s.Actions, func(a flows.Action) bool { _, ok := a.(flows.Raw); return ok })
		if s.Unknown {
			unknown++
		}
		if !raw && !s.Unknown && s.Priority != 22 {
			t.Errorf("%v: was taken for one that we know", s)
		}
	}
	if unknown != 4 {
		t.Errorf("%d flows with unknown fields, not 4", unknown)
	}
	// What we do not understand we can still put back. Where the match is
	// known, that must not change anything.
	before := b.flowTexts(t)
	var again []flows.Flow
	for _, s := range stats {
		if !s.Unknown && s.Priority != 22 && s.Priority != 13 {
			again = append(again, s.Flow)
		}
	}
	if err := b.Apply(testContext(t), Update{Flows: again}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, b.flowTexts(t)); diff != "" {
		t.Errorf("putting flows back changed them (-before +after):\n%s", diff)
	}
	if _, err := b.DumpGroups(testContext(t)); err != nil {
		t.Error(err)
	}
}
