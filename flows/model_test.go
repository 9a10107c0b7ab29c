// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"bytes"
	"net"
	"net/netip"
	"slices"

	"github.com/ovsnet/ovsnet/flows"
)

// The reference model: what the documents promise, said once more as plainly as possible and without the pipeline's
// tables. The property test holds the two against each other.

// verdict is what becomes of a frame.
type verdict struct {
	out []uint32
	// reason is why it was dropped; several if more than one copy was, for different reasons.
	reason string
	// snooped says that who gets it is for the switch's snooping to say.
	snooped bool
	// answer is what must be in the frame that goes back, in ovs-ofctl's grammar.
	answer []string
}

const several = "several"

func dropped(reason string) verdict { return verdict{reason: reason} }

// station is an end of a frame: a port, or the gateway.
type station struct {
	number            uint32
	net               flows.Network
	gateway, tunnel   bool
	isolated, promisc bool
	port              *flows.Port
}

func stationOf(p *flows.Port) station {
	return station{number: uint32(p.Number), net: p.Network, isolated: p.Isolated, promisc: p.Promiscuous, port: p}
}

func (h house) gateway() (station, bool) {
	for _, n := range h.nets {
		if n.Gateway {
			return station{number: flows.PortLocal, net: n, gateway: true}, true
		}
	}
	return station{}, false
}

// stations are the ends of one network.
func (h house) stations(n flows.Network) []station {
	var all []station
	if gw, ok := h.gateway(); ok && gw.net.Tag == n.Tag {
		all = append(all, gw)
	}
	for i := range h.ports {
		if h.ports[i].Network.Tag == n.Tag {
			all = append(all, stationOf(&h.ports[i]))
		}
	}
	return all
}

func (s station) mac() net.HardwareAddr {
	if s.gateway {
		return s.net.GatewayMAC
	}
	return s.port.MAC
}

// addrs are the addresses that the switch answers for.
func (s station) addrs() []netip.Addr {
	switch {
	case s.gateway:
		return s.net.GatewayAddrs
	case s.port.Unguarded:
		return nil
	case s.port.IPv6:
		return append(slices.Clone(s.port.Addrs), flows.LinkLocal(s.port.MAC))
	}
	return s.port.Addrs
}

// decide is the model.
func (h house) decide(in uint32, frame []byte) verdict {
	var src station
	p := look(frame)
	if _, tunnel := isBehind(in); tunnel {
		var reason string
		if src, p, reason = h.arrive(in, frame); reason != "" {
			return dropped(reason)
		}
	} else if in == flows.PortLocal {
		gw, ok := h.gateway()
		if !ok {
			return dropped("unknown-port")
		}
		src = gw
	} else {
		i := slices.IndexFunc(h.ports, func(p flows.Port) bool { return uint32(p.Number) == in })
		if i < 0 {
			return dropped("unknown-port")
		}
		src = stationOf(&h.ports[i])
	}
	if src.port != nil && !src.port.Unguarded {
		if reason := guard(*src.port, p); reason != "" {
			return dropped(reason)
		}
	}
	if v, done := h.resolve(src, p); done {
		return v
	}
	if src.net.McastSnooping && snooped(p) {
		return verdict{snooped: true}
	}
	return h.forward(h.origin(src, p), in, p)
}

// origin is who really sent a packet that the gateway may only have routed.
func (h house) origin(src station, p packet) station {
	if src.gateway && p.ip != nil {
		for _, s := range h.stations(src.net) {
			if s.port != nil && slices.Contains(s.port.Addrs, p.ip.src) {
				return s
			}
		}
	}
	return src
}

// snooped says that a packet is for a group that somebody must have asked for, or is such a request itself.
func snooped(p packet) bool {
	if p.dst[0]&1 == 0 || p.ip == nil || !p.ip.dst.IsMulticast() {
		return false
	}
	request := !p.ip.six && p.ip.proto == 2 || p.ip.six && p.ip.proto == 58 && slices.Contains([]int{130, 131, 132, 143}, p.ip.from)
	a := p.ip.dst.AsSlice()
	link := !p.ip.six && a[0] == 224 && a[1] == 0 && a[2] == 0 || p.ip.six && a[0] == 0xff && a[1] == 2
	return request || !link
}

