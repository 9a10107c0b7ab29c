// SPDX-License-Identifier: Apache-2.0

package ovstest

import (
	"os"
	"path/filepath"
	"testing"
)

// BusConfig is the configuration of a system bus, at the usual place, that lets root do everything and starts no services.
const BusConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>`

// Firewalls is the folder with firewalld's and ufw's usr and etc, to be laid over those of a host of the test's own.
// They are not installed: that would hand the machine's firewall to them.
func Firewalls(tb testing.TB) string {
	tb.Helper()
	NeedTool(tb, "python3", "python3")
	NeedTool(tb, "dbus-daemon", "dbus-daemon")
	root, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for at := root; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			dir := filepath.Join(at, "build", "firewalls")
			if _, err := os.Stat(filepath.Join(dir, "usr")); err != nil {
				Missing(tb, "firewalld and ufw are not in "+dir+"; make packages")
			}
			return dir
		}
		if at == filepath.Dir(at) {
			tb.Fatalf("no go.mod above %s", root)
		}
	}
}
