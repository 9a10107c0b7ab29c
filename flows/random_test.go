// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"net"
	"net/netip"

	"github.com/gopacket/gopacket/layers"
	"pgregory.net/rapid"

	"github.com/ovsnet/ovsnet/flows"
)

// ports is how many ports of the bridge a random house may use; there is one more, which is nobody's.
const ports = 6

// uniform is a number below n. Unlike rapid's own ranges it does not prefer small ones, and like them it shrinks to 0.
func uniform(t *rapid.T, name string, n int) int {
	v := 0
	for _, bit := range rapid.SliceOfN(rapid.Bool(), 8, 8).Draw(t, name) {
		v *= 2
		if bit {
			v++
		}
	}
	return v * n >> 8
}

func flip(t *rapid.T, name string, oneIn int) bool { return uniform(t, name, oneIn) == oneIn-1 }

func pick[T any](t *rapid.T, name string, from ...T) T { return from[uniform(t, name, len(from))] }

// randomHouse is one or two networks and some ports.
func randomHouse(t *rapid.T) house {
	var h house
	first := flows.Network{Tag: pick[uint16](t, "tag", 1, 2, 0x8001), ICC: !flip(t, "icc off", 3)}
	if !flip(t, "internal", 4) {
		first.Gateway, first.GatewayMAC = true, gwMAC
		first.GatewayAddrs = pick(t, "gateway", []netip.Addr{gwIP, gwIP6, gwLL}, []netip.Addr{gwIP}, []netip.Addr{gwIP6, gwLL}, nil)
	}
	if flip(t, "snooping", 5) {
		first.McastSnooping, first.ICC = true, true
	}
	nets := []flows.Network{first}
	if !first.McastSnooping && !flip(t, "no overlay", 2) {
		nets[0] = overlaid(first, pick[uint32](t, "limit", 1, 2, 100))
		h.learned = map[remoteMAC]remote{}
	}
	if !first.McastSnooping && flip(t, "second network", 3) {
		nets = append(nets, flows.Network{Tag: 3, ICC: !flip(t, "second icc off", 3)})
	}
	for i := range ports {
		if flip(t, "no port", 5) {
			continue
		}
		p := randomPort(t, i+1)
		p.Isolated = p.Isolated && !first.McastSnooping
		which := uniform(t, "network", len(nets))
		p.Network.Tag = nets[which].Tag
		nets[which].Unguarded = nets[which].Unguarded || p.Unguarded
		h.ports = append(h.ports, p)
	}
	h.nets = nets
	if h.learned != nil {
		randomRemotes(t, &h)
	}
	for i := range h.ports {
		for _, n := range nets {
			if n.Tag == h.ports[i].Network.Tag {
				h.ports[i].Network = n
			}
		}
	}
	return h
}

func randomPort(t *rapid.T, number int) flows.Port {
	p := flows.Port{
		Number: uint16(number), MAC: hw(number + 1), IPv6: !flip(t, "no IPv6", 4),
		Unguarded: flip(t, "unguarded", 6), Isolated: flip(t, "isolated", 3), Promiscuous: flip(t, "promiscuous", 6),
	}
	if !flip(t, "no IPv4 address", 6) {
		p.Addrs = append(p.Addrs, ip4of(number+1))
	}
	if p.IPv6 && !flip(t, "no IPv6 address", 6) || flip(t, "IPv6 address alone", 10) {
		p.Addrs = append(p.Addrs, ip6of(number+1))
	}
	if flip(t, "allowed prefix", 4) {
		for range 1 + uniform(t, "prefixes", 2) {
			p.Allowed = append(p.Allowed, netip.MustParsePrefix(pick(t, "prefix",
				"192.168.0.0/16", "10.0.0.0/29", "10.0.0.5/32", "0.0.0.0/0", "fd00::/125", "fd01::/64", "fe80::/10", "::/0")))
		}
	}
	if flip(t, "allowed service", 3) {
		p.Allow = flows.Services(1 + uniform(t, "services", 15))
	}
	if flip(t, "limited", 4) {
		p.BroadcastRate = 1000
	}
	return p
}

