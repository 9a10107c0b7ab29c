// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration"
)

// published asks at the host's addresses for what recovering has published.
func (w *world) published() []string {
	o := w.outs[0]
	return []string{
		"tcp/" + o.HostIPv4 + ":8080=outside 1", "udp/" + o.HostIPv4 + ":8080=outside 1",
		"tcp/[" + o.HostIPv6 + "]:8080=outside 1", "udp/[" + o.HostIPv6 + "]:8080=outside 1",
	}
}

// wayOut asks for the machine outside.
func (w *world) wayOut() []string {
	o := w.outs[0]
	return []string{
		"tcp/" + o.IPv4 + ":80=host, side 1", "udp/" + o.IPv4 + ":80=host, side 1",
		"tcp/[" + o.IPv6 + "]:80=host, side 1", "udp/[" + o.IPv6 + "]:80=host, side 1",
	}
}

// holding is a connection that must last until release.
type holding struct {
	name string
	done chan error
	out  string
}

// stopFile ends all connections of hold.
const stopFile = "/run/stop"

// hold talks over a connection.
func (w *world) hold(name string, try func(string, ...string) (string, error), line, addr string) *holding {
	h := &holding{name: name, done: make(chan error, 1)}
	go func() {
		var err error
		h.out, err = try(line+w.probe+" hold", addr, stopFile)
		h.done <- err
	}()
	return h
}

// release ends connections and holds that they lasted.
func (w *world) release(t *testing.T, all ...*holding) {
	t.Helper()
	w.Run(t, "touch "+stopFile)
	for _, h := range all {
		if err := <-h.done; err != nil {
			t.Errorf("connection %s: %v", h.name, err)
		}
		t.Logf("connection %s: %s", h.name, h.out)
	}
}

// kept is what ovsnet keeps of a host outside of Open vSwitch.
func kept(s integration.State) integration.State {
	return slices.DeleteFunc(slices.Clone(s), func(line string) bool {
		ours := strings.HasPrefix(line, "nft ") || strings.HasPrefix(line, "sysctl ") || strings.Contains(line, "ovsnet/")
		// Turning forwarding on for the host turns it on for every link, those of containers too.
		return !ours || containerLink.MatchString(line)
	})
}

var containerLink = regexp.MustCompile(`^sysctl ipv4/conf/ovs[0-9a-f]{12}/forwarding`)

// TestOutsideRecovers: whatever others do to the firewall, to the engine and to us, the way out and published ports come
// back without anybody touching a container, and connections last. The audit itself is minutes away.
func TestOutsideRecovers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []string{"--experimental", "--ip6tables", "--live-restore"})
	empty := w.Snapshot(t)
	w.net(t, "ovs", "pub", 1)
	w.server(t, "web", "pub", 1, 10, "-p", "8080:80/tcp", "-p", "8080:80/udp")
	w.hears(t, "outside 1", w.published()...)
	w.hears(t, "web", w.wayOut()...)

	t.Run("doctor and status", func(t *testing.T) {
		says := []string{"inet ovsnet by nftables", "1 networks, 4 published ports", "!fault", "!warning"}
		if integration.DockerNFT() {
			says = append(says, "Docker uses nftables", "!DOCKER-USER")
		} else {
			says = append(says, "DOCKER-USER in iptables-nft, ip6tables-nft", "policy drop in ip filter FORWARD (nft)", "rules at the end of DOCKER-USER in iptables-nft")
		}
		want(t, "doctor", w.Ovsnet(t, "doctor"), says...)
		want(t, "status", w.Ovsnet(t, "status"), "PORTS", "0.0.0.0:8080->10.80.1.10:80/tcp", "[::]:8080->[fd80:1::10]:80/udp")
	})
	w.remove(t, "web", "pub")
	soon(t, func() error { return same(empty, w.Snapshot(t)) })

	w.net(t, "ovs", "pub", 1)
	w.server(t, "web", "pub", 1, 10, "-p", "8080:80/tcp", "-p", "8080:80/udp")
	before := kept(w.Snapshot(t))
	var in, out *holding
	hold := func() {
		w.Run(t, "rm -f "+stopFile)
		o := w.outs[0]
		in = w.hold("from outside", o.Try, "", o.HostIPv4+":8080")
		// Not by docker exec, which ends with the engine.
		web := "nsenter --net=/proc/" + w.Docker(t, "inspect --format {{.State.Pid}} web") + "/ns/net "
		out = w.hold("to outside", w.Try, web, "["+o.IPv6+"]:80")
	}
	hold()
	for _, c := range []struct {
		name  string
		do    func()
		whole bool // everything is as it was
	}{
		{"iptables -F " + dockerUser, func() { w.Run(t, "iptables -F DOCKER-USER") }, true},
		{"ip6tables -F " + dockerUser, func() { w.Run(t, "ip6tables -F DOCKER-USER") }, true},
		// Until the table is there again nobody may translate, and a connection that speaks is reset; so are Docker's own.
		{untranslated, func() { w.release(t, in, out); w.Run(t, untranslated) }, true},
		{"ip_forward off", func() { w.Run(t, "sysctl -qw net.ipv4.ip_forward=0") }, false},
		{"ip_forward on", func() { w.Run(t, "sysctl -qw net.ipv4.ip_forward=1") }, true},
		{"kill -9", func() { w.KillServe(t); w.hears(t, "outside 1", w.published()...); w.StartServe(t) }, true},
		{"the engine restarts", func() { w.StopDocker(t); w.StartDocker(t) }, true},
		// What is translated meets the port's own socket while nothing on the host translates: connections end there.
		{"nft flush ruleset", func() { w.release(t, in, out); w.Run(t, "nft flush ruleset") }, false},
		{"the engine restarts again", func() { w.StopDocker(t); w.StartDocker(t); w.advised(t); w.openIPv6(t) }, false},
	} {
		if integration.DockerNFT() && strings.HasSuffix(c.name, dockerUser) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			c.do()
			begin := time.Now()
			soon(t, func() error { return w.try("outside 1", w.published()...) })
			soon(t, func() error { return w.try("web", w.wayOut()...) })
			t.Logf("back after %v at most", time.Since(begin).Round(10*time.Millisecond))
			if c.whole {
				soon(t, func() error { return same(before, kept(w.Snapshot(t))) })
			}
		})
		if c.name == untranslated {
			hold()
		}
	}
	w.acceptedAgain(t)
	w.hears(t, "web", w.wayOut()...)
	w.remove(t, "web", "pub")
	soon(t, func() error { return same(kept(empty), kept(w.Snapshot(t))) })
}

