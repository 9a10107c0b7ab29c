// SPDX-License-Identifier: Apache-2.0

// Package nat keeps the host's firewall for the networks whose gateway this host is: masquerade on the way out,
// published ports on the way in, and no way from one network to another. It speaks to nftables, to the DOCKER-USER
// chain of iptables, to the sysctls of the links concerned and to the sockets that hold published ports, and to
// nothing else.
//
// All rules stand in one nftables table, "inet ovsnet". Its rules are the same on every host; what differs are the
// elements of its sets and maps, so that a packet meets as many rules with one container as with a thousand, and
// publishing a port is the addition of an element. An accept in one table does not overrule a drop in another:
// where iptables has a chain DOCKER-USER, our links are accepted there too, at its end, behind the operator's own
// rules. Anything that is not ours is left alone.
//
// What published ports, gateway modes and masquerade mean follows Docker's bridge driver. A published port is a
// socket that listens on the host, so that nobody else can take the number, and an element that translates the
// destination before the packet reaches that socket. What translation cannot reach arrives at the socket and is
// relayed: ::1, IPv6 link-local clients, and an IPv6 host address in front of a container that has IPv4 only.
//
// Whatever others do to the firewall (nft flush ruleset, a reload of firewalld, iptables -F), Audit brings back.
package nat
