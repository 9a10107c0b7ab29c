// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/flows/openflow"
)

// TestApplyIsNotAnswered: a change that the switch does not answer in time says so, and leaves the objects as they were, for
// the next change to compare with what the switch has.
func TestApplyIsNotAnswered(t *testing.T) {
	c := newThrong(t, 2)
	if err := c.make(c.ends[0]); err != nil {
		t.Fatal(err)
	}
	c.sw.PauseVSwitchd(t)
	defer c.sw.ResumeVSwitchd(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond) // it is to end, however slow the machine
	defer cancel()
	err := c.apply(ctx, []flowChange{c.ends[1]})
	if !errors.Is(err, openflow.ErrUncertain) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "check that ovs-vswitchd answers") {
		t.Errorf("it says %v", err)
	}
	if _, there := c.objects[c.ends[1].object]; there || !c.unsure {
		t.Errorf("what was not answered counts as made: %v, and the switch as known: %v", there, !c.unsure)
	}
	c.sw.ResumeVSwitchd(t)
	c.settle()
	c.holds()
	if err := c.make(c.ends...); err != nil {
		t.Fatal(err)
	}
	c.holds()
}
