// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"testing"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// LegacyIPTables makes iptables on the host mean iptables-legacy, as update-alternatives would; engines that start
// from then on use it.
func (h *Host) LegacyIPTables(tb testing.TB) {
	tb.Helper()
	ovstest.NeedTool(tb, "iptables-legacy", "iptables")
	h.Run(tb, "sh -ec", `for tool in iptables ip6tables; do
		for part in "" -save -restore; do ln -sfn /usr/sbin/$tool-legacy$part /etc/alternatives/$tool$part; done
	done
	iptables --version | grep -q legacy`)
}

// BridgeNetfilter lets iptables see what passes through Linux bridges of the host.
func (h *Host) BridgeNetfilter(tb testing.TB) {
	tb.Helper()
	h.Run(tb, "sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1 net.bridge.bridge-nf-call-arptables=1")
}

// firewalls lets the host have firewalld and ufw. The machine has them unpacked and not installed.
func (h *Host) firewalls(tb testing.TB) {
	tb.Helper()
	dir := ovstest.Firewalls(tb)
	h.Run(tb, "mount -t overlay overlay -o lowerdir="+dir+"/usr:/usr /usr")
	h.Run(tb, "cp -a "+dir+"/etc/. /etc/")
}

// StartUFW starts ufw on the host, closed but for port 22, and for routed packets too.
func (h *Host) StartUFW(tb testing.TB) {
	tb.Helper()
	h.firewalls(tb)
	h.Run(tb, "sh -ec", "ufw default deny incoming; ufw default deny routed; ufw allow 22/tcp; ufw --force enable")
}

// StartFirewalld starts firewalld with a system bus, and waits until it works.
func (h *Host) StartFirewalld(tb testing.TB) {
	tb.Helper()
	h.firewalls(tb)
	h.Run(tb, "sh -ec", `mkdir -p /run/dbus && printf %s "$1" >/run/bus.conf`, "sh", ovstest.BusConfig)
	h.StartProgram(tb, "dbus-daemon --config-file=/run/bus.conf --nofork --nopidfile")
	h.Run(tb, "sh -c", "for i in $(seq 100); do test -S /run/dbus/system_bus_socket && exit; sleep 0.1; done; exit 1")
	h.StartProgram(tb, "firewalld --nofork --nopid")
	h.Run(tb, "sh -c", "for i in $(seq 300); do firewall-cmd --state 2>/dev/null && exit; sleep 0.1; done; exit 1")
}
