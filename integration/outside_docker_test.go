// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// target is something that is asked for from places.
type target struct {
	name   string
	v4, v6 string // address and port; the name of the network or container stands for none
	from   []string
}

// everywhere are the places of the comparison.
var everywhere = []string{"outside 1", "host", "web", "neighbour", "other"}

// containers are those of everywhere.
var containers = everywhere[2:]

// targets are the same for both drivers: networks "pub" (web, neighbour) and "oth" (other).
func (w *world) targets() []target {
	near, far := w.outs[0], w.outs[1]
	six := func(addr, port string) string { return "[" + addr + "]:" + port }
	return []target{
		{"the machine outside 1", near.IPv4 + ":80", six(near.IPv6, "80"), containers},
		{"the machine outside 2", far.IPv4 + ":80", six(far.IPv6, "80"), containers[:1]},
		{"`-p 8080:80`, the host's near address", near.HostIPv4 + ":8080", six(near.HostIPv6, "8080"), everywhere},
		{"`-p 8080:80`, the host's far address", far.HostIPv4 + ":8080", six(far.HostIPv6, "8080"), everywhere},
		{"`-p 8080:80`, loopback", "127.0.0.1:8080", "[::1]:8080", everywhere[1:2]},
		{"`-p 8080:80`, the gateway of web's network", "10.80.1.1:8080", "[fd80:1::1]:8080", everywhere},
		{"`-p 8080:80`, the gateway of the other network", "10.80.2.1:8080", "[fd80:2::1]:8080", everywhere},
		{"`-p 127.0.0.1:8081:80` and `[::1]`, loopback", "127.0.0.1:8081", "[::1]:8081", everywhere[1:2]},
		{"`-p 127.0.0.1:8081:80` and `[::1]`, the host's near address", near.HostIPv4 + ":8081", six(near.HostIPv6, "8081"), everywhere},
		{"`-p FAR:8082:80`, the host's near address", near.HostIPv4 + ":8082", six(near.HostIPv6, "8082"), everywhere},
		{"`-p FAR:8082:80`, the host's far address", far.HostIPv4 + ":8082", six(far.HostIPv6, "8082"), everywhere},
		{"web's own address, a published port", "10.80.1.10:80", "[fd80:1::10]:80", everywhere},
		{"web's own address, another port", "10.80.1.10:81", "[fd80:1::10]:81", everywhere},
		{"a service of the host, its near address", near.HostIPv4 + ":7000", six(near.HostIPv6, "7000"), everywhere},
		{"a service of the host, the gateway of web's network", "10.80.1.1:7000", "[fd80:1::1]:7000", everywhere},
		{"a service of the host, the gateway of the other network", "10.80.2.1:7000", "[fd80:2::1]:7000", containers},
	}
}

// row is who asks for what.
type row struct{ from, to string }

// families are the answers for IPv4 and IPv6.
type families [2]string

// story makes the networks and containers of the comparison and asks for everything from everywhere.
func (w *world) story(t *testing.T, driver string) map[row]families {
	t.Helper()
	far := w.outs[1]
	w.net(t, driver, "pub", 1)
	w.net(t, driver, "oth", 2)
	publish := []string{}
	for _, p := range []string{"8080:80", "127.0.0.1:8081:80", "[::1]:8081:80", far.HostIPv4 + ":8082:80", "[" + far.HostIPv6 + "]:8082:80"} {
		publish = append(publish, "-p", p+"/tcp", "-p", p+"/udp")
	}
	w.server(t, "web", "pub", 1, 10, publish...)
	w.server(t, "neighbour", "pub", 1, 11)
	w.server(t, "other", "oth", 2, 10)
	answers := map[row]families{}
	for _, from := range everywhere {
		w.askAll(t, from, w.targets(), answers)
	}
	w.remove(t, "web neighbour other", "pub oth")
	return answers
}

// both joins the answers of TCP and UDP.
func both(tcp, udp string) string {
	if tcp == udp {
		return tcp
	}
	return "TCP " + tcp + ", UDP " + udp
}

// TestOutsideAsDockersBridge: the same networks, containers and questions with Docker's bridge driver and with ours, on
// one host. docs/outside.md has the table; where the drivers differ, it says why.
func TestOutsideAsDockersBridge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []string{"--experimental", "--ip6tables"})
	engine := w.Engine(t)
	w.names["172.17.0.1"] = "docker0's address"
	bridge := w.story(t, "bridge")
	ours := w.story(t, "ovs")
	var table strings.Builder
	table.WriteString("| From | To | IPv4 | IPv6 |\n|---|---|---|---|\n")
	var rows []row
	for _, to := range w.targets() {
		for _, from := range to.from {
			rows = append(rows, row{from, to.name})
		}
	}
	seen := map[int]bool{}
	for _, at := range rows {
		note := ""
		if bridge[at] != ours[at] {
			i := slices.IndexFunc(differences, func(d difference) bool { return d.of(engine) && d.is(at) })
			if i < 0 {
				t.Errorf("%s to %s: Docker's bridge %q, ours %q, without a reason", at.from, at.to, bridge[at], ours[at])
			}
			seen[i] = true
			note = fmt.Sprintf(" (%c)", 'a'+i)
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", at.from, at.to+note, cell(bridge[at][0], ours[at][0]), cell(bridge[at][1], ours[at][1]))
	}
	table.WriteString("\nWhere they differ:\n\n")
	for i, d := range differences {
		fmt.Fprintf(&table, "- (%c) %s\n", 'a'+i, d.why)
		if d.of(engine) && !seen[i] {
			t.Errorf("no difference any more: %s", d.why)
		}
	}
	t.Logf("whom the server sees:\n%s", table.String())
	if engine == tableEngine {
		checkTable(t, "../docs/outside.md", "comparison", table.String()+"\n")
	}
}

func cell(bridge, ours string) string {
	if bridge == ours {
		return ours
	}
	return "bridge: " + bridge + "; **ovs: " + ours + "**"
}

// difference is why some rows are different.
type difference struct {
	why string
	is  func(row) bool
	// until is the first engine of which it is no more so; 0: none.
	until int
}

func (d difference) of(engine int) bool { return d.until == 0 || engine < d.until }

// tableEngine is the engine of which docs/outside.md tells.
const tableEngine = 20

var differences = []difference{
	{
		"Engines before 28 serve such a port to containers by a process on the host, `docker-proxy`, whose answers over UDP come from another of the host's addresses than the one that was asked. ovsnet translates.",
		func(r row) bool {
			return slices.Contains(containers, r.from) && strings.HasPrefix(r.to, "`-p 8080:80`, the host's")
		},
		28,
	},
	{
		"The gateway of another network is closed to containers, with all that it offers, unless the networks are peers. Docker closes only what is forwarded between networks.",
		func(r row) bool {
			return slices.Contains(containers, r.from) && strings.Contains(r.to, "the gateway of")
		},
		0,
	},
	{
		"Engines before 28 let who has a route reach a published port past its translation. Later ones do not, unless the mode is `nat-unprotected`; nor does ovsnet.",
		func(r row) bool { return r.from == "outside 1" && strings.HasPrefix(r.to, "web's own address") },
		28,
	},
}
