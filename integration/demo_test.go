// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"path/filepath"
	"testing"

	"github.com/ovsnet/ovsnet/integration"
)

// The demo twice over and away again, on a machine with nothing and on one that
// has an engine and Open vSwitch, with things of their own.
func TestDemo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		options integration.HostOptions
	}{
		{"nothing runs", integration.HostOptions{NoOVS: true, NoDocker: true}},
		{"both run", integration.HostOptions{}},
		{"Docker alone", integration.HostOptions{NoOVS: true}},
		{"Open vSwitch alone", integration.HostOptions{NoDocker: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := integration.NewLab(t).HostWith(t, "h1", c.options)
			script, err := filepath.Abs("scripts/demo.sh")
			if err != nil {
				t.Fatal(err)
			}
			demo := "env -u DOCKER_HOST OVSNET_PLUGIN=" + integration.PluginDir(t) + " " + script
			before := h.Snapshot(t)
			for range 2 {
				want(t, "the demo", h.Run(t, demo+" up"),
					"3 packets received", `"Driver": "ovs"`, "Bridge ovsbr-", "fail_mode: secure", "actions=goto_table", "the demo works")
			}
			h.Run(t, demo+" down")
			unchanged(t, h, before)
			h.Run(t, demo+" down") // of nothing
		})
	}
}
