// SPDX-License-Identifier: Apache-2.0

package flows

// Row is one kind of flow in the pipeline: where it stands and what for. Its number is in the cookie of each of its
// flows, so that a counter in a switch can be read as a sentence. A number, once given, keeps its meaning.
type Row struct {
	Number   uint8
	Table    uint8
	Priority uint16
	Name     string
	// Drop is the reason under which a report counts the row's packets; empty when the row does not drop.
	Drop    string
	Purpose string
}

// The rows, table by table, highest priority first.
var (
	rowStorm     = Row{1, TableClassify, 110, "storm", "", "a container's broadcast and multicast pass the port's meter first"}
	rowContainer = Row{2, TableClassify, 100, "container", "", "a container's port: to guard, or past it where port security is off"}
	rowGateway   = Row{3, TableClassify, 100, "gateway", "", "the host's own port of the bridge"}
	rowUnknown   = Row{4, TableClassify, 0, "unknown-port", "unknown-port", "a port that is not ours"}

	rowPeer        = Row{5, TableClassify, 100, "peer", "", "a tunnel's frame from a known peer: if arrive lets it pass, the peer that its source MAC is behind is kept in remote"}
	rowUnknownPeer = Row{6, TableClassify, 50, "unknown-peer", "unknown-peer", "a tunnel's frame from anybody else"}

	rowTagged             = Row{11, TableGuard, 990, "tagged", "tagged", "a VLAN tag from an access port"}
	rowOtherMAC           = Row{18, TableGuard, 970, "other-mac", "", "a source MAC that differs from the port's in a bit; a million such MACs are 48 to a datapath"}
	rowLinkPayload        = Row{17, TableGuard, 960, "link-control-payload", "link-control", "IPv4, IPv6 or ARP under a link-control address"}
	rowLinkControlAllowed = Row{10, TableGuard, 950, "link-control-allowed", "", "ovs.port.allow=link-control"}
	rowLinkControl        = Row{12, TableGuard, 900, "link-control", "link-control", "STP, LACP, LLDP, CDP and their kin"}
	rowOwnMAC             = Row{13, TableGuard, 500, "own-mac", "", "the port's MAC with IPv4, IPv6 or ARP"}
	rowEthertype          = Row{14, TableGuard, 400, "ethertype", "ethertype", "the port's MAC with any other ethertype, or 802.3 LLC"}
	rowGuardMiss          = Row{16, TableGuard, 0, "guard-miss", "spoofed-mac", "a port without rows of its own"}

	rowSpoofedMAC  = Row{15, TableSpoofed, 100, "spoofed-mac", "spoofed-mac", "another source MAC"}
	rowSpoofedMiss = Row{19, TableSpoofed, 0, "spoofed-miss", "spoofed-mac", "a port without rows of its own"}

	rowServiceAllowed = Row{20, TableSpeech, 950, "service-allowed", "", "ovs.port.allow for router or DHCP server messages"}
	rowHiddenHeader   = Row{21, TableSpeech, 930, "hidden-header", "hidden-header", "an upper protocol, its ports or its type that cannot be seen"}
	rowNDFragment     = Row{22, TableSpeech, 930, "nd-fragment", "nd", "neighbour discovery in fragments (RFC 6980)"}
	rowNDMalformed    = Row{23, TableSpeech, 920, "nd-malformed", "nd", "a solicitation or advertisement without a readable target"}
	rowRogueRA        = Row{24, TableSpeech, 900, "rogue-ra", "rogue-ra", "router advertisements, IPv4 and IPv6"}
	rowRogueRedirect  = Row{25, TableSpeech, 900, "rogue-redirect", "rogue-redirect", "ICMP redirects, IPv4 and IPv6"}
	rowRogueDHCP      = Row{26, TableSpeech, 900, "rogue-dhcp", "rogue-dhcp", "DHCPv4 and DHCPv6 server messages"}
	rowARPProbe       = Row{27, TableSpeech, 500, "arp-probe", "", "ARP probe with no sender address (RFC 5227)"}
	rowARPOwn         = Row{28, TableSpeech, 500, "arp-own", "", "ARP request or reply with the port's MAC and an own address"}
	rowNSOwn          = Row{29, TableSpeech, 500, "ns-own", "", "solicitation with the port's MAC as source option, or without one"}
	rowNAOwn          = Row{30, TableSpeech, 500, "na-own", "", "advertisement of an own address with the port's MAC, or without one"}
	rowARP            = Row{31, TableSpeech, 300, "arp", "arp", "any other ARP"}
	rowND             = Row{32, TableSpeech, 300, "nd", "nd", "any other solicitation or advertisement"}
	rowSpeechMiss     = Row{33, TableSpeech, 0, "speech-miss", "", "anything else: on to the source address"}

	rowOwnAddress  = Row{40, TableAddress, 500, "own-address", "", "an own IPv4 or IPv6 source address"}
	rowDHCPClient  = Row{41, TableAddress, 450, "dhcp-client", "", "a DHCP client that has no address yet (RFC 2131)"}
	rowUnspecified = Row{42, TableAddress, 450, "unspecified", "", "DAD, router solicitation and MLD from :: (RFC 4862, 4861, 3590)"}
	rowSpoofedIP   = Row{43, TableAddress, 100, "spoofed-ip", "spoofed-ip", "another source address"}
	rowAddressMiss = Row{44, TableAddress, 0, "address-miss", "spoofed-ip", "a port without rows of its own"}

	rowMarked   = Row{94, TableUnmark, 100, "marked", "", "a tunnel's frame that is from an isolated or promiscuous port"}
	rowUnmarked = Row{95, TableUnmark, 0, "unmarked", "", "any other"}

	rowHello            = Row{93, TableArrive, 430, "hello", "hello", "another host of ovsnet's says that it is there; the row of its peer has counted it"}
	rowGroupSource      = Row{34, TableArrive, 420, "group-source", "group-source", "a group's MAC as source"}
	rowRemoteGateway    = Row{35, TableArrive, 400, "remote-gateway", "remote-gateway", "from, for or about the gateway: each host has its own"}
	rowNeighbourFrame   = Row{36, TableArrive, 310, "neighbour-frame", "", "a MAC of ovs.tunnel.static from its peer: nothing to learn"}
	rowSpoofedNeighbour = Row{37, TableArrive, 300, "spoofed-neighbour", "spoofed-neighbour", "a MAC of ovs.tunnel.static from another peer"}
	rowArrived          = Row{96, TableArrive, 0, "arrived", "", "any other frame, back to the row of its peer"}

	rowResolveOwn      = Row{50, TableResolve, 130, "resolve-own", "", "who asks for an own address is probing for duplicates: not answered"}
	rowDefend          = Row{59, TableResolve, 125, "defend", "", "a probe for duplicates of an address in use is answered here; the owner does not see it"}
	rowResolveMarked   = Row{48, TableResolve, 126, "resolve-marked", "", "who asks from another host for a port that marks its frames is answered by the port"}
	rowAnswerGateway   = Row{51, TableResolve, 120, "answer-gateway", "", "ARP and ND for the gateway, answered here"}
	rowProbeGateway    = Row{52, TableResolve, 121, "probe-gateway", "", "a solicitation without source option, or any that the datapath can't answer, goes to the gateway alone"}
	rowResolvePrivate  = Row{53, TableResolve, 110, "resolve-private", "", "isolated ports, and all with inter-container off, are told of the gateway alone"}
	rowAnswer          = Row{54, TableResolve, 100, "answer", "", "ARP and ND for an endpoint of this host, answered here"}
	rowProbe           = Row{55, TableResolve, 101, "probe", "", "a solicitation without source option, or any that the datapath can't answer, goes to the endpoint alone"}
	rowDefendNeighbour = Row{45, TableResolve, 92, "defend-neighbour", "", "a probe for duplicates of an address of ovs.tunnel.static, answered here"}
	rowProbeNeighbour  = Row{46, TableResolve, 91, "probe-neighbour", "", "a solicitation without source option, or any that the datapath can't answer, goes to the peer of ovs.tunnel.static alone"}
	rowAnswerNeighbour = Row{47, TableResolve, 90, "answer-neighbour", "", "ARP and ND for an address of ovs.tunnel.static, answered here"}
	rowResolveMiss     = Row{56, TableResolve, 0, "resolve-miss", "", "nothing to answer"}

	rowAdvertise = Row{57, TableReply, 100, "advertise", "", "the answering MAC into the target option, and back to the asker"}
	rowReplyMiss = Row{58, TableReply, 0, "reply-miss", "reply-miss", "nothing else comes here"}

	rowRouted     = Row{61, TablePolicy, 200, "routed", "", "what the gateway routes from one port to another is held to what the first may reach"}
	rowPolicyMiss = Row{60, TablePolicy, 0, "policy-miss", "", "no policy"}

	rowToGateway    = Row{70, TableForward, 200, "to-gateway", "", "the gateway's MAC"}
	rowToPort       = Row{71, TableForward, 100, "to-port", "", "an endpoint's MAC"}
	rowMembership   = Row{62, TableForward, 98, "membership", "", "multicast snooping: IGMP and MLD, from which it learns who asked for what"}
	rowLinkGroup    = Row{63, TableForward, 97, "link-group", "", "multicast snooping: 224.0.0.0/24 and ff02::/16, to all"}
	rowSnoop        = Row{79, TableForward, 96, "snoop", "", "multicast snooping: any other IP multicast to the ports that asked for it"}
	rowFloodPromisc = Row{72, TableForward, 94, "flood-promiscuous", "", "broadcast from a promiscuous port, to all"}
	rowFloodGateway = Row{73, TableForward, 93, "flood-gateway", "", "broadcast from the gateway, to all"}
	rowFloodNoICC   = Row{74, TableForward, 92, "flood-private", "", "inter-container off: broadcast to the gateway and promiscuous ports"}
	rowFloodOpen    = Row{75, TableForward, 91, "flood-isolated", "", "broadcast from an isolated port, to ports that are not"}
	rowFlood        = Row{76, TableForward, 90, "flood", "", "broadcast and multicast, to all"}
	rowElsewhere    = Row{64, TableForward, 20, "elsewhere", "", "an overlay: a container's frame for a MAC that is not of this host"}
	rowUnknownMAC   = Row{77, TableForward, 10, "unknown-mac", "", "an unknown MAC, to the ports without port security"}
	rowForwardMiss  = Row{78, TableForward, 0, "unknown-destination", "unknown-destination", "a MAC that nobody has"}

	rowNeighbour  = Row{65, TableRemote, 200, "neighbour", "", "a MAC of ovs.tunnel.static: its peer"}
	rowLearned    = Row{66, TableRemote, 100, "learned", "", "a MAC whose frames come from a peer; the switch makes this flow itself"}
	rowRemoteMiss = Row{67, TableRemote, 0, "remote-miss", "", "a MAC of which nothing is known"}

	rowGatewayStays = Row{68, TableSpread, 300, "gateway-stays", "gateway-stays", "from or about the gateway: does not leave the host"}
	rowTaggedStays  = Row{84, TableSpread, 290, "tagged-stays", "tagged-stays", "a VLAN tag, which a port without port security may send, but only on this host"}
	rowMarkToPeer   = Row{85, TableSpread, 210, "mark-to-peer", "", "to-peer, from an isolated or promiscuous port: a VLAN tag tells the other host"}
	rowMarkToPeers  = Row{89, TableSpread, 110, "mark-to-peers", "", "to-peers, likewise"}
	rowMarkUnknown  = Row{92, TableSpread, 95, "mark-unknown", "", "unknown-to-peers, likewise"}
	rowToPeer       = Row{69, TableSpread, 200, "to-peer", "", "the one peer that remote found"}
	rowToPeers      = Row{86, TableSpread, 100, "to-peers", "", "broadcast and multicast, to every peer"}
	rowUnknownPeers = Row{88, TableSpread, 90, "unknown-to-peers", "", "an unknown MAC, to every peer and to the ports without port security"}
	rowSpreadMiss   = Row{87, TableSpread, 0, "spread-miss", "spread-miss", "nothing else comes here"}

	rowAdmitPromisc = Row{80, TableAdmit, 200, "admit-promiscuous", "", "from or to a promiscuous port"}
	rowIsolated     = Row{81, TableAdmit, 150, "isolated", "isolated", "between two isolated ports"}
	rowICC          = Row{82, TableAdmit, 100, "icc", "icc", "between containers of a network with inter-container off"}
	rowAdmitMiss    = Row{83, TableAdmit, 0, "admit", "", "nothing against it"}

	rowNoOutput = Row{90, TableOutput, 100, "no-output", "no-output", "no port was chosen"}
	rowOutput   = Row{91, TableOutput, 0, "output", "", "out of the chosen port"}
)

