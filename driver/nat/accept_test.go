// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// docker makes the chains that an engine of today makes: its bridge docker0 is cared for, everything else meets the
// policy.
func docker(tb testing.TB, tool string) {
	tb.Helper()
	sh(tb, strings.ReplaceAll(`
		ipt -N DOCKER-USER; ipt -N DOCKER-FORWARD; ipt -N DOCKER; ipt -N DOCKER-BRIDGE
		ipt -A FORWARD -j DOCKER-USER; ipt -A FORWARD -j DOCKER-FORWARD; ipt -P FORWARD DROP
		ipt -A DOCKER-FORWARD -j DOCKER-BRIDGE; ipt -A DOCKER-FORWARD -i docker0 -j ACCEPT
		ipt -A DOCKER-FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		ipt -A DOCKER-BRIDGE -o docker0 -j DOCKER; ipt -A DOCKER ! -i docker0 -o docker0 -j DROP`, "ipt", tool))
}

// oldDocker makes those of an engine before 28: a RETURN ends DOCKER-USER, no chain of Docker's drops.
func oldDocker(tb testing.TB, tool string) {
	tb.Helper()
	sh(tb, strings.ReplaceAll(`
		ipt -N DOCKER-USER; ipt -N DOCKER; ipt -A DOCKER-USER -j RETURN
		ipt -A FORWARD -j DOCKER-USER; ipt -P FORWARD DROP
		ipt -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		ipt -A FORWARD -o docker0 -j DOCKER; ipt -A FORWARD -i docker0 -j ACCEPT`, "ipt", tool))
}

// TestDockerUser: where FORWARD drops by policy, our networks work because DOCKER-USER accepts them, in both kinds of
// iptables and when they are there together; after flushes an audit brings the accepts back; Docker's own bridges stay
// Docker's; what the operator drops stays dropped.
func TestDockerUser(t *testing.T) {
	if !onHost(t) {
		return
	}
	nft, legacy := []string{"iptables-nft", "ip6tables-nft"}, []string{"iptables-legacy", "ip6tables-legacy"}
	for _, c := range []struct {
		name  string
		make  func(testing.TB, string)
		tools []string
	}{
		{"nft", docker, nft}, {"legacy", docker, legacy}, {"both", docker, slices.Concat(nft, legacy)}, {"an old engine", oldDocker, nft},
	} {
		t.Log(c.name)
		l := newLab(t)
		inner := newSpace(t, "inner")
		sh(t, `
			ip link add docker0 type bridge && ip addr add 172.17.0.1/16 dev docker0 && ip link set docker0 up
			ip link add vinner type veth peer name eth0 netns inner && ip link set vinner master docker0 up
			ip -n inner addr add 172.17.0.2/16 dev eth0 && ip -n inner link set eth0 up && ip -n inner route add default via 172.17.0.1`)
		for _, tool := range c.tools {
			c.make(t, tool)
			sh(t, tool+" -I DOCKER-USER -m comment --comment 'the operator, of course' -p tcp --dport 666 -j DROP")
		}
		l.network(1, nil)
		l.network(2, modes(ModeRouted))
		b, r := l.container(1, 2), l.container(2, 2)
		for _, s := range []*space{b.space, r.space, l.outside, inner} {
			s.serve(80)
		}
		b.serve(666)
		b.publish("8080:80/tcp", "8080:80/udp", "666:666/tcp", "666:666/udp")
		r.publish("80:80/tcp", "80:80/udp")
		right := func() {
			t.Helper()
			sees(t, b.space, at(outside4, 80), host4)
			sees(t, b.space, at(outside6, 80), host6)
			sees(t, r.space, at(outside4, 80), r.v4.String())
			sees(t, l.outside, at(host4, 8080), outside4)
			sees(t, l.outside, at(host6, 8080), outside6)
			sees(t, l.outside, at(r.v4.String(), 80), outside4)
			refused(t, b.space, at("172.17.0.2", 80)) // Docker's chains decide, and drop
			refused(t, r.space, at(b.v4.String(), 80))
			if got, err := ask(l.outside, "tcp", at(host4, 666), dropped); err == nil {
				t.Errorf("what the operator drops, passes: %s", got)
			}
			l.clean()
		}
		right()
		s := l.f.State(l.ctx)
		if !slices.Equal(s.DockerUser, slices.Sorted(slices.Values(c.tools))) && len(s.DockerUser) != len(c.tools) {
			t.Errorf("found DOCKER-USER in %v, want %v", s.DockerUser, c.tools)
		}
		if len(s.ForwardDrop) != len(c.tools) || len(s.Problems) != 0 || !slices.Equal(s.DockerBridges, []string{"docker0"}) {
			t.Errorf("state: %+v", s)
		}
		for _, tool := range c.tools {
			t.Log("after", tool, "-F DOCKER-USER")
			rule := tool + " -A DOCKER-USER -m comment --comment 'the operator, of course' -p tcp --dport 666 -j DROP"
			sh(t, tool+" -F DOCKER-USER; "+rule)
			if n, err := l.f.Audit(l.ctx); n == 0 || err != nil {
				t.Errorf("audit: %d repairs, %v", n, err)
			}
			right()
			t.Log("after a rule of the operator behind ours")
			sh(t, tool+" -D DOCKER-USER 1; "+rule)
			if n, err := l.f.Audit(l.ctx); n == 0 || err != nil {
				t.Errorf("audit: %d repairs, %v", n, err)
			}
			right()
		}
		if c.name != "legacy" {
			t.Log("after nft flush ruleset, and the engine's chains made again")
			sh(t, "nft flush ruleset")
			for _, tool := range nft {
				c.make(t, tool)
				sh(t, tool+" -I DOCKER-USER -p tcp --dport 666 -j DROP")
			}
			if n, err := l.f.Audit(l.ctx); n == 0 || err != nil {
				t.Errorf("audit: %d repairs, %v", n, err)
			}
			right()
		}
		t.Log("the rules of one network go with it, all with the last")
		must(t, l.f.RemoveNetwork(l.ctx, "network2"))
		for _, tool := range c.tools {
			if got := sh(t, tool+" -S DOCKER-USER"); strings.Contains(got, "gw2") || !strings.Contains(got, "gw1") {
				t.Errorf("%s:\n%s", tool, got)
			}
		}
		must(t, l.f.RemoveNetwork(l.ctx, "network1"))
		for _, tool := range c.tools {
			if got := sh(t, tool+" -S DOCKER-USER"); strings.Contains(got, "ovsnet") || !strings.Contains(got, "666") {
				t.Errorf("%s after the last network:\n%s", tool, got)
			}
			sh(t, strings.ReplaceAll("ipt -P FORWARD ACCEPT; ipt -F; ipt -X", "ipt", tool))
		}
		sh(t, "for n in outside inner c1-2 c2-2; do ip netns del $n; done; for l in eth0 vinner docker0 vc1-2 vc2-2 gw1 gw2; do ip link del $l; done")
	}
}

