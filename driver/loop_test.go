// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/ovsdb"
)

// TestWaitedInVain: whoever gives up waiting for the loop says which of Open vSwitch's daemons it may be.
func TestWaitedInVain(t *testing.T) {
	l := newLoop(&Driver{log: slog.New(slog.DiscardHandler)}) // nothing takes from its queues
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tt := range map[string]struct {
		wait func() error
		says []string
	}{
		"a transaction": {func() error { _, err := l.commit(ctx, ovsdb.EnsurePort{}); return err }, []string{"ovsdb-server", "ovs-vswitchd"}},
		"a port": {func() error {
			_, err := l.commitPort(ctx, func() {}, ovsdb.Port{})
			return err
		}, []string{"ovsdb-server", "ovs-vswitchd"}},
		"flows": {func() error { return l.program(ctx, flowChange{}) }, []string{"ovs-vswitchd"}},
	} {
		err := tt.wait()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, daemon := range tt.says {
			if !strings.Contains(err.Error(), daemon) {
				t.Errorf("%s: %v: nothing about %s", name, err, daemon)
			}
		}
	}
}
