// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "github.com/ovsnet/ovsnet"
	// treeRoot is the module's folder, seen from this package.
	treeRoot = "../.."
)

// source is one Go file of the tree.
type source struct {
	name    string // from the module's folder
	text    []byte
	file    *ast.File
	imports []string // packages of this module, from the module's folder
}

func (s source) test() bool      { return strings.HasSuffix(s.name, "_test.go") }
func (s source) dir() string     { return path.Dir(s.name) }
func (s source) generated() bool { return bytes.HasPrefix(s.text, []byte("// Code generated ")) }

// tree reads every Go file of the module.
func tree(t *testing.T) []source {
	t.Helper()
	var out []source
	fset := token.NewFileSet()
	err := filepath.WalkDir(treeRoot, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := e.Name(); e.IsDir() {
			if name != treeRoot && (strings.HasPrefix(base, ".") || base == "vendor" || base == "build" || base == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(treeRoot, name)
		if err != nil {
			return err
		}
		s := source{name: filepath.ToSlash(rel), text: text, file: file}
		for _, i := range file.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if in, ok := strings.CutPrefix(p, module+"/"); ok {
				s.imports = append(s.imports, in)
			}
		}
		out = append(out, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatal("no Go files found")
	}
	return out
}

// page reads a page of the tree.
func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(treeRoot, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// floors is the map of the packages: imports go down only. docs/architecture.md shows the same map, and
// TestArchitecturePage holds it to that.
var floors = map[string]int{
	"config": 0, "flows": 0, "ovsdb/vswitch": 0,
	"driver/api": 1, "driver/link": 1, "driver/nat": 1, "ovsdb": 1, "flows/openflow": 1,
	"driver":     2,
	"cmd/ovsnet": 3,
}

// beside tells the packages that stand beside the floors, for tests: they may import anything, and only tests and
// each other may import them.
func beside(pkg string) bool { return pkg == "integration" || strings.HasPrefix(pkg, "integration/") }

// TestDeps: imports go down only, and flows and ovsdb meet in driver alone.
func TestDeps(t *testing.T) {
	t.Parallel()
	knows := map[string]map[string]bool{} // package to the subtrees that it imports
	for _, s := range tree(t) {
		pkg := s.dir()
		if beside(pkg) {
			continue
		}
		floor, ok := floors[pkg]
		if !ok {
			t.Errorf("%s: package %s has no floor; give it one here and on the architecture page", s.name, pkg)
			continue
		}
		for _, in := range s.imports {
			switch {
			case beside(in):
				if !s.test() {
					t.Errorf("%s: imports %s, which is for tests", s.name, in)
				}
			case in == pkg && s.test():
			case floors[in] >= floor:
				t.Errorf("%s: floor %d imports %s on floor %d; imports go down only", s.name, floor, in, floors[in])
			}
			top, _, _ := strings.Cut(in, "/")
			if !s.test() && (top == "flows" || top == "ovsdb") {
				if knows[pkg] == nil {
					knows[pkg] = map[string]bool{}
				}
				knows[pkg][top] = true
			}
		}
	}
	for pkg, tops := range knows {
		own, _, _ := strings.Cut(pkg, "/")
		tops[own] = true
		if tops["flows"] && tops["ovsdb"] && pkg != "driver" {
			t.Errorf("package %s knows flows and ovsdb; only driver may know both", pkg)
		}
	}
}

// TestPackagesHaveDocs: every package says what it is for, once.
func TestPackagesHaveDocs(t *testing.T) {
	t.Parallel()
	docs := map[string][]string{}
	for _, s := range tree(t) {
		if s.test() {
			continue
		}
		if _, ok := docs[s.dir()]; !ok {
			docs[s.dir()] = nil
		}
		if d := s.file.Doc.Text(); d != "" {
			docs[s.dir()] = append(docs[s.dir()], s.name)
			name := s.file.Name.Name
			if want := "Package " + name + " "; name != "main" && !strings.HasPrefix(d, want) {
				t.Errorf("%s: the package's comment begins %.30q, want %q", s.name, d, want)
			}
		}
	}
	for dir, files := range docs {
		if len(files) != 1 {
			t.Errorf("package %s has %d package comments %v, want one", dir, len(files), files)
		}
	}
}

// TestFiles: every file has its licence line, and holds one idea of bearable length.
func TestFiles(t *testing.T) {
	t.Parallel()
	const longest = 400
	for _, s := range tree(t) {
		if s.generated() {
			continue
		}
		if first, _, _ := bytes.Cut(s.text, []byte("\n")); string(first) != "// SPDX-License-Identifier: Apache-2.0" {
			t.Errorf("%s: the first line is %q, want the licence", s.name, first)
		}
		if n := bytes.Count(s.text, []byte("\n")); n > longest {
			t.Errorf("%s: %d lines; split it by idea, %d are enough", s.name, n, longest)
		}
	}
}
