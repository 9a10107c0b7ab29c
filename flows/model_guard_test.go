// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"bytes"
	"net"
	"net/netip"
	"slices"

	"github.com/ovsnet/ovsnet/flows"
)

// guard is port security: why the port may not send the packet, empty if it may.
func guard(port flows.Port, p packet) string {
	known := p.ip != nil || p.arp != nil
	own := bytes.Equal(p.src, port.MAC)
	switch {
	case p.tagged:
		return "tagged"
	case !own:
		return "spoofed-mac"
	case isLinkControl(p.dst) && !known && port.Allow&flows.ServiceLinkControl != 0:
		return ""
	case isLinkControl(p.dst):
		return "link-control"
	case !known:
		return "ethertype"
	case p.arp != nil:
		return guardARP(port, *p.arp)
	}
	if reason := guardSpeech(port, *p.ip); reason != "" {
		return reason
	}
	return guardSource(port, *p.ip)
}

func isLinkControl(hw net.HardwareAddr) bool {
	return bytes.Equal(hw[:5], []byte{0x01, 0x80, 0xc2, 0, 0}) && hw[5] < 0x40 ||
		bytes.Equal(hw, []byte{0x01, 0, 0x0c, 0xcc, 0xcc, 0xcc}) || bytes.Equal(hw, []byte{0x01, 0, 0x0c, 0xcc, 0xcc, 0xcd})
}

// owns says that the port may speak for an address.
func owns(port flows.Port, a netip.Addr) bool {
	if slices.Contains(port.Addrs, a) || port.IPv6 && a == flows.LinkLocal(port.MAC) {
		return true
	}
	return slices.ContainsFunc(port.Allowed, func(p netip.Prefix) bool { return p.Contains(a) })
}

// speaks says that the port has any address of a family.
func speaks(port flows.Port, six bool) bool {
	return six && port.IPv6 ||
		slices.ContainsFunc(port.Addrs, func(a netip.Addr) bool { return a.Is6() == six }) ||
		slices.ContainsFunc(port.Allowed, func(p netip.Prefix) bool { return p.Addr().Is6() == six })
}

func guardARP(port flows.Port, a arpPart) string {
	honest := bytes.Equal(a.sha, port.MAC) && speaks(port, false)
	if honest && (a.op == 1 || a.op == 2) && owns(port, a.spa) || honest && a.op == 1 && a.spa == none4 {
		return ""
	}
	return "arp"
}

// guardSpeech is about what is said, not who says it.
func guardSpeech(port flows.Port, p ipPart) string {
	udp, icmp4, icmp6 := p.proto == 17, !p.six && p.proto == 1, p.six && p.proto == 58
	service, allowed := "", flows.Services(0)
	switch {
	case icmp6 && p.from == 134, icmp4 && p.from == 9:
		service, allowed = "rogue-ra", flows.ServiceRA
	case icmp6 && p.from == 137, icmp4 && p.from == 5:
		service, allowed = "rogue-redirect", flows.ServiceRedirect
	case udp && !p.six && (p.from == 67 || p.to == 68), udp && p.six && (p.from == 547 || p.to == 546):
		service, allowed = "rogue-dhcp", flows.ServiceDHCPServer
	}
	switch {
	case service != "" && port.Allow&allowed != 0:
		return ""
	case p.proto == 0, p.six && slices.Contains([]int{59, 135, 139, 140}, p.proto):
		return "hidden-header"
	case icmp6 && p.from == 0, udp && !p.later && p.from == 0 && p.to == 0:
		return "hidden-header"
	case icmp6 && p.from >= 133 && p.from <= 137 && p.fragment:
		return "nd"
	case icmp6 && (p.from == 135 || p.from == 136) && !honestND(port, p):
		return "nd"
	}
	return service
}

// honestND is a solicitation or advertisement that says of MACs and addresses only what is the port's.
func honestND(port flows.Port, p ipPart) bool {
	mine := func(hw net.HardwareAddr) bool { return bytes.Equal(hw, port.MAC) || bytes.Equal(hw, nobody) }
	switch {
	case p.nd == nil || p.nd.target == none6 || !speaks(port, true):
		return false
	case p.from == 135:
		return mine(p.nd.sll)
	}
	return mine(p.nd.tll) && owns(port, p.nd.target)
}

// guardSource is about the source address.
func guardSource(port flows.Port, p ipPart) string {
	if owns(port, p.src) {
		return ""
	}
	client := !p.six && p.proto == 17 && p.from == 68 && p.to == 67 && p.src == none4 && p.dst == ip("255.255.255.255")
	newcomer := p.six && p.src == none6 && p.proto == 58 && p.to == 0 &&
		(slices.Contains([]int{131, 132, 133, 143}, p.from) || p.from == 135 && bytes.Equal(p.nd.sll, nobody))
	if (client || newcomer) && speaks(port, p.six) {
		return ""
	}
	return "spoofed-ip"
}
