// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/flows"
)

// crowd is peer n of many, from 1 on.
func crowd(n flows.Network, number int) flows.Peer {
	return flows.Peer{Tag: n.Tag, Tunnel: *n.Tunnel, ID: uint16(number), Addr: netip.AddrFrom4([4]byte{198, 18, byte(number >> 8), byte(number)})}
}

// TestManyPeers: with 500 peers broadcast still leaves for every one, and one more peer changes its own rows alone.
func TestManyPeers(t *testing.T) {
	const many = 500
	n := overlaid(dualNetwork(1, nil), 100)
	h := house{nets: []flows.Network{n}, ports: []flows.Port{dualPort(n, alice, nil)}}
	b := overlayBench(t, 2)
	if _, err := b.control.call("ovs/route/add", "198.18.0.0/15", "br-phy", vtep(2).String()); err != nil {
		t.Fatal(err)
	}
	for number := 1; number <= many; number++ {
		h.peers = append(h.peers, crowd(n, number))
	}
	b.load(t, h.compile(t))
	text, err := b.control.call("ofproto/trace", b.name, from(alice), hex.EncodeToString(who(aMAC, aIP, free4)))
	if err != nil {
		t.Fatal(err)
	}
	_, actions, _ := strings.Cut(text, "Datapath actions: ")
	if got := strings.Count(actions, "tnl_push("); got != many {
		t.Errorf("broadcast leaves for %d peers:\n%.3000s", got, text)
	}
	one, err := flows.CompilePeer(crowd(n, many+1))
	if err != nil {
		t.Fatal(err)
	}
	if len(one.Flows) != 1 || len(one.Groups) != 0 || len(one.Members) != 1 {
		t.Errorf("one more peer is %d flows, %d groups and %d memberships", len(one.Flows), len(one.Groups), len(one.Members))
	}
}
