// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// option is what is said differently of network "pub" in one part of the comparison.
type option struct {
	name    string
	options []string
	publish bool
	differs []optionDifference
}

// optionDifference is why the drivers answer differently from a place, at a target whose name begins so.
type optionDifference struct{ from, to, why string }

// optionPlaces are the places that the comparison asks from.
var optionPlaces = []string{"outside 1", "host", "web"}

// optionTargets are asked for in every part, where they make sense from the place.
func (w *world) optionTargets() []target {
	near, far := w.outs[0], w.outs[1]
	six := func(addr, port string) string { return "[" + addr + "]:" + port }
	return []target{
		{"the machine outside 1", near.IPv4 + ":80", six(near.IPv6, "80"), []string{"web"}},
		{"`-p 8080:80`, the host's near address", near.HostIPv4 + ":8080", six(near.HostIPv6, "8080"), []string{"outside 1", "host"}},
		{"`-p 8080:80`, the host's far address", far.HostIPv4 + ":8080", six(far.HostIPv6, "8080"), []string{"outside 1", "host", "web"}},
		{"`-p 8080:80`, loopback", "127.0.0.1:8080", "[::1]:8080", []string{"host"}},
		{"web's own address, a published port", "10.80.1.10:80", "[fd80:1::10]:80", []string{"outside 1", "host"}},
		{"web's own address, another port", "10.80.1.10:81", "[fd80:1::10]:81", []string{"outside 1", "host"}},
		{"neighbour's address", "10.80.1.11:80", "[fd80:1::11]:80", []string{"web"}},
		{"a service of the host, its near address", near.HostIPv4 + ":7000", six(near.HostIPv6, "7000"), []string{"web"}},
		{"a service of the host, the gateway's address", "10.80.1.1:7000", "[fd80:1::1]:7000", []string{"web"}},
	}
}

// optionStory asks for everything on a network with the options.
func (w *world) optionStory(t *testing.T, driver string, o option) map[row]families {
	t.Helper()
	w.net(t, driver, "pub", 1, o.options...)
	var publish []string
	if o.publish {
		publish = []string{"-p", "8080:80/tcp", "-p", "8080:80/udp"}
	}
	w.server(t, "web", "pub", 1, 10, publish...)
	w.server(t, "neighbour", "pub", 1, 11)
	answers := map[row]families{}
	for _, from := range optionPlaces {
		w.askAll(t, from, w.optionTargets(), answers)
	}
	w.remove(t, "web neighbour", "pub")
	return answers
}

// askAll asks from one place for all targets that are asked for from there.
func (w *world) askAll(t *testing.T, from string, targets []target, answers map[row]families) {
	t.Helper()
	var rows []row
	var questions []string
	for _, to := range targets {
		if !slices.Contains(to.from, from) {
			continue
		}
		rows = append(rows, row{from, to.name})
		for _, addr := range []string{to.v4, to.v6} {
			questions = append(questions, "tcp/"+addr, "udp/"+addr)
		}
	}
	got := w.ask(t, from, questions...)
	for i, r := range rows {
		answers[r] = families{both(got[4*i], got[4*i+1]), both(got[4*i+2], got[4*i+3])}
	}
}

// Why the drivers differ with an option.
var (
	proxied = optionDifference{"web", "`-p 8080:80`, the host's far", differences[0].why}
	past    = optionDifference{"outside 1", "web's own address, a published port", differences[2].why}
	// With engines since 28.
	unanswered = optionDifference{"web", "the machine outside 1", notAnswered}
)

const (
	hostInside  = "Docker gives the host an address on internal networks; it reaches containers, and they its services, by that. ovsnet's host takes no part in them, as with `isolated`."
	notAnswered = "Engines since 28 drop what comes from outside for a container's own address, the answers to a container without masquerade among it. ovsnet lets answers in."
	deafInside  = "On internal networks engine 20.10 with `ip6tables` drops what does not go to an address of the subnet, neighbour solicitations among it, where br_netfilter is on."
)

// sharedOptions are those of Docker's bridge driver that we have too. What both have by default is in the other table.
func (w *world) sharedOptions() []option {
	key := func(k string) []string { return []string{"-o", "com.docker.network.bridge." + k} }
	return []option{
		{"`enable_ip_masquerade=false`", key("enable_ip_masquerade=false"), true, []optionDifference{proxied, past, unanswered}},
		{"`host_binding_ipv4=FAR`", key("host_binding_ipv4=" + w.outs[1].HostIPv4), true, []optionDifference{past}},
		{"`inhibit_ipv4=true`", key("inhibit_ipv4=true"), true, []optionDifference{proxied, past}},
		{"`--internal`", []string{"--internal"}, false, []optionDifference{
			{"host", "web's own address", hostInside}, {"web", "a service of the host", hostInside}, {"web", "neighbour", deafInside},
		}},
	}
}

// TestOutsideOptionsAsDockersBridge: the options that Docker's bridge driver has too, with both drivers, by Docker's keys.
// docs/outside.md has the table; where the drivers differ, it says why.
func TestOutsideOptionsAsDockersBridge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []string{"--experimental", "--ip6tables"})
	w.names["172.17.0.1"] = "docker0's address"
	var table strings.Builder
	table.WriteString("| Option | From | To | IPv4 | IPv6 |\n|---|---|---|---|---|\n")
	var reasons []string
	for _, o := range w.sharedOptions() {
		bridge, ours := w.optionStory(t, "bridge", o), w.optionStory(t, "ovs", o)
		for _, to := range w.optionTargets() {
			for _, from := range to.from {
				if !o.publish && strings.HasPrefix(to.name, "`-p") {
					continue
				}
				at, note := row{from, to.name}, ""
				if bridge[at] != ours[at] {
					i := slices.IndexFunc(o.differs, func(d optionDifference) bool { return d.from == from && strings.HasPrefix(to.name, d.to) })
					if i < 0 {
						t.Errorf("%s: %s to %s: Docker's bridge %q, ours %q, without a reason", o.name, from, to.name, bridge[at], ours[at])
						continue
					}
					why := o.differs[i].why
					if !slices.Contains(reasons, why) {
						reasons = append(reasons, why)
					}
					note = fmt.Sprintf(" (%c)", 'a'+slices.Index(reasons, why))
				}
				fmt.Fprintf(&table, "| %s | %s | %s | %s | %s |\n", o.name, from, at.to+note, cell(bridge[at][0], ours[at][0]), cell(bridge[at][1], ours[at][1]))
			}
		}
	}
	table.WriteString("\nWhere they differ:\n\n")
	for i, why := range reasons {
		fmt.Fprintf(&table, "- (%c) %s\n", 'a'+i, why)
	}
	t.Logf("whom the server sees:\n%s", table.String())
	if w.Engine(t) == tableEngine {
		checkTable(t, "../docs/outside.md", "options", table.String()+"\n")
	}
}
