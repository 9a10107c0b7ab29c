// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// promise is what docs/faults.md says of a fault.
type promise struct {
	silent, after time.Duration
}

// promised reads the table of docs/faults.md: the fault, the longest time without forwarding, and the longest after
// everything is back.
func promised(t *testing.T) map[string]promise {
	t.Helper()
	page, err := os.ReadFile("../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]promise{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 {
			continue
		}
		var p promise
		silent, bad := bound(cells[2])
		after, worse := bound(cells[3])
		if bad != nil || worse != nil {
			continue // the head
		}
		p.silent, p.after = silent, after
		out[strings.TrimSpace(cells[1])] = p
	}
	return out
}

// bound reads a time such as "1 s"; "none" is no time at all.
func bound(cell string) (time.Duration, error) {
	if cell = strings.TrimSpace(cell); cell == "none" {
		return 0, nil
	}
	return time.ParseDuration(strings.ReplaceAll(cell, " ", ""))
}

// hold compares a result with the promise; an emulated machine has more time, but none is none there too.
func (p promise) hold(t *testing.T, r result) {
	t.Helper()
	if r.silent() > ovstest.Limit(p.silent) || r.after > ovstest.Limit(p.after) {
		t.Errorf("%s: %v without forwarding, %v of it after all was back; promised are %v and %v", r.fault, r.silent(), r.after, p.silent, p.after)
	}
	if p.silent == 0 && r.lost > 0 {
		t.Errorf("%s: %d packets lost; promised is none", r.fault, r.lost)
	}
	if len(r.left) > 0 {
		t.Errorf("%s: left over:\n%s", r.fault, strings.Join(r.left, "\n"))
	}
}

// TestFaultsArePromised holds that the page has every fault of the suite and none more.
func TestFaultsArePromised(t *testing.T) {
	promises := promised(t)
	for _, faults := range [][]fault{cheap, dear, deadly, plugged} {
		for _, f := range faults {
			if _, ok := promises[f.name]; !ok {
				t.Errorf("docs/faults.md has no line %q", f.name)
			}
			delete(promises, f.name)
		}
	}
	for name := range promises {
		t.Errorf("docs/faults.md promises something for %q, which is not injected", name)
	}
}
