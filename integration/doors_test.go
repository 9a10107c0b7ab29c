// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/integration"
)

// nothingOfOurs is nil when neither the switch nor the kernel has anything of
// the driver's.
func nothingOfOurs(tb testing.TB, h *integration.Host) error {
	tb.Helper()
	for _, line := range h.Snapshot(tb) {
		if strings.Contains(line, "ovsbr-") || strings.Contains(line, "ovsnet:") || strings.Contains(line, "networks/") {
			return fmt.Errorf("left: %s", line)
		}
	}
	return nil
}

func TestTwoDoors(t *testing.T) {
	t.Parallel()
	h := managed.host(t, "OVSNET_LOG_LEVEL=debug")
	h.Docker(t, "network create --driver ovs by-short-name")
	h.Docker(t, "network create --driver ovsnet:latest by-reference")
	want(t, "networks", h.Docker(t, "network ls --format {{.Name}}={{.Driver}}={{.Scope}}"),
		"by-short-name=ovs=local", "by-reference=ovsnet:latest=local")
	for _, n := range []string{"by-short-name", "by-reference"} {
		h.Container(t, n+"1", "--network="+n)
		h.Container(t, n+"2", "--network="+n)
		reaches(t, h, n+"1", n+"2")
	}
	// One house: a container may be on networks of both doors.
	h.Docker(t, "network connect by-reference by-short-name1")
	reaches(t, h, "by-short-name1", "by-reference1")

	if got := h.Run(t, "stat -c %a:%G:%F /run/docker/plugins/ovs.sock"); got != "660:root:socket" {
		t.Errorf("the short door: %s", got)
	}
	want(t, "the plugin", h.Docker(t, "plugin inspect --format", "{{json .Config.Linux}} {{json .Config.Network}}", "ovsnet"),
		`["CAP_NET_ADMIN"]`, `"AllowAllDevices":false`, "host")
	want(t, "the log", h.PluginLog(t), "verb=CreateEndpoint", "network=", "endpoint=")
}

func TestOneDoorShut(t *testing.T) {
	t.Parallel()
	h := integration.NewLab(t).Host(t, "h1")
	h.InstallPlugin(t, "OVSNET_SOCKET=none")
	h.Docker(t, "plugin enable ovsnet")
	h.Docker(t, "network create --driver ovsnet:latest n1")
	refuses(t, h, "network create --driver ovs n2", "ovs")
}

func TestServeRefusesToRunTwice(t *testing.T) {
	h := served.host(t)
	program, err := filepath.Abs("../build/e2e/ovsnet")
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.Try(program + " serve")
	if err == nil {
		t.Fatalf("a second one ran: %s", out)
	}
	want(t, "the error", err.Error(), "running already")
	// The first one has not noticed.
	h.Docker(t, "network create --driver ovs n1")
	h.Docker(t, "network rm n1")
	h.StopServe(t)
	if _, err := h.Try("test -e /run/docker/plugins/ovs.sock"); err == nil {
		t.Error("the socket is still there")
	}
}

func TestBadSettingsAreNamed(t *testing.T) {
	t.Parallel()
	h := integration.NewLab(t).Host(t, "h1")
	h.InstallPlugin(t, "OVSNET_MTU=huge")
	refuses(t, h, "plugin enable ovsnet")
	want(t, "the log", h.PluginLog(t), "OVSNET_MTU", "huge")
	// An engine of version 20.10 cannot enable again what ended at its start.
	h.RemovePlugin(t)
	h.StartPlugin(t, "OVSNET_MTU=1400")
	h.Docker(t, "network create --driver ovs n1")
	h.Container(t, "c1", "--network=n1")
	want(t, "link", h.Exec(t, "c1", "ip link show eth0"), "mtu 1400")
}

// The plugin's settings are the daemon's, each with its description.
func TestPluginSettings(t *testing.T) {
	text, err := os.ReadFile("../cmd/ovsnet/plugin/config.json")
	if err != nil {
		t.Fatal(err)
	}
	var plugin struct {
		Env []struct {
			Name, Description, Value string
			Settable                 []string
		}
	}
	if err := json.Unmarshal(text, &plugin); err != nil {
		t.Fatal(err)
	}
	// Where the plugin's file system differs from a host's.
	elsewhere := map[string]string{
		"OVSNET_OVSDB": "unix:/host/run/openvswitch/db.sock", "OVSNET_SOCKET": "/host/run/docker/plugins/{driver}.sock",
		"OVSNET_SOCKET_GROUP": "0", "OVSNET_PLUGIN_SOCKET": "/run/docker/plugins/ovsnet.sock",
		"OVSNET_PROC_SYS": "/host/proc/sys", "OVSNET_STATE_DIR": "/host/var/lib/ovsnet",
		"OVSNET_STATUS_SOCKET": "/host/run/ovsnet/{owner}.sock",
		"OVSNET_DOCKER_SOCKET": "/host/run/docker.sock", "OVSNET_SYSTEM_BUS": "/host/run/dbus/system_bus_socket",
	}
	known := map[string]string{}
	for _, o := range config.DaemonOptions() {
		known[o.Env()] = o.Default
	}
	for _, e := range plugin.Env {
		value, ok := known[e.Name]
		if !ok {
			t.Errorf("%s: no such setting", e.Name)
		}
		delete(known, e.Name)
		if v, ok := elsewhere[e.Name]; ok {
			value = v
		}
		if e.Value != value {
			t.Errorf("%s: is %q in the plugin and %q in the program", e.Name, e.Value, value)
		}
		if e.Description == "" || e.Settable == nil {
			t.Errorf("%s: say what it is and whether it can be set", e.Name)
		}
	}
	for name := range known {
		t.Errorf("%s: cannot be set in the plugin", name)
	}
}
