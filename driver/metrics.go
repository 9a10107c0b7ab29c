// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Metrics is what Status counts, in Prometheus' text format (version 0.0.4).
func (d *Driver) Metrics(ctx context.Context) string {
	s := d.Status(ctx)
	var b strings.Builder
	metric := func(name, kind, help string) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	}
	metric("ovsnet_build_info", "gauge", "The version that runs.")
	fmt.Fprintf(&b, "ovsnet_build_info{version=%q,owner=%q} 1\n", s.Version, s.Owner)
	metric("ovsnet_ovs_connected", "gauge", "Whether Open vSwitch's database is connected.")
	fmt.Fprintf(&b, "ovsnet_ovs_connected %d\n", number(s.OVS.Connected))
	metric("ovsnet_audit_last_seconds", "gauge", "When the last audit ended, in seconds since 1970; 0 before the first.")
	last := 0.0
	if !s.Audit.Last.IsZero() {
		last = float64(s.Audit.Last.UnixMilli()) / float64(time.Second/time.Millisecond)
	}
	fmt.Fprintf(&b, "ovsnet_audit_last_seconds %.3f\n", last)
	metric("ovsnet_audit_ok", "gauge", "Whether the last audit could do all that it had to.")
	fmt.Fprintf(&b, "ovsnet_audit_ok %d\n", number(s.Audit.Error == "" && !s.Audit.Last.IsZero()))
	metric("ovsnet_audit_repairs_total", "counter", "What audits have repaired since the start, by kind.")
	for _, k := range Drifts() {
		fmt.Fprintf(&b, "ovsnet_audit_repairs_total{kind=%q} %d\n", k.Kind, s.Audit.Repairs[k.Kind])
	}
	endpoints, attached := 0, 0
	for _, n := range s.Networks {
		endpoints += len(n.Endpoints)
		for _, e := range n.Endpoints {
			attached += number(e.Attached)
		}
	}
	metric("ovsnet_networks", "gauge", "Networks.")
	fmt.Fprintf(&b, "ovsnet_networks %d\n", len(s.Networks))
	metric("ovsnet_endpoints", "gauge", "Endpoints.")
	fmt.Fprintf(&b, "ovsnet_endpoints %d\n", endpoints)
	metric("ovsnet_endpoints_attached", "gauge", "Endpoints with a port on their bridge.")
	fmt.Fprintf(&b, "ovsnet_endpoints_attached %d\n", attached)
	return b.String()
}

func number(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
