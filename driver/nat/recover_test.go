// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// echo serves lines on a port of the space, as long as clients like.
func (s *space) echo(port uint16) {
	s.tb.Helper()
	must(s.tb, s.do(func() error {
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			return err
		}
		done := make(chan struct{})
		var open []net.Conn
		go func() {
			defer close(done)
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				open = append(open, c)
				go func() {
					r := bufio.NewScanner(c)
					for r.Scan() {
						fmt.Fprintln(c, r.Text())
					}
				}()
			}
		}()
		s.tb.Cleanup(func() {
			closing(l)
			<-done
			for _, c := range open {
				closing(c)
			}
		})
		return nil
	}))
}

// talk is a connection that stays open.
type talk struct {
	net.Conn
	r *bufio.Reader
}

func (l *lab) talk(from *space, to string) *talk {
	l.Helper()
	var k talk
	must(l, from.do(func() error {
		c, err := net.DialTimeout("tcp", to, patience)
		if err != nil {
			return err
		}
		k = talk{c, bufio.NewReader(c)}
		return nil
	}))
	l.Cleanup(func() { closing(&k) })
	must(l, k.say("hello"))
	return &k
}

func (k *talk) say(word string) error {
	if err := k.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(k, word); err != nil {
		return err
	}
	got, err := k.r.ReadString('\n')
	if err == nil && got != word+"\n" {
		err = fmt.Errorf("said %s, heard %s", word, got)
	}
	return err
}

// TestFlush: after nft flush ruleset, and after our table was changed by hand, an audit brings everything back, and
// connections that stood go on.
func TestFlush(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	l.network(1, nil)
	l.network(2, nil)
	c, stranger := l.container(1, 2), l.container(2, 2)
	c.serve(80)
	c.echo(7)
	l.outside.echo(7)
	c.publish("8080:80/tcp", "8080:80/udp", "7007:7/tcp")
	full := l.table()
	inward, outward := l.talk(l.outside, at(host4, 7007)), l.talk(c.space, at(outside6, 7))
	l.clean()
	right := func(what string) {
		t.Helper()
		sees(t, l.outside, at(host4, 8080), outside4)
		sees(t, l.outside, at(host6, 8080), outside6)
		sees(t, nil, at("127.0.0.1", 8080), "10.1.0.1")
		refused(t, stranger.space, at("10.1.0.2", 80))
		if now := l.table(); len(now) != len(full) || len(full.without(now)) > 0 {
			t.Errorf("after %s: missing %v, too much %v", what, full.without(now), now.without(full))
		}
		for _, k := range []*talk{inward, outward} {
			if err := k.say(what); err != nil {
				t.Errorf("after %s: a connection that stood: %v", what, err)
			}
		}
		l.clean()
	}
	for what, script := range map[string]string{
		"a flush of everything":       "nft flush ruleset",
		"a flush of our table":        "nft flush table inet ovsnet",
		"a flush of a chain":          "nft flush chain inet ovsnet forward",
		"a chain that is gone":        "nft delete rule inet ovsnet prerouting handle $(nft -a list chain inet ovsnet prerouting | sed -n 's/.*published # handle //p')",
		"a rule of a stranger":        "nft insert rule inet ovsnet forward accept",
		"an element that is gone":     "nft delete element inet ovsnet ports4 '{ tcp . 8080 }'",
		"an element that was changed": "nft delete element inet ovsnet ports4 '{ udp . 8080 }'; nft add element inet ovsnet ports4 '{ udp . 8080 : 10.9.9.9 . 80 }'",
		"an element of a stranger":    "nft add element inet ovsnet ports4 '{ tcp . 4444 : 10.1.0.2 . 80 }'",
		"a link of a stranger":        "nft add element inet ovsnet paths '{ ipv4 . \"gw2\" . \"gw1\" }'",
	} {
		sh(t, script)
		n, err := l.f.Audit(l.ctx)
		if n == 0 || err != nil {
			t.Errorf("audit after %s: %d repairs, %v", what, n, err)
		}
		right(what)
	}
	t.Log("publishing after a flush brings everything back at once")
	sh(t, "nft flush ruleset")
	c.publish("8080:80/tcp", "8080:80/udp", "7007:7/tcp", "8081:81/tcp")
	c.publish("8080:80/tcp", "8080:80/udp", "7007:7/tcp")
	right("publishing into a flushed table")

	t.Log("sysctls that were turned off are on again")
	sh(t, "sysctl -qw net.ipv4.conf.gw1.route_localnet=0 net.ipv4.conf.gw1.forwarding=0 net.ipv4.conf.eth0.forwarding=0")
	if n, err := l.f.Audit(l.ctx); n != 3 || err != nil {
		t.Errorf("audit after sysctls: %d repairs, %v", n, err)
	}
	right("sysctls")
	t.Log("and a socket that was lost is held again")
	h := l.f.endpoints[c.ep.ID].holds[0]
	must(t, h.relay.Close())
	if n, err := l.f.Audit(l.ctx); n != 1 || err != nil {
		t.Errorf("audit after a lost socket: %d repairs, %v", n, err)
	}
	if _, err := net.Listen("tcp4", h.at.String()); err == nil {
		t.Error("the port is not held")
	}
}

