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

// walker walks at random over hosts, and has the model of what should be there.
type walker struct {
	t       *testing.T
	r       *rand.Rand
	hosts   []*walked
	overlay bool // networks are across hosts
	next    int  // of networks and endpoints
	steps   map[string]int
}

// walked is one host of a walk.
type walked struct {
	*integration.Host
	w        *walker
	empty    integration.State
	settings []string
	networks map[string]int                // by id: its number, which its subnet has
	members  map[string]map[string]*member // by network and endpoint
}

// member is an endpoint.
type member struct {
	attached bool
	ports    []string // that it has published, in docker ps's words
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

// TestWalk walks at random through what can be asked of ovsnet and done to it, and compares the hosts with the model
// whenever they have come to rest: one host for 10 seconds; with -long, one and three for five minutes each.
func TestWalk(t *testing.T) {
	t.Parallel()
	length := 10 * time.Second
	if *long {
		length = 5 * time.Minute
	}
	t.Run("one host", func(t *testing.T) { newWalker(t, "h1").walk(length) })
	if *long {
		t.Run("three hosts", func(t *testing.T) { newWalker(t, "h1", "h2", "h3").walk(length) })
	}
}

func newWalker(t *testing.T, names ...string) *walker {
	t.Helper()
	lab := integration.NewLab(t)
	w := &walker{t: t, r: rand.New(rand.NewPCG(seed(t), 0)), overlay: len(names) > 1, steps: map[string]int{}}
	hosts := lab.Hosts(t, integration.HostOptions{NoDocker: true}, names...)
	// Docker's API is no source: to an engine without containers all endpoints here are orphans. TestOrphans has one.
	settings := []string{"OVSNET_AUDIT_INTERVAL=1s", "OVSNET_DOCKER_SOCKET=none"}
	if w.overlay {
		lab.LAN(t).Join(t, hosts...)
		var peers []string
		for _, h := range hosts {
			peers = append(peers, h.IPv4)
		}
		settings = append(settings, "OVSNET_PEERS="+strings.Join(peers, ","))
	}
	for _, h := range hosts {
		h.StartServe(t, settings...)
		one := &walked{Host: h, w: w, settings: settings, networks: map[string]int{}, members: map[string]map[string]*member{}}
		one.calm()
		one.empty = one.Snapshot(t)
		w.hosts = append(w.hosts, one)
	}
	return w
}

// walk takes steps for so long, and comes to rest now and then; then everything goes.
func (w *walker) walk(length time.Duration) {
	w.t.Helper()
	rests := 0
	for end := time.Now().Add(length); time.Now().Before(end); rests++ {
		for range 5 + w.r.IntN(20) {
			w.step((*walked).verbs)
		}
		if w.r.IntN(3) > 0 {
			w.step((*walked).faults)
		}
		for _, h := range w.hosts {
			h.rest()
		}
		if rests%4 == 3 {
			w.hosts[w.r.IntN(len(w.hosts))].rebuild()
		}
	}
	for _, h := range w.hosts {
		h.rebuild()
		for _, id := range slices.Sorted(maps.Keys(h.networks)) {
			h.ask("DeleteNetwork", integration.Map{"NetworkID": id})
		}
	}
	for _, h := range w.hosts {
		soon(w.t, func() error { return same(h.empty, h.Snapshot(w.t)) })
	}
	w.t.Logf("%d rests after steps: %v", rests, w.steps)
}

// step takes one of the steps on one of the hosts, whichever come.
func (w *walker) step(choice func(*walked) map[string]func()) {
	all := choice(w.hosts[w.r.IntN(len(w.hosts))])
	names := slices.Sorted(maps.Keys(all))
	name := names[w.r.IntN(len(names))]
	w.steps[name]++
	all[name]()
}

func (h *walked) verbs() map[string]func() {
	return map[string]func(){
		"create network": h.createNetwork, "delete network": h.deleteNetwork, "create endpoint": h.createEndpoint,
		"join": h.join, "leave": h.leave, "delete endpoint": h.deleteEndpoint,
		"publish": h.publish, "publish what is taken": h.publishTaken, "revoke": h.revoke,
	}
}

func (h *walked) faults() map[string]func() {
	t := h.w.t
	bridge, link := "$(ovs-vsctl list-br | grep ^ovsbr- | shuf -n1)", "$(ls /sys/class/net | grep '^ovs[0-9a-f]' | shuf -n1)"
	return map[string]func(){
		"ovsnet ends":            func() { h.StopServe(t); h.StartServe(t, h.settings...) },
		"ovsnet is killed":       func() { h.KillServe(t); h.StartServe(t, h.settings...) },
		"ovs-vswitchd restarts":  func() { h.StopVSwitchd(t); h.StartVSwitchd(t) },
		"ovsdb-server restarts":  func() { h.StopOVSDB(t); h.StartOVSDB(t) },
		"the database is wiped":  func() { h.StopOVS(t); h.WipeOVSDB(t); h.StartOVS(t) },
		"the firewall is wiped":  func() { h.try("nft delete table inet ovsnet") },
		"a bridge is removed":    func() { h.try("ovs-vsctl --timeout=10 del-br " + bridge) },
		"a port is removed":      func() { h.try("ovs-vsctl --timeout=10 del-port $(ovs-vsctl list-ports " + bridge + " | shuf -n1)") },
		"flows are removed":      func() { h.try("ovs-ofctl -OOpenFlow15 del-flows " + bridge) },
		"a gateway goes down":    func() { h.try("ip link set " + bridge + " down") },
		"a link goes down":       func() { h.try("ip link set " + link + " down") },
		"an alias is taken away": func() { h.try("ip link set " + link + " alias ''") },
		"the journal is emptied": func() {
			h.try("rm -f /var/lib/ovsnet/networks/*.json /var/lib/ovsnet/endpoints/*.json /var/lib/ovsnet/ports/*.json")
		},
		"published ports are emptied": func() { h.try("nft flush map inet ovsnet ports4; nft flush map inet ovsnet ports_at4") },
		"a link is lost":              h.loseLink,
	}
}

// try does by hand what may find nothing to do it to.
func (h *walked) try(line string) { _, _ = h.Try("sh -c", line) }

// ask calls a verb; one that comes while Open vSwitch is away is repeated, as people do.
func (h *walked) ask(verb string, request integration.Map) {
	h.w.t.Helper()
	err := ovstest.Poll(30*time.Second, func() error {
		_, err := h.Verb(verb, request)
		return err
	})
	if err != nil {
		h.w.t.Fatalf("%s: %v", verb, err)
	}
}

// id is a name that nothing had before; bridges are called by its first 9 letters, links by its first 12.
func (w *walker) id() string {
	w.next++
	return fmt.Sprintf("%09x%03x%052x", w.next, w.next%4096, w.next)
}

// number is that of an id, less what wraps.
func number(id string) int {
	n, err := strconv.ParseInt(id[:9], 16, 64)
	if err != nil {
		return 0
	}
	return int(n)
}

// endpoint gives any endpoint that is attached, or is not.
func (h *walked) endpoint(attached bool) (network, id string, ok bool) {
	var all [][2]string
	for _, n := range slices.Sorted(maps.Keys(h.members)) {
		for _, e := range slices.Sorted(maps.Keys(h.members[n])) {
			if h.members[n][e].attached == attached {
				all = append(all, [2]string{n, e})
			}
		}
	}
	if len(all) == 0 {
		return "", "", false
	}
	one := all[h.w.r.IntN(len(all))]
	return one[0], one[1], true
}

// network gives any network, if there is one.
func (h *walked) network() (string, bool) {
	ids := slices.Sorted(maps.Keys(h.networks))
	if len(ids) == 0 {
		return "", false
	}
	return ids[h.w.r.IntN(len(ids))], true
}

// elsewhere gives a network that another host has and this one has not.
func (h *walked) elsewhere() (string, bool) {
	for _, other := range h.w.hosts {
		for _, id := range slices.Sorted(maps.Keys(other.networks)) {
			if _, here := h.networks[id]; !here {
				return id, true
			}
		}
	}
	return "", false
}

func (h *walked) createNetwork() {
	if len(h.networks) == 4 {
		return
	}
	id, there := h.elsewhere()
	if !there || h.w.r.IntN(2) == 0 {
		id = h.w.id()
	}
	n := number(id)%200 + 1
	for _, other := range h.w.hosts {
		for known, m := range other.networks {
			if m == n && known != id {
				return // its subnet is another's
			}
		}
	}
	r := createNetwork()
	r["NetworkID"] = id
	r["IPv4Data"] = []integration.Map{{"AddressSpace": "LocalDefault", "Pool": fmt.Sprintf("10.81.%d.0/24", n), "Gateway": fmt.Sprintf("10.81.%d.1/24", n)}}
	if h.w.overlay {
		r["Options"] = integration.Map{"com.docker.network.generic": integration.Map{"ovs.tunnel.type": "vxlan", "ovs.tunnel.vni": strconv.Itoa(n)}}
	}
	h.ask("CreateNetwork", r)
	h.networks[id], h.members[id] = n, map[string]*member{}
}

func (h *walked) deleteNetwork() {
	if id, ok := h.network(); ok && h.w.r.IntN(4) == 0 {
		h.ask("DeleteNetwork", integration.Map{"NetworkID": id})
		delete(h.networks, id)
		delete(h.members, id)
	}
}

// address is an endpoint's.
func (h *walked) address(network, id string) string {
	return fmt.Sprintf("10.81.%d.%d/24", h.networks[network], number(id)%240+2)
}

func (h *walked) createEndpoint() {
	n, ok := h.network()
	if !ok || len(h.members[n]) == 8 {
		return
	}
	id := h.w.id()
	for _, other := range h.w.hosts {
		for e := range other.members[n] {
			if number(e)%240 == number(id)%240 {
				return // its address is another's
			}
		}
	}
	r := createEndpoint(id, h.address(n, id))
	r["NetworkID"] = n
	h.ask("CreateEndpoint", r)
	h.members[n][id] = &member{attached: true}
}

func (h *walked) verb(verb string, attached, becomes bool) {
	if n, e, ok := h.endpoint(attached); ok {
		r := join(e)
		r["NetworkID"] = n
		h.ask(verb, r)
		if h.members[n][e].attached = becomes; !becomes {
			h.members[n][e].ports = nil // engines do not always revoke first
		}
	}
}

func (h *walked) join()  { h.verb("Join", h.w.r.IntN(2) == 0, true) }
func (h *walked) leave() { h.verb("Leave", true, false) }

func (h *walked) deleteEndpoint() {
	attached := h.w.r.IntN(2) == 0
	if n, e, ok := h.endpoint(attached); ok {
		h.ask("DeleteEndpoint", integration.Map{"NetworkID": n, "EndpointID": e})
		delete(h.members[n], e)
	}
}
