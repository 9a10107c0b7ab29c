// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"os"
	"strings"
	"testing"
)

// checkTable holds what stands between the marks of a part of a page to the text, or writes it there.
func checkTable(t *testing.T, file, part, text string) {
	t.Helper()
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- begin "+part+": written by \"go test ./integration -run "+t.Name()+" -update\" -->\n\n", "<!-- end "+part+" -->"
	head, rest, ok := strings.Cut(string(page), begin)
	old, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s: no %q to %q", file, begin, end)
	}
	if old == text {
		return
	}
	if !*updatePages {
		t.Errorf("%s is not what was measured; go test ./integration -run %s -update", file, t.Name())
		return
	}
	if err := os.WriteFile(file, []byte(head+begin+text+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
