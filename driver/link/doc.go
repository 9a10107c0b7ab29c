// SPDX-License-Identifier: Apache-2.0

// Package link makes, changes and removes the Linux network links of ovsnet:
// veth pairs for containers, and addresses on the LOCAL port of a bridge. It is
// the only package that speaks rtnetlink(7).
//
// It works in the network namespace in which Open was called and never changes
// namespaces, so CAP_NET_ADMIN is enough. What is ours is told by a link's
// alias, which "ip link" shows; nothing else is ever changed or removed.
//
// A call looks at its context before each request. The kernel answers a
// request within the system call that carries it, so there is nothing to wait
// for in between, except where a function says so.
package link
