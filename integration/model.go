// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/driver"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// Status is what the driver tells of itself. One that has just been started opens its doors before it can be asked, and is
// waited for.
func (h *Host) Status(tb testing.TB) driver.Status {
	tb.Helper()
	var s driver.Status
	err := ovstest.Poll(patience, func() error {
		text, err := h.AskDaemon("/status")
		if err == nil {
			err = json.Unmarshal([]byte(text), &s)
		}
		return err
	})
	if err != nil {
		tb.Fatalf("status: %v", err)
	}
	return s
}

// inPort is where a flow says which port it is about.
var inPort = regexp.MustCompile(`in_port="?(\w+)"?`)

// Model compares what the driver says should be with what is on the host: the rows of its networks and endpoints, the
// ports that its bridges have flows for, the links and the journal. It is nil when they are equal.
func (h *Host) Model(tb testing.TB) error {
	tb.Helper()
	want, have := State{}, State{}
	s := h.Status(tb)
	for _, n := range s.Networks {
		want = append(want, "bridge "+n.Bridge+" of "+n.ID, "journal "+n.ID+".json")
		for _, e := range n.Endpoints {
			want = append(want, "link "+e.Port)
			if e.Attached {
				want = append(want, fmt.Sprintf("port %s %d of %s on %s", e.Port, e.OFPort, e.ID, n.ID), "flows "+n.Bridge+" "+e.Port)
			}
		}
	}
	// One line a row: a blank line ends a record of vsctl's lists.
	for _, row := range h.rows(tb, "Bridge", "name", "external_ids:ovsnet-network") {
		have = append(have, "bridge "+row[0]+" of "+row[1])
		ports := map[string]bool{}
		for _, m := range inPort.FindAllStringSubmatch(h.Run(tb, "ovs-ofctl -OOpenFlow15 --names --no-stats dump-flows", row[0]), -1) {
			if m[1] != "LOCAL" && m[1] != row[0] {
				ports[m[1]] = true
			}
		}
		for port := range ports {
			have = append(have, "flows "+row[0]+" "+port)
		}
	}
	for _, row := range h.rows(tb, "Interface", "name", "ofport", "external_ids:ovsnet-network", "external_ids:ovsnet-endpoint") {
		have = append(have, fmt.Sprintf("port %s %s of %s on %s", row[0], row[1], row[3], row[2]))
	}
	for line := range strings.Lines(h.Run(tb, "ip -o link show type veth")) {
		name, _, _ := strings.Cut(strings.Fields(line)[1], "@")
		if name = strings.TrimSuffix(name, ":"); strings.HasPrefix(name, "ovs") {
			have = append(have, "link "+name)
		}
	}
	for _, name := range strings.Fields(h.Run(tb, "ls /var/lib/ovsnet/networks")) {
		have = append(have, "journal "+name)
	}
	slices.Sort(want)
	slices.Sort(have)
	if diff := Diff(want, have); diff != "" {
		return errors.New("what is (+) differs from what should be (-):\n" + diff)
	}
	return nil
}

// rows gives columns of the rows of a table that have the last of them.
func (h *Host) rows(tb testing.TB, table string, columns ...string) [][]string {
	tb.Helper()
	var wide []string // keys of external_ids are no columns
	for _, c := range columns {
		c, _, _ = strings.Cut(c, ":")
		wide = append(wide, c)
	}
	text := h.Run(tb, "ovs-vsctl --format=json --data=json --columns="+strings.Join(slices.Compact(wide), ",")+" list "+table)
	var out [][]string
	d := json.NewDecoder(bytes.NewBufferString(text))
	for {
		var t struct {
			Headings []string
			Data     [][]any
		}
		err := d.Decode(&t)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			tb.Fatalf("%s: %v", table, err)
		}
		for _, r := range t.Data {
			row := make([]string, 0, len(columns))
			for _, c := range columns {
				name, key, _ := strings.Cut(c, ":")
				row = append(row, cell(r[slices.Index(t.Headings, name)], key))
			}
			if row[len(row)-1] != "" {
				out = append(out, row)
			}
		}
	}
}

// cell is a value of a row, or that of a key of a map (RFC 7047, section 5.1).
func cell(v any, key string) string {
	if key == "" {
		return fmt.Sprint(v)
	}
	m, _ := v.([]any)
	if len(m) != 2 {
		return ""
	}
	pairs, _ := m[1].([]any)
	for _, p := range pairs {
		if pair, ok := p.([]any); ok && len(pair) == 2 && pair[0] == key {
			return fmt.Sprint(pair[1])
		}
	}
	return ""
}
