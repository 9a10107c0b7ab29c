// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration"
)

// firewall is what a host's operator has chosen, and what may happen to it.
type firewall struct {
	name    string
	by      way
	prepare func(*integration.Host, testing.TB) // before the engine starts
	found   []string                            // by doctor
	events  []event
}

// event is something that somebody does.
type event struct {
	name string
	do   func(*testing.T, *world)
}

// command is an event that is a command on the host.
func command(line string) event {
	return event{line, func(t *testing.T, w *world) { t.Helper(); w.Run(t, "sh -ec", line) }}
}

var engineRestarts = event{"the engine restarts", func(t *testing.T, w *world) {
	t.Helper()
	w.StopDocker(t)
	w.StartDocker(t)
	w.openIPv6(t)
}}

// reload is firewalld's. It takes away what others have put into iptables; Docker puts its own back, and an engine older
// than 23 makes no DOCKER-USER for IPv6.
func reload(how string) event {
	return event{"firewall-cmd " + how, func(t *testing.T, w *world) {
		t.Helper()
		w.Run(t, "firewall-cmd "+how)
		if !integration.DockerNFT() {
			soon(t, func() error { _, err := w.Try("iptables -S " + dockerUser); return err })
		}
		w.openIPv6(t)
	}}
}

// firewalls are those that Docker itself stands beside.
var firewalls = []firewall{
	{
		"iptables-legacy", served, (*integration.Host).LegacyIPTables,
		[]string{"DOCKER-USER in iptables-legacy, ip6tables-legacy", "policy drop in ip FORWARD (legacy)", "rules at the end of DOCKER-USER in iptables-legacy"},
		[]event{command("iptables -F DOCKER-USER"), command("ip6tables -F DOCKER-USER"), command("nft flush ruleset"), engineRestarts},
	},
	{
		"iptables-legacy, managed plugin", managed, (*integration.Host).LegacyIPTables, nil,
		[]event{command("iptables -F DOCKER-USER"), command("ip6tables -F DOCKER-USER"), command("nft flush ruleset")},
	},
	{
		"ufw", served, (*integration.Host).StartUFW,
		[]string{"ufw", "policy drop in ip filter FORWARD (nft), ip6 filter FORWARD (nft)", "DOCKER-USER in iptables-nft, ip6tables-nft"},
		[]event{
			command("ufw reload"), command("ufw disable && ufw --force enable"), command("iptables -F DOCKER-USER"),
			{"nft flush ruleset, and all start again", func(t *testing.T, w *world) {
				t.Helper()
				w.Run(t, "nft flush ruleset")
				soon(t, func() error { return w.try("web", w.wayOut()...) })
				w.Run(t, "ufw --force enable")
				engineRestarts.do(t, w)
				// The engine makes DOCKER-USER again with its next network.
				w.Docker(t, "network create more")
				w.Docker(t, "network rm more")
			}},
		},
	},
	{
		"firewalld", served, (*integration.Host).StartFirewalld,
		[]string{"firewalld", "is in firewalld's zone docker"},
		[]event{
			reload("--reload"), reload("--complete-reload"), command("iptables -F DOCKER-USER"),

			{"firewalld starts again", func(t *testing.T, w *world) {
				t.Helper()
				w.Run(t, "pkill -x firewalld")
				w.StartProgram(t, "firewalld --nofork --nopid")
				w.Run(t, "sh -c", "for i in $(seq 300); do firewall-cmd --state 2>/dev/null && exit; sleep 0.1; done; exit 1")
				w.openIPv6(t)
			}},
			engineRestarts,
		},
	},
	{
		"firewalld, managed plugin", managed, (*integration.Host).StartFirewalld, nil,
		[]event{reload("--reload"), reload("--complete-reload"), command("iptables -F DOCKER-USER")},
	},
	{
		"br_netfilter", served, (*integration.Host).BridgeNetfilter,
		[]string{"br_netfilter on"},
		[]event{command("iptables -F DOCKER-USER"), command("sysctl -qw net.bridge.bridge-nf-call-iptables=0")},
	},
}

// whole tells what of the networks does not work: ours from everywhere, and Docker's own.
func (w *world) whole() error {
	near := w.outs[0]
	return errors.Join(
		w.try("outside 1", append(w.published(), "tcp/"+near.HostIPv4+":8090=outside 1")...),
		w.try("web", append(w.wayOut(), "tcp/"+near.HostIPv4+":8080=pub's gateway", "tcp/["+near.HostIPv6+"]:8080=pub's gateway")...),
		w.try("host", "tcp/127.0.0.1:8080=pub's gateway", "tcp/[::1]:8080=pub's gateway", "tcp/10.80.1.10:81=pub's gateway"),
		w.try("neighbour", "tcp/10.80.1.10:80=neighbour", "udp/[fd80:1::10]:80=neighbour"),
		w.try("theirs", "tcp/"+near.IPv4+":80=host, side 1"),
	)
}

// oursOf is what ovsnet keeps of a host outside of Open vSwitch, without the tables of others.
func oursOf(s integration.State) integration.State {
	return slices.DeleteFunc(kept(s), func(line string) bool {
		return strings.HasPrefix(line, "nft ") && !strings.HasPrefix(line, "nft table inet ovsnet")
	})
}

// TestOutsideBeside: beside each of the firewalls that Docker stands beside, our networks work, and so do Docker's; they
// work again, without anybody touching a container, whatever the operator does. The audit itself is minutes away.
func TestOutsideBeside(t *testing.T) {
	t.Parallel()
	for _, c := range firewalls {
		t.Run(c.name, func(t *testing.T) {
			w := newWorldOn(t, c.by, []string{"--experimental", "--ip6tables", "--live-restore"}, c.prepare)
			empty := w.Snapshot(t)
			w.Docker(t, "run --detach --name theirs -p 8090:80", integration.Image, "probe", "seen", ":80")
			w.net(t, c.by.driver, "pub", 1)
			w.server(t, "web", "pub", 1, 10, "-p", "8080:80/tcp", "-p", "8080:80/udp")
			w.server(t, "neighbour", "pub", 1, 11)
			if err := poll(w.whole); err != nil {
				t.Fatal(err)
			}
			if c.found != nil {
				want(t, "doctor", w.Ovsnet(t, "doctor"), append(c.found, "!fault", "!warning")...)
			}
			zones := func() (string, error) { return w.Try("firewall-cmd --get-active-zones") }
			if now, err := zones(); err == nil {
				want(t, "zones", now, "ovsbr-")
			}
			for _, e := range c.events {
				if integration.DockerNFT() && strings.HasSuffix(e.name, dockerUser) {
					continue
				}
				t.Run(e.name, func(t *testing.T) {
					e.do(t, w)
					begin := time.Now()
					soon(t, w.whole)
					t.Logf("back after %v at most", time.Since(begin).Round(10*time.Millisecond))
				})
			}
			w.Docker(t, "rm --force theirs web neighbour")
			w.Docker(t, "network rm pub")
			soon(t, func() error { return same(oursOf(empty), oursOf(w.Snapshot(t))) })
			if now, err := zones(); err == nil {
				want(t, "zones", now, "!ovsbr-")
			}
		})
	}
}
