// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// Crash takes the host down as a loss of power does: every process, every link and address, the firewall, the sysctls
// that forwarding goes by, and all of /run are gone; /var/lib, /etc, Open vSwitch's database and the cable to the LAN stay. The
// host's other programs are to be started again, as are its daemons.
func (h *Host) Crash(tb testing.TB) {
	tb.Helper()
	// The shell itself and the init are spared.
	h.Run(tb, "grep -q "+initRole+" /proc/1/cmdline") // it must be this host's
	_, _ = h.Try("sh -c", "kill -9 -1")
	for _, d := range h.daemons() {
		d.forget()
	}
	err := ovstest.Poll(10*time.Second, func() error {
		if left := h.Run(tb, "ps -eo pid=,args="); len(strings.Split(strings.TrimSpace(left), "\n")) > 2 { // the init, and ps
			return fmt.Errorf("still runs: %s", left)
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	h.programs = nil
	h.Run(tb, "sh -ec", `
		# What is mounted over goes first.
		cut -d' ' -f5 /proc/self/mountinfo | grep -E '^/(run|var/lib)/' | grep -v '^/run/lab' | tac | while read -r m; do
			umount -l "$m" 2>/dev/null || true # it may be mounted twice, or by a name of its own
		done
		find /run -mindepth 1 -maxdepth 1 ! -name lab ! -name log ! -name openvswitch ! -name daemon.json ! -name docker-config -exec rm -rf {} +
		find /run/openvswitch -mindepth 1 ! -name conf.db -delete
		ip -o link show | sed 's/^[0-9]*: //; s/[:@].*//' | grep -vx -e lo -e `+phyName+` | while read -r l; do
			ip link del "$l" 2>/dev/null || true # its pair may have gone before it
		done
		if [ -e /sys/class/net/`+phyName+` ]; then
			ip link set `+phyName+` down
			ip addr flush dev `+phyName+`
		fi
		for t in iptables ip6tables; do
			for v in $t $t-legacy; do
				command -v $v >/dev/null || continue
				for table in filter nat mangle raw; do
					for chain in INPUT FORWARD OUTPUT; do $v -t $table -P $chain ACCEPT 2>/dev/null || true; done
					$v -t $table -F 2>/dev/null || true
					$v -t $table -X 2>/dev/null || true
				done
			done
		done
		nft flush ruleset 2>/dev/null || true
		echo 0 >/proc/sys/net/ipv4/ip_forward
		echo 0 >/proc/sys/net/ipv6/conf/all/forwarding
		echo 0 >/proc/sys/net/ipv6/conf/default/forwarding`)
}
