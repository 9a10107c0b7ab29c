// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var updatePages = flag.Bool("update", false, "write the tables of docs/isolation.md that are made from the tests")

const isolationPage = "../docs/isolation.md"

// checkPage holds what stands between the marks of a part of the page to the text, or writes it there.
func checkPage(t *testing.T, part, text string) {
	t.Helper()
	page, err := os.ReadFile(isolationPage)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- begin "+part+": written by \"go test ./integration -run TestAttackTable -update\" -->\n\n", "<!-- end "+part+" -->"
	head, rest, ok := strings.Cut(string(page), begin)
	old, tail, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s: no %q to %q", isolationPage, begin, end)
	}
	if old == text {
		return
	}
	if !*updatePages {
		t.Fatalf("%s is not what the tests hold; go test ./integration -run %s -update", isolationPage, t.Name())
	}
	if err := os.WriteFile(isolationPage, []byte(head+begin+text+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
