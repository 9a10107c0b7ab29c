// SPDX-License-Identifier: Apache-2.0

// Package ovstest gives a test a private Open vSwitch: an ovsdb-server and an
// ovs-vswitchd of its own, with their database, sockets and logs in a
// temporary folder. It needs no root and no kernel module, because by default
// every device and datapath in it is a dummy one (ovs-vswitchd
// --enable-dummy=override): bridges, OpenFlow 1.5 on "<bridge>.mgmt", groups,
// tunnels, ofproto/trace and netdev-dummy/receive work, packets of real
// devices do not. With [Options.NetNS] it is a switch for real devices in a
// network namespace (userspace datapath, root needed).
//
// Nothing outlives the test: the processes are killed at cleanup, and by the
// kernel if the test binary itself dies.
//
// A test that misses a program is skipped, with the Debian package that has
// it; with OVSNET_REQUIRE=all in the environment it fails instead.
package ovstest
