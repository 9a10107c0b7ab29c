// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ovsnet/ovsnet/config"
)

var update = flag.Bool("update", false, "write the pages that are made from the code")

// holds compares a page with what it should be, and writes it under -update.
func holds(t *testing.T, name, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(filepath.Join(treeRoot, filepath.FromSlash(name)), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, page(t, name)); diff != "" {
		t.Errorf("%s is not what the code says; run make generate (-code +page)\n%s", name, diff)
	}
}

// TestPrintedPages: the pages are what the commands print, to the byte.
func TestPrintedPages(t *testing.T) {
	for name, command := range map[string]string{"docs/options.md": "options", "docs/pipeline.md": "flows"} {
		var out, errs strings.Builder
		if code := run(t.Context(), []string{command}, nil, &out, &errs); code != 0 {
			t.Fatalf("ovsnet %s: exit status %d: %s", command, code, errs.String())
		}
		holds(t, name, out.String())
	}
}

// TestReadmeOptions: the README's table is the code's.
func TestReadmeOptions(t *testing.T) {
	const begin, end = `<!-- options: written by "make generate" -->` + "\n", "<!-- end of options -->\n"
	readme := page(t, "README.md")
	head, rest, ok1 := strings.Cut(readme, begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatal("README.md has lost the marks around its table of options")
	}
	holds(t, "README.md", head+begin+config.OptionsTable()+end+tail)
}

// TestArchitecturePage: the map of the packages on the page is the one that TestDeps holds the imports to, and every
// package of the tree is on it.
func TestArchitecturePage(t *testing.T) {
	t.Parallel()
	text := page(t, "docs/architecture.md")
	drawn := map[string]int{}
	floor := -1
	inMap := false
	line := regexp.MustCompile(`^(?:floor (\d)|beside)? +([a-z/]+)  `)
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, "```") {
			inMap = !inMap && strings.TrimSpace(l) == "```packages"
			continue
		}
		if !inMap {
			continue
		}
		m := line.FindStringSubmatch(l)
		switch {
		case m == nil && strings.HasPrefix(l, "beside"):
			floor = -1
			continue
		case m == nil:
			continue
		case m[1] != "":
			if _, err := fmt.Sscan(m[1], &floor); err != nil {
				t.Fatal(err)
			}
		case strings.HasPrefix(l, "beside"):
			floor = -1
		}
		drawn[m[2]] = floor
	}
	want := map[string]int{}
	for _, s := range tree(t) {
		if !s.test() {
			want[s.dir()] = -1
		}
	}
	for pkg := range want {
		if f, ok := floors[pkg]; ok {
			want[pkg] = f
		}
	}
	if diff := cmp.Diff(want, drawn); diff != "" {
		t.Errorf("the map in docs/architecture.md is not the tree's (-tree +page)\n%s", diff)
	}
}

// TestPagesNameRealThings: commands, make targets and files that the pages name are there.
func TestPagesNameRealThings(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(filepath.Join(treeRoot, "docs", "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	pages = append(pages, filepath.Join(treeRoot, "README.md"), filepath.Join(treeRoot, "CONTRIBUTING.md"))
	var commands []string
	for _, c := range (&program{}).root().Commands() {
		commands = append(commands, c.Name())
	}
	makefile := page(t, "Makefile")
	command := regexp.MustCompile("`(?:sudo )?ovsnet ([a-z]+)")
	target := regexp.MustCompile("make ([a-z][a-z-]*)`")
	link := regexp.MustCompile(`\]\(([A-Za-z][^):#]*)(?:#[^)]*)?\)`)
	for _, name := range pages {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range command.FindAllStringSubmatch(string(text), -1) {
			if !slices.Contains(commands, m[1]) {
				t.Errorf("%s names ovsnet %s, which is no command", name, m[1])
			}
		}
		for _, m := range target.FindAllStringSubmatch(string(text), -1) {
			if !regexp.MustCompile(`(?m)^` + m[1] + `:`).MatchString(makefile) {
				t.Errorf("%s names make %s, which is no target", name, m[1])
			}
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			}
		}
	}
}