// TestNoLegacyTables: looking for accepts must not make the tables of iptables-legacy on a host that has none.
func TestNoLegacyTables(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	l.network(1, nil)
	l.clean()
	l.f.State(l.ctx)
	if names := sh(t, "cat /proc/thread-self/net/ip_tables_names /proc/thread-self/net/ip6_tables_names"); names != "" {
		t.Errorf("tables of iptables-legacy: %s", names)
	}
	if tables := sh(t, "nft list tables"); tables != "table inet ovsnet\n" {
		t.Errorf("tables: %s", tables)
	}
	t.Log("another owner has a table of its own")
	f, err := New(t.Context(), Options{Owner: "lab", Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer closing(f)
	n := l.nets["network1"]
	n.Bridge = "gw9"
	must(t, f.EnsureNetwork(l.ctx, n))
	if tables := sh(t, "nft list tables"); tables != "table inet ovsnet\ntable inet ovsnet-lab\n" {
		t.Errorf("tables: %s", tables)
	}
	must(t, f.RemoveNetwork(l.ctx, n.ID))
	l.clean()
}

// TestProblems: what stands in our way and is not ours to change is said, with a way out.
func TestProblems(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	l.network(1, nil)
	if s := l.f.State(l.ctx); len(s.Problems) != 0 {
		t.Errorf("problems on a plain host: %v", s.Problems)
	}
	sh(t, `
		nft 'add table inet filter; add chain inet filter pass { type filter hook forward priority 0; policy drop; }'
		iptables-nft -P FORWARD DROP; ip6tables-legacy -P FORWARD DROP; iptables-nft -N ufw-user-forward
		nft 'add table inet firewalld; add chain inet firewalld filter_FORWARD'; nft 'add table ip docker-bridges; add chain ip docker-bridges filter-FORWARD'; sysctl -qw net.bridge.bridge-nf-call-iptables=1`)
	s := l.f.State(l.ctx)
	for _, drop := range []string{"inet filter pass (nft)", "ip filter FORWARD (nft)", "ip6 FORWARD (legacy)"} {
		if !slices.Contains(s.ForwardDrop, drop) {
			t.Errorf("not found: %s in %v", drop, s.ForwardDrop)
		}
		if !slices.ContainsFunc(s.Problems, func(p string) bool { return strings.HasPrefix(p, drop+" drops") }) {
			t.Errorf("no problem: %s in %q", drop, s.Problems)
		}
	}
	if !s.UFW || !s.Firewalld || !s.DockerNFT || !s.BridgeNetfilter {
		t.Errorf("state: %+v", s)
	}
	l.clean()
	if n := strings.Count(l.log.String(), "problem="); n != 4 { // and firewalld, which is not on the bus
		t.Errorf("%d problems in the log, want 4:\n%s", n, l.log)
	}
	l.clean()
	if n := strings.Count(l.log.String(), "problem="); n != 4 {
		t.Errorf("said again: %d problems in the log", n)
	}
}

// TestRemovesOursAlone: a rule of ours that somebody removes in the same moment takes nobody else's with it.
func TestRemovesOursAlone(t *testing.T) {
	if !onHost(t) {
		return
	}
	newLab(t)
	for _, b := range backends() {
		if b.v6 {
			continue
		}
		oldDocker(t, b.name)
		sh(t, b.name+" -I DOCKER-USER -i br0 -m comment --comment ovsnet/from/br0 -j ACCEPT")
		sh(t, b.name+" -I DOCKER-USER -o br0 -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment ovsnet/back/br0 -j ACCEPT")
		seen, err := b.rules(dockerUser)
		if err != nil || len(seen) != 4 {
			t.Fatalf("%s: %q, %v", b.name, seen, err)
		}
		sh(t, b.name+" -D DOCKER-USER 1") // meanwhile
		for place := 2; place > 0; place-- {
			if err = b.remove(seen[place], place); err != nil {
				t.Errorf("%s: %s: %v", b.name, seen[place], err)
			}
		}
		left, err := b.rules(dockerUser)
		if want := []string{"-N DOCKER-USER", "-A DOCKER-USER -j RETURN"}; err != nil || !slices.Equal(left, want) {
			t.Errorf("%s: left are %q, %v", b.name, left, err)
		}
	}
}
