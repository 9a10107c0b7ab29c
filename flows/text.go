// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// matchText is the order in which ovs-ofctl dump-flows prints the fields of a
// match; the Ethernet type and IP protocol stand where the shorthand goes.
var matchText = func() []Field {
	order := []Field{FieldPktMark, FieldCTState, FieldCTZone, FieldCTMark, FieldCTLabel, FieldInvalid}
	for f := FieldReg0; f <= FieldReg15; f++ {
		order = append(order, f)
	}
	return append(order, FieldTunID, FieldTunSrc, FieldTunDst, FieldTunIPv6Src, FieldTunIPv6Dst,
		FieldMetadata, FieldInPort, FieldVLANTCI, FieldVLANVID, FieldVLANPCP,
		FieldEthSrc, FieldEthDst, FieldEthType,
		FieldIPv4Src, FieldIPv4Dst, FieldIPv6Src, FieldIPv6Dst, FieldIPv6Label,
		FieldARPSPA, FieldARPTPA, FieldARPOp, FieldIPProto, FieldARPSHA, FieldARPTHA,
		FieldIPDSCP, FieldIPECN, FieldIPTTL, FieldIPFrag,
		FieldICMPType, FieldICMPCode, FieldICMPv6Type, FieldICMPv6Code,
		FieldNDTarget, FieldNDSLL, FieldNDTLL, FieldNDReserved, FieldNDOptionsType,
		FieldTCPSrc, FieldTCPDst, FieldUDPSrc, FieldUDPDst, FieldSCTPSrc, FieldSCTPDst, FieldTCPFlags)
}()

// String is the match in ovs-ofctl's grammar, letter for letter what
// `ovs-ofctl --no-names dump-flows` prints for it.
func (m Match) String() string {
	var at [numFields]*FieldMatch
	for i := range m {
		if m[i].Field.Valid() {
			at[m[i].Field] = &m[i]
		}
	}
	word, hasType, hasProto := m.shorthand()
	parts := make([]string, 0, len(m))
	for _, f := range matchText {
		switch {
		case f == FieldInvalid && word != "":
			parts = append(parts, word)
		case f == FieldInvalid, f == FieldEthType && hasType, f == FieldIPProto && hasProto:
		case at[f] != nil:
			parts = append(parts, f.info().match+"="+matchValue(*at[f]))
		}
	}
	return strings.Join(parts, ",")
}

// shorthand is ovs-ofctl's word for the Ethernet type and IP protocol of a
// match, and which of the two it stands for.
func (m Match) shorthand() (word string, hasType, hasProto bool) {
	eth, ok := m.Get(FieldEthType)
	if !ok {
		return "", false, false
	}
	proto, some := m.Get(FieldIPProto)
	var words map[uint64]string
	switch eth.Uint() {
	case EthTypeARP:
		return "arp", true, false
	case EthTypeRARP:
		return "rarp", true, false
	case EthTypeIPv4:
		word, words = "ip", ipv4Words
	case EthTypeIPv6:
		word, words = "ipv6", ipv6Words
	default:
		return "", false, false
	}
	if w, known := words[proto.Uint()]; some && known {
		return w, true, true
	}
	return word, true, false
}

var (
	ipv4Words = map[uint64]string{ProtoICMP: "icmp", ProtoTCP: "tcp", ProtoUDP: "udp", ProtoSCTP: "sctp"}
	ipv6Words = map[uint64]string{ProtoICMPv6: "icmp6", ProtoTCP: "tcp6", ProtoUDP: "udp6", ProtoSCTP: "sctp6"}
)

// matchValue is value[/mask] as a match prints it, which differs a little from
// what set_field prints.
func matchValue(fm FieldMatch) string {
	v, mask := fm.Uint(), fm.UintMask()
	switch fm.Field {
	case FieldEthType:
		return fmt.Sprintf("0x%04x", v)
	case FieldVLANTCI:
		return fmt.Sprintf("0x%04x/0x%04x", v, mask)
	case FieldIPv6Label:
		if fm.Masked {
			return fmt.Sprintf("0x%05x/0x%05x", v, mask)
		}
		return fmt.Sprintf("0x%05x", v)
	case FieldIPDSCP:
		return strconv.FormatUint(v<<2, 10)
	default:
	}
	if fm.Field.info().kind == kindDecimal && fm.Masked {
		return fmt.Sprintf("0x%x/0x%x", v, mask)
	}
	return fm.valueString()
}

