// SPDX-License-Identifier: Apache-2.0

package flows

import (
	stdcmp "cmp"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestTablesRise(t *testing.T) {
	last := -1
	for _, tab := range tables {
		if int(tab.Number) <= last {
			t.Errorf("table %s: number %d does not rise above %d", tab.Name, tab.Number, last)
		}
		last = int(tab.Number)
		for _, n := range tab.Next {
			if n <= tab.Number || tableName(n) == fmt.Sprint(n) {
				t.Errorf("table %s: next %d is not a later table", tab.Name, n)
			}
		}
	}
}

func TestRegistersDoNotOverlap(t *testing.T) {
	used := map[Field]uint64{}
	for _, r := range Registers() {
		if r.Ofs+r.Bits > 32 {
			t.Errorf("register %s ends above bit 31", r.Name)
		}
		mask := (uint64(1)<<r.Bits - 1) << r.Ofs
		if used[r.Field]&mask != 0 {
			t.Errorf("register %s shares bits with another", r.Name)
		}
		used[r.Field] |= mask
	}
}

func TestRowsAreUnique(t *testing.T) {
	numbers, names := map[uint8]string{}, map[string]bool{}
	for _, r := range Rows() {
		if old, ok := numbers[r.Number]; ok {
			t.Errorf("rows %s and %s share number %d", old, r.Name, r.Number)
		}
		if names[r.Name] {
			t.Errorf("two rows are called %s", r.Name)
		}
		numbers[r.Number], names[r.Name] = r.Name, true
		if tableName(r.Table) == fmt.Sprint(r.Table) {
			t.Errorf("row %s stands in table %d, which the page does not have", r.Name, r.Table)
		}
	}
}

// story is a bridge with its objects; the golden file of its name holds every flow.
type story struct {
	name  string
	nets  []Network
	ports []Port
	peers []Peer
	given []Neighbour
}

func addrs(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range texts {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func portMAC(last byte) net.HardwareAddr { return net.HardwareAddr{0x02, 0, 0, 0, 0, last} }

var gwMAC = net.HardwareAddr{0x06, 1, 2, 3, 4, 5}

func stories() []story {
	v4 := Network{Tag: 1, Gateway: true, GatewayMAC: gwMAC, GatewayAddrs: addrs("10.0.0.1"), ICC: true}
	dual := v4
	dual.GatewayAddrs = addrs("10.0.0.1", "fd00::1", LinkLocal(gwMAC).String())
	private := v4
	private.ICC = false
	snooping := v4
	snooping.McastSnooping = true
	internal := Network{Tag: 1, ICC: true}
	open := v4
	open.Unguarded = true
	overlay := dual
	overlay.Tunnel = &Tunnel{Port: 32767, Limit: 1024, Idle: 300}
	policy := v4
	policy.Tunnel = &Tunnel{Port: 32767, Limit: 1024, Idle: 300}
	policy.ICC, policy.Unguarded = false, true
	port := func(n Network, num uint16, more func(*Port), as ...string) Port {
		p := Port{Network: n, Number: num, MAC: portMAC(byte(num)), Addrs: addrs(as...)}
		if more != nil {
			more(&p)
		}
		return p
	}
	v6 := func(p *Port) { p.IPv6 = true }
	return []story{
		{name: "empty"},
		{name: "network", nets: []Network{v4}},
		{name: "two-ports", nets: []Network{v4}, ports: []Port{port(v4, 1, nil, "10.0.0.2"), port(v4, 2, nil, "10.0.0.3")}},
		{name: "dual-stack", nets: []Network{dual}, ports: []Port{port(dual, 1, v6, "10.0.0.2", "fd00::2")}},
		{name: "internal", nets: []Network{internal}, ports: []Port{port(internal, 1, nil, "10.0.0.2")}},
		{name: "icc-off", nets: []Network{private}, ports: []Port{port(private, 1, nil, "10.0.0.2"),
			port(private, 2, func(p *Port) { p.Promiscuous = true }, "10.0.0.3")}},
		{name: "isolated", nets: []Network{v4}, ports: []Port{port(v4, 1, func(p *Port) { p.Isolated = true }, "10.0.0.2"), port(v4, 2, nil, "10.0.0.3")}},
		{name: "snooping", nets: []Network{snooping}, ports: []Port{port(snooping, 1, nil, "10.0.0.2")}},
		{name: "unguarded", nets: []Network{open}, ports: []Port{port(open, 1, func(p *Port) { p.Unguarded = true }, "10.0.0.2")}},
		{name: "services", nets: []Network{dual}, ports: []Port{port(dual, 1, func(p *Port) {
			p.IPv6, p.Allow = true, ServiceDHCPServer|ServiceRA|ServiceRedirect|ServiceLinkControl
			p.Allowed = []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fd01::/64")}
			p.BroadcastRate = 1000
		}, "10.0.0.2", "fd00::2")}},
		{"overlay", []Network{overlay}, []Port{port(overlay, 1, v6, "10.0.0.2", "fd00::2")},
			[]Peer{{1, *overlay.Tunnel, 1, addrs("192.0.2.2")[0]}, {1, *overlay.Tunnel, 2, addrs("2001:db8::3")[0]}},
			[]Neighbour{{overlay, 1, addrs("192.0.2.2")[0], portMAC(9), addrs("10.0.0.9", "fd00::9")}}},
		{"overlay-policy", []Network{policy}, []Port{port(policy, 1, func(p *Port) { p.Isolated = true }, "10.0.0.2"),
			port(policy, 2, func(p *Port) { p.Promiscuous, p.Unguarded = true, true }, "10.0.0.3")},
			[]Peer{{1, *policy.Tunnel, 7, addrs("192.0.2.2")[0]}}, nil},
	}
}

func (s story) compile(t *testing.T) Compiled {
	t.Helper()
	parts := []Compiled{CompileBridge()}
	for _, n := range s.nets {
		c, err := CompileNetwork(n)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, c)
	}
	for _, p := range s.ports {
		c, err := CompilePort(p)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, c)
	}
	for _, p := range s.peers {
		c, err := CompilePeer(p)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, c)
	}
	for _, n := range s.given {
		c, err := CompileNeighbour(n)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, c)
	}
	all, err := Merge(parts...)
	if err != nil {
		t.Fatal(err)
	}
	// As pages and dumps have them: tables rise, priorities fall.
	slices.SortFunc(all.Flows, func(a, b Flow) int {
		return stdcmp.Or(int(a.Table)-int(b.Table), int(b.Priority)-int(a.Priority), strings.Compare(a.Match.String(), b.Match.String()))
	})
	return all
}

