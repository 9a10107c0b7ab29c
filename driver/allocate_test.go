// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/driver/api"
)

// swarmID draws what Swarm's ids look like.
var swarmID = rapid.StringMatching(`[0-9a-z]{25}`)

// leader is the plugin on a manager, as far as AllocateNetwork goes.
func leader(t *testing.T) *door {
	t.Helper()
	j, err := openJournal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d := &Driver{log: slog.New(slog.DiscardHandler), journal: j, world: newWorld(), vnis: allocations{}}
	return &door{d: d, name: ManagedDoor, scope: api.ScopeGlobal}
}

// again is the same manager after its plugin was started again.
func (o *door) again(t *rapid.T) *door {
	vnis, err := o.d.journal.loadVNIs()
	if err != nil {
		t.Fatal(err)
	}
	d := &Driver{log: o.d.log, journal: o.d.journal, world: newWorld(), vnis: vnis}
	return &door{d: d, name: o.name, scope: o.scope}
}

// TestAllocations: whatever comes and goes, whoever leads: a network keeps its VNI and all its options, and no two have
// one that nobody gave them.
func TestAllocations(t *testing.T) {
	managers := []*door{leader(t), leader(t), leader(t)}
	rapid.Check(t, func(rt *rapid.T) {
		for _, m := range managers {
			m.d.vnis = allocations{}
		}
		lead := 0
		state := map[string]map[string]string{} // Swarm's own: each network's options
		allocate := func(id string, options map[string]string) {
			r := api.AllocateNetworkRequest{NetworkID: id, Options: maps.Clone(options)}
			a, err := managers[lead].AllocateNetwork(t.Context(), r)
			if err != nil {
				rt.Fatal(err)
			}
			if diff := cmp.Diff(options, r.Options); diff != "" {
				rt.Fatalf("the request was changed: %s", diff)
			}
			for k, v := range options {
				if a.Options[k] != v {
					rt.Fatalf("option %s=%s became %q", k, v, a.Options[k])
				}
			}
			if opts, err := config.ParseNetwork(a.Options, nil); err != nil || !opts.Tunnel.On() || opts.Tunnel.VNI == 0 {
				rt.Fatalf("not complete: %v, %v", a.Options, err)
			}
			if old, ok := state[id]; ok && !maps.Equal(old, a.Options) {
				rt.Fatalf("network %s had %v and now has %v", id, old, a.Options)
			}
			state[id] = a.Options
		}
		rt.Repeat(map[string]func(*rapid.T){
			"create": func(rt *rapid.T) {
				options := map[string]string{"ovs.bridge.mtu": "1400"}
				switch rapid.IntRange(0, 9).Draw(rt, "kind") {
				case 0:
					options[keyTunnelVNI] = strconv.Itoa(len(state) + 1)
				case 1:
					options["com.docker.network.driver.overlay.vxlanid_list"] = strconv.Itoa(len(state) + 1000)
				case 2:
					options[keyTunnelType] = "geneve"
				}
				id := swarmID.Draw(rt, "id")
				if _, ok := state[id]; !ok {
					allocate(id, options)
				}
			},
			"ask again": func(rt *rapid.T) {
				if len(state) > 0 {
					id := rapid.SampledFrom(slices.Sorted(maps.Keys(state))).Draw(rt, "id")
					allocate(id, state[id])
				}
			},
			"free": func(rt *rapid.T) {
				if len(state) > 0 {
					id := rapid.SampledFrom(slices.Sorted(maps.Keys(state))).Draw(rt, "id")
					for range 2 {
						if err := managers[lead].FreeNetwork(t.Context(), api.FreeNetworkRequest{NetworkID: id}); err != nil {
							rt.Fatal(err)
						}
					}
					delete(state, id)
				}
			},
			"another leads": func(rt *rapid.T) {
				lead = rapid.IntRange(0, len(managers)-1).Draw(rt, "manager")
				for _, id := range rapid.Permutation(slices.Sorted(maps.Keys(state))).Draw(rt, "order") {
					allocate(id, state[id])
				}
			},
			"the plugin starts again": func(rt *rapid.T) { managers[lead] = managers[lead].again(rt) },
			"": func(rt *rapid.T) {
				seen := map[string]string{}
				for id, options := range state {
					vni := options[keyTunnelVNI]
					if n, _ := strconv.Atoi(vni); n < firstVNI {
						continue // it was given
					}
					if other, ok := seen[vni]; ok {
						rt.Fatalf("VNI %s is of %s and of %s", vni, id, other)
					}
					seen[vni] = id
				}
			},
		})
	})
}

