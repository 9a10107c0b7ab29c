// SPDX-License-Identifier: Apache-2.0

package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDependenciesPage holds docs/dependencies.md to the modules that go.mod requires directly.
func TestDependenciesPage(t *testing.T) {
	t.Parallel()
	required := map[string]bool{}
	for line := range strings.Lines(page(t, "go.mod")) {
		f := strings.Fields(line)
		if len(f) == 2 && strings.Contains(f[0], "/") && strings.HasPrefix(f[1], "v") {
			required[f[0]] = true
		}
	}
	explained := map[string]bool{}
	for line := range strings.Lines(page(t, "docs/dependencies.md")) {
		cell, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " |")
		if !ok {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
			explained[m[1]] = true
		}
	}
	sorted := func(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }
	if diff := cmp.Diff(sorted(required), sorted(explained)); diff != "" || len(required) == 0 {
		t.Errorf("go.mod and docs/dependencies.md differ (-go.mod +page)\n%s", diff)
	}
}
