// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// TestStory holds the whole table of a host to a golden file: three networks of different modes, two of them peers,
// and a few published ports.
func TestStory(t *testing.T) {
	if !onHost(t) {
		return
	}
	l := newLab(t)
	l.network(1, nil)
	l.network(2, func(n *Network) {
		modes(ModeRouted)(n)
		n.Peers, n.ClampMSS = []string{"network1"}, true
	})
	l.network(3, modes(ModeIsolated))
	l.network(4, func(n *Network) { n.IPv4.Mode, n.IPv6 = ModeNATUnprotected, Family{} })
	web, db, old := l.container(1, 2), l.container(2, 2), l.container(4, 2)
	old.ep.Addrs = old.ep.Addrs[:1]
	web.publish("8080:80/tcp", "8443:443/tcp", "8443:443/udp", "127.0.0.1:9090:90/tcp", "[::1]:9090:90/tcp", "3868:3868/sctp")
	db.publish("5432:5432/tcp")
	old.publish("8081:80/tcp")
	got := sh(t, "nft -s list table inet ovsnet")
	file := filepath.Join("testdata", "story.nft")
	if *update {
		must(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if got != string(want) {
		t.Errorf("the table is not that of %s (go test -run TestStory -update writes it):\n%s", file, difference(string(want), got))
	}
	t.Log("what nft prints, nft reads, and our reading of it is what we wrote")
	sh(t, "nft -s list table inet ovsnet > /run/story && nft flush ruleset && nft -f /run/story")
	have, wanted := l.table(), l.f.wanted()
	if len(have) != len(wanted) || len(have.without(wanted)) > 0 {
		t.Errorf("read %v\nwrote %v", have.sorted(), wanted.sorted())
	}
	for k, v := range wanted {
		if have[k] != v {
			t.Errorf("%v: read %q, wrote %q", k, have[k], v)
		}
	}
}

// FuzzListing: nft's JSON, whatever it says, never makes us fall over.
func FuzzListing(f *testing.F) {
	f.Add([]byte(`{"nftables": [{"metainfo": {"json_schema_version": 1}}, {"set": {"name": "links", "elem": ["gw1"]}}]}`))
	f.Add([]byte(`{"nftables": [{"map": {"name": "ports4", "elem": [[{"concat": ["tcp", 80]}, {"concat": ["10.0.0.2", 80]}]]}}]}`))
	f.Add([]byte(`{"nftables": [{"set": {"name": "subnets4", "elem": [{"prefix": {"addr": "10.0.0.0", "len": 24}}, {"elem": {"val": "10.1.0.0", "comment": "x"}}]}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := parseElements(text)
		if err != nil {
			return
		}
		for k, v := range e {
			d, ours := setByName[k.set]
			if !ours {
				t.Errorf("%v is not ours", k)
			}
			if d.value == "" && v != "" {
				t.Errorf("%v: an element of a set has a value", k)
			}
			_ = k.knft(v)
		}
		e.dropOverlaps()
		if !slices.IsSortedFunc(e.sorted(), func(a, b element) int {
			if a.set != b.set {
				return 0
			}
			if a.key < b.key {
				return -1
			}
			return 1
		}) {
			t.Error("not sorted")
		}
	})
}

// FuzzChains: nor does its list of chains.
func FuzzChains(f *testing.F) {
	f.Add([]byte(`{"nftables": [{"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"}}, {"chain": null}, {}]}`))
	f.Add([]byte(`{"nftables": [{"chain": {"family": "ip", "table": "filter", "name": "DOCKER-USER"}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s survey
		if err := s.readChains(text); err != nil && len(s.ForwardDrop) > 0 {
			t.Errorf("refused, and read: %v", s.ForwardDrop)
		}
		s.judge(map[string]Network{"n": {ID: "n", Bridge: "b"}})
	})
}
