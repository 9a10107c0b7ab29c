// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/ovsnet/ovsnet/flows"
)

// pipelinePage gives the pipeline in Markdown: tables, rows, registers, cookie. docs/pipeline.md holds exactly this
// text, and ovsnet flows prints it.
func pipelinePage() string {
	var b strings.Builder
	b.WriteString("# The pipeline\n\n" +
		"<!-- Written by \"ovsnet flows\". Change flows/pipeline.go and flows/rows.go, not this page. -->\n\n" +
		"Every bridge of ovsnet's runs these tables, in this order. What no row takes is dropped.\n\n")
	names := map[uint8]string{}
	for _, t := range flows.Tables() {
		names[t.Number] = t.Name
	}
	b.WriteString("| Table | Name | What it decides | On a miss | May lead to |\n|---|---|---|---|---|\n")
	for _, t := range flows.Tables() {
		next := make([]string, 0, len(t.Next))
		for _, n := range t.Next {
			next = append(next, names[n])
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s |\n", t.Number, t.Name, cell(t.Purpose), cell(t.Miss), strings.Join(next, ", "))
	}

	b.WriteString("\n## Rows\n\n" +
		"A row is one kind of flow. Its number stands in the cookie of each of its flows, so that a counter can be read\n" +
		"as a sentence: `ovsnet flows BRIDGE` does that. A row with a reason drops, and counts under that reason.\n\n" +
		"| Row | Table | Priority | Name | Drops as | What it takes |\n|---|---|---|---|---|---|\n")
	for _, r := range flows.Rows() {
		fmt.Fprintf(&b, "| %d | %s | %d | %s | %s | %s |\n", r.Number, names[r.Table], r.Priority, r.Name, r.Drop, cell(r.Purpose))
	}

	b.WriteString("\n## Registers\n\n| Name | Bits | Meaning |\n|---|---|---|\n")
	for _, r := range flows.Registers() {
		fmt.Fprintf(&b, "| %s | %s[%d..%d] | %s |\n", r.Name, r.Field, r.Ofs, r.Ofs+r.Bits-1, cell(r.Meaning))
	}

	fmt.Fprintf(&b, "\n## Cookie\n\n"+
		"Every flow of ovsnet's carries a cookie `%#04x` (16 bits), row (8), object (16), hash of the flow (24). All of them,\n"+
		"and nobody else's: `ovs-ofctl -O OpenFlow15 dump-flows BRIDGE cookie=%#x/%#x`.\n"+
		"Of a flow of the row learned the object is the peer and the rest the network: the switch has made it, and forgets it by itself.\n",
		flows.CookieMagic, flows.CookieOwnerValue, flows.CookieOwnerMask)
	return b.String()
}

// cell escapes what would end a table's cell or be taken for HTML.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;").Replace(s)
}
