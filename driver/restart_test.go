// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/driver/api"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

const crowdNet = "c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0"

// crowd makes a network with so many endpoints.
func crowd(t *testing.T, d *Driver, size int) {
	t.Helper()
	door := d.Door(ShortDoor, config.ScopeLocal)
	err := door.CreateNetwork(t.Context(), api.CreateNetworkRequest{
		NetworkID: crowdNet, Options: api.Options{"com.docker.network.generic": map[string]any{"ovs.bridge.mode": "isolated"}},
		IPv4Data: []api.IPAMData{{Pool: pfx("10.9.0.0/16")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var all errgroup.Group
	all.SetLimit(250)
	for i := range size {
		all.Go(func() error {
			ids := fmt.Sprintf("%08x%024x", i, i)
			if _, err := door.CreateEndpoint(t.Context(), api.CreateEndpointRequest{
				NetworkID: crowdNet, EndpointID: ids,
				Interface: api.EndpointInterface{Address: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 9, byte(i / 250), byte(i%250 + 2)}), 16)},
			}); err != nil {
				return err
			}
			_, err := door.Join(t.Context(), api.JoinRequest{NetworkID: crowdNet, EndpointID: ids, SandboxKey: "/var/run/docker/netns/x"})
			return err
		})
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
}

// passed has an audit done and waits until it has found nothing more to do.
func passed(d *Driver) error {
	begun := time.Now()
	d.loop.want()
	return ovstest.Poll(patience, func() error {
		d.loop.mu.Lock()
		defer d.loop.mu.Unlock()
		if d.loop.err == nil && d.loop.last.Before(begun) {
			return errors.New("no audit yet")
		}
		return d.loop.err
	})
}

// ages are the parts of a flow's line that time changes.
var ages = regexp.MustCompile(`duration=[0-9.]+s, |idle_age=\d+, |hard_age=\d+, `)

// counted are the flows of the crowd's bridge with their counters.
func counted(t *testing.T, sw *ovstest.Switch, bridge string) []string {
	t.Helper()
	lines := strings.Split(ages.ReplaceAllString(sw.OFCtl(t, "dump-flows", bridge), ""), "\n")
	slices.Sort(lines)
	return lines
}

// TestRestart: a new process reads back what there is and changes nothing of it: flows keep their counters.
func TestRestart(t *testing.T) {
	if !apart(t) {
		return
	}
	const size = 100
	sw, state := ovstest.Start(t), t.TempDir()
	first := open(t, sw, state, config.DefaultOwner)
	crowd(t, first.Driver, size)
	n, _ := first.network(crowdNet)
	ports := strings.Fields(sw.Ctl(t, "list-ports", n.Bridge))
	if len(ports) != size {
		t.Fatalf("%d ports", len(ports))
	}
	for i := range 10 { // what the guard drops is counted as well as what is let through
		sw.AppCtl(t, "netdev-dummy/receive", ports[i], "in_port(1),eth(src=02:00:00:00:00:01,dst=ff:ff:ff:ff:ff:ff),eth_type(0x0806),arp(sip=10.9.0.9,tip=10.9.0.3,op=1,sha=02:00:00:00:00:01,tha=00:00:00:00:00:00)")
	}
	first.end()
	before := counted(t, sw, n.Bridge)
	if len(before) < size || !slices.ContainsFunc(before, func(line string) bool { return !strings.Contains(line, "n_packets=0,") }) {
		t.Fatalf("%d flows, none of which counted anything", len(before))
	}
	again := open(t, sw, state, config.DefaultOwner)
	if err := passed(again.Driver); err != nil {
		t.Fatal(err)
	}
	again.loop.mu.Lock()
	if len(again.loop.repairs) > 0 {
		t.Errorf("a restart changed something: %v", again.loop.repairs)
	}
	again.loop.mu.Unlock()
	if got := len(again.world.members(crowdNet)); got != size {
		t.Errorf("%d endpoints", got)
	}
	again.end()
	if after := counted(t, sw, n.Bridge); !slices.Equal(before, after) {
		t.Errorf("flows or their counters have changed: %d flows, were %d", len(after), len(before))
	}
}
