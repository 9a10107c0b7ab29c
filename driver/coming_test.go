// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"testing"
)

func TestComing(t *testing.T) {
	var c coming
	if c.none() != nil {
		t.Error("nobody announced anything, and yet there is something to wait for")
	}
	one, two := c.announce(), c.announce()
	none := c.none()
	one()
	one() // once counts
	select {
	case <-none:
		t.Error("one is still coming")
	default:
	}
	two()
	<-none
	if c.none() != nil {
		t.Error("all came, and yet there is something to wait for")
	}
}

// TestGatherTakesAnnounced: a pass waits for what was announced, and not for what never comes.
func TestGatherTakesAnnounced(t *testing.T) {
	l := &loop{commits: make(chan *commit, 8)}
	first, second := &commit{}, &commit{}
	done := l.coming.announce()
	go func() {
		l.commits <- second
		done()
	}()
	if got := l.gather(t.Context(), first); len(got) != 2 || got[1] != second {
		t.Errorf("gathered %d changes, want both", len(got))
	}
	defer l.coming.announce()()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := l.gather(ctx, first); len(got) != 1 {
		t.Errorf("gathered %d changes, want one", len(got))
	}
}
