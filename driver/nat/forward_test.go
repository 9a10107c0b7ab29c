// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"slices"
	"strings"
	"testing"
)

// settings gives every sysctl that we may touch.
func (l *lab) settings() string {
	l.Helper()
	return sh(l, `sysctl -a 2>/dev/null | grep -E '^net.ipv[46].(ip_forward|conf.*(forwarding|route_localnet|accept_ra)) ' | grep -v mc_forwarding | sort`)
}

// TestForwarding: a host that does not forward does so for our networks alone, and not at all after the last one.
func TestForwarding(t *testing.T) {
	if !onHost(t) {
		return
	}
	for name, old := range map[string]bool{"per link": false, "one switch for IPv6": true} {
		l := newLab(t)
		other := newSpace(t, "other")
		sh(t, `
			ip link add eth1 type veth peer name eth0 netns other
			ip addr add 198.51.100.1/24 dev eth1 && ip addr add 2001:db8:1::1/64 dev eth1 nodad && ip link set eth1 up
			ip -n other addr add 198.51.100.2/24 dev eth0 && ip -n other addr add 2001:db8:1::2/64 dev eth0 nodad && ip -n other link set eth0 up
			ip -n other route add default via 198.51.100.1 && ip -n other route add default via 2001:db8:1::1
			ip -n outside route add default via 192.0.2.1 && ip -n outside route add default via 2001:db8::1`)
		other.serve(80)
		l.outside.serve(90)
		sh(t, "ip link add gw1 type bridge")
		sh(t, "ip link del gw1") // so that the kernel's defaults for it are known
		before := l.settings()
		l.f.forward.oldIPv6 = old
		l.network(1, nil)
		c := l.container(1, 2)
		c.serve(80)
		c.publish("8080:80/tcp", "8080:80/udp")
		check := func() {
			t.Helper()
			sees(t, c.space, at(outside4, 90), host4)
			sees(t, c.space, at(outside6, 90), host6)
			sees(t, l.outside, at(host4, 8080), outside4)
			sees(t, l.outside, at(host6, 8080), outside6)
			refused(t, l.outside, at("198.51.100.2", 80))
			refused(t, l.outside, at("2001:db8:1::2", 80))
		}
		check()
		done := strings.Join(l.f.State(l.ctx).Done, "; ")
		for _, want := range []string{"ipv4 forwarding turned on for eth0, eth1", "ipv6 forwarding turned on for " + map[bool]string{true: "all, "}[old] + "eth0, eth1"} {
			if !strings.Contains(done, want) {
				t.Errorf("%s: done: %s, want %s", name, done, want)
			}
		}
		if ads := strings.Contains(done, "accept_ra raised from 1 to 2 for eth0, eth1"); ads != old {
			t.Errorf("%s: done: %s", name, done)
		}
		l.clean()

		t.Log(name + ": after a restart it is still known what was done")
		must(t, l.f.Close())
		l.f = l.firewall()
		l.f.forward.oldIPv6 = old
		must(t, l.f.EnsureNetwork(l.ctx, l.nets["network1"]))
		c.publish("8080:80/tcp", "8080:80/udp")
		l.clean()
		check()
		if again := strings.Join(l.f.State(l.ctx).Done, "; "); again != done {
			t.Errorf("%s: done after a restart: %s, was %s", name, again, done)
		}
		must(t, l.f.RemoveNetwork(l.ctx, "network1"))
		sh(t, "ip link del vc1-2; ip link del gw1")
		if after := l.settings(); after != before {
			t.Errorf("%s: sysctls after the last network:\n%s", name, difference(before, after))
		}
		if tables := sh(t, "nft list tables"); strings.Contains(tables, "ovsnet") {
			t.Errorf("%s: tables after the last network: %s", name, tables)
		}
		sh(t, "ip netns del outside; ip netns del other; ip netns del c1-2; ip link del eth0; ip link del eth1")
		if testing.Verbose() {
			t.Log(l.log)
		}
	}
}

