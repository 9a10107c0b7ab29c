// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The property test compares housesPerRun random houses, each with framesPerHouse frames, with the reference model.
// OVSNET_CHECKS in the environment is another number of houses.
const (
	housesPerRun   = 120
	framesPerHouse = 60
)

// setChecks makes rapid check a property so many times, unless its own flag was given.
func setChecks(t *testing.T, n int) {
	t.Helper()
	if more, err := strconv.Atoi(os.Getenv("OVSNET_CHECKS")); err == nil {
		n = more
	}
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if given {
		return
	}
	checks := flag.Lookup("rapid.checks")
	before := checks.Value.String()
	if err := checks.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := checks.Value.Set(before); err != nil {
			t.Error(err)
		}
	})
}

// TestPipelineEqualsModel holds the compiled pipeline, as a real switch runs it, to the reference model.
func TestPipelineEqualsModel(t *testing.T) {
	setChecks(t, housesPerRun)
	b := overlayBench(t, ports+1)
	met := map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		h := randomHouse(rt)
		b.load(t, h.compile(t))
		for range framesPerHouse {
			in, frame := randomFrame(rt, h)
			d, err := b.trace(in, frame)
			if err != nil {
				rt.Fatalf("%x from %d: %v", frame, in, err)
			}
			for _, r := range d.Rows {
				met[r]++
			}
			if err := h.decide(in, frame).compare(d); err != nil {
				rt.Fatalf("%s from %d: %v\n%+v\n%s", hex.EncodeToString(frame), in, err, h, d.Text)
			}
		}
	})
	if t.Failed() {
		return
	}
	for _, r := range b.rows {
		if met[r.Name] == 0 && !slices.Contains(unmet, r.Name) && !slices.Contains(rare, r.Name) {
			t.Errorf("no frame of the run met row %s", r.Name)
		}
	}
}

// unmet are the rows that no frame can meet: lowest rows behind others that take all, and what random houses do not have.
var unmet = []string{"guard-miss", "spoofed-miss", "address-miss", "reply-miss", "no-output", "spread-miss"}

// rare are the rows that a short run may miss; TestTraceOverlay and TestTraceOverlayUnguarded meet them.
var rare = []string{"hello", "defend-neighbour", "probe-neighbour", "tagged-stays"}

// compare says how the switch's decision differs from the model's.
func (v verdict) compare(d decision) error {
	want := slices.Clone(v.out)
	slices.Sort(want)
	switch {
	case v.snooped:
		if last := d.Rows[len(d.Rows)-1]; last != "snoop" && last != "membership" {
			return fmt.Errorf("the last row is %s, the model leaves it to snooping", last)
		}
		return nil
	case !slices.Equal(want, d.Out):
		return fmt.Errorf("leaves by %v (%s), the model says %v (%s)", d.Out, d.Drop, want, v.reason)
	case len(want) == 0 && v.reason != several && v.reason != d.Drop:
		return fmt.Errorf("dropped as %q, the model says %q", d.Drop, v.reason)
	}
	for _, part := range v.answer {
		if !strings.Contains(d.Final+",", part) {
			return fmt.Errorf("answered with %s, the model wants %s in it", d.Final, part)
		}
	}
	return nil
}
