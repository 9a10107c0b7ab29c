// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/driver"
	"github.com/ovsnet/ovsnet/integration"
)

// drift is a difference from what should be, made by hand, and the kind that the audit counts it as.
type drift struct {
	kind, what string
	line       string // for a shell on the host; BR is the bridge, PORT the first container's port, DATAPATH the host's
}

// drifts are made round by round: those of one round do not undo each other.
var drifts = [][]drift{
	{
		{kind: "bridge", what: "another fail mode", line: "ovs-vsctl set Bridge $BR fail_mode=standalone"},
		{kind: "port", what: "external_ids taken away", line: "ovs-vsctl remove Interface $PORT external_ids ovsnet-addresses"},
		{kind: "bridge removed", what: "a bridge with our mark", line: "ovs-vsctl add-br ghost -- set Bridge ghost datapath_type=$DATAPATH external_ids:ovsnet-owner=ovsnet external_ids:ovsnet-network=ghost" +
			" -- set Port ghost external_ids:ovsnet-owner=ovsnet -- set Interface ghost external_ids:ovsnet-owner=ovsnet"},
		{kind: "flow", what: "one removed", line: "ovs-ofctl -OOpenFlow15 --strict del-flows $BR $FLOW"},
		{kind: "gateway", what: "an address removed", line: "ip addr del 10.79.0.1/24 dev $BR"},
		{kind: "link", what: "another MTU", line: "ip link set $PORT mtu 1400"},
		{kind: "firewall", what: "the table removed", line: "nft delete table inet ovsnet"},
		{kind: "journal", what: "a network's file removed", line: "rm /var/lib/ovsnet/networks/*.json"},
	},
	{
		{kind: "bridge", what: "external_ids taken away", line: "ovs-vsctl remove Bridge $BR external_ids ovsnet-spec"},
		{kind: "port", what: "removed", line: "ovs-vsctl del-port $BR $PORT"},
		{kind: "flow", what: "a group removed", line: "ovs-ofctl -OOpenFlow15 del-groups $BR"},
		{kind: "gateway", what: "an address too many", line: "ip addr add 10.99.0.1/24 dev $BR"},
		{kind: "link", what: "no alias", line: "ip link set $PORT alias ''"},
		{kind: "link removed", what: "a pair with our mark", line: "ip link add ovsghost type veth peer name ovcghost && ip link set ovsghost alias ovsnet:ovsnet:net:ghost"},
		{kind: "firewall", what: "our rules removed from DOCKER-USER", line: "iptables -S DOCKER-USER | sed -n '/ovsnet/s/^-A/-D/p' | while read -r r; do echo \"$r\" | xargs iptables || true; done"},
		{kind: "journal", what: "an endpoint's file cut", line: "for f in /var/lib/ovsnet/endpoints/*.json; do : >$f; done"},
	},
	{
		{kind: "port removed", what: "a port with our mark", line: "ovs-vsctl add-port $BR ghost -- set Interface ghost type=internal external_ids:ovsnet-owner=ovsnet external_ids:ovsnet-endpoint=ghost" +
			" -- set Port ghost external_ids:ovsnet-owner=ovsnet"},
		{kind: "flow", what: "all removed", line: "ovs-ofctl -OOpenFlow15 del-flows $BR"},
		{kind: "gateway", what: "down", line: "ip link set $BR down"},
		{kind: "link", what: "down", line: "ip link set $PORT down"},
	},
	{
		{kind: "bridge", what: "removed", line: "ovs-vsctl del-br $BR"},
		{kind: "link removed", what: "a pair half made", line: "ip link add ovs0123456789ab group 3701 type veth peer name ovc0123456789ab"},
	},
}

