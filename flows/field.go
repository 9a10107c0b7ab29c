// SPDX-License-Identifier: Apache-2.0

package flows

import "fmt"

// Field names one packet or metadata field of Open vSwitch, as ovs-fields(7)
// lists them. The order of the constants is the canonical order of a Match:
// a field never comes before one that it depends on.
type Field uint8

// The fields that ovsnet uses. FieldInvalid is the zero value and no field.
const (
	FieldInvalid       Field = iota
	FieldInPort              // ingress port; 32 bits in a match, 16 as a subfield
	FieldMetadata            // the 64-bit metadata register
	FieldReg0                // 32-bit register; FieldReg0+n is register n
	FieldReg1                // 32-bit register 1
	FieldReg2                // 32-bit register 2
	FieldReg3                // 32-bit register 3
	FieldReg4                // 32-bit register 4
	FieldReg5                // 32-bit register 5
	FieldReg6                // 32-bit register 6
	FieldReg7                // 32-bit register 7
	FieldReg8                // 32-bit register 8
	FieldReg9                // 32-bit register 9
	FieldReg10               // 32-bit register 10
	FieldReg11               // 32-bit register 11
	FieldReg12               // 32-bit register 12
	FieldReg13               // 32-bit register 13
	FieldReg14               // 32-bit register 14
	FieldReg15               // 32-bit register 15
	FieldTunID               // tunnel key (VNI), 64 bits
	FieldTunSrc              // outer IPv4 source
	FieldTunDst              // outer IPv4 destination
	FieldTunIPv6Src          // outer IPv6 source
	FieldTunIPv6Dst          // outer IPv6 destination
	FieldEthDst              // Ethernet destination
	FieldEthSrc              // Ethernet source
	FieldEthType             // Ethernet type
	FieldVLANTCI             // VLAN id and presence bit 0x1000 (not the priority), always masked in a match
	FieldVLANVID             // VLAN id 0..4095 of a tagged packet, without the presence bit
	FieldVLANPCP             // VLAN priority of a tagged packet
	FieldIPProto             // IP protocol or IPv6 next header
	FieldIPTTL               // TTL or hop limit
	FieldIPDSCP              // DSCP, 6 bits
	FieldIPECN               // ECN, 2 bits
	FieldIPFrag              // fragment bits: FragAny, FragLater
	FieldIPv4Src             // IPv4 source
	FieldIPv4Dst             // IPv4 destination
	FieldIPv6Src             // IPv6 source
	FieldIPv6Dst             // IPv6 destination
	FieldIPv6Label           // IPv6 flow label, 20 bits
	FieldTCPSrc              // TCP source port
	FieldTCPDst              // TCP destination port
	FieldTCPFlags            // TCP flags, 12 bits
	FieldUDPSrc              // UDP source port
	FieldUDPDst              // UDP destination port
	FieldSCTPSrc             // SCTP source port
	FieldSCTPDst             // SCTP destination port
	FieldICMPType            // ICMP type
	FieldICMPCode            // ICMP code
	FieldICMPv6Type          // ICMPv6 type
	FieldICMPv6Code          // ICMPv6 code
	FieldARPOp               // ARP opcode
	FieldARPSPA              // ARP sender protocol address
	FieldARPTPA              // ARP target protocol address
	FieldARPSHA              // ARP sender hardware address
	FieldARPTHA              // ARP target hardware address
	FieldNDTarget            // ND target address
	FieldNDSLL               // ND source link-layer option
	FieldNDTLL               // ND target link-layer option
	FieldNDReserved          // ND flags and reserved word, 32 bits
	FieldNDOptionsType       // type of the first ND option
	FieldCTState             // conntrack state: CTNew and the other CT constants
	FieldCTZone              // conntrack zone
	FieldCTMark              // conntrack mark
	FieldCTLabel             // conntrack label, 128 bits
	FieldPktMark             // packet (skb) mark
	numFields
)

// NumFields is one more than the greatest valid Field.
const NumFields = int(numFields)

// Bits of FieldIPFrag, as ovs-fields(7) describes ip_frag.
const (
	FragAny   = 1 // the packet is a fragment
	FragLater = 2 // the packet is a fragment with a non-zero offset
)

// Bits of FieldCTState, as ovs-fields(7) describes ct_state.
const (
	CTNew  = 1 << iota // the packet would begin a new connection
	CTEst              // an established connection
	CTRel              // related to an established connection
	CTRpl              // in the reply direction
	CTInv              // invalid
	CTTrk              // tracked: the packet has been through ct()
	CTSNAT             // the source was translated
	CTDNAT             // the destination was translated
)

type fieldKind uint8

const (
	kindDecimal fieldKind = iota
	kindHex
	kindMAC
	kindIPv4
	kindIPv6
	kindPort
	kindFrag
	kindCTState
	kindTCPFlags
)

// prereq says what else a match must hold before it may name a field.
type prereq uint8

