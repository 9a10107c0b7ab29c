// SPDX-License-Identifier: Apache-2.0

package ovsdb_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ovsnet/ovsnet/integration/ovstest"
	"github.com/ovsnet/ovsnet/ovsdb"
)

func prefixed(name string, prefixes map[uint8][]string) ovsdb.EnsureBridge {
	b := testBridge(name)
	b.Prefixes = prefixes
	return ovsdb.EnsureBridge{Bridge: b}
}

// prefixesIn reads a bridge's prefixes of a flow table with ovs-vsctl.
func prefixesIn(tb testing.TB, s *ovstest.Switch, bridge, table string) string {
	tb.Helper()
	id := s.Ctl(tb, "--if-exists", "get", "Bridge", bridge, "flow_tables:"+table)
	if id == "" {
		return ""
	}
	return s.Ctl(tb, "get", "Flow_Table", id, "prefixes")
}

// Whatever somebody does to a bridge's flow tables is seen, and put right by the same wish again; rows and entries that
// are not ours stay as they are.
func TestPrefixesAreRepaired(t *testing.T) {
	s := ovstest.Start(t)
	c := run(t, ovsdb.Options{Endpoint: s.DB})
	event(t, c, connected)
	wish := prefixed("br-a", map[uint8][]string{14: {"ipv6_src", "ip_src"}, 30: {"ip_src"}})
	must(t, c, wish, prefixed("br-b", map[uint8][]string{14: {"ip_dst"}}))
	theirs := func(table string) []string {
		return []string{"set", "Bridge", "br-a", "flow_tables:" + table + "=@f", "--", "--id=@f", "create", "Flow_Table", "name=theirs", "prefixes=ip_dst"}
	}
	s.Ctl(t, theirs("7")...)
	others := func() string { return prefixesIn(t, s, "br-a", "7") + prefixesIn(t, s, "br-b", "14") }
	before := others()
	row := func(bridge string) string { return s.Ctl(t, "get", "Bridge", bridge, "flow_tables:14") }
	for _, damage := range []struct {
		name string
		do   func(row string) []string
		kept bool // the row stays, with other content
	}{
		{"changed", func(row string) []string { return []string{"set", "Flow_Table", row, "prefixes=ip_src,tun_id"} }, true},
		{"emptied", func(row string) []string { return []string{"clear", "Flow_Table", row, "prefixes"} }, true},
		{"mark taken", func(row string) []string { return []string{"clear", "Flow_Table", row, "external_ids"} }, false},
		{"entry taken", func(string) []string { return []string{"remove", "Bridge", "br-a", "flow_tables", "14"} }, false},
		{"another's row", func(string) []string { return theirs("14") }, false},
		{"another bridge's row", func(string) []string {
			return []string{"set", "Bridge", "br-a", "flow_tables:14=" + row("br-b")}
		}, false},
	} {
		t.Run(damage.name, func(t *testing.T) {
			old := row("br-a")
			s.Ctl(t, damage.do(old)...)
			event(t, c, func(e ovsdb.Event) bool { return e.Rows })
			// The event may have been for the damage before this.
			err := ovstest.Poll(patience, func() error {
				must(t, c, wish)
				if got := prefixesIn(t, s, "br-a", "14"); got != "[ip_src, ipv6_src]" {
					return fmt.Errorf("prefixes %q", got)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if same := row("br-a") == old; same != damage.kept {
				t.Errorf("the row is the same: %v, want %v", same, damage.kept)
			}
			if got := others(); got != before {
				t.Errorf("others' are %s, want %s", got, before)
			}
		})
	}
	if rows := s.Ctl(t, "--bare", "--columns=_uuid", "list", "Flow_Table"); strings.Count(rows, "-") != 4*4 {
		t.Errorf("not 4 rows:\n%s", s.Ctl(t, "list", "Flow_Table"))
	}
}

// Prefixes come, change and go with the wish.
func TestPrefixesFollow(t *testing.T) {
	s := ovstest.Start(t)
	c := connect(t, s)
	for _, step := range []map[uint8][]string{
		nil,
		{14: {"ip_src"}},
		{14: {"ip_src", "ipv6_src"}, 20: {"ipv6_src"}, 254: {"none"}},
		{20: {"ip_dst", "ip_src", "ipv6_src"}},
		nil,
	} {
		must(t, c, prefixed("br-a", step))
		b, err := c.Bridge("br-a")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step, b.Prefixes); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		before := s.Ctl(t, "get", "Open_vSwitch", ".", "next_cfg")
		must(t, c, prefixed("br-a", step))
		if after := s.Ctl(t, "get", "Open_vSwitch", ".", "next_cfg"); after != before {
			t.Errorf("%v: the same again was written", step)
		}
	}
	if rows := s.Ctl(t, "--bare", "list", "Flow_Table"); rows != "" {
		t.Errorf("left behind:\n%s", rows)
	}
	for name, bad := range map[string]map[uint8][]string{
		"no such table": {255: {"ip_src"}},
		"none":          {14: nil},
		"four":          {14: {"ip_src", "ip_dst", "ipv6_src", "ipv6_dst"}},
		"twice":         {14: {"ip_src", "ip_src"}},
		"no text":       {14: {"\xff"}},
	} {
		if err := commit(t, c, prefixed("br-a", bad)).Err; !errors.Is(err, ovsdb.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