// TestFreeVNI: two leaders that know the same choose the same, never a taken one, and any as long as there is one.
func TestFreeVNI(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const first, last = 100, 107
		taken := map[uint32]string{}
		for _, vni := range rapid.SliceOfNDistinct(rapid.Uint32Range(first-1, last+1), 0, last-first+3, rapid.ID).Draw(t, "taken") {
			taken[vni] = "x"
		}
		full := 0
		for vni := uint32(first); vni <= last; vni++ {
			if _, ok := taken[vni]; ok {
				full++
			}
		}
		id := swarmID.Draw(t, "id")
		vni, err := freeVNI(id, taken, first, last)
		same, errAgain := freeVNI(id, maps.Clone(taken), first, last)
		switch {
		case full == last-first+1:
			if err == nil {
				t.Fatalf("got %d of none", vni)
			}
		case err != nil || errAgain != nil || vni != same:
			t.Fatalf("got %d and %d, %v, %v", vni, same, err, errAgain)
		case vni < first || vni > last || taken[vni] != "":
			t.Fatalf("got %d of those without %v", vni, taken)
		}
	})
}

// TestLostAnswer: what a leader answered and could not tell is what its successor answers.
func TestLostAnswer(t *testing.T) {
	r := api.AllocateNetworkRequest{NetworkID: "b6nl2xwqkbbmsdl0q2gp7pxrk", Options: map[string]string{}}
	one, err := leader(t).AllocateNetwork(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	two, err := leader(t).AllocateNetwork(t.Context(), r)
	if err != nil || !maps.Equal(one.Options, two.Options) {
		t.Errorf("%v and %v, %v", one.Options, two.Options, err)
	}
}

// TestLocalNetworksKeepTheirVNI: networks of this host alone are not given to the Swarm.
func TestLocalNetworksKeepTheirVNI(t *testing.T) {
	const id = "b6nl2xwqkbbmsdl0q2gp7pxrk"
	o := leader(t)
	would, err := freeVNI(id, nil, firstVNI, lastVNI)
	if err != nil {
		t.Fatal(err)
	}
	rec := testRecord("net1")
	rec.Options = map[string]string{keyTunnelVNI: strconv.Itoa(int(would))}
	if err = o.d.world.addNetwork(rec); err != nil {
		t.Fatal(err)
	}
	vni, err := o.d.allocate(t.Context(), id, 0)
	if err != nil || vni == would {
		t.Errorf("got VNI %d, %v, which is net1's", vni, err)
	}
}

func TestAllocateSaysWhatIsWrong(t *testing.T) {
	for options, want := range map[string]string{
		"ovs.tunnel.vni=0":               "ovs.tunnel.vni",
		"ovs.tunnel.vni=16777216":        "24 bits",
		"ovs.bridge.mcast_snooping=true": "mcast_snooping",
		"encrypted=":                     "WireGuard",
	} {
		k, v, _ := strings.Cut(options, "=")
		a, err := leader(t).AllocateNetwork(t.Context(), api.AllocateNetworkRequest{NetworkID: "a", Options: map[string]string{k: v}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", options, a.Options, err)
		}
	}
}

func FuzzDecodeVNIs(f *testing.F) {
	f.Add([]byte(`{"version":1,"networks":{"a":4096,"b":16777215}}`))
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{"version":1,"networks":{"../a":1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := decodeVNIs(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(keptVNIs{Version: keptVNIsVersion, Networks: a})
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeVNIs(again)
		if err != nil || !maps.Equal(a, back) {
			t.Errorf("%v became %v, %v", a, back, err)
		}
	})
}
