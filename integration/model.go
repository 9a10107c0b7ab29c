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
// ports that its bridges have flows for, the links and the journal. It is nil when they are equal. What goes while it is
// looked at is an error as well: whoever waits asks again.
func (h *Host) Model(tb testing.TB) error {
	tb.Helper()
	want := State{}
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
	have, err := h.found()
	if err != nil {
		return err
	}
	slices.Sort(want)
	slices.Sort(have)
	if diff := Diff(want, have); diff != "" {
		return errors.New("what is (+) differs from what should be (-):\n" + diff)
	}
	return nil
}

// found is what is on the host, in the words of Model.
func (h *Host) found() (State, error) {
	have := State{}
	bridges, err := h.rows("Bridge", "name", "external_ids:ovsnet-network")
	if err != nil {
		return nil, err
	}
	for _, row := range bridges {
		have = append(have, "bridge "+row[0]+" of "+row[1])
		flows, bad := h.tryFlows(row[0], "--names")
		if bad != nil {
			return nil, bad
		}
		ports := map[string]bool{}
		for _, m := range inPort.FindAllStringSubmatch(flows, -1) {
			if m[1] != "LOCAL" && m[1] != row[0] {
				ports[m[1]] = true
			}
		}
		for port := range ports {
			have = append(have, "flows "+row[0]+" "+port)
		}
	}
	interfaces, err := h.rows("Interface", "name", "ofport", "external_ids:ovsnet-network", "external_ids:ovsnet-endpoint")
	if err != nil {
		return nil, err
	}
	for _, row := range interfaces {
		have = append(have, fmt.Sprintf("port %s %s of %s on %s", row[0], row[1], row[3], row[2]))
	}
	links, err := h.Try("ip -o link show type veth")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(links) {
		name, _, _ := strings.Cut(strings.Fields(line)[1], "@")
		if name = strings.TrimSuffix(name, ":"); strings.HasPrefix(name, "ovs") {
			have = append(have, "link "+name)
		}
	}
	records, err := h.Try("ls /var/lib/ovsnet/networks")
	for _, name := range strings.Fields(records) {
		have = append(have, "journal "+name)
	}
	return have, err
}

// rows gives columns of the rows of a table that have the last of them.
func (h *Host) rows(table string, columns ...string) ([][]string, error) {
	var wide []string // keys of external_ids are no columns
	for _, c := range columns {
		c, _, _ = strings.Cut(c, ":")
		wide = append(wide, c)
	}
	text, err := h.Try("ovs-vsctl --format=json --data=json --columns=" + strings.Join(slices.Compact(wide), ",") + " list " + table)
	if err != nil {
		return nil, err
	}
	var out [][]string
	d := json.NewDecoder(bytes.NewBufferString(text))
	for {
		var t struct {
			Headings []string
			Data     [][]any
		}
		err := d.Decode(&t)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", table, err)
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
