// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"slices"
	"strings"
	"testing"
)

// tables is the host's nftables but for what iptables-save shows: a line for
// each chain, set and map with its words sorted, as the kernel shows elements
// in any order.
func (h *Host) tables(tb testing.TB) State {
	tb.Helper()
	if _, err := h.Try("which nft"); err != nil {
		return nil
	}
	var s State
	var table string
	var words []string
	for line := range strings.Lines(h.Run(tb, "nft -s list ruleset inet")) {
		f := strings.Fields(strings.ReplaceAll(line, ",", " "))
		switch {
		case len(f) == 0:
		case f[0] == "table":
			table = strings.Join(f, " ")
			s = append(s, "nft "+table)
		case f[0] == "}" && len(words) > 0:
			slices.Sort(words[2:]) // behind the kind and the name
			s = append(s, "nft "+table+" "+strings.Join(words, " "))
			words = nil
		case strings.HasPrefix(line, "\t"):
			words = append(words, f...)
		}
	}
	return s
}

// forwarding is what the host's sysctls say of forwarding, by link. Which there are depends on the kernel.
func (h *Host) forwarding(tb testing.TB) State {
	tb.Helper()
	return lines("sysctl", h.Run(tb, "sh -c",
		`cd /proc/sys/net; set --
		for f in ipv4/conf/*/forwarding ipv4/conf/*/route_localnet ipv6/conf/*/forwarding ipv6/conf/*/force_forwarding ipv6/conf/*/accept_ra; do
			[ ! -e $f ] || set -- "$@" $f
		done
		grep -Hs . "$@" || [ $? = 2 ]`)) // 2: a link has gone meanwhile
}
