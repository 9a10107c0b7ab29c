// SPDX-License-Identifier: Apache-2.0

package flows

// This page is the whole pipeline; every bridge of ours runs it.
//
//	             container > guard (> spoofed) > speech > address
//	in > classify                                              > resolve > policy > forward > admit > output
//	             gateway, unguarded container                                        > flood group
//	             tunnel > unmark > arrive                                            > spread > peers
//
// A frame for another host looks into remote on the way to spread, and goes on to admit where that knows the peer.
// Whatever no flow allows is dropped; the rows of each table are on the page beside this one, rows.go.

// The tables, in the order a frame passes them; the gaps leave room.
const (
	TableClassify uint8 = 0
	TableGuard    uint8 = 10
	TableSpoofed  uint8 = 11
	TableSpeech   uint8 = 12
	TableAddress  uint8 = 14
	TableUnmark   uint8 = 15
	TableArrive   uint8 = 16
	TableResolve  uint8 = 20
	TableReply    uint8 = 22
	TablePolicy   uint8 = 30
	TableForward  uint8 = 40
	TableRemote   uint8 = 42
	TableSpread   uint8 = 44
	TableAdmit    uint8 = 50
	TableOutput   uint8 = 60
)

// Table is one line of the pipeline page.
type Table struct {
	Number  uint8
	Name    string
	Purpose string
	// Miss says what becomes of a frame that only the table's lowest row takes.
	Miss string
	// Next lists the tables that a flow of this one may lead to.
	Next []uint8
}

var tables = []Table{
	{TableClassify, "classify", "which port, which network, what kind of source; which peer a MAC is behind is learned into remote", "drop", []uint8{TableGuard, TableUnmark, TableResolve}},
	{TableGuard, "guard", "containers: own MAC, untagged, IPv4, IPv6 or ARP, no link control", "drop", []uint8{TableSpoofed, TableSpeech, TableResolve}},
	{TableSpoofed, "spoofed", "containers: frames of other MACs, counted by port", "drop", nil},
	{TableSpeech, "speech", "containers: ARP and ND about themselves, no router or DHCP server messages", "to address", []uint8{TableAddress, TableResolve}},
	{TableAddress, "address", "containers: own IPv4 and IPv6 source addresses", "drop", []uint8{TableResolve}},
	{TableUnmark, "unmark", "tunnels: the VLAN tag that says what kind of port a frame is from is read and taken off", "to arrive", []uint8{TableArrive}},
	{TableArrive, "arrive", "tunnels: nothing of the gateway's, no MAC that another peer was given", "back to classify", []uint8{TableResolve}},
	{TableResolve, "resolve", "ARP and neighbour solicitations answered when the answer is known", "to policy", []uint8{TableReply, TablePolicy, TableSpread, TableAdmit}},
	{TableReply, "reply", "the target option of a neighbour advertisement that resolve made", "drop", nil},
	{TablePolicy, "policy", "stateful rules", "to forward", []uint8{TableForward}},
	{TableForward, "forward", "destination MAC to port or gateway; broadcast and multicast to a flood group", "drop", []uint8{TableRemote, TableSpread, TableAdmit}},
	{TableRemote, "remote", "the peer that a MAC is behind, as given or learned", "back to forward", nil},
	{TableSpread, "spread", "into the tunnel: what has one peer to admit, the rest to all of them", "drop", []uint8{TableAdmit}},
	{TableAdmit, "admit", "what may reach the chosen port: inter-container off, isolated ports", "to output", []uint8{TableOutput}},
	{TableOutput, "output", "out of the port that forward chose", "out", nil},
}

// Tables returns the lines of the pipeline page in the order a frame passes them.
func Tables() []Table { return append([]Table(nil), tables...) }

// Prefixes are the fields whose prefixes Open vSwitch is to track, by table (Flow_Table:prefixes of
// ovs-vswitchd.conf.db(5)). Where a table tells whole addresses apart, the datapath then needs a flow for each length of
// prefix in which an address that somebody made up differs from the known ones, and not for each address; left to itself
// Open vSwitch before 3.5 does so for IPv4 alone. ARP and neighbour discovery have their addresses elsewhere in a packet:
// nothing tracks those.
func Prefixes() map[uint8][]string {
	return map[uint8][]string{
		// nw_dst is ip_dst. Open vSwitch takes the fields in the order of their names, and is done at the first that
		// rules a flow out: with the source first it seldom comes to the destination.
		TableAddress: {"ip_src", "ipv6_src", "nw_dst"},
		TableResolve: {"ipv6_src"},
		TablePolicy:  {"ip_src", "ipv6_src"},
	}
}

// Register is a named range of bits that the pipeline keeps about a frame.
type Register struct {
	Name    string
	Field   Field
	Ofs     uint16 // lowest bit
	Bits    uint16
	Meaning string
}

// The registers. Both ends of a frame have the same three attributes, so that admit can compare them.
var (
	RegNetwork     = Register{"network", FieldReg0, 0, 16, "tag of the frame's network on this bridge"}
	RegSource      = Register{"source", FieldReg0, 16, 3, "kind of source: 1 container, 2 gateway, 3 tunnel, 4 uplink"}
	RegSrcIsolated = Register{"src_isolated", FieldReg0, 19, 1, "the source port is isolated"}
	RegSrcPromisc  = Register{"src_promiscuous", FieldReg0, 20, 1, "the source port is promiscuous"}
	RegTarget      = Register{"target", FieldReg0, 21, 3, "kind of destination, numbered as source"}
	RegDstIsolated = Register{"dst_isolated", FieldReg0, 24, 1, "the destination port is isolated"}
	RegDstPromisc  = Register{"dst_promiscuous", FieldReg0, 25, 1, "the destination port is promiscuous"}
	RegOutput      = Register{"output", FieldReg1, 0, 16, "OpenFlow port that the frame leaves by; LOCAL is 0xfffe"}
	RegMACHigh     = Register{"mac_high", FieldReg2, 0, 16, "first two bytes of the MAC of the port that the frame came from"}
	RegMACLow      = Register{"mac_low", FieldReg3, 0, 32, "the other four"}
)

// Registers returns the registers of the pipeline page.
func Registers() []Register {
	return []Register{RegNetwork, RegSource, RegSrcIsolated, RegSrcPromisc, RegTarget, RegDstIsolated, RegDstPromisc, RegOutput, RegMACHigh, RegMACLow}
}

// Kind is what a frame comes from or goes to; zero is nothing.
type Kind uint8

// The kinds, as RegSource and RegTarget hold them.
const (
	KindContainer Kind = 1
	KindGateway   Kind = 2
	KindTunnel    Kind = 3
	KindUplink    Kind = 4
)

// Flood is one of the groups that a network's broadcast and multicast go to.
type Flood uint8

// The flood groups of a network. Which one a frame takes depends on its source.
const (
	FloodAll        Flood = 0 // every port
	FloodOpen       Flood = 1 // every port that is not isolated
	FloodPrivileged Flood = 2 // the gateway and promiscuous ports
	FloodUnguarded  Flood = 3 // ports without port security: where an unknown MAC may live
	FloodPeers      Flood = 4 // the peers of an overlay, each with a copy of its own: peer n in group 4 + n modulo 8
)

// GroupID is the OpenFlow group of a network's flood group: the network's tag, then four bits for the kind.
func GroupID(network uint16, f Flood) uint32 { return uint32(network)<<4 | uint32(f) }