// randomFrame is from a port, honest more often than not in each of its parts, so that frames come far enough to be
// near misses; now and then its bytes are mutated.
func randomFrame(t *rapid.T, h house) (in uint32, frame []byte) {
	s := sender{t: t, known: []int{1}}
	for _, p := range h.ports {
		s.known = append(s.known, int(p.Number)+1)
	}
	if h.learned != nil {
		s.known = append(s.known, remotes...)
		for _, g := range h.given {
			s.given = append(s.given, int(g.ID))
		}
	}
	s.number = pick(t, "sender", s.known...)
	in = uint32(s.number) - 1
	switch {
	case h.learned != nil && (s.number >= remotes[0] || flip(t, "from a tunnel", 12)):
		in = behind(pick(t, "peer", 2, 2, 3, 3, 4, 5))
	case s.number == 1:
		in = flows.PortLocal
	case flip(t, "from nobody's port", 40):
		in = ports + 1
	}
	dst := s.destination()
	switch pick(t, "kind", "arp", "nd", "ip4", "ip4", "ip6", "ip6", "group", "other", "question", "question") {
	case "arp":
		frame = s.arp(dst)
	case "nd":
		frame = ether(dst, s.hw(), 0x86dd, s.neighbour())
	case "ip4":
		frame = ether(dst, s.hw(), 0x0800, s.ipv4())
	case "ip6":
		frame = ether(dst, s.hw(), 0x86dd, s.ipv6())
	case "group":
		frame = s.group()
	case "question":
		frame = s.question()
	default:
		frame = s.other(dst)
	}
	_, tunnel := isBehind(in)
	if tunnel && flip(t, "mark", 3) {
		frame = tagged(pick(t, "tpid", 0x8100, 0x88a8), pick(t, "tci", 0, 1, 1, 2, 2, 3, 0xe007, 0x0ff8), frame)
	}
	if !tunnel && flip(t, "tag", 20) {
		frame = tagged(pick(t, "tpid", 0x8100, 0x88a8, 0x9100), rapid.IntRange(0, 0xffff).Draw(t, "tci"), frame)
	}
	if flip(t, "mutation", 5) {
		for range 1 + uniform(t, "bytes", 3) {
			// The first headers decide most.
			at := uniform(t, "at", min(len(frame), 90))
			frame[at] = rapid.Byte().Draw(t, "byte")
		}
	}
	if flip(t, "cut", 15) {
		frame = frame[:14+uniform(t, "length", len(frame)-13)]
	}
	if tunnel && len(frame) >= 18 && isVLAN(u16(frame[12:])) && isVLAN(u16(frame[16:])) {
		frame[16] = 0 // only a port without security sends that, and it stays on its host
	}
	return in, frame
}

// sender draws the parts of a frame; number is that of its addresses, known are those of the house, 1 of the gateway.
type sender struct {
	t      *rapid.T
	number int
	known  []int
	given  []int // those of known that somebody has given
}

// anyone is the number of some station, now and then one that is not there.
func (s sender) anyone(name string) int {
	if flip(s.t, name+" nobody", 8) {
		return ports + 2
	}
	return pick(s.t, name, s.known...)
}

// wanted is anyone, but often one of those that were given.
func (s sender) wanted(name string) int {
	if len(s.given) > 0 && flip(s.t, name+" given", 2) {
		return pick(s.t, name+" of the given", s.given...)
	}
	return s.anyone(name)
}

func (s sender) hw() net.HardwareAddr {
	switch {
	case !flip(s.t, "other MAC", 10):
		return hw(s.number)
	case flip(s.t, "strange MAC", 2):
		near := append(net.HardwareAddr(nil), hw(s.number)...)
		near[uniform(s.t, "MAC byte", 6)] ^= 1 << uniform(s.t, "MAC bit", 8)
		return pick(s.t, "strange", everyone, nobody, mcast(allNodes), near)
	}
	return hw(s.anyone("MAC of"))
}

