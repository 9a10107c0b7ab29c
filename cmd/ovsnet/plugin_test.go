// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// pluginConfig is the part of a plugin's config.json that the tests hold to the pages and to package config.
type pluginConfig struct {
	Description, Documentation, Workdir string
	Entrypoint                          []string
	Interface                           struct {
		Socket string
		Types  []string
	}
	Network struct{ Type string }
	Linux   struct{ Capabilities []string }
	Mounts  []struct {
		Name, Description, Source, Destination, Type string
		Options                                      []string
	}
	PropagatedMount string
	Env             []struct {
		Name, Description, Value string
		Settable                 []string
	}
}

func readPluginConfig(t *testing.T) pluginConfig {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("plugin", "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var c pluginConfig
	if err := d.Decode(&c); err != nil {
		t.Fatalf("plugin/config.json: %v", err)
	}
	return c
}

// TestPluginPrivileges: what the plugin asks for is what its page gives reasons for, no more and no less.
func TestPluginPrivileges(t *testing.T) {
	t.Parallel()
	c := readPluginConfig(t)
	asked := map[string]bool{"network: " + c.Network.Type: true}
	for _, name := range c.Linux.Capabilities {
		asked["capability: "+name] = true
	}
	for _, m := range c.Mounts {
		asked["mount: "+m.Source] = true
		if m.Description == "" {
			t.Errorf("mount %s has no description", m.Source)
		}
	}
	text := page(t, "docs/plugin.md")
	explained := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+: [^`]+)` \\| (.+) \\|$").FindAllStringSubmatch(text, -1) {
		explained[m[1]] = true
		if len(m[2]) < 40 {
			t.Errorf("docs/plugin.md: the reason for %s is %q", m[1], m[2])
		}
	}
	if diff := cmp.Diff(asked, explained); diff != "" {
		t.Errorf("plugin/config.json and docs/plugin.md differ (-asked +explained)\n%s", diff)
	}
	if want := "`propagatedMount` is `" + c.PropagatedMount + "`"; c.PropagatedMount != "" && !strings.Contains(text, want) {
		t.Errorf("docs/plugin.md does not say %q", want)
	}
}

// TestPluginSettings: the plugin's environment is the daemon's settings, all of them, and the daemon takes it as it is.
func TestPluginSettings(t *testing.T) {
	t.Parallel()
	c := readPluginConfig(t)
	text := page(t, "docs/plugin.md")
	var environ []string
	have := map[string]bool{}
	for _, e := range c.Env {
		have[e.Name] = true
		environ = append(environ, e.Name+"="+e.Value)
		if e.Description == "" {
			t.Errorf("%s has no description", e.Name)
		}
		if len(e.Settable) == 0 && !strings.Contains(text, "`"+e.Name+"`") {
			t.Errorf("docs/plugin.md does not say that %s is fixed", e.Name)
		}
	}
	want := map[string]bool{}
	for _, o := range config.DaemonOptions() {
		want[o.Env()] = true
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("the plugin's environment is not the daemon's settings (-settings +plugin)\n%s", diff)
	}
	empty := filepath.Join(t.TempDir(), "ovsnet.yaml")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := config.Load(config.Source{File: empty, Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	if want := "/run/docker/plugins/" + c.Interface.Socket; d.PluginSocket != want {
		t.Errorf("plugin_socket is %s, Docker looks at %s", d.PluginSocket, want)
	}
	// What the plugin does not change, it must not differ in.
	def := config.Default()
	def.OVSDB, def.OVSRunDir, def.ProcSys, def.Socket, def.SocketGroup = d.OVSDB, d.OVSRunDir, d.ProcSys, d.Socket, d.SocketGroup
	def.PluginSocket, def.StatusSocket, def.StateDir = d.PluginSocket, d.StatusSocket, d.StateDir
	def.DockerSocket, def.SystemBus = d.DockerSocket, d.SystemBus
	if diff := cmp.Diff(def, d); diff != "" {
		t.Errorf("defaults differ in the plugin (-daemon +plugin)\n%s", diff)
	}
}

// TestUnit: systemd takes the unit without a remark, and it starts a command that there is.
func TestUnit(t *testing.T) {
	t.Parallel()
	const name = "ovsnet.service"
	unit, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	const start = "ExecStart=/usr/bin/ovsnet serve\n"
	if !strings.Contains(string(unit), start) {
		t.Fatalf("%s does not say %q", name, start)
	}
	analyze := ovstest.NeedTool(t, "systemd-analyze", "systemd")
	// systemd looks whether the program is there, and on this machine it is elsewhere.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), name)
	text := strings.Replace(string(unit), start, "ExecStart="+self+" serve\n", 1)
	if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), analyze, "verify", "--recursive-errors=no", "--man=no", copied).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