// TestForwardingTaken: when somebody turns forwarding on for the host, it is his, and no link is closed any more.
func TestForwardingTaken(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	l.network(1, nil)
	if e := l.table(); !slices.ContainsFunc(e.sorted(), func(k element) bool { return k.set == setOpened+"4" && k.key == "eth0" }) {
		t.Errorf("opened links are not in the table: %v", e)
	}
	sh(t, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
	if _, err := l.f.Audit(l.ctx); err != nil {
		t.Fatal(err)
	}
	if e := l.table(); slices.ContainsFunc(e.sorted(), func(k element) bool { return strings.HasPrefix(k.set, setOpened) }) {
		t.Errorf("links are still closed to each other: %v", e)
	}
	must(t, l.f.RemoveNetwork(l.ctx, "network1"))
	if got := sh(t, "sysctl -n net.ipv4.conf.all.forwarding net.ipv4.conf.eth0.forwarding net.ipv6.conf.all.forwarding"); got != "1\n1\n1\n" {
		t.Errorf("forwarding after the last network: %s", got)
	}
}

// TestOthersForward: IPv6's one switch stays on while somebody else on the host translates, and for no other rules of his.
func TestOthersForward(t *testing.T) {
	if !onHost(t) {
		return
	}
	type rule struct{ name, rules, undo, forwarding string }
	all := []rule{
		{
			"nftables", `nft 'add table ip6 vms; add chain ip6 vms post { type nat hook postrouting priority srcnat; }; add rule ip6 vms post ip6 saddr fd01::/64 masquerade'`,
			"nft delete table ip6 vms", "1\n",
		},
		{
			"what does not translate", "ip6tables-legacy -A FORWARD -s fd01::/64 -j DROP; ip6tables-legacy -t nat -A OUTPUT -s fd01::/64 -j ACCEPT",
			"ip6tables-legacy -F; ip6tables-legacy -t nat -F", "0\n",
		},
	}
	for _, target := range []string{"MASQUERADE", "SNAT --to-source fd02::1", "NETMAP --to fd02::/64"} {
		all = append(all, rule{
			"iptables-legacy, " + target, "ip6tables-legacy -t nat -N vms; ip6tables-legacy -t nat -A POSTROUTING -j vms; ip6tables-legacy -t nat -A vms -s fd01::/64 -j " + target,
			"ip6tables-legacy -t nat -F; ip6tables-legacy -t nat -X vms", "1\n",
		})
	}
	for _, c := range all {
		t.Log(c.name)
		l := newLab(t)
		l.f.forward.oldIPv6 = true
		l.network(1, nil)
		sh(t, c.rules)
		must(t, l.f.RemoveNetwork(l.ctx, "network1"))
		if got := sh(t, "sysctl -n net.ipv6.conf.all.forwarding"); got != c.forwarding {
			t.Errorf("%s: IPv6 forwarding is %s", c.name, got)
		}
		if tables := sh(t, "nft list tables"); strings.Contains(tables, "ovsnet") {
			t.Errorf("%s: tables: %s", c.name, tables)
		}
		sh(t, c.undo+"; sysctl -qw net.ipv6.conf.all.forwarding=0; ip netns del outside; ip link del eth0; ip link del gw1")
	}
}

// difference gives the lines that only one of two texts has.
func difference(a, b string) string {
	var out []string
	was, is := strings.Split(a, "\n"), strings.Split(b, "\n")
	for _, l := range was {
		if !slices.Contains(is, l) {
			out = append(out, "- "+l)
		}
	}
	for _, l := range is {
		if !slices.Contains(was, l) {
			out = append(out, "+ "+l)
		}
	}
	return strings.Join(out, "\n")
}

// TestForwardingOfNetworksMadeAtOnce: a gateway that has its routes before the firewall is told of its network is not
// taken for a link of the host's own, which the other ones do not forward to.
func TestForwardingOfNetworksMadeAtOnce(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	sh(t, "ip -n outside route add default via 192.0.2.1 && ip -n outside route add default via 2001:db8::1")
	l.outside.serve(90)
	sh(t, "ip link add lost type bridge && ip addr add 10.99.0.1/24 dev lost && ip link set lost up")
	l.network(2, func(*Network) { l.network(1, nil) }) // its link is there and has its routes when the other one is told of
	sh(t, "ip link del lost")
	l.network(3, nil)
	for _, i := range []int{1, 2} {
		c := l.container(i, 2)
		sees(t, c.space, at(outside4, 90), host4)
		sees(t, c.space, at(outside6, 90), host6)
	}
	if done := strings.Join(l.f.State(l.ctx).Done, "; "); strings.Contains(done, "gw") || strings.Contains(done, "lost") {
		t.Errorf("gateways, or links that are gone, are remembered as the host's own: %s", done)
	}
	l.clean()
}
