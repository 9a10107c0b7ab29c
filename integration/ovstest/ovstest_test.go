// SPDX-License-Identifier: Apache-2.0

package ovstest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

func TestSwitchForwards(t *testing.T) {
	s := ovstest.Start(t)
	s.AddBridge(t, "br0")
	s.Ctl(t, "add-port", "br0", "p1", "--", "set", "Interface", "p1", "ofport_request=7")
	s.OFCtl(t, "add-flow", "br0", "in_port=7,actions=LOCAL")
	if got := s.Trace(t, "br0", "in_port=7"); !strings.Contains(got, "LOCAL") {
		t.Errorf("trace: %s", got)
	}
	if _, err := os.Stat(s.Mgmt("br0")); err != nil {
		t.Error(err)
	}
	s.Ctl(t, "add-port", "br0", "p2", "--", "set", "Interface", "p2", "type=vxlan", "options:remote_ip=flow", "options:key=5")
	if got := s.Ctl(t, "get", "Interface", "p2", "error"); got != "[]" {
		t.Errorf("vxlan port: %s", got)
	}
}

func TestRestarts(t *testing.T) {
	s := ovstest.StartWith(t, ovstest.Options{NoVSwitchd: true})
	s.StartVSwitchd(t)
	s.AddBridge(t, "br0")
	s.OFCtl(t, "add-flow", "br0", "actions=drop")
	s.KillVSwitchd(t)
	s.StartVSwitchd(t)
	if got := s.OFCtl(t, "--no-stats", "dump-flows", "br0"); strings.Contains(got, "drop") {
		t.Errorf("flows after a crash: %s", got)
	}
	s.RestartVSwitchd(t)
	s.StopDB(t)
	s.StartDB(t)
	s.KillDB(t)
	s.StartDB(t)
	if got := s.Ctl(t, "list-br"); got != "br0" {
		t.Errorf("bridges: %q", got)
	}
	s.PauseVSwitchd(t)
	s.Ctl(t, "--no-wait", "add-br", "br1")
	s.ResumeVSwitchd(t)
	s.AddBridge(t, "br2")
	s.OFCtl(t, "dump-flows", "br1")
}

func TestRealDevices(t *testing.T) {
	ovstest.NeedRoot(t)
	ovstest.NeedTool(t, "ip", "iproute2")
	name := "ovstest-real"
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "del", name).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	s := ovstest.StartWith(t, ovstest.Options{NetNS: "/run/netns/" + name})
	s.AddBridge(t, "br0")
	if out, err := exec.Command("ip", "-n", name, "link", "show", "br0").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestNothingStays(t *testing.T) {
	var dir string
	t.Run("switch", func(t *testing.T) {
		s := ovstest.Start(t)
		dir = s.Dir
	})
	if dir == "" {
		t.Skip("no switch was started") // the inner test said why
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s: %v", dir, err)
	}
	out, err := exec.Command("ps", "axww", "-o", "args").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), dir) {
		t.Errorf("a process of %s is left", dir)
	}
}
