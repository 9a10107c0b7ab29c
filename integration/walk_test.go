// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// walk is a host, and the model of what ovsnet should have made there: networks, and of each endpoint whether it has joined.
type walk struct {
	*theatre
	r        *rand.Rand
	networks map[string]int             // by id: its number, which its subnet has
	members  map[string]map[string]bool // by network and endpoint: whether it is attached
	next     int
	steps    map[string]int
}

// seed is what a random test goes by: OVSNET_SEED, or another each time. It is printed.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := uint64(time.Now().UnixNano())
	if text := os.Getenv("OVSNET_SEED"); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("OVSNET_SEED=%d", n)
	return n
}

// TestFaultsWalk walks at random through what can be asked of ovsnet and done to it, and compares the host with the model
// whenever it has come to rest: 20 seconds, with -long ten minutes.
func TestFaultsWalk(t *testing.T) {
	s := newTheatreWith(t, served, []string{"OVSNET_AUDIT_INTERVAL=1s", "OVSNET_DOCKER_SOCKET=none"})
	w := &walk{theatre: s, r: rand.New(rand.NewPCG(seed(t), 0)), networks: map[string]int{}, members: map[string]map[string]bool{}, steps: map[string]int{}}
	w.t, w.empty = t, s.Snapshot(t)
	length := 20 * time.Second
	if *long {
		length = 10 * time.Minute
	}
	verbs := map[string]func(){
		"create network": w.createNetwork, "delete network": w.deleteNetwork, "create endpoint": w.createEndpoint,
		"join": w.join, "leave": w.leave, "delete endpoint": w.deleteEndpoint,
	}
	faults := map[string]func(){
		"ovsnet ends":           func() { w.StopServe(t); w.serve(t) },
		"ovsnet is killed":      func() { w.KillServe(t); w.serve(t) },
		"ovs-vswitchd restarts": func() { w.StopVSwitchd(t); w.StartVSwitchd(t) },
		"ovsdb-server restarts": func() { w.StopOVSDB(t); w.StartOVSDB(t) },
		"the database is wiped": func() { w.StopOVSDB(t); w.WipeOVSDB(t); w.StartOVSDB(t) },
		"the firewall is wiped": func() { w.try("nft delete table inet ovsnet") },
		"a bridge is removed":   func() { w.try("ovs-vsctl --timeout=10 del-br $(ovs-vsctl list-br | shuf -n1)") },
		"a port is removed": func() {
			w.try("ovs-vsctl --timeout=10 del-port $(ovs-vsctl list-ports $(ovs-vsctl list-br | shuf -n1) | shuf -n1)")
		},
		"flows are removed":      func() { w.try("ovs-ofctl -OOpenFlow15 del-flows $(ovs-vsctl list-br | shuf -n1)") },
		"a gateway goes down":    func() { w.try("ip link set $(ovs-vsctl list-br | shuf -n1) down") },
		"a link goes down":       func() { w.try("ip link set $(ls /sys/class/net | grep ^ovs[0-9a-f] | shuf -n1) down") },
		"an alias is taken away": func() { w.try("ip link set $(ls /sys/class/net | grep ^ovs[0-9a-f] | shuf -n1) alias ''") },
		"the journal is emptied": func() { w.try("rm -f /var/lib/ovsnet/networks/*.json /var/lib/ovsnet/endpoints/*.json") },
	}
	for end := time.Now().Add(length); time.Now().Before(end); {
		for range 5 + w.r.IntN(20) {
			w.step(verbs)
		}
		if w.r.IntN(2) == 0 {
			w.step(faults)
		}
		w.rest(t)
	}
	for _, id := range slices.Sorted(maps.Keys(w.networks)) {
		w.MustVerb(t, "DeleteNetwork", integration.Map{"NetworkID": id})
	}
	soon(t, func() error { return same(w.empty, w.Snapshot(t)) })
	t.Logf("steps: %v", w.steps)
}

// step takes one of the steps, whichever comes.
func (w *walk) step(all map[string]func()) {
	names := slices.Sorted(maps.Keys(all))
	name := names[w.r.IntN(len(names))]
	w.steps[name]++
	all[name]()
}

// try does by hand what may find nothing to do it to.
func (w *walk) try(line string) { _, _ = w.Try("sh -c", line) }

// ask calls a verb; one that comes while Open vSwitch is away is repeated, as people do.
func (w *walk) ask(verb string, request integration.Map) {
	w.t.Helper()
	err := ovstest.Poll(30*time.Second, func() error {
		_, err := w.Verb(verb, request)
		return err
	})
	if err != nil {
		w.t.Fatalf("%s: %v", verb, err)
	}
}

func (w *walk) id() string { w.next++; return fmt.Sprintf("%012x%052x", w.next, w.next) }

// network gives any network, if there is one.
func (w *walk) network() (string, bool) {
	ids := slices.Sorted(maps.Keys(w.networks))
	if len(ids) == 0 {
		return "", false
	}
	return ids[w.r.IntN(len(ids))], true
}

