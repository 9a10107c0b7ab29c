// SPDX-License-Identifier: Apache-2.0

package nat

// State is what the firewall found on the host and what it did about it.
type State struct {
	// Table is our nftables table, family first; NFT is the version of nft.
	Table, NFT string
	// DockerUser lists where a chain DOCKER-USER was found: "iptables-nft", "ip6tables-legacy", ...
	DockerUser []string
	// ForwardDrop lists the chains that drop forwarded packets by policy: "ip filter FORWARD (nft)", ...
	ForwardDrop []string
	// DockerBridges are the links that Docker's own iptables chains care for.
	DockerBridges []string
	// DockerNFT tells that the engine uses its nftables backend, which needs no accept from us.
	DockerNFT bool
	// Firewalld and UFW tell that these are at work; BridgeNetfilter that Linux bridges pass through iptables.
	Firewalld, UFW, BridgeNetfilter bool
	// ForwardIPv4 and ForwardIPv6 are the host's forwarding sysctls.
	ForwardIPv4, ForwardIPv6 bool
	// Networks and Ports count what the firewall keeps: networks, and published ports.
	Networks, Ports int
	// Done lists what was changed outside of our table, in words.
	Done []string
	// Problems lists what was found that we may not or cannot change, each with its way out.
	Problems []string
}
