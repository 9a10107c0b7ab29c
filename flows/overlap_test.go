// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/ovsnet/ovsnet/flows"
)

// TestNoAmbiguity: which of two flows of one priority takes a frame that both match, OpenFlow leaves open (1.5.1, section
// 5.3); they must do the same.
func TestNoAmbiguity(t *testing.T) {
	setChecks(t, 100)
	rapid.Check(t, func(rt *rapid.T) {
		h := randomHouse(rt)
		all := h.compile(t).Flows
		for i, a := range all {
			for _, b := range all[i+1:] {
				if a.Table != b.Table || a.Priority != b.Priority {
					break // they are sorted
				}
				if overlap(a.Match, b.Match) && fmt.Sprint(a.Actions) != fmt.Sprint(b.Actions) {
					rt.Fatalf("some frame is for both\n%s\n%s", a, b)
				}
			}
		}
	})
}

// overlap says that a frame can match both: no bit that both look at is wanted differently.
func overlap(a, b flows.Match) bool {
	if (has(a, flows.FieldTunSrc) && has(b, flows.FieldTunIPv6Src)) || (has(b, flows.FieldTunSrc) && has(a, flows.FieldTunIPv6Src)) {
		return false // a tunnel's outer header is of one family
	}
	for _, x := range a {
		y, both := b.Get(x.Field)
		if !both {
			continue
		}
		for i := range x.N {
			looked := maskOf(x, i) & maskOf(y, i)
			if (x.Value[i]^y.Value[i])&looked != 0 {
				return false
			}
		}
	}
	return true
}

func maskOf(m flows.FieldMatch, i uint8) byte {
	if m.Masked {
		return m.Mask[i]
	}
	return 0xff
}

func has(m flows.Match, f flows.Field) bool {
	_, ok := m.Get(f)
	return ok
}