func (s sender) destination() net.HardwareAddr {
	switch pick(s.t, "to", "one", "one", "one", "one", "one", "all", "all", "group", "strange") {
	case "all":
		return everyone
	case "group":
		return mcast(pick(s.t, "group", allNodes, allRtrs, ip("224.0.0.251")))
	case "strange":
		return pick(s.t, "strange destination", nobody, mac("01:80:c2:00:00:00"), mac("01:80:c2:00:00:0e"), mac("01:80:c2:00:00:3f"), mac("01:80:c2:00:00:40"),
			mac("01:00:0c:cc:cc:cc"), mac("01:00:0c:cc:cc:ce"), mac("ff:ff:ff:ff:ff:fe"))
	}
	return hw(s.anyone("to"))
}

func (s sender) addr4() netip.Addr {
	switch {
	case s.number != 1 && !flip(s.t, "other address", 4):
		return ip4of(s.number)
	case flip(s.t, "strange address", 3):
		return pick(s.t, "strange", none4, ip("255.255.255.255"), ip("192.168.3.4"), ip("192.169.0.1"), ip("224.0.0.1"), ip("8.8.8.8"))
	}
	return ip4of(s.anyone("address of"))
}

func (s sender) addr6() netip.Addr {
	switch {
	case s.number != 1 && !flip(s.t, "other address", 4):
		return pick(s.t, "own", ip6of(s.number), llOf(s.number))
	case flip(s.t, "strange address", 3):
		return pick(s.t, "strange", none6, none6, ip("::ffff:10.0.0.2"), ip("fd01::9"), ip("fd01:0:0:1::9"), ip("fd00::8"), allNodes, ip("fe80::9"))
	}
	n := s.anyone("address of")
	return pick(s.t, "family", ip6of(n), llOf(n))
}

func (s sender) arp(dst net.HardwareAddr) []byte {
	target := ip4of(pick(s.t, "target of", s.anyone("target"), s.wanted("target"), 1))
	if flip(s.t, "own target", 5) {
		target = ip4of(s.number)
	}
	src := s.hw()
	sha := src
	if flip(s.t, "other hardware address", 8) {
		sha = s.hw()
	}
	spa := s.addr4()
	if flip(s.t, "probe", 4) {
		spa = none4
	}
	return arp(dst, src, pick[uint16](s.t, "operation", 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 0, 257), sha, spa, pick(s.t, "tha", nobody, everyone, dst), target)
}

// port is a port number that means something to somebody.
func (s sender) port() int {
	return pick(s.t, "port", 1000, 2000, 53, 67, 68, 546, 547, 0)
}

func (s sender) ipv4() []byte {
	proto := pick(s.t, "protocol", isUDP, isUDP, isUDP, isTCP, isICMP, isICMP, layers.IPProtocol(0), layers.IPProtocolIGMP, layers.IPProtocolGRE)
	var body []byte
	switch proto {
	case isUDP:
		body = udp(s.port(), s.port(), 1, 2, 3, 4)
	case isICMP:
		body = icmp(pick(s.t, "type", 0, 3, 5, 8, 9, 10), pick(s.t, "code", 0, 0, 1))
	default:
		body = make([]byte, 24)
	}
	if flip(s.t, "short", 12) {
		body = body[:uniform(s.t, "left", 9)]
	}
	flags := 0
	if flip(s.t, "fragment", 5) {
		flags = pick(s.t, "offset", moreFragments, moreFragments, second, moreFragments|second, third)
	}
	if flip(s.t, "DHCP discover", 15) {
		return ip4(pick(s.t, "client", none4, none4, none4, ip4of(s.number)), ip("255.255.255.255"), isUDP, flags&moreFragments, udp(68, 67, make([]byte, 40)...))
	}
	dst := pick(s.t, "IPv4 destination", ip4of(s.anyone("for")), ip("255.255.255.255"), ip("192.0.2.1"), ip("224.0.0.1"))
	return ip4(s.addr4(), dst, proto, flags, body)
}

