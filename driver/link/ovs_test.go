// SPDX-License-Identifier: Apache-2.0

package link

import (
	"context"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// TestLocalPort sets up the LOCAL port of a real bridge, which ovs-vswitchd
// makes while we wait, and again after ovs-vswitchd was restarted.
func TestLocalPort(t *testing.T) {
	s := newSpace(t)
	ovs := ovstest.StartWith(t, ovstest.Options{NetNS: fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())})
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	g := Gateway{Name: "ovsbr-1", MAC: hw(gwMAC), MTU: 1450, Addresses: prefixes("10.1.0.1/24", "fd00:1::1/64")}
	ovs.Ctl(t, "--no-wait", "add-br", g.Name, "--", "set", "bridge", g.Name, "datapath_type=netdev", "other_config:hwaddr="+gwMAC,
		"--", "set", "interface", g.Name, "mtu_request=1450")
	for range 2 {
		if err := s.EnsureGateway(ctx, g); err != nil {
			t.Fatal(err)
		}
		s.wantGateway(t, g, "10.1.0.1/24", "fd00:1::1/64", "fe80::42:aff:fe01:1/64")
		ovs.RestartVSwitchd(t)
	}

	// A pair is a port at once: what we made is what ovs-vswitchd takes.
	if err := s.EnsureVeth(ctx, sample); err != nil {
		t.Fatal(err)
	}
	ovs.Ctl(t, "add-port", g.Name, sample.Name)
	good(t, s, s.k, sample)
	ovs.Ctl(t, "del-br", g.Name)
	if err := s.ClearGateway(ctx, g.Name); err != nil {
		t.Error(err)
	}
}
