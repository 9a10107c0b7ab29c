// SPDX-License-Identifier: Apache-2.0

package flows

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Page is the pipeline as text: tables, rows, registers and the cookie. The document and the flows command are made of it.
func Page() string {
	var s strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&s, format+"\n", args...) }
	w := tabwriter.NewWriter(&s, 0, 0, 2, ' ', 0)
	cells := func(texts ...string) { fmt.Fprintln(w, strings.TrimRight(strings.Join(texts, "\t"), "\t")) }

	line("Tables, in the order a frame passes them\n")
	cells("table", "name", "miss", "next", "purpose")
	for _, t := range tables {
		var next []string
		for _, n := range t.Next {
			next = append(next, tableName(n))
		}
		cells(fmt.Sprint(t.Number), t.Name, t.Miss, orDash(strings.Join(next, ", ")), t.Purpose)
	}
	_ = w.Flush() // a strings.Builder takes everything

	line("\nRows; each drop is counted under its reason\n")
	cells("row", "table", "priority", "name", "drop", "purpose")
	for _, r := range Rows() {
		cells(fmt.Sprint(r.Number), tableName(r.Table), fmt.Sprint(r.Priority), r.Name, orDash(r.Drop), r.Purpose)
	}
	_ = w.Flush() // as above

	line("\nRegisters\n")
	cells("name", "field", "bits", "meaning")
	for _, r := range Registers() {
		cells(r.Name, r.Field.String(), fmt.Sprintf("%d..%d", r.Ofs, r.Ofs+r.Bits-1), r.Meaning)
	}
	_ = w.Flush() // as above

	line("\nFlood groups: the network's tag times 16, plus\n")
	for _, f := range []struct {
		f    Flood
		text string
	}{
		{FloodAll, "every port"}, {FloodOpen, "every port that is not isolated"},
		{FloodPrivileged, "the gateway and promiscuous ports"}, {FloodUnguarded, "ports without port security"}, {FloodPeers, "to 11: the peers of an overlay, peer n in 4 + n modulo 8"},
	} {
		line("%d  %s", f.f, f.text)
	}
	line("\nCookie: 16 bits %#04x, 8 bits row, 16 bits object (a port's or peer's number), 24 bits hash of the flow", CookieMagic)
	return s.String()
}

func tableName(number uint8) string {
	for _, t := range tables {
		if t.Number == number {
			return t.Name
		}
	}
	return fmt.Sprint(number)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