// valueString is value[/mask] as set_field prints it.
func (fm FieldMatch) valueString() string {
	value, mask := fm.Value[:fm.N], fm.Mask[:fm.N]
	var text, maskText string
	switch fm.Field.info().kind {
	case kindHex:
		text, maskText = hex(value), hex(mask)
	case kindMAC:
		text, maskText = net.HardwareAddr(value).String(), net.HardwareAddr(mask).String()
	case kindIPv4, kindIPv6:
		return fm.addrString()
	case kindPort:
		return portName(uint32(fm.Uint())) //nolint:gosec // in_port has 32 bits
	case kindFrag:
		return fragString(fm.Uint(), fm.UintMask())
	case kindCTState:
		return flagString(fm, ctStateNames)
	case kindTCPFlags:
		return flagString(fm, tcpFlagNames)
	default:
		text, maskText = strconv.FormatUint(fm.Uint(), 10), hex(mask)
	}
	if fm.Masked {
		return text + "/" + maskText
	}
	return text
}

// hex is C's %#x of a number of any width: zero has no prefix.
func hex(b []byte) string {
	text := strings.TrimLeft(fmt.Sprintf("%x", b), "0")
	if text == "" {
		return "0"
	}
	return "0x" + text
}

func (fm FieldMatch) addrString() string {
	text := addrText(fm.Value[:fm.N])
	if !fm.Masked {
		return text
	}
	if bits := prefixLen(fm.Mask[:fm.N]); bits >= 0 {
		return text + "/" + strconv.Itoa(bits)
	}
	return text + "/" + addrText(fm.Mask[:fm.N])
}

// addrText differs from netip only where inet_ntop(3) ends an IPv6 address in
// dotted decimals.
func addrText(b []byte) string {
	a, _ := netip.AddrFromSlice(b)
	if len(b) == 16 && [12]byte(b) == [12]byte{} && b[12]|b[13] != 0 {
		return "::" + netip.AddrFrom4([4]byte(b[12:])).String()
	}
	return a.String()
}

// prefixLen is the number of leading ones in mask, or -1 if ones follow zeros.
func prefixLen(mask []byte) int {
	n := 0
	for n < 8*len(mask) && mask[n/8]&(0x80>>(n%8)) != 0 {
		n++
	}
	for i := n; i < 8*len(mask); i++ {
		if mask[i/8]&(0x80>>(i%8)) != 0 {
			return -1
		}
	}
	return n
}

func fragString(v, mask uint64) string {
	switch {
	case mask == FragAny && v == 0, mask == FragAny|FragLater && v == 0:
		return "no"
	case mask == FragAny:
		return "yes"
	case mask == FragLater && v == 0:
		return "not_later"
	case v == FragAny:
		return "first"
	case v&FragLater != 0:
		return "later"
	}
	return "<error>"
}

var (
	ctStateNames = []string{"new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"}
	tcpFlagNames = []string{"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns", "[200]", "[400]", "[800]"}
)

// flagString is "+a-b" for a masked match and "a|b" for an exact one.
func flagString(fm FieldMatch, names []string) string {
	v, mask := fm.Uint(), fm.UintMask()
	var parts []string
	for i, name := range names {
		switch bit := uint64(1) << i; {
		case fm.Masked && mask&bit == 0, !fm.Masked && v&bit == 0:
		case !fm.Masked:
			parts = append(parts, name)
		case v&bit != 0:
			parts = append(parts, "+"+name)
		default:
			parts = append(parts, "-"+name)
		}
	}
	if fm.Masked {
		return strings.Join(parts, "")
	}
	if len(parts) == 0 {
		return "0"
	}
	return strings.Join(parts, "|")
}
