// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestWatch: what others do to our things is told, so that an audit can follow at once; what we do ourselves while
// ports come and go is not, and neither is what is no business of ours.
func TestWatch(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	docker(t, "iptables-nft")
	l.network(1, nil)
	c := l.container(1, 2)
	c.serve(80)
	c.publish("8080:80/tcp", "8080:80/udp")
	heard := l.listen(t)
	// Watch says nothing when it begins to hear. News that do not pause are told too.
	for !heard(quiet / 10) {
		sh(t, "sysctl -qw net.ipv4.conf.all.forwarding=1 && sysctl -qw net.ipv4.conf.all.forwarding=0")
	}
	for heard(5 * quiet) {
	}
	if _, err := l.f.Audit(l.ctx); err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{
		"nft flush ruleset", "nft flush table inet ovsnet", "nft delete table inet ovsnet",
		"iptables-nft -N DOCKER-USER 2>&1 || iptables-nft -F DOCKER-USER", "iptables-nft -F DOCKER-USER",
		"sysctl -qw net.ipv4.conf.all.forwarding=1", "sysctl -qw net.ipv6.conf.all.forwarding=1",
		"nft 'add table inet firewalld; delete table inet firewalld'",
	} {
		sh(t, script)
		if !heard(patience) {
			t.Errorf("nothing was told after %s", script)
		}
		if _, err := l.f.Audit(l.ctx); err != nil {
			t.Error(err)
		}
		for heard(5 * quiet) { // the repair
		}
		if strings.Contains(script, "nft ") {
			sees(t, nil, at("127.0.0.1", 8080), "10.1.0.1")
		}
		l.clean()
	}
	c.publish("8080:80/tcp", "8080:80/udp", ":81/tcp")
	must(t, l.f.Unpublish(l.ctx, c.ep.ID))
	l.clean()
	sh(t, "nft 'add table inet theirs; add chain inet theirs c; add rule inet theirs c accept; delete table inet theirs'; sysctl -qw net.ipv4.conf.eth0.forwarding=0")
	if heard(5 * quiet) {
		t.Error("told of what concerns nobody")
	}
}

// listen starts a Watch that lasts as long as the test, and gives who waits for it to tell something.
func (l *lab) listen(t *testing.T) (heard func(wait time.Duration) bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(l.ctx)
	told := make(chan struct{}, 100)
	ended := make(chan error, 1)
	go func() { ended <- l.f.Watch(ctx, func() { told <- struct{}{} }) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-ended)
	})
	return func(wait time.Duration) bool {
		select {
		case <-told:
			return true
		case <-time.After(wait):
			return false
		}
	}
}

// TestWatchLegacy: what others do to DOCKER-USER with iptables-legacy is told too, and nothing else in its tables.
func TestWatchLegacy(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	docker(t, "iptables-legacy")
	docker(t, "ip6tables-legacy")
	l.network(1, nil)
	c := l.container(1, 2)
	c.serve(80)
	heard := l.listen(t)
	for heard(2 * legacyLook) { // what is there at the beginning
	}
	for _, script := range []string{
		"iptables-legacy -F DOCKER-USER", "ip6tables-legacy -F DOCKER-USER",
		"iptables-legacy -D FORWARD -j DOCKER-USER; iptables-legacy -F DOCKER-USER; iptables-legacy -X DOCKER-USER",
		"iptables-legacy -N DOCKER-USER; iptables-legacy -I FORWARD -j DOCKER-USER",
	} {
		sh(t, script)
		if !heard(patience) {
			t.Errorf("nothing was told after %s", script)
		}
		if _, err := l.f.Audit(l.ctx); err != nil {
			t.Error(err)
		}
		for heard(2 * legacyLook) { // the repair
		}
		l.clean()
	}
	c.publish("8080:80/tcp")
	sh(t, "iptables-legacy -A INPUT -s 203.0.113.1 -j DROP; iptables-legacy -t nat -A OUTPUT -s 203.0.113.1 -j ACCEPT")
	if heard(2 * legacyLook) {
		t.Error("told of what concerns nobody")
	}
}

// FuzzNews: no message of the kernel's makes us fall over.
func FuzzNews(f *testing.F) {
	f.Add([]byte{24, 0, 0, 0, 2, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4, 0, 1, 0})
	w := &Firewall{table: &table{name: owner}}
	f.Fuzz(func(_ *testing.T, b []byte) {
		anyMessage(b, w.concernsTable)
		anyMessage(b, concernsForwarding)
	})
}