// reach says why one end may not send to another; empty if it may.
func reach(src, dst station) string {
	switch {
	case src.promisc || dst.promisc:
		return ""
	case src.isolated && dst.isolated:
		return "isolated"
	case !src.net.ICC && !src.gateway && !dst.gateway:
		return "icc"
	}
	return ""
}

func (h house) forward(src station, in uint32, p packet) verdict {
	to := p.dst
	all := h.stations(src.net)
	for _, s := range all {
		if bytes.Equal(s.mac(), to) {
			return deliver(src, in, s)
		}
	}
	var v verdict
	if to[0]&1 == 1 {
		for _, s := range all {
			if !src.tunnel || !s.gateway {
				v.out = append(v.out, deliver(src, in, s).out...)
			}
		}
		return h.spread(v, src, in, p)
	}
	if spreads(src, in) {
		return h.elsewhere(src, in, p)
	}
	if !src.net.Unguarded {
		return dropped("unknown-destination")
	}
	v.reason = several
	for _, s := range all {
		if s.port != nil && s.port.Unguarded {
			v.out = append(v.out, deliver(src, in, s).out...)
		}
	}
	return v
}

// deliver is for one destination. Nothing goes back to where it came from.
func deliver(src station, in uint32, dst station) verdict {
	if reason := reach(src, dst); reason != "" {
		return dropped(reason)
	}
	if dst.number == in {
		return verdict{}
	}
	return verdict{out: out(dst.number)}
}

// resolve answers questions for addresses; false if there is nothing to answer.
func (h house) resolve(src station, p packet) (verdict, bool) {
	var question netip.Addr
	var probing, silent bool // for duplicates; without a MAC to answer to
	switch {
	case p.arp != nil && p.arp.op == 1:
		question, probing = p.arp.tpa, p.arp.spa == none4
	case p.ip != nil && p.ip.nd != nil && p.ip.from == 135 && p.ip.hops == 255:
		question = p.ip.nd.target
		silent = bytes.Equal(p.ip.nd.sll, nobody)
		probing = silent && p.ip.src == none6
	default:
		return verdict{}, false
	}
	for _, owner := range h.stations(src.net) {
		switch {
		case !slices.Contains(owner.addrs(), question):
			continue
		case src.tunnel && (owner.isolated || owner.promisc):
			return verdict{}, false // the port itself says what it is
		case owner.number == src.number:
			return verdict{}, false
		case probing:
			return replyTo(p, owner, question, probing), true
		case !owner.gateway && !src.gateway && !src.promisc && (src.isolated || !src.net.ICC):
			return verdict{}, false
		case silent:
			return deliver(src, src.number, owner), true
		}
		return replyTo(p, owner, question, probing), true
	}
	if src.port != nil {
		return h.resolveGiven(src, p, question, probing, silent)
	}
	return verdict{}, false
}

// replyTo is the answer that the switch gives for the owner of an address.
func replyTo(p packet, owner station, question netip.Addr, probing bool) verdict {
	v := verdict{out: out(inPort), answer: []string{"dl_src=" + owner.mac().String(), "dl_dst=" + p.src.String()}}
	if p.arp != nil {
		v.answer = append(v.answer, "arp_op=2", "arp_spa="+question.String(), "arp_sha="+owner.mac().String(),
			"arp_tpa="+p.arp.spa.String(), "arp_tha="+p.arp.sha.String())
		return v
	}
	v.answer = append(v.answer, "icmp_type=136", "nd_target="+question.String(), "ipv6_src="+question.String())
	if probing {
		v.answer = append(v.answer, "ipv6_dst=ff02::1,")
	} else {
		v.answer = append(v.answer, "nd_tll="+owner.mac().String())
	}
	return v
}
