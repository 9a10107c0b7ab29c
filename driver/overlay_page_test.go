// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/flows"
)

// TestOverlayPage holds the numbers of docs/overlay.md to the program's.
func TestOverlayPage(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../docs/overlay.md")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Join(strings.Fields(string(b)), " ")
	for _, want := range []string{
		fmt.Sprintf("| VXLAN, Geneve | %d | %d |", overhead(config.TunnelVXLAN, false), overhead(config.TunnelVXLAN, true)),
		fmt.Sprintf("| GRE | %d | %d |", overhead(config.TunnelGRE, false), overhead(config.TunnelGRE, true)),
		fmt.Sprintf("UDP port %d (`tunnel_port`)", config.Default().TunnelPort),
		fmt.Sprintf("At most %d MACs are learned from a peer, and forgotten %d seconds after", learnLimit, learnIdle),
		fmt.Sprintf("have %d bytes less", flows.MarkLength),
		fmt.Sprintf("table=%d", flows.TableRemote),
		"`" + "ovs-vsctl list Interface " + tunnelPrefix,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("docs/overlay.md does not say %q", want)
		}
	}
	if overhead(config.TunnelVXLAN, true) != overhead(config.TunnelGeneve, true) {
		t.Error("VXLAN and Geneve differ")
	}
}
