// SPDX-License-Identifier: Apache-2.0

package vswitch_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/ovsnet/ovsnet/integration/ovstest"
	"github.com/ovsnet/ovsnet/ovsdb/vswitch"
)

const (
	ours      = "vswitch.ovsschema"
	installed = "/usr/share/openvswitch/vswitch.ovsschema"
)

func schemaIn(t *testing.T, file string) ovsdb.DatabaseSchema {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var schema ovsdb.DatabaseSchema
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

// The models in the tree are what the generator makes of the schema.
func TestModelsAreGenerated(t *testing.T) {
	tool := ovstest.NeedTool(t, "go", "golang-go")
	dir := t.TempDir()
	generate := exec.Command(tool, "tool", "modelgen", "-extended", "-p", "vswitch", "-o", dir, ours)
	if out, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("modelgen: %v\n%s", err, out)
	}
	made, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(made) == 0 {
		t.Fatalf("nothing was generated: %v", err)
	}
	for _, file := range made {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Base(file))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s differs, run go generate (-generated +in the tree):\n%s", filepath.Base(file), diff)
		}
	}
}

// Every column that we use is in the oldest Open vSwitch that is supported.
func TestColumnsOfTheOldestVersion(t *testing.T) {
	text, err := os.ReadFile("testdata/ovs-2.17.columns")
	if err != nil {
		t.Fatal(err)
	}
	old := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 1 && words[0] != "#" {
			old[words[0]] = words[1:]
		}
	}
	for table, schema := range vswitch.Schema().Tables {
		for column := range schema.Columns {
			if !slices.Contains(old[table], column) {
				t.Errorf("%s:%s is not in Open vSwitch 2.17", table, column)
			}
		}
	}
}

// Every column that we use has the same type in the Open vSwitch that is installed.
func TestColumnsOfTheInstalledVersion(t *testing.T) {
	if _, err := os.Stat(installed); err != nil {
		ovstest.Missing(t, installed+" (Debian package openvswitch-common)")
	}
	there := schemaIn(t, installed)
	for name, table := range schemaIn(t, ours).Tables {
		if diff := cmp.Diff(table.Indexes, there.Tables[name].Indexes); diff != "" {
			t.Errorf("indexes of %s (-ours +installed):\n%s", name, diff)
		}
		for column, definition := range table.Columns {
			other := there.Tables[name].Columns[column]
			if other == nil {
				t.Errorf("%s:%s is not in version %s", name, column, there.Version)
				continue
			}
			if theirs, limit := other.TypeObj, definition.TypeObj; theirs != nil && limit != nil && limit.Max() > 1 && theirs.Max() > limit.Max() {
				continue // later versions take more: Flow_Table:prefixes has four from 3.3 on
			}
			want, err := json.Marshal(definition)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(other)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s:%s (-ours +installed):\n%s", name, column, diff)
			}
		}
	}
}
