// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var compareAddr = cmpopts.EquateComparable(netip.Addr{})

// hostAddresses draws addresses of hosts.
func hostAddresses(most int) *rapid.Generator[[]netip.Addr] {
	one := rapid.Custom(func(t *rapid.T) netip.Addr {
		b := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes")
		if rapid.Bool().Draw(t, "v4") {
			return netip.AddrFrom4([4]byte(b))
		}
		return netip.AddrFrom16([16]byte(b))
	}).Filter(func(a netip.Addr) bool { return hostAddress(a) && !a.Is4In6() })
	return rapid.SliceOfNDistinct(one, 0, most, rapid.ID)
}

// TestPeersAreKept: what a driver knew of other hosts, the next one knows, whatever it was.
func TestPeersAreKept(t *testing.T) {
	j, err := openJournal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		p := newPeers(nil, "")
		p.nodes = set(hostAddresses(20).Draw(rt, "nodes"))
		if self := hostAddresses(1).Draw(rt, "self"); len(self) > 0 {
			p.self = self[0]
		}
		for _, name := range rapid.SliceOfDistinct(rapid.StringMatching(`[a-z]{1,9}`), rapid.ID).Draw(rt, "names") {
			p.found[name] = hostAddresses(3).Filter(func(a []netip.Addr) bool { return len(a) > 0 }).Draw(rt, name)
		}
		if err := j.savePeers(p.kept()); err != nil {
			rt.Fatal(err)
		}
		k, err := j.loadPeers()
		if err != nil {
			rt.Fatal(err)
		}
		q := newPeers(nil, "")
		q.restore(k)
		for _, what := range [][2]any{{p.nodes, q.nodes}, {p.self, q.self}, {p.found, q.found}} {
			if diff := cmp.Diff(what[0], what[1], compareAddr); diff != "" {
				rt.Fatalf("(-before +after)\n%s", diff)
			}
		}
	})
	for range 2 {
		if err := j.savePeers(newPeers(nil, "").kept()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(j.peersPath()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file without peers: %v", err)
	}
}

func TestPeersThatCantBeRead(t *testing.T) {
	j, err := openJournal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		``:                                        "JSON",
		`{"version":2}`:                           "version 2",
		`{"version":1,"nodes":["224.0.0.1"]}`:     "224.0.0.1",
		`{"version":1,"nodes":["fd00::1%eth0"]}`:  "fd00::1",
		`{"version":1,"self":"::"}`:               "::",
		`{"version":1,"names":{"a":[""]}}`:        "invalid IP",
		`{"version":1,"names":{"a":["127.0.0.1"]`: "JSON",
		strings.Repeat(" ", maxRecord+1):          "longer",
	} {
		if err := os.WriteFile(j.peersPath(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if k, err := j.loadPeers(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, %v; want %q", text, k, err, want)
		}
	}
}

func FuzzDecodePeers(f *testing.F) {
	f.Add([]byte(`{"version":1,"self":"192.0.2.1","nodes":["192.0.2.2","fd00::2"],"names":{"b":["192.0.2.3"]}}`))
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := decodePeers(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(k)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodePeers(again)
		if err != nil {
			t.Fatalf("what was read can't be read again: %v", err)
		}
		if diff := cmp.Diff(k, back, compareAddr, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}
