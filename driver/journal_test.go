// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var comparePrefix = cmpopts.EquateComparable(netip.Prefix{})

func TestJournalKeepsNetworks(t *testing.T) {
	dir := t.TempDir()
	j, err := openJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	rec := testRecord("net1")
	rec.Options = map[string]string{"ovs.bridge.mtu": "1400"}
	for range 2 { // every step may be done twice
		if err = j.save(rec); err != nil {
			t.Fatal(err)
		}
	}
	got, errs := j.load()
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if diff := cmp.Diff([]record{rec}, got, comparePrefix); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	for range 2 {
		if err = j.remove(rec.ID, true); err != nil {
			t.Fatal(err)
		}
	}
	if got, errs := j.load(); len(got) != 0 || len(errs) != 0 || !j.gone(rec.ID) {
		t.Errorf("after removal: %v, %v, gone %t", got, errs, j.gone(rec.ID))
	}
	for range 2 {
		if err = j.forget(rec.ID); err != nil {
			t.Fatal(err)
		}
	}
	left, err := os.ReadDir(j.dir)
	if err != nil || len(left) != 0 {
		t.Errorf("files left: %v, %v", left, err)
	}
}

func TestJournalLeavesBadEntriesAlone(t *testing.T) {
	dir := t.TempDir()
	j, err := openJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	good := testRecord("good")
	if err := j.save(good); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"cut.json": `{"version":1,"id":"cut"`, "other.json": `{"version":1,"id":"x","bridge":"b"}`, "empty.json": ""} {
		if err := os.WriteFile(filepath.Join(j.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, errs := j.load()
	if len(got) != 1 || len(errs) != 3 {
		t.Errorf("got %d networks and errors %v", len(got), errs)
	}
	if left, _ := os.ReadDir(j.dir); len(left) != 4 {
		t.Errorf("entries were touched: %v", left)
	}
}

func TestJournalSaysWhatToDo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openJournal(file); err == nil || !strings.Contains(err.Error(), "state_dir") {
		t.Errorf("a file for a folder: got %v", err)
	}
}

func FuzzDecodeRecord(f *testing.F) {
	data, err := encodeRecord(testRecord("net1"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"version":1,"id":"a","bridge":"b","pools":[{"subnet":"fd00::/64","gateway":"fd00::1/64"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := decodeRecord(data)
		if err != nil {
			return
		}
		again, err := encodeRecord(rec)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeRecord(again)
		if err != nil {
			t.Fatalf("what was read can't be read again: %v", err)
		}
		if diff := cmp.Diff(rec, back, comparePrefix, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}
