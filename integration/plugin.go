// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Names of the driver by its two doors: the managed plugin's own reference,
// and the socket in the engine's plugin folder.
const (
	ManagedDoor = "ovsnet:latest"
	ShortDoor   = "ovs"
)

// managed is what docker plugin commands call the plugin.
const managed = "ovsnet"

// driverProgram is the file of the driver, by either way of running it.
const driverProgram = "ovsnet"

// StartPlugin installs and enables the managed plugin with settings of the form
// KEY=value. It is the one in the folder that OVSNET_PLUGIN names (made by
// "make plugin" from the Dockerfile), or else one made on the spot of the
// committed config.json and a fresh build.
func (h *Host) StartPlugin(tb testing.TB, settings ...string) {
	tb.Helper()
	h.InstallPlugin(tb, settings...)
	h.EnablePlugin(tb)
}

// InstallPlugin is StartPlugin without enabling.
func (h *Host) InstallPlugin(tb testing.TB, settings ...string) {
	tb.Helper()
	h.Docker(tb, "plugin create "+managed, PluginDir(tb))
	if len(settings) > 0 {
		h.Docker(tb, "plugin set "+managed, settings...)
	}
}

// EnablePlugin enables the installed plugin and waits for both doors.
func (h *Host) EnablePlugin(tb testing.TB) {
	tb.Helper()
	h.Docker(tb, "plugin enable "+managed)
	h.await(tb, &h.dockerd, func() error { return dialable(h.Path(shortSocket)) })
}

// DisablePlugin disables the plugin though networks use it.
func (h *Host) DisablePlugin(tb testing.TB) {
	tb.Helper()
	h.Docker(tb, "plugin disable --force "+managed)
}

// RemovePlugin disables and removes the plugin.
func (h *Host) RemovePlugin(tb testing.TB) { tb.Helper(); h.Docker(tb, "plugin rm --force "+managed) }

// shortSocket is what the engine finds as the driver "ovs".
const shortSocket = "/run/docker/plugins/ovs.sock"

// PluginDir is the folder that StartPlugin installs; it is there until the test's end.
func PluginDir(tb testing.TB) string {
	tb.Helper()
	dir, err := pluginDir(tb)
	if err != nil {
		tb.Fatal(err)
	}
	return dir
}

// pluginDir is a folder that docker plugin create takes: what "make plugin" made, in the folder that OVSNET_PLUGIN
// names, as it is; without the variable that in build/plugin with a fresh program in it, and likewise where that is to have
// the race detector.
func pluginDir(tb testing.TB) (string, error) {
	tb.Helper()
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	made := os.Getenv("OVSNET_PLUGIN")
	fresh := made == "" || raced
	if made == "" {
		made = "build/plugin"
	}
	if !filepath.IsAbs(made) {
		made = filepath.Join(root, made)
	}
	if _, err = os.Stat(filepath.Join(made, "config.json")); err != nil {
		return "", fmt.Errorf("the managed plugin: %w; make plugin", err)
	}
	if !fresh {
		return made, nil
	}
	program, err := build("./cmd/ovsnet", driverProgram)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(tb.TempDir(), "plugin")
	for _, args := range [][]string{
		{"cp", "-a", made, dir},
		{"cp", "-f", program, filepath.Join(dir, "rootfs", driverProgram)},
		{"cp", "-f", filepath.Join(root, "cmd", "ovsnet", "plugin", "config.json"), dir},
	} {
		if _, err = output(args, nil); err != nil {
			return "", err
		}
	}
	if raced {
		err = haltPlugin(filepath.Join(dir, "config.json"))
	}
	return dir, err
}

// StartServe starts "ovsnet serve" on the host, as its systemd unit does, with
// settings of the form KEY=value, and waits for its socket.
func (h *Host) StartServe(tb testing.TB, settings ...string) {
	tb.Helper()
	program, err := build("./cmd/ovsnet", driverProgram)
	if err != nil {
		tb.Fatal(err)
	}
	h.ovsnet.line, h.ovsnet.args = program+" serve", nil
	h.ovsnet.env = append(slices.Clone(settings), halt)
	h.launch(tb, &h.ovsnet)
	h.await(tb, &h.ovsnet, func() error { return dialable(h.Path(shortSocket)) })
}

// StopServe ends what StartServe started (SIGTERM).
func (h *Host) StopServe(tb testing.TB) { tb.Helper(); h.stop(tb, &h.ovsnet, syscall.SIGTERM) }

// KillServe ends what StartServe started with SIGKILL.
func (h *Host) KillServe(tb testing.TB) { tb.Helper(); h.stop(tb, &h.ovsnet, syscall.SIGKILL) }

// ReloadServe has what StartServe started read its settings file again (SIGHUP).
func (h *Host) ReloadServe(tb testing.TB) {
	tb.Helper()
	if err := syscall.Kill(h.ovsnet.pid, syscall.SIGHUP); err != nil {
		tb.Fatal(err)
	}
}

// Ovsnet runs a command of the program that StartServe starts; the output has
// what it says of errors too.
func (h *Host) Ovsnet(tb testing.TB, command string) string {
	tb.Helper()
	program, err := build("./cmd/ovsnet", driverProgram)
	if err != nil {
		tb.Fatal(err)
	}
	out, err := h.Try("sh -c", halt+" "+program+" "+command+" 2>&1")
	if err != nil {
		tb.Logf("%s", err)
	}
	if report := raceReport(out); report != "" {
		tb.Errorf("host %s: ovsnet %s: data race:\n%s", h.Name, command, report)
	}
	return out
}

// PluginLog is what the driver has logged so far, by either way of running it.
func (h *Host) PluginLog(tb testing.TB) string {
	tb.Helper()
	if h.ovsnet.done != nil {
		text, err := os.ReadFile(h.ovsnet.log())
		if err != nil {
			tb.Fatal(err)
		}
		return string(text)
	}
	var log strings.Builder
	for line := range strings.Lines(h.DockerLog(tb)) {
		if strings.Contains(line, " plugin=") {
			log.WriteString(line)
		}
	}
	return log.String()
}

// StartProgram starts any other program on the host; it runs until the host's end.
func (h *Host) StartProgram(tb testing.TB, line string, args ...string) {
	tb.Helper()
	d := &daemon{host: h, name: fmt.Sprintf("program%d", len(h.programs)+1), line: line, args: args}
	h.programs = append(h.programs, d)
	h.launch(tb, d)
}
