// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/driver/link"
)

const netdev = config.DatapathNetdev

// TestDatapathIsChosen: by what the kernel has, unless somebody says; and where it has none, that is said once.
func TestDatapathIsChosen(t *testing.T) {
	t.Parallel()
	kernel, err := link.KernelDatapath()
	if err != nil {
		t.Fatal(err)
	}
	want, lines := config.DatapathNetdev, 1
	if kernel {
		want, lines = config.DatapathSystem, 0
	}
	var log bytes.Buffer
	d := &Driver{cfg: config.Default(), log: slog.New(slog.NewTextHandler(&log, nil))}
	for _, c := range []struct{ asked, want string }{
		{"", want}, {config.DatapathAuto, want},
		{config.DatapathSystem, config.DatapathSystem}, {config.DatapathNetdev, config.DatapathNetdev},
	} {
		if got, err := d.datapath(c.asked); err != nil || got != c.want {
			t.Errorf("%q: %q, %v; want %q", c.asked, got, err, c.want)
		}
	}
	if got := strings.Count(log.String(), "the kernel has no openvswitch module"); got != lines {
		t.Errorf("said %d times, want %d:\n%s", got, lines, log.String())
	}
	d.cfg.Datapath = config.DatapathSystem
	if got, err := d.datapath(""); err != nil || got != config.DatapathSystem {
		t.Errorf("the daemon's own: %q, %v", got, err)
	}
}

// TestDatapathPage: every difference that the code knows is a row of the page, and the tests that the rows name exist.
func TestDatapathPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/datapath.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for f := range reflect.TypeFor[Datapath]().Fields() {
		if f.Name != "Name" && !strings.Contains(page, "\n| `"+f.Name+"` |") {
			t.Errorf("no row has %s", f.Name)
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` ").FindAllStringSubmatch(page, -1) {
		if _, ok := reflect.TypeFor[Datapath]().FieldByName(m[1]); !ok {
			t.Errorf("the row %s has no field", m[1])
		}
	}
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Benchmark)\w+)\(`)
	err = filepath.WalkDir("..", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		source, err := os.ReadFile(name)
		for _, m := range declared.FindAllStringSubmatch(string(source), -1) {
			tests[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Benchmark)\\w+)`")
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "| `") && !strings.HasPrefix(line, "| |") || strings.Contains(line, "| What |") {
			continue
		}
		found := named.FindAllStringSubmatch(line, -1)
		if len(found) == 0 {
			t.Errorf("no test shows: %s", line)
		}
		for _, m := range found {
			if !tests[m[1]] {
				t.Errorf("%s: there is no such test", m[1])
			}
		}
	}
}
