// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"strings"
	"testing"
)

// at gives the questions for a port of an address, over TCP and UDP, with the answer that is expected of both.
func at(addr, port, answer string) []string {
	if strings.Contains(addr, ":") {
		addr = "[" + addr + "]"
	}
	to := addr + ":" + port
	return []string{"tcp/" + to + "=" + answer, "udp/" + to + "=" + answer}
}

// all joins questions.
func all(parts ...[]string) []string {
	var out []string
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// TestOutsideModes: who is seen where, mode by mode, with both families, and what the mode leaves on the host.
func TestOutsideModes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []string{"--experimental", "--ip6tables"})
	empty := w.Snapshot(t)
	near := w.outs[0]
	// out asks for the machine outside in both families.
	out := func(four, six string) []string { return all(at(near.IPv4, "80", four), at(near.IPv6, "80", six)) }
	// direct asks for web's own addresses, host for those of the host.
	direct := func(port, four, six string) []string {
		return all(at("10.80.1.10", port, four), at("fd80:1::10", port, six))
	}
	host := func(four, six string) []string {
		return all(at(near.HostIPv4, "8080", four), at(near.HostIPv6, "8080", six))
	}
	for _, c := range []struct {
		name    string
		options []string
		way     []string // out, from web
		in      []string // from outside
		from    []string // from the host
	}{
		{
			"masquerade=false", []string{"-o", "com.docker.network.bridge.enable_ip_masquerade=false"},
			out("web", "web"),
			all(host("outside 1", "outside 1"), direct("80", "-", "-"), direct("81", "-", "-")),
			host("host, side 1", "host, side 1"),
		},
		{
			"routed", []string{"-o", "ovs.bridge.mode=routed"},
			out("web", "web"),
			all(host("-", "-"), direct("80", "outside 1", "outside 1"), direct("81", "-", "-")),
			direct("81", "pub's gateway", "pub's gateway"),
		},
		{
			"nat-unprotected", []string{"-o", "com.docker.network.bridge.gateway_mode_ipv4=nat-unprotected", "-o", "com.docker.network.bridge.gateway_mode_ipv6=nat-unprotected"},
			out("host, side 1", "host, side 1"),
			all(host("outside 1", "outside 1"), direct("80", "outside 1", "outside 1"), direct("81", "outside 1", "outside 1")),
			host("host, side 1", "host, side 1"),
		},
		{
			"nat, IPv6 routed", []string{"-o", "com.docker.network.bridge.gateway_mode_ipv6=routed"},
			out("host, side 1", "web"),
			all(host("outside 1", "-"), direct("80", "-", "outside 1"), direct("81", "-", "-")),
			host("host, side 1", "-"),
		},
		{
			"host_binding", []string{"-o", "com.docker.network.bridge.host_binding_ipv4=" + w.outs[1].HostIPv4, "-o", "ovs.bridge.host_binding_ipv6=" + w.outs[1].HostIPv6},
			out("host, side 1", "host, side 1"),
			all(host("-", "-"), at(w.outs[1].HostIPv4, "8080", "outside 1"), at(w.outs[1].HostIPv6, "8080", "outside 1")),
			all(at("127.0.0.1", "8080", "-"), at(w.outs[1].HostIPv6, "8080", "host, side 2")),
		},
		{
			"isolated", []string{"-o", "ovs.bridge.mode=isolated"},
			out("-", "-"), all(host("-", "-"), direct("80", "-", "-")), all(host("-", "-"), direct("80", "-", "-")),
		},
		{
			"internal", []string{"--internal"},
			out("-", "-"), direct("80", "-", "-"), direct("80", "-", "-"),
		},
		{
			"gateway=docker", []string{"-o", "ovs.bridge.gateway=docker"},
			all(at(near.IPv4, "80", "host, side 1"), at(near.IPv6, "80", "-")),
			all(at(near.HostIPv4, "8080", "outside 1"), direct("80", "-", "-")),
			nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.net(t, "ovs", "pub", 1, c.options...)
			publish := []string{"-p", "8080:80/tcp", "-p", "8080:80/udp"}
			if c.name == "isolated" || c.name == "internal" {
				publish = nil // refused, or meaningless
			}
			w.server(t, "web", "pub", 1, 10, append(publish, "--cap-add=NET_ADMIN")...)
			w.hears(t, "web", c.way...)
			w.hears(t, "outside 1", c.in...)
			if c.from != nil {
				w.hears(t, "host", c.from...)
			}
			if c.name == "masquerade=false" || c.name == "isolated" {
				w.pastTheSwitch(t, out("-", "-"))
			}
			w.remove(t, "web", "pub")
			if strings.HasPrefix(c.name, "gateway") {
				w.Docker(t, "network rm docker_gwbridge")
			}
			soon(t, func() error { return same(kept(empty), kept(w.Snapshot(t))) })
		})
	}

	t.Run("flat", func(t *testing.T) {
		// The gateway's address belongs to a router on the network: here a container, which has it beside its own.
		w.net(t, "ovs", "pub", 1, "-o", "ovs.bridge.mode=flat")
		w.server(t, "web", "pub", 1, 10, "--cap-add=NET_ADMIN")
		w.server(t, "router", "pub", 1, 20)
		w.Docker(t, "network disconnect pub router")
		w.Docker(t, `network connect --driver-opt "ovs.port.allowed_addresses=10.80.1.1/32,fd80:1::1/128" --ip 10.80.1.20 --ip6 fd80:1::20 pub router`)
		inside := "nsenter --net=/proc/" + w.Docker(t, "inspect --format {{.State.Pid}} router") + "/ns/net "
		dev := strings.Fields(w.Run(t, inside+"ip -o addr show to 10.80.1.20"))[1]
		w.Run(t, inside+"ip addr add 10.80.1.1/24 dev "+dev)
		w.Run(t, inside+"ip addr add fd80:1::1/64 nodad dev "+dev)
		w.hears(t, "web", all(out("-", "-"), at("10.80.1.1", "80", "web"), at("fd80:1::1", "80", "web"))...)
		want(t, "route", w.Exec(t, "web", "ip route"), "default via 10.80.1.1")
		want(t, "the host's addresses", w.Run(t, "ip addr"), "!10.80.1.1", "!fd80:1::1")
		w.pastTheSwitch(t, out("-", "-"))
		w.remove(t, "web router", "pub")
		soon(t, func() error { return same(kept(empty), kept(w.Snapshot(t))) })
	})

	if t.Failed() {
		return
	}
	t.Run("inhibit_ipv4", func(t *testing.T) {
		w.net(t, "ovs", "pub", 1, "-o", "com.docker.network.bridge.inhibit_ipv4=true", "-o", "ovs.bridge.name=br-inhibit")
		w.server(t, "web", "pub", 1, 10)
		want(t, "the bridge's addresses", w.Run(t, "ip addr show br-inhibit"), "!10.80.1.1", "fd80:1::1")
		w.hears(t, "web", out("-", "host, side 1")...)
		// Somebody else assigns it.
		w.Run(t, "ip addr add 10.80.1.1/24 dev br-inhibit")
		w.hears(t, "web", out("host, side 1", "host, side 1")...)
		w.remove(t, "web", "pub")
	})
}

// pastTheSwitch has web address frames to its link's other end, as if that were the gateway. On the userspace datapath
// the host sees them there beside the switch.
func (w *world) pastTheSwitch(t *testing.T, expected []string) {
	t.Helper()
	_, _, mac := in(t, w.Host, "web", "pub")
	mac = "fe" + mac[2:]
	w.Run(t, "sh -c", "ip -o link | grep -q "+mac) // it is still the other end's
	pid := w.Docker(t, "inspect --format {{.State.Pid}} web")
	inside := fmt.Sprintf("nsenter --net=/proc/%s/ns/net ip ", pid)
	for _, gateway := range []string{"10.80.1.1", "fd80:1::1"} {
		w.Run(t, inside+"neigh replace "+gateway+" dev eth0 lladdr "+mac)
		w.Run(t, inside+"route replace default via "+gateway)
	}
	w.hears(t, "web", expected...)
	near := w.outs[0]
	w.hears(t, "web", all(at(near.HostIPv4, "7000", "-"), at(near.HostIPv6, "7000", "-"))...)
}