func TestStories(t *testing.T) {
	for _, s := range stories() {
		t.Run(s.name, func(t *testing.T) {
			var text strings.Builder
			c := s.compile(t)
			last := -1
			for _, f := range c.Flows {
				if cookie, _ := ParseCookie(f.Cookie); cookie.Row == rowOtherMAC.Number && s.name != "empty" {
					continue // 96 flows that are the same everywhere
				}
				if int(f.Table) != last {
					last = int(f.Table)
					fmt.Fprintf(&text, "# %s\n", tableName(f.Table))
				}
				f.Cookie = 0 // its hash says nothing to a reader
				fmt.Fprintln(&text, f)
			}
			for _, g := range c.Groups {
				fmt.Fprintln(&text, g)
			}
			for _, m := range c.Meters {
				fmt.Fprintln(&text, m)
			}
			golden(t, filepath.Join("testdata", s.name+".flows"), text.String())
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs from what the code gives (-file +code); go test ./flows -update rewrites it:\n%s", path, diff)
	}
}

// TestFlowsKeepToThePage holds every compiled flow to its row and table: number, priority, drop, and where it may lead.
func TestFlowsKeepToThePage(t *testing.T) {
	rows := map[uint8]Row{}
	for _, r := range Rows() {
		rows[r.Number] = r
	}
	seen := map[uint8]bool{}
	for _, s := range stories() {
		for _, f := range s.compile(t).Flows {
			cookie, ok := ParseCookie(f.Cookie)
			r, known := rows[cookie.Row]
			if !ok || !known || r.Table != f.Table || r.Priority != f.Priority {
				t.Fatalf("%s: %s: is no flow of row %+v", s.name, f, r)
			}
			seen[r.Number] = true
			// A tunnel's frame that is dropped in arrive must not come back to the row that sent it there.
			if drops := len(f.Actions) == 0 || f.Actions[0] == Action(Exit{}); (r.Drop != "") != drops {
				t.Errorf("%s: %s: row %s drops: %t", s.name, f, r.Name, r.Drop != "")
			}
			if err := f.Match.Validate(); err != nil {
				t.Errorf("%s: %s: %v", s.name, f, err)
			}
			for _, a := range f.Actions {
				if l, ok := a.(Learn); ok {
					c, ours := ParseCookie(l.Cookie)
					if r := rows[c.Row]; !ours || !Learned(l.Cookie) || r.Table != l.Table || r.Priority != l.Priority {
						t.Errorf("%s: %s: learns no flow of row %+v", s.name, f, r)
					}
					seen[c.Row] = true
				}
				next, isGoto := a.(Goto)
				if isGoto && !slices.Contains(nextOf(f.Table), next.Table) {
					t.Errorf("%s: %s: the page does not let table %s lead to %s", s.name, f, tableName(f.Table), tableName(next.Table))
				}
			}
		}
	}
	for _, r := range Rows() {
		if !seen[r.Number] {
			t.Errorf("row %s: no story has a flow of it", r.Name)
		}
	}
}

func nextOf(table uint8) []uint8 {
	for _, tab := range tables {
		if tab.Number == table {
			return tab.Next
		}
	}
	return nil
}

func TestMergeClash(t *testing.T) {
	n := Network{Tag: 1, ICC: true}
	one, err := CompilePort(Port{Network: n, Number: 1, MAC: portMAC(9)})
	if err != nil {
		t.Fatal(err)
	}
	two, err := CompilePort(Port{Network: n, Number: 2, MAC: portMAC(9)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Merge(one, two); !errors.Is(err, ErrClash) {
		t.Errorf("two ports with one MAC: got %v, want ErrClash", err)
	}
}

func TestCompileRefuses(t *testing.T) {
	n := Network{Tag: 1}
	for name, p := range map[string]Port{
		"no network":    {Number: 1, MAC: portMAC(1)},
		"no number":     {Network: n, MAC: portMAC(1)},
		"reserved":      {Network: n, Number: 0xff00, MAC: portMAC(1)},
		"no MAC":        {Network: n, Number: 1},
		"multicast MAC": {Network: n, Number: 1, MAC: net.HardwareAddr{1, 0, 0, 0, 0, 1}},
	} {
		if _, err := CompilePort(p); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
