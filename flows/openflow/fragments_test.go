// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"testing"
	"time"
)

func TestFirstFragmentsAreShown(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	if got := b.sw.OFCtl(t, "get-frags", bridgeName); got != "normal" {
		t.Fatalf("fragments at first: %s", got)
	}
	for range 2 {
		if err := b.ShowFirstFragments(testContext(t)); err != nil {
			t.Fatal(err)
		}
		if got := b.sw.OFCtl(t, "get-frags", bridgeName); got != "nx-match" {
			t.Errorf("fragments: %s, want nx-match", got)
		}
	}
}

func TestFirstFragmentsEndWithTheConnection(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	b.sw.PauseVSwitchd(t)
	failed := make(chan error, 1)
	go func() { failed <- b.ShowFirstFragments(testContext(t)) }()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-failed:
		if err == nil {
			t.Error("no error from a closed connection")
		}
	case <-time.After(10 * time.Second):
		t.Error("the call outlives its connection")
	}
	b.sw.ResumeVSwitchd(t)
}
