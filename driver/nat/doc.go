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
// Where it differs from Docker's bridge, on purpose:
//   - A host that does not forward is made to, link by link, and the links that were opened do not forward to each
//     other. Docker turns it on for the host and drops by policy what is not Docker's.
//   - 127.0.0.1 and the way back to the same network are translated and not relayed by a process. Containers see the
//     gateway's address in both cases.
//   - Networks do not reach each other, whatever their gateway mode, nor each other's gateway, unless they are peers.
//     By an address of the host's they reach published ports, as with Docker.
//   - A port of SCTP is published also where the kernel has no sockets for SCTP.
//   - What is relayed ends when the Firewall is closed. What is translated does not.
//
// Whatever others do to the firewall (nft flush ruleset, a reload of firewalld, iptables -F), Audit brings back, at once for who listens to Watch.
package nat