const (
	needNothing prereq = iota
	needARP
	needIP // either family
	needIPv4
	needIPv6
	needTCP
	needUDP
	needSCTP
	needICMP
	needICMPv6
	needND
	needNS
	needNA
)

type fieldInfo struct {
	name     string // in set_field and learn()
	match    string // in a match, as ovs-ofctl prints it
	subfield string // in move, learn() and output
	bytes    uint8
	bits     uint16
	kind     fieldKind
	maskable bool
	need     prereq
}

var fieldTable = buildFieldTable()

func buildFieldTable() [numFields]fieldInfo {
	t := [numFields]fieldInfo{
		FieldInPort:        {"in_port", "in_port", "NXM_OF_IN_PORT", 4, 16, kindPort, false, needNothing},
		FieldMetadata:      {"metadata", "metadata", "OXM_OF_METADATA", 8, 64, kindHex, true, needNothing},
		FieldTunID:         {"tun_id", "tun_id", "NXM_NX_TUN_ID", 8, 64, kindHex, true, needNothing},
		FieldTunSrc:        {"tun_src", "tun_src", "NXM_NX_TUN_IPV4_SRC", 4, 32, kindIPv4, true, needNothing},
		FieldTunDst:        {"tun_dst", "tun_dst", "NXM_NX_TUN_IPV4_DST", 4, 32, kindIPv4, true, needNothing},
		FieldTunIPv6Src:    {"tun_ipv6_src", "tun_ipv6_src", "NXM_NX_TUN_IPV6_SRC", 16, 128, kindIPv6, true, needNothing},
		FieldTunIPv6Dst:    {"tun_ipv6_dst", "tun_ipv6_dst", "NXM_NX_TUN_IPV6_DST", 16, 128, kindIPv6, true, needNothing},
		FieldEthDst:        {"eth_dst", "dl_dst", "NXM_OF_ETH_DST", 6, 48, kindMAC, true, needNothing},
		FieldEthSrc:        {"eth_src", "dl_src", "NXM_OF_ETH_SRC", 6, 48, kindMAC, true, needNothing},
		FieldEthType:       {"eth_type", "dl_type", "NXM_OF_ETH_TYPE", 2, 16, kindHex, false, needNothing},
		FieldVLANTCI:       {"vlan_tci", "vlan_tci", "NXM_OF_VLAN_TCI", 2, 16, kindHex, true, needNothing},
		FieldVLANVID:       {"vlan_vid", "dl_vlan", "OXM_OF_VLAN_VID", 2, 12, kindDecimal, false, needNothing},
		FieldVLANPCP:       {"vlan_pcp", "dl_vlan_pcp", "OXM_OF_VLAN_PCP", 1, 3, kindDecimal, false, needNothing},
		FieldIPProto:       {"nw_proto", "nw_proto", "NXM_OF_IP_PROTO", 1, 8, kindDecimal, false, needIP},
		FieldIPTTL:         {"nw_ttl", "nw_ttl", "NXM_NX_IP_TTL", 1, 8, kindDecimal, false, needIP},
		FieldIPDSCP:        {"ip_dscp", "nw_tos", "OXM_OF_IP_DSCP", 1, 6, kindDecimal, false, needIP},
		FieldIPECN:         {"nw_ecn", "nw_ecn", "NXM_NX_IP_ECN", 1, 2, kindDecimal, false, needIP},
		FieldIPFrag:        {"ip_frag", "nw_frag", "NXM_NX_IP_FRAG", 1, 2, kindFrag, true, needIP},
		FieldIPv4Src:       {"ip_src", "nw_src", "NXM_OF_IP_SRC", 4, 32, kindIPv4, true, needIPv4},
		FieldIPv4Dst:       {"ip_dst", "nw_dst", "NXM_OF_IP_DST", 4, 32, kindIPv4, true, needIPv4},
		FieldIPv6Src:       {"ipv6_src", "ipv6_src", "NXM_NX_IPV6_SRC", 16, 128, kindIPv6, true, needIPv6},
		FieldIPv6Dst:       {"ipv6_dst", "ipv6_dst", "NXM_NX_IPV6_DST", 16, 128, kindIPv6, true, needIPv6},
		FieldIPv6Label:     {"ipv6_label", "ipv6_label", "NXM_NX_IPV6_LABEL", 4, 20, kindHex, true, needIPv6},
		FieldTCPSrc:        {"tcp_src", "tp_src", "NXM_OF_TCP_SRC", 2, 16, kindDecimal, true, needTCP},
		FieldTCPDst:        {"tcp_dst", "tp_dst", "NXM_OF_TCP_DST", 2, 16, kindDecimal, true, needTCP},
		FieldTCPFlags:      {"tcp_flags", "tcp_flags", "NXM_NX_TCP_FLAGS", 2, 12, kindTCPFlags, true, needTCP},
		FieldUDPSrc:        {"udp_src", "tp_src", "NXM_OF_UDP_SRC", 2, 16, kindDecimal, true, needUDP},
		FieldUDPDst:        {"udp_dst", "tp_dst", "NXM_OF_UDP_DST", 2, 16, kindDecimal, true, needUDP},
		FieldSCTPSrc:       {"sctp_src", "tp_src", "OXM_OF_SCTP_SRC", 2, 16, kindDecimal, true, needSCTP},
		FieldSCTPDst:       {"sctp_dst", "tp_dst", "OXM_OF_SCTP_DST", 2, 16, kindDecimal, true, needSCTP},
		FieldICMPType:      {"icmp_type", "icmp_type", "NXM_OF_ICMP_TYPE", 1, 8, kindDecimal, false, needICMP},
		FieldICMPCode:      {"icmp_code", "icmp_code", "NXM_OF_ICMP_CODE", 1, 8, kindDecimal, false, needICMP},
		FieldICMPv6Type:    {"icmpv6_type", "icmp_type", "NXM_NX_ICMPV6_TYPE", 1, 8, kindDecimal, false, needICMPv6},
		FieldICMPv6Code:    {"icmpv6_code", "icmp_code", "NXM_NX_ICMPV6_CODE", 1, 8, kindDecimal, false, needICMPv6},
		FieldARPOp:         {"arp_op", "arp_op", "NXM_OF_ARP_OP", 2, 16, kindDecimal, false, needARP},
		FieldARPSPA:        {"arp_spa", "arp_spa", "NXM_OF_ARP_SPA", 4, 32, kindIPv4, true, needARP},
		FieldARPTPA:        {"arp_tpa", "arp_tpa", "NXM_OF_ARP_TPA", 4, 32, kindIPv4, true, needARP},
		FieldARPSHA:        {"arp_sha", "arp_sha", "NXM_NX_ARP_SHA", 6, 48, kindMAC, true, needARP},
		FieldARPTHA:        {"arp_tha", "arp_tha", "NXM_NX_ARP_THA", 6, 48, kindMAC, true, needARP},
		FieldNDTarget:      {"nd_target", "nd_target", "NXM_NX_ND_TARGET", 16, 128, kindIPv6, true, needND},
		FieldNDSLL:         {"nd_sll", "nd_sll", "NXM_NX_ND_SLL", 6, 48, kindMAC, true, needNS},
		FieldNDTLL:         {"nd_tll", "nd_tll", "NXM_NX_ND_TLL", 6, 48, kindMAC, true, needNA},
		FieldNDReserved:    {"nd_reserved", "nd_reserved", "ERICOXM_OF_ICMPV6_ND_RESERVED", 4, 32, kindDecimal, false, needND},
		FieldNDOptionsType: {"nd_options_type", "nd_options_type", "ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE", 1, 8, kindDecimal, false, needND},
		FieldCTState:       {"ct_state", "ct_state", "NXM_NX_CT_STATE", 4, 32, kindCTState, true, needNothing},
		FieldCTZone:        {"ct_zone", "ct_zone", "NXM_NX_CT_ZONE", 2, 16, kindDecimal, false, needNothing},
		FieldCTMark:        {"ct_mark", "ct_mark", "NXM_NX_CT_MARK", 4, 32, kindHex, true, needNothing},
		FieldCTLabel:       {"ct_label", "ct_label", "NXM_NX_CT_LABEL", 16, 128, kindHex, true, needNothing},
		FieldPktMark:       {"pkt_mark", "pkt_mark", "NXM_NX_PKT_MARK", 4, 32, kindHex, true, needNothing},
	}
	for n := FieldReg0; n <= FieldReg15; n++ {
		reg := fmt.Sprintf("reg%d", n-FieldReg0)
		t[n] = fieldInfo{reg, reg, fmt.Sprintf("NXM_NX_REG%d", n-FieldReg0), 4, 32, kindHex, true, needNothing}
	}
	return t
}

func (f Field) info() *fieldInfo {
	if !f.Valid() {
		f = FieldInvalid
	}
	return &fieldTable[f]
}

// Valid reports whether f is one of the constants of this package.
func (f Field) Valid() bool { return f > FieldInvalid && f < numFields }

// Bytes is the width of the field's value in a match, in bytes.
func (f Field) Bytes() int { return int(f.info().bytes) }

// Bits is the width of the field as a subfield, in bits: what Copy, Learn and
// OutputField may address. FieldInPort has 16 there (NXM_OF_IN_PORT).
func (f Field) Bits() uint16 { return f.info().bits }

// Maskable reports whether a match or set_field may give a mask.
func (f Field) Maskable() bool { return f.info().maskable }

// String is the field's name in ovs-fields(7) as set_field spells it.
func (f Field) String() string {
	if !f.Valid() {
		return fmt.Sprintf("field%d", uint8(f))
	}
	return f.info().name
}
