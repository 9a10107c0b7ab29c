// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// background runs a program until the test ends.
func background(tb testing.TB, name string, args ...string) {
	tb.Helper()
	cmd := exec.Command(name, args...)
	log, err := os.Create("/run/" + strings.ReplaceAll(name, "/", "_") + ".log")
	must(tb, err)
	cmd.Stdout, cmd.Stderr = log, log
	must(tb, cmd.Start())
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
		closing(log)
		if b, err := os.ReadFile(log.Name()); err == nil && tb.Failed() {
			tb.Logf("%s:\n%s", name, b)
		}
	})
}

// TestFirewalld: firewalld rejects what comes from links it does not know; ours are put into a zone that passes, are
// there again after a reload and a restart of ours, and leave it with their network.
func TestFirewalld(t *testing.T) {
	dir := ovstest.Firewalls(t)
	if !onHost(t) {
		return
	}
	for _, part := range []string{"usr", "etc"} {
		sh(t, "mount -t overlay overlay -o lowerdir="+dir+"/"+part+":/"+part+" /"+part)
	}
	l := newLab(t)
	must(t, os.Mkdir("/run/dbus", 0o755))
	must(t, os.WriteFile("/run/bus.conf", []byte(ovstest.BusConfig), 0o644))
	background(t, "dbus-daemon", "--config-file=/run/bus.conf", "--nofork", "--nopidfile")
	sh(t, "for i in $(seq 100); do test -S /run/dbus/system_bus_socket && exit; sleep 0.1; done; exit 1")
	background(t, "firewalld", "--nofork", "--nopid")
	sh(t, "for i in $(seq 300); do firewall-cmd --state 2>/dev/null && exit; sleep 0.1; done; exit 1")

	l.network(1, nil)
	l.network(2, modes(ModeRouted))
	c := l.container(1, 2)
	c.serve(80)
	l.outside.serve(90)
	c.publish("8080:80/tcp", "8080:80/udp")
	right := func() {
		t.Helper()
		sees(t, c.space, at(outside4, 90), host4)
		sees(t, c.space, at(outside6, 90), host6)
		sees(t, l.outside, at(host4, 8080), outside4)
		sees(t, l.outside, at(host6, 8080), outside6)
	}
	right()
	if s := l.f.State(l.ctx); !s.Firewalld || len(s.Problems) != 0 || !strings.Contains(strings.Join(s.Done, "; "), "gw1 is in firewalld's zone trusted") {
		t.Errorf("state: %+v", s)
	}
	l.clean()
	for _, reload := range []string{"firewall-cmd --reload", "firewall-cmd --complete-reload", "firewall-cmd --zone=trusted --remove-interface=gw1"} {
		sh(t, reload)
		if _, err := l.f.Audit(l.ctx); err != nil {
			t.Error(err)
		}
		right()
		l.clean()
	}
	t.Log("a link that the operator has put elsewhere stays there")
	sh(t, "firewall-cmd --zone=home --change-interface=gw2")
	l.clean()
	must(t, l.f.Close())
	l.f = l.firewall()
	must(t, l.f.EnsureNetwork(l.ctx, l.nets["network1"]))
	must(t, l.f.EnsureNetwork(l.ctx, l.nets["network2"]))
	must(t, l.f.RemoveNetwork(l.ctx, "network1"))
	must(t, l.f.RemoveNetwork(l.ctx, "network2"))
	if got := strings.Fields(sh(t, "firewall-cmd --get-active-zones")); strings.Join(got, " ") != "home interfaces: gw2" {
		t.Errorf("zones after the last network: %s", got)
	}
}
