// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"testing"

	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// TestAnnounced: a peer is told of an endpoint twice, and once if it is gone by then.
func TestAnnounced(t *testing.T) {
	sw := ovstest.Start(t)
	d := start(t, sw, "198.51.100.2")
	n := create(t, d, "announced", "ovs.tunnel.vni=7")
	stays, goes := announced(t, d, n, "10.1.0.2"), announced(t, d, n, "10.1.0.3")
	d.mu.Lock()
	d.world.dropEndpoint(goes.ID)
	d.mu.Unlock()
	sent := func() int {
		total := 0
		for _, m := range regexp.MustCompile(`group_id=(\d+),.*packet_count=(\d+)`).FindAllStringSubmatch(sw.OFCtl(t, "dump-group-stats", n.Bridge), -1) {
			id, _ := strconv.Atoi(m[1])
			count, _ := strconv.Atoi(m[2])
			for peer := range uint16(8) {
				if uint32(id) == flows.PeerGroup(n.tag(), peer) {
					total += count
				}
			}
		}
		return total
	}
	// Each goes to every group of peers.
	groups := sent() / 2
	if groups == 0 {
		t.Fatal("nothing was announced at once")
	}
	last := announced(t, d, n, "10.1.0.4") // after it is due, all before it have been
	err := ovstest.Poll(patience, func() error {
		if got := sent(); got != 5*groups {
			return fmt.Errorf("%d frames to %d groups of peers, want 5 to each: 2 of %s, 1 of %s, 2 of %s", got, groups, stays.ID, goes.ID, last.ID)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	d.mu.Lock()
	d.world.dropEndpoint(stays.ID)
	d.world.dropEndpoint(last.ID)
	d.mu.Unlock()
	remove(t, d, n.ID)
}

// announced takes an endpoint in, as if it were attached, and announces it.
func announced(t *testing.T, d *Driver, n network, addr string) endpoint {
	t.Helper()
	a := netip.MustParseAddr(addr)
	d.mu.Lock()
	e, err := d.world.addEndpoint(endpoint{
		ID: "endpoint" + addr, Network: n.ID, MAC: net.HardwareAddr{2, 0, 0, 0, 0, a.As4()[3]}, Addresses: []netip.Prefix{netip.PrefixFrom(a, 24)}, attached: true,
	})
	d.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	d.announce(t.Context(), n, e)
	return e
}
