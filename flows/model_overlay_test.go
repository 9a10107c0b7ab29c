// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"github.com/ovsnet/ovsnet/flows"
)

// remoteMAC is what is learned of, and remote where it is and what is known of it.
type (
	remoteMAC struct {
		tag uint16
		mac [6]byte
	}
	remote struct {
		peer              uint32 // behind
		isolated, promisc bool
	}
)

// remotes are the numbers of stations on other hosts; of the last two MAC and addresses are given.
var remotes = []int{20, 21, 22, 26, 27}

// randomRemotes gives a house peers and neighbours.
func randomRemotes(t *rapid.T, h *house) {
	n := h.nets[0]
	for number := 2; number <= 4; number++ {
		if !flip(t, "no peer", 5) {
			h.peers = append(h.peers, peersOf(n, number)...)
		}
	}
	for _, number := range remotes[3:] {
		if !flip(t, "not given", 3) {
			h.given = append(h.given, flows.Neighbour{Network: n, ID: uint16(number), Peer: vtep(pick(t, "its peer", 2, 3, 4)), MAC: hw(number),
				Addrs: pick(t, "its addresses", nil, []netip.Addr{ip4of(number), ip6of(number)}, []netip.Addr{ip4of(number), ip6of(number), llOf(number)})})
		}
	}
}

// netOf is the network with a tag.
func (h house) netOf(tag uint16) flows.Network {
	return h.nets[slices.IndexFunc(h.nets, func(n flows.Network) bool { return n.Tag == tag })]
}

// arrive is a frame from a tunnel: its source and what is in it, or why it is dropped.
func (h house) arrive(in uint32, frame []byte) (station, packet, string) {
	p := look(frame)
	number, _ := isBehind(in)
	i := slices.IndexFunc(h.peers, func(peer flows.Peer) bool { return peer.Addr == vtep(number) })
	if i < 0 {
		return station{}, p, "unknown-peer"
	}
	src := station{number: in, net: h.netOf(h.peers[i].Tag), tunnel: true}
	if p.tagged {
		tci := u16(frame[14:])
		src.isolated, src.promisc = tci&1 != 0, tci&2 != 0
		p = look(cat(frame[:12], frame[16:]))
	}
	switch {
	case bytes.Equal(p.src, mac("03:6f:76:73:6e:74")) && p.ethertype == 0x88b5:
		return src, p, "hello"
	case p.src[0]&1 == 1:
		return src, p, "group-source"
	case src.net.Gateway && (bytes.Equal(p.dst, gwMAC) || aboutGateway(src.net, p)):
		return src, p, "remote-gateway"
	}
	for _, g := range h.given {
		if bytes.Equal(g.MAC, p.src) {
			if g.Peer != vtep(number) {
				return src, p, "spoofed-neighbour"
			}
			return src, p, ""
		}
	}
	known := 0
	for at, r := range h.learned {
		if at.tag == src.net.Tag && r.peer == in {
			known++
		}
	}
	if known < int(src.net.Tunnel.Limit) {
		h.learned[remoteMAC{src.net.Tag, [6]byte(p.src)}] = remote{in, src.isolated, src.promisc}
	}
	return src, p, ""
}

// aboutGateway is what says something of the gateway, or in its name.
func aboutGateway(n flows.Network, p packet) bool {
	switch {
	case !n.Gateway:
		return false
	case bytes.Equal(p.src, n.GatewayMAC):
		return true
	case p.arp != nil:
		return slices.Contains(n.GatewayAddrs, p.arp.spa) || slices.Contains(n.GatewayAddrs, p.arp.tpa)
	case p.ip != nil && p.ip.nd != nil:
		return slices.Contains(n.GatewayAddrs, p.ip.nd.target)
	}
	return false
}

// spreads says that a frame is one that looks for a way into the tunnel: a container's, also by way of the gateway if
// it may not reach all.
func spreads(src station, in uint32) bool {
	restricted := !src.promisc && (src.isolated || !src.net.ICC)
	return src.port != nil && src.net.Tunnel != nil && (in != flows.PortLocal || restricted)
}

// stays says why a frame must not leave the host; empty if it may.
func stays(n flows.Network, in uint32, p packet) string {
	switch {
	case in == flows.PortLocal, aboutGateway(n, p):
		return "gateway-stays"
	case p.tagged:
		return "tagged-stays"
	}
	return ""
}

// marked is what a copy in a tunnel must look like.
func marked(src station) []string {
	vid := 0
	if src.isolated {
		vid |= 1
	}
	if src.promisc {
		vid |= 2
	}
	if vid == 0 {
		return []string{"vlan_tci=0x0000,"}
	}
	return []string{fmt.Sprintf("dl_vlan=%d,dl_vlan_pcp=0,", vid)}
}

// spread adds the peers to a flood, in which only containers of this host have a part.
func (h house) spread(v verdict, src station, in uint32, p packet) verdict {
	switch reason := stays(src.net, in, p); {
	case src.tunnel:
		v.answer = []string{"vlan_tci=0x0000,"}
	case !spreads(src, in):
	case reason != "":
		v.reason = reason
	case len(h.peers) > 0:
		for _, peer := range h.peers {
			number, _ := behindVTEP(peer.Addr.String()) // the tests' own
			v.out = append(v.out, number)
		}
		v.answer = marked(src)
	}
	return v
}

// elsewhere is a container's frame for a MAC that no port of the host has.
func (h house) elsewhere(src station, in uint32, p packet) verdict {
	if reason := stays(src.net, in, p); reason != "" {
		return dropped(reason)
	}
	if dst, known := h.remote(src.net, p.dst); known {
		return h.deliverTo(src, dst)
	}
	v := verdict{reason: several}
	for _, s := range h.stations(src.net) {
		if src.net.Unguarded && s.port != nil && s.port.Unguarded {
			v.out = append(v.out, deliver(src, in, s).out...)
		}
	}
	if len(h.peers) == 0 && !src.net.Unguarded {
		v.reason = ""
	}
	return h.spread(v, src, in, p)
}

// remote is the station of another host that has a MAC.
func (h house) remote(n flows.Network, hw net.HardwareAddr) (station, bool) {
	for _, g := range h.given {
		if bytes.Equal(g.MAC, hw) {
			number, _ := behindVTEP(g.Peer.String()) // the tests' own
			return station{number: number, net: n}, true
		}
	}
	r, known := h.learned[remoteMAC{n.Tag, [6]byte(hw)}]
	return station{number: r.peer, net: n, isolated: r.isolated, promisc: r.promisc}, known
}

func (h house) deliverTo(src, dst station) verdict {
	v := deliver(src, src.number, dst)
	if v.reason == "" {
		v.answer = marked(src)
	}
	return v
}

// resolveGiven answers a container's questions for addresses that were given.
func (h house) resolveGiven(src station, p packet, question netip.Addr, probing, silent bool) (verdict, bool) {
	for _, g := range h.given {
		if g.Network.Tag != src.net.Tag || !slices.Contains(g.Addrs, question) {
			continue
		}
		owner := station{net: src.net, port: &flows.Port{MAC: g.MAC}}
		switch {
		case !src.promisc && (src.isolated || !src.net.ICC):
			return verdict{}, false
		case probing || !silent:
			return replyTo(p, owner, question, probing), true
		}
		if reason := stays(src.net, src.number, p); reason != "" {
			return dropped(reason), true
		}
		dst, _ := h.remote(src.net, g.MAC)
		return h.deliverTo(src, dst), true
	}
	return verdict{}, false
}