// TestDrift: what people do by hand to what is ours is counted, logged, and put right while traffic flows; what is not ours
// stays as it is.
func TestDrift(t *testing.T) {
	t.Parallel()
	s := newTheatreWith(t, served, []string{"OVSNET_AUDIT_INTERVAL=1s"}, "--live-restore")
	datapath := integration.Datapath(t).Name
	s.Run(t, "env", "DATAPATH="+datapath, "sh", "-ec", `
		ovs-vsctl add-br theirs -- set Bridge theirs datapath_type=$DATAPATH
		ovs-ofctl add-flow theirs priority=7,actions=drop
		ip link add ovstheirs type veth peer name ovctheirs
		nft add table inet theirs`)
	s.raise(t)
	bridge := "ovsbr-" + s.Docker(t, "network inspect --format {{.Id}} n1")[:9]
	port := s.Run(t, "sh -c", fmt.Sprintf("ovs-vsctl list-ports %s | head -1", bridge))
	flow := s.Run(t, "sh -c", "ovs-ofctl -OOpenFlow15 --no-stats dump-flows "+bridge+" table=40 | grep -o 'table=.* actions' | head -1 | sed 's/ actions//; s/ //g'")
	whole := s.Snapshot(t)
	for i, round := range drifts {
		t.Run(fmt.Sprintf("round %d", i+1), func(t *testing.T) {
			before, log := s.repairs(t), len(s.PluginLog(t))
			for _, c := range round {
				s.Run(t, "env", "DATAPATH="+datapath, "BR="+bridge, "PORT="+port, "FLOW="+flow, "sh", "-ec", c.line)
			}
			soon(t, func() error {
				now := s.repairs(t)
				for _, c := range round {
					if now[c.kind] == before[c.kind] {
						return fmt.Errorf("no %q repaired (%s)", c.kind, c.what)
					}
				}
				return nil
			})
			soon(t, func() error { return same(whole, s.Snapshot(t)) })
			soon(t, s.forwards)
			said := s.PluginLog(t)[log:]
			for _, c := range round {
				if !strings.Contains(said, driftWords[c.kind]) {
					t.Errorf("the log says nothing of %q (%s): %s", c.kind, c.what, said)
				}
			}
		})
	}
	t.Run("status and metrics", func(t *testing.T) { s.tellsOfDrift(t) })
	t.Run("link lost", func(t *testing.T) {
		s.Run(t, "ip link del "+port)
		soon(t, func() error {
			if s.repairs(t)["link lost"] != 1 {
				return fmt.Errorf("%v", s.repairs(t))
			}
			return nil
		})
		soon(t, func() error {
			if rows := s.Run(t, "ovs-vsctl list-ports "+bridge); strings.Contains(rows, port) {
				return fmt.Errorf("ports: %s", rows)
			}
			return nil
		})
	})
	if left := s.strike(t); len(left) > 0 {
		t.Errorf("left over:\n%s", strings.Join(left, "\n"))
	}
}

// driftWords are what the log says of each kind.
var driftWords = map[string]string{
	"bridge": "bridge's rows were not what they should be", "port": "port's rows were not what they should be",
	"bridge removed": "bridge without a network", "port removed": "port without an endpoint",
	"flow": "flows repaired", "gateway": "gateway repaired", "link": "link was not what it should be",
	"link removed": "removing it", "firewall": "firewall", "journal": "journal was not what it should be",
}

// tellsOfDrift holds that status and the metrics show what was counted.
func (s *theatre) tellsOfDrift(t *testing.T) {
	t.Helper()
	text := s.Ovsnet(t, "status")
	metrics, err := s.AskDaemon("/metrics")
	if err != nil {
		t.Fatal(err)
	}
	counted := s.repairs(t)
	for _, d := range driver.Drifts() {
		if n := counted[d.Kind]; n > 0 && !strings.Contains(text, fmt.Sprintf("%d %s", n, d.Kind)) {
			t.Errorf("status does not tell of %q: %s", d.Kind, text)
		}
		if line := fmt.Sprintf("ovsnet_audit_repairs_total{kind=%q} %d\n", d.Kind, counted[d.Kind]); !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %q:\n%s", line, metrics)
		}
	}
}

// TestOrphans: what Docker does not know and no container uses goes, after a time of grace; all else stays.
func TestOrphans(t *testing.T) {
	t.Parallel()
	s := newTheatreWith(t, served, []string{"OVSNET_AUDIT_INTERVAL=1s"}, "--live-restore")
	s.raise(t)
	n1 := s.Docker(t, "network inspect --format {{.Id}} n1")
	alive := s.Snapshot(t)

	forgotten := createNetwork()
	forgotten["NetworkID"] = strings.Repeat("f", 64)
	s.MustVerb(t, "CreateNetwork", forgotten)
	lone := createEndpoint(strings.Repeat("e", 64), "10.79.0.77/24")
	lone["NetworkID"] = n1
	s.MustVerb(t, "CreateEndpoint", lone)
	// A container's own, which Docker knows, is no orphan, however long it is looked at; nor is one in a network that Docker
	// does not know, while a container holds it.
	held := createEndpoint(strings.Repeat("d", 64), "10.77.0.9/24")
	held["NetworkID"] = forgotten["NetworkID"]
	s.MustVerb(t, "CreateEndpoint", held)
	s.Run(t, "ip netns add holder")
	s.Run(t, "ip link set ovcdddddddddddd netns holder")

	soon(t, func() error {
		if n := s.repairs(t)["orphan endpoint"]; n != 1 {
			return fmt.Errorf("%d endpoints", n)
		}
		return nil
	})
	if n := s.repairs(t)["orphan network"]; n != 0 {
		t.Errorf("%d networks removed that a container is on", n)
	}
	s.Run(t, "sh -ec", "ip netns del holder && umount /run/netns && rmdir /run/netns")
	soon(t, func() error {
		if n := s.repairs(t)["orphan network"]; n != 1 {
			return fmt.Errorf("%d networks", n)
		}
		return nil
	})
	soon(t, func() error { return same(alive, s.Snapshot(t)) })
	if err := s.forwards(); err != nil {
		t.Error(err)
	}
	if left := s.strike(t); len(left) > 0 {
		t.Errorf("left over:\n%s", strings.Join(left, "\n"))
	}
}