// endpoint gives any endpoint that is attached, or is not.
func (w *walk) endpoint(attached bool) (network, id string, ok bool) {
	var all [][2]string
	for _, n := range slices.Sorted(maps.Keys(w.members)) {
		for _, e := range slices.Sorted(maps.Keys(w.members[n])) {
			if w.members[n][e] == attached {
				all = append(all, [2]string{n, e})
			}
		}
	}
	if len(all) == 0 {
		return "", "", false
	}
	one := all[w.r.IntN(len(all))]
	return one[0], one[1], true
}

func (w *walk) createNetwork() {
	if len(w.networks) == 4 {
		return
	}
	id := w.id()
	r := createNetwork()
	r["NetworkID"] = id
	number := w.next%200 + 1
	r["IPv4Data"] = []integration.Map{{"AddressSpace": "LocalDefault", "Pool": fmt.Sprintf("10.81.%d.0/24", number), "Gateway": fmt.Sprintf("10.81.%d.1/24", number)}}
	w.ask("CreateNetwork", r)
	w.networks[id], w.members[id] = number, map[string]bool{}
}

func (w *walk) deleteNetwork() {
	if id, ok := w.network(); ok && w.r.IntN(4) == 0 {
		w.ask("DeleteNetwork", integration.Map{"NetworkID": id})
		delete(w.networks, id)
		delete(w.members, id)
	}
}

func (w *walk) createEndpoint() {
	n, ok := w.network()
	if !ok || len(w.members[n]) == 8 {
		return
	}
	id := w.id()
	r := createEndpoint(id, fmt.Sprintf("10.81.%d.%d/24", w.networks[n], w.next%240+2))
	r["NetworkID"] = n
	// An address that another one has is refused, or taken from it: it is as if its container had gone.
	for _, e := range slices.Sorted(maps.Keys(w.members[n])) {
		var number int
		if _, err := fmt.Sscanf(e[:12], "%x", &number); err == nil && number%240 == w.next%240 {
			return
		}
	}
	w.ask("CreateEndpoint", r)
	w.members[n][id] = true
}

func (w *walk) verb(verb string, attached, becomes bool) {
	if n, e, ok := w.endpoint(attached); ok {
		r := join(e)
		r["NetworkID"] = n
		w.ask(verb, r)
		w.members[n][e] = becomes
	}
}

func (w *walk) join()  { w.verb("Join", w.r.IntN(2) == 0, true) }
func (w *walk) leave() { w.verb("Leave", true, false) }

func (w *walk) deleteEndpoint() {
	attached := w.r.IntN(2) == 0
	if n, e, ok := w.endpoint(attached); ok {
		w.ask("DeleteEndpoint", integration.Map{"NetworkID": n, "EndpointID": e})
		delete(w.members[n], e)
	}
}

// rest waits until the host is what the model says: bridges, ports, links, addresses, files; and until what the switch
// holds of flows does not differ from what a fresh look makes of them.
func (w *walk) rest(t *testing.T) {
	t.Helper()
	err := ovstest.Poll(30*time.Second, func() error {
		want, got := w.model(), w.machine(t)
		if diff := integration.Diff(want, got); diff != "" {
			return fmt.Errorf("the host is not what the model says (- model, + host):\n%s", diff)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v\nsteps: %v", err, w.steps)
	}
}

// model is what should be, in the words of machine.
func (w *walk) model() integration.State {
	var s integration.State
	for id, number := range w.networks {
		bridge := "ovsbr-" + id[:9]
		s = append(s, "bridge "+bridge, fmt.Sprintf("address 10.81.%d.1/24 on %s", number, bridge), "file networks/"+id+".json", "firewall "+bridge)
		ports := 0
		for e, attached := range w.members[id] {
			s = append(s, "link ovs"+e[:12]+" ovsnet:ovsnet:"+id+":"+e, "file endpoints/"+e+".json")
			if attached {
				ports++
				s = append(s, "port ovs"+e[:12]+" on "+bridge)
			}
		}
		s = append(s, fmt.Sprintf("ports with flows %d on %s", ports, bridge))
	}
	slices.Sort(s)
	return s
}

// machine is what is there.
func (w *walk) machine(t *testing.T) integration.State {
	t.Helper()
	text, err := w.Try("sh -c", `
		for b in $(ovs-vsctl --timeout=10 list-br); do
			echo "bridge $b"
			ovs-vsctl --timeout=10 list-ports $b | sed "s/^\(.*\)$/port \1 on $b/"
			echo "ports with flows $(ovs-ofctl -OOpenFlow15 --no-stats dump-flows $b table=0 | grep -o 'in_port=[a-z0-9"]*' | grep -v LOCAL | sort -u | wc -l) on $b"
			ip -o -4 addr show up dev $b | awk -v b=$b '{print "address " $4 " on " b}'
		done
		ip -o link show | sed -n 's/^[0-9]*: \(ovs[0-9a-f]*\)@[^<]*<[^>]*\bUP\b.*alias \(.*\)$/link \1 \2/p'
		cd /var/lib/ovsnet && ls networks/*.json endpoints/*.json 2>/dev/null | sed 's/^/file /'
		nft list set inet ovsnet bridges 2>/dev/null | grep -o 'ovsbr-[0-9a-f]*' | sort -u | sed 's/^/firewall /'
		true`)
	if err != nil {
		return integration.State{err.Error()}
	}
	var s integration.State
	for line := range strings.Lines(text) {
		s = append(s, strings.TrimSpace(line))
	}
	slices.Sort(s)
	return s
}
