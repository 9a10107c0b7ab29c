// SPDX-License-Identifier: Apache-2.0

// Package integration is the laboratory of the end-to-end tests: real engines,
// real Open vSwitch, real containers, on one machine and without touching it.
//
//	lab := integration.NewLab(t)
//	h := lab.Host(t, "h1")
//	h.StartPlugin(t)
//	h.Docker(t, "network create --driver ovs n1")
//	h.Container(t, "a", "--network=n1")
//
// A host is a process, its init, in network, mount, PID and UTS namespaces of
// its own, with tmpfs on /run, /var/lib and over /etc, and in a control group
// of its own. Everything that runs on the host runs inside those namespaces,
// so that the end of the init is the end of the host: processes, links, mounts
// and files. A janitor process outside sees to that end when the test is over
// and also when the test binary was killed; it removes the control groups too.
//
// Hosts reach each other when they have joined a LAN. What each sends there can
// be captured, and a stranger can forge what it likes:
//
//	hosts, lan := lab.Hosts(t, integration.HostOptions{}, "h1", "h2", "h3"), lab.LAN(t)
//	lan.Join(t, hosts...)
//	sent := lan.Capture(t, hosts[0])
//
// Open vSwitch runs there with the userspace datapath where the kernel has no
// openvswitch module; dockerd runs with its own containerd.
package integration