// untranslated takes our table away.
const untranslated = "nft delete table inet ovsnet"

// dockerUser is the chain that Docker leaves to others, but not with nftables.
const dockerUser = "DOCKER-USER"

// acceptedAgain holds that our accepts follow where the engine makes DOCKER-USER again, with its next network.
func (w *world) acceptedAgain(t *testing.T) {
	t.Helper()
	if integration.DockerNFT() {
		return
	}
	w.Docker(t, "network create theirs")
	w.Docker(t, "network rm theirs")
	soon(t, func() error {
		if rules := w.Run(t, "iptables -S "+dockerUser); !strings.Contains(rules, "ovsnet/from/ovsbr-") {
			return errors.New(rules)
		}
		return nil
	})
}

// advised holds that doctor says what to do where an engine drops IPv6 and leaves no chain to accept it in.
func (w *world) advised(t *testing.T) {
	t.Helper()
	if rules := w.Run(t, "ip6tables -S"); strings.Contains(rules, "-P FORWARD DROP") && !strings.Contains(rules, "DOCKER-USER") {
		want(t, "doctor", w.Ovsnet(t, "doctor"), "ip6 filter FORWARD (nft) drops forwarded packets", "-> ip6tables -N DOCKER-USER && ip6tables -I FORWARD -j DOCKER-USER")
	}
}

// TestOutsideManaged: the managed plugin has in its image, and may do, what the firewall needs.
func TestOutsideManaged(t *testing.T) {
	t.Parallel()
	w := newWorldBy(t, managed, []string{"--experimental", "--ip6tables"})
	empty := w.Snapshot(t)
	w.net(t, managed.driver, "pub", 1)
	w.server(t, "web", "pub", 1, 10, "-p", "8080:80/tcp", "-p", "8080:80/udp", "-p", "80:80")
	w.hears(t, "outside 1", w.published()...)
	w.hears(t, "web", w.wayOut()...)
	w.hears(t, "host", "tcp/127.0.0.1:80=pub's gateway", "tcp/[::1]:80=pub's gateway")
	before := w.Snapshot(t)
	w.DisablePlugin(t)
	w.hears(t, "outside 1", w.published()...)
	w.EnablePlugin(t)
	soon(t, func() error { return same(before, w.Snapshot(t)) })
	w.hears(t, "host", "tcp/127.0.0.1:80=pub's gateway", "tcp/[::1]:80=pub's gateway")
	w.Run(t, "nft delete table inet ovsnet")
	soon(t, func() error { return same(before, w.Snapshot(t)) })
	w.hears(t, "outside 1", w.published()...)
	w.remove(t, "web", "pub")
	soon(t, func() error { return same(empty, w.Snapshot(t)) })
}