// Rows returns every row of the pipeline, in the order of their numbers.
func Rows() []Row {
	return []Row{
		rowStorm, rowContainer, rowGateway, rowPeer, rowUnknownPeer, rowUnknown,
		rowTagged, rowOtherMAC, rowLinkPayload, rowLinkControlAllowed, rowLinkControl, rowOwnMAC, rowEthertype, rowGuardMiss,
		rowSpoofedMAC, rowSpoofedMiss,
		rowServiceAllowed, rowHiddenHeader, rowNDFragment, rowNDMalformed, rowRogueRA, rowRogueRedirect, rowRogueDHCP,
		rowARPProbe, rowARPOwn, rowNSOwn, rowNAOwn, rowARP, rowND, rowSpeechMiss,
		rowOwnAddress, rowDHCPClient, rowUnspecified, rowSpoofedIP, rowAddressMiss,
		rowMarked, rowUnmarked, rowHello, rowGroupSource, rowRemoteGateway, rowNeighbourFrame, rowSpoofedNeighbour, rowArrived,
		rowResolveOwn, rowDefend, rowAnswerGateway, rowProbeGateway, rowResolvePrivate, rowAnswer, rowProbe,
		rowDefendNeighbour, rowProbeNeighbour, rowAnswerNeighbour, rowResolveMarked, rowResolveMiss, rowAdvertise, rowReplyMiss,
		rowRouted, rowPolicyMiss,
		rowToGateway, rowToPort, rowMembership, rowLinkGroup, rowSnoop, rowFloodPromisc, rowFloodGateway, rowFloodNoICC, rowFloodOpen, rowFlood, rowElsewhere, rowUnknownMAC, rowForwardMiss,
		rowNeighbour, rowLearned, rowRemoteMiss, rowGatewayStays, rowToPeer, rowToPeers, rowUnknownPeers, rowTaggedStays, rowMarkToPeer, rowMarkToPeers, rowMarkUnknown, rowSpreadMiss,
		rowAdmitPromisc, rowIsolated, rowICC, rowAdmitMiss,
		rowNoOutput, rowOutput,
	}
}