// upper6 is what IPv6 carries: its protocol number, and its bytes for an address.
func (s sender) upper6(src, dst netip.Addr) (int, []byte) {
	switch pick(s.t, "upper", "udp", "icmp", "icmp", "nd", "tcp", "odd") {
	case "udp":
		return 17, udp(s.port(), s.port(), 1, 2, 3, 4)
	case "icmp":
		kind := pick(s.t, "type", 128, 129, 2, 130, 131, 132, 133, 134, 137, 143, 0)
		return 58, icmp6(src, dst, kind, pick(s.t, "code", 0, 0, 0, 1), make([]byte, 20))
	case "nd":
		return 58, s.message(src, dst)
	case "tcp":
		return 6, make([]byte, 20)
	}
	return pick(s.t, "odd", 0, 4, 41, 43, 44, 50, 51, 59, 60, 135, 139, 140, 253), rapid.SliceOfN(rapid.Byte(), 0, 24).Draw(s.t, "bytes")
}

// group is a packet to a group, or about one.
func (s sender) group() []byte {
	if flip(s.t, "IPv6 group", 2) {
		src, dst := s.addr6(), pick(s.t, "group", ip("ff01::1"), ip("ff02::fb"), ip("ff05::1:3"), ip("ff12::1"), ip("ff15::1"))
		next, body := s.upper6(src, dst)
		return v6(s.hw(), mcast(dst), ip6(src, dst, next, 1, body))
	}
	dst := pick(s.t, "group", ip("224.0.0.1"), ip("224.0.0.251"), ip("224.0.1.0"), ip("239.1.1.1"))
	return v4(s.hw(), mcast(dst), ip4(s.addr4(), dst, pick(s.t, "group's", layers.IPProtocolIGMP, isUDP), 0, udp(s.port(), s.port(), 1, 2, 3, 4)))
}

func (s sender) ipv6() []byte {
	src, dst := s.addr6(), pick(s.t, "IPv6 destination", ip6of(s.anyone("for")), allNodes, ip("ff02::16"))
	next, body := s.upper6(src, dst)
	if flip(s.t, "short", 12) {
		body = body[:uniform(s.t, "left", min(9, len(body)+1))]
	}
	if flip(s.t, "extended", 3) {
		for range 1 + uniform(s.t, "headers", 3) {
			kind := pick(s.t, "header", 0, 43, 60, 51, 44, 44, 135)
			body = cat(s.header(kind, next), body)
			next = kind
		}
	}
	if flip(s.t, "short chain", 15) {
		body = body[:uniform(s.t, "left of the chain", min(17, len(body)+1))]
	}
	return ip6(src, dst, next, pick(s.t, "hops", 255, 255, 64), body)
}

func (s sender) header(kind, next int) []byte {
	if kind == 44 {
		return fragment(next, pick(s.t, "offset", 0, 0, 0, 1, third), rapid.Bool().Draw(s.t, "more"))
	}
	h := ext(next, pick(s.t, "units", 0, 0, 1))
	if kind == 51 {
		h[1] = byte(len(h)/4 - 2)
	}
	if flip(s.t, "wrong length", 15) {
		h[1] = rapid.Byte().Draw(s.t, "length")
	}
	return h
}

// other is a frame that is neither IP nor ARP, or hides that it is.
func (s sender) other(dst net.HardwareAddr) []byte {
	snap := []byte{0xaa, 0xaa, 3, 0, 0, 0}
	switch pick(s.t, "other", "type", "llc", "snap", "wrong", "link control") {
	case "link control":
		return ether(pick(s.t, "group", mac("01:80:c2:00:00:00"), mac("01:80:c2:00:00:0e"), mac("01:00:0c:cc:cc:cd")), s.hw(), 0x88cc)
	case "llc":
		return llc(dst, s.hw(), []byte{0x42, 0x42, 3, 0, 0, 0, 0, 0})
	case "snap":
		if flip(s.t, "SNAP with IPv6", 2) {
			return llc(dst, s.hw(), snap, be16(0x86dd), s.ipv6())
		}
		return llc(dst, s.hw(), snap, be16(pick(s.t, "in SNAP", 0x0800, 0x0806, 0x88cc, 0x0100)), s.ipv4())
	case "wrong":
		return ether(dst, s.hw(), pick(s.t, "wrong type", 0x0800, 0x86dd, 0x0806), pick(s.t, "wrong packet", s.ipv4(), s.ipv6(), s.arp(dst)[14:]))
	}
	return ether(dst, s.hw(), pick(s.t, "type", 0x88cc, 0x8809, 0x8035, 0x8847, 0x8863, 0x0842, 0x88b5))
}
