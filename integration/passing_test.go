// SPDX-License-Identifier: Apache-2.0

package integration

import "testing"

// TestPassing: what comes and goes by itself is in no snapshot, and what stays is.
func TestPassing(t *testing.T) {
	t.Parallel()
	const serve = "/usr/bin/ovsnet serve"
	for _, p := range []struct {
		line, parent string
		passing      bool
	}{
		{"nft -j list ruleset", serve, true},
		{"/usr/sbin/ip6tables-legacy -S", serve, true},
		{serve, serve, true},
		{"[ovsnet]", serve, true},
		{"[nft]", serve, true},
		{"[ovsnet] <defunct>", serve, true},
		{serve, "init", false},
		{"ovs-vswitchd unix:/run/openvswitch/db.sock", "init", false},
		{"nfty", "init", false},
	} {
		if got := passing(p.line, p.parent); got != p.passing {
			t.Errorf("%q, a child of %q: passing %v, want %v", p.line, p.parent, got, p.passing)
		}
	}
}
