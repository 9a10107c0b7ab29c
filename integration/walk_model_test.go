// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/integration"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// rest waits until the host is what the model says.
func (h *walked) rest() {
	t := h.w.t
	t.Helper()
	err := ovstest.Poll(30*time.Second, func() error {
		if diff := integration.Diff(h.model(), h.machine()); diff != "" {
			return fmt.Errorf("host %s is not what the model says (- model, + host):\n%s", h.Name, diff)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v\nsteps: %v", err, h.w.steps)
	}
}

// calm waits until the driver has looked at everything and found nothing to repair: what the model does not name is there too.
func (h *walked) calm() {
	h.w.t.Helper()
	last, whole := h.Status(h.w.t).Audit, 0
	soon(h.w.t, func() error {
		now := h.Status(h.w.t).Audit
		switch {
		case now.Error != "" || !maps.Equal(now.Repairs, last.Repairs):
			last, whole = now, 0
			return fmt.Errorf("host %s: the audit still repairs: %+v", h.Name, now)
		case now.Last.After(last.Last):
			last = now
			whole++
		}
		if whole < 2 { // the first may have begun before
			return fmt.Errorf("host %s: no whole audit since", h.Name)
		}
		return nil
	})
}

// rebuild takes away all that ovsnet can make anew, first while it runs and then while it does not, and holds that the same
// comes again: every flow, group, rule and row that a walk has left, or has not made, would differ.
func (h *walked) rebuild() {
	t := h.w.t
	t.Helper()
	h.rest()
	h.calm()
	whole := h.Snapshot(t)
	again := func() {
		t.Helper()
		if err := ovstest.Poll(30*time.Second, func() error { return same(whole, h.Snapshot(t)) }); err != nil {
			t.Fatalf("host %s, built anew: %v\nsteps: %v", h.Name, err, h.w.steps)
		}
	}
	const noFlows = "for b in $(ovs-vsctl list-br | grep ^ovsbr-); do ovs-ofctl -OOpenFlow15 del-flows $b; ovs-ofctl -OOpenFlow15 del-groups $b; done"
	h.try(noFlows + "; nft delete table inet ovsnet") // the table alone knows what the host forwarded before it
	again()
	h.KillServe(t)
	h.try(noFlows + "; rm -f /var/lib/ovsnet/networks/*.json") // of an endpoint without a port its file is all that there is
	h.StartServe(t, h.settings...)
	again()
	h.rest()
}

// Snapshot is the host's state without what switches learn from each other's frames, and without the links that a switch
// gives another MAC each time.
func (h *walked) Snapshot(tb testing.TB) integration.State {
	tb.Helper()
	return slices.DeleteFunc(h.Host.Snapshot(tb), func(line string) bool {
		return strings.HasPrefix(line, "flow ") && strings.Contains(line, "hard_timeout=") ||
			fickle.MatchString(line) || strings.HasSuffix(line, "/64 on br-phy")
	})
}

// model is what should be, in the words of machine.
func (h *walked) model() integration.State {
	var s integration.State
	mtu := 1500
	if h.w.overlay {
		mtu = 1450
	}
	for id, number := range h.networks {
		bridge := "ovsbr-" + id[:9]
		s = append(s, "bridge "+bridge+" of "+id, fmt.Sprintf("address 10.81.%d.1/24 on %s", number, bridge), "file networks/"+id+".json", "firewall "+bridge)
		ports := 0
		if h.w.overlay {
			ports++
			s = append(s, "port ovt"+id[:12]+" on "+bridge)
		}
		for e, m := range h.members[id] {
			s = append(s, fmt.Sprintf("link ovs%s mtu %d ovsnet:ovsnet:%s:%s", e[:12], mtu, id, e), "file endpoints/"+e+".json")
			s = append(s, modelPorts(e, m.ports)...)
			if m.attached {
				ports++
				s = append(s, "port ovs"+e[:12]+" on "+bridge, fmt.Sprintf("row ovs%s of %s in %s with %s", e[:12], e, id, h.address(id, e)))
			}
		}
		s = append(s, fmt.Sprintf("ports with flows %d on %s", ports, bridge))
	}
	if h.w.overlay && len(h.networks) > 0 && integration.Datapath(h.w.t).KernelTunnels {
		port := config.Default().TunnelPort // of the kernel's device, while any tunnel is there
		s = append(s, fmt.Sprintf("socket 0.0.0.0:%d/udp", port), fmt.Sprintf("socket [::]:%d/udp", port))
	}
	slices.Sort(s)
	return s
}

// machine is what is there.
func (h *walked) machine() integration.State {
	text, err := h.Try("sh -c", `
		for b in $(ovs-vsctl --timeout=10 list-br | grep -v ^br-phy); do
			echo "bridge $b of $(ovs-vsctl --timeout=10 br-get-external-id $b ovsnet-network)"
			ovs-vsctl --timeout=10 list-ports $b | sed "s/^\(.*\)$/port \1 on $b/"
			echo "ports with flows $(ovs-ofctl -OOpenFlow15 --no-stats --no-names dump-flows $b table=0 | grep -o 'in_port=[A-Z0-9]*' | grep -v LOCAL | sort -u | wc -l) on $b"
			ip -o -4 addr show up dev $b | awk -v b=$b '{print "address " $4 " on " b}'
		done
		ip -o link show | sed -n 's/^[0-9]*: \(ovs[0-9a-f]*\)@[^<]*<[^>]*\bUP\b.* mtu \([0-9]*\) .*alias \(.*\)$/link \1 mtu \2 \3/p'
		cd /var/lib/ovsnet && ls networks/*.json endpoints/*.json ports/*.json 2>/dev/null | sed 's/^/file /'
		nft list table inet ovsnet 2>/dev/null | grep -o 'ovsbr-[0-9a-f]*' | sort -u | sed 's/^/firewall /'
		true`)
	if err != nil {
		return integration.State{err.Error()}
	}
	var s integration.State
	for line := range strings.Lines(text) {
		s = append(s, strings.TrimSpace(line))
	}
	rows, err := h.rows()
	ports, bad := h.machinePorts()
	if err = errors.Join(err, bad); err != nil {
		return integration.State{err.Error()}
	}
	s = append(append(s, rows...), ports...)
	slices.Sort(s)
	return s
}

// rows are the endpoints that the database tells of.
func (h *walked) rows() (integration.State, error) {
	text, err := h.Try("ovs-vsctl --timeout=10 --format=json --columns=name,external_ids list Interface")
	if err != nil {
		return nil, err
	}
	var table struct{ Data [][]json.RawMessage }
	if err := json.Unmarshal([]byte(text), &table); err != nil {
		return nil, err
	}
	var s integration.State
	for _, row := range table.Data {
		var name string
		var pairs [][2]string
		if err := json.Unmarshal(row[0], &name); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(row[1], &[]any{new(string), &pairs}); err != nil { // RFC 7047, section 5.1: ["map", pairs]
			return nil, err
		}
		ids := map[string]string{}
		for _, p := range pairs {
			ids[p[0]] = p[1]
		}
		if e := ids["ovsnet-endpoint"]; e != "" {
			s = append(s, fmt.Sprintf("row %s of %s in %s with %s", name, e, ids["ovsnet-network"], ids["ovsnet-addresses"]))
		}
	}
	return s, nil
}
