// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// TestDriftsPage holds docs/faults.md to the kinds that are counted.
func TestDriftsPage(t *testing.T) {
	page, err := os.ReadFile("../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	for _, d := range Drifts() {
		fmt.Fprintf(&table, "| %s | %s |\n", d.Kind, d.Doc)
	}
	if !strings.Contains(string(page), "|---|---|\n"+table.String()+"\n") {
		t.Errorf("docs/faults.md lacks this table:\n%s", table.String())
	}
}

// TestMetrics: every kind of drift is there from the start, and every line is one that Prometheus takes.
func TestMetrics(t *testing.T) {
	sw := ovstest.Start(t)
	d := start(t, sw)
	<-d.restored
	create(t, d, "123456789abcdef", "ovs.tunnel.vni=5")
	d.loop.count(driftFlow, 3)
	text := d.Metrics(t.Context())
	for _, want := range []string{
		"ovsnet_ovs_connected 1\n", "ovsnet_networks 1\n", "ovsnet_endpoints 0\n",
		`ovsnet_audit_repairs_total{kind="flow"} 3` + "\n", `ovsnet_audit_repairs_total{kind="orphan network"} 0` + "\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		name, _, ok := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE "), " ")
		if !ok || !strings.HasPrefix(name, "ovsnet_") {
			t.Errorf("line %q", line)
		}
	}
	if n := len(Drifts()); strings.Count(text, "ovsnet_audit_repairs_total{") != n {
		t.Errorf("not %d kinds:\n%s", n, text)
	}
}