// TestRestart: a new process that is given everything again changes nothing, and forgets what nobody gave it.
func TestRestart(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	n1, n2 := l.network(1, nil), l.network(2, nil)
	c, d := l.container(1, 2), l.container(2, 2)
	c.serve(80)
	c.echo(7)
	got := c.publish(":80/tcp", ":80/udp", "7007:7/tcp")
	d.publish("9000:90/tcp")
	full := l.table()
	k := l.talk(l.outside, at(host4, 7007))
	must(t, l.f.Close())
	port := got[slices.IndexFunc(got, func(p Published) bool { return p.Proto == TCP && p.Target.Port() == 80 })].HostPort
	if seen, err := ask(l.outside, "tcp", at(host4, port), patience); err != nil || seen != outside4 {
		t.Errorf("while nobody is there: %s, %v", seen, err)
	}

	l.f = l.firewall()
	must(t, l.f.EnsureNetwork(l.ctx, n1))
	if now := l.table(); len(full.without(now)) > 0 {
		t.Errorf("lost by giving the first network: %v", full.without(now))
	}
	must(t, l.f.EnsureNetwork(l.ctx, n2))
	c.ep.Ports = nil
	for _, p := range got {
		c.ep.Ports = append(c.ep.Ports, Port{Proto: p.Proto, HostIP: p.HostIP, HostPort: p.HostPort, Target: p.Target.Addr(), TargetPort: p.Target.Port()})
	}
	again, err := l.f.Publish(l.ctx, c.ep)
	if err != nil || !slices.Equal(again, got) {
		t.Errorf("published again: %v, %v; was %v", again, err, got)
	}
	if now := l.table(); len(now) != len(full) || len(full.without(now)) > 0 {
		t.Errorf("after a restart: missing %v, too much %v", full.without(now), now.without(full))
	}
	t.Log("a free choice leaves alone what was not given again yet")
	sh(t, "sysctl -qw net.ipv4.ip_local_port_range='8998 9001'")
	if p, err := l.f.Publish(l.ctx, Endpoint{ID: "new", Network: n1.ID, Addrs: c.ep.Addrs[:1], Ports: []Port{{Proto: TCP, TargetPort: 1}, {Proto: TCP, TargetPort: 2}, {Proto: TCP, TargetPort: 3}}}); err != nil ||
		slices.ContainsFunc(p, func(p Published) bool { return p.HostPort == 9000 }) {
		t.Errorf("published: %v, %v", p, err)
	}
	// Else a client may be given port 9000 as its own and talk to itself.
	sh(t, "sysctl -qw net.ipv4.ip_local_port_range='32768 60999'")
	must(t, l.f.Unpublish(l.ctx, "new"))
	must(t, k.say("still there"))
	t.Log("what nobody gave again goes with the first audit")
	if n, err := l.f.Audit(l.ctx); n != 2 || err != nil {
		t.Errorf("audit: %d repairs, %v; want the two elements of the other endpoint", n, err)
	}
	refused(t, nil, at("127.0.0.1", 9000))
	must(t, k.say("still there"))
	l.clean()

	t.Log("a port whose container has another address now")
	must(t, l.f.Close())
	l.f = l.firewall()
	must(t, l.f.EnsureNetwork(l.ctx, n1))
	must(t, l.f.EnsureNetwork(l.ctx, n2))
	d.serve(7)
	d.publish("7007:7/tcp", "7007:7/udp")
	sees(t, l.outside, at(host4, 7007), outside4)

	t.Log("a process that finds a table and is given nothing removes it")
	must(t, l.f.Close())
	l.f = l.firewall()
	if n, err := l.f.Audit(l.ctx); n == 0 || err != nil {
		t.Errorf("audit: %d repairs, %v", n, err)
	}
	if tables := sh(t, "nft list tables"); strings.Contains(tables, "ovsnet") {
		t.Errorf("tables: %s", tables)
	}
	l.clean()
}
