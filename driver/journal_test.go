// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
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
		lives(t, rec)
	})
}

// lives holds that all that is derived of a network that was read back can be.
func lives(t *testing.T, rec record) {
	t.Helper()
	if filepath.Base(rec.ID) != rec.ID || filepath.Base(rec.Bridge) != rec.Bridge {
		t.Fatalf("names of files: %q, %q", rec.ID, rec.Bridge)
	}
	w := newWorld()
	if w.addNetwork(rec) != nil {
		return
	}
	n := w.networks[rec.ID]
	n.settled = true
	_, _ = networkFlows(n, false) // may be refused
	n.outside(w.networks)
	n.route(false)
	n.route(true)
	if _, err := (&Driver{}).bridgeRow(n); err != nil {
		t.Fatal(err)
	}
}

// TestJournalStaysInItsFolder: an id that somebody else wrote into the database names no file elsewhere.
func TestJournalStaysInItsFolder(t *testing.T) {
	dir := t.TempDir()
	j, err := openJournal(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	victim := filepath.Join(dir, "victim"+goneSuffix)
	if err = os.WriteFile(victim, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const id = "../../victim"
	if err = j.forget(id); err != nil {
		t.Error(err)
	}
	if _, err = os.Stat(victim); err != nil || j.gone(id) {
		t.Errorf("%v, gone %t", err, j.gone(id))
	}
	for _, text := range []string{`{"version":1,"id":"../../x","bridge":"b"}`, `{"version":1,"id":"x","bridge":"../b"}`} {
		if _, err := decodeRecord([]byte(text)); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

// TestJournalOwesWhatItCouldNotRemove: a removal that the folder does not take is made later, unless the network came back.
func TestJournalOwesWhatItCouldNotRemove(t *testing.T) {
	j, err := openJournal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"net1", "net2"} {
		if err = j.save(testRecord(id)); err != nil {
			t.Fatal(err)
		}
		// A folder that is not empty stands for one that takes no changes, which root does not meet without a mount.
		if err = errors.Join(os.Remove(j.path(id, journalSuffix)), os.MkdirAll(filepath.Join(j.path(id, journalSuffix), "x"), 0o700)); err != nil {
			t.Fatal(err)
		}
		if err = j.remove(id, false); err == nil || !strings.Contains(err.Error(), "write access") {
			t.Errorf("removed: %v", err)
		}
	}
	if err = j.settleUp(); err == nil {
		t.Error("settled, with nothing changed")
	}
	for _, id := range []string{"net1", "net2"} {
		if err = os.RemoveAll(j.path(id, journalSuffix)); err != nil {
			t.Fatal(err)
		}
		if err = os.WriteFile(j.path(id, journalSuffix), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err = j.save(testRecord("net2")); err != nil {
		t.Fatal(err)
	}
	if err = j.settleUp(); err != nil {
		t.Error(err)
	}
	if got, errs := j.load(); len(got) != 1 || got[0].ID != "net2" || len(errs) != 0 || len(j.owed) != 0 {
		t.Errorf("left: %v, %v, owed %v", got, errs, j.owed)
	}
}

func FuzzDecodePorts(f *testing.F) {
	f.Add([]byte(`[{"Proto":6,"HostIP":"0.0.0.0","HostPort":8080,"HostPortEnd":0,"Target":"10.1.0.2","TargetPort":80}]`))
	f.Add([]byte(`[{"Proto":17,"HostIP":"::","HostPort":8080,"Target":"fd00::2","TargetPort":80}]`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		ports, err := decodePorts(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(ports)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodePorts(again)
		if err != nil || !slices.Equal(ports, back) {
			t.Errorf("%v became %v: %v", ports, back, err)
		}
	})
}

// TestJournalIsGivenUp: a folder is free when it was given up, even while a copy of the lock's file is still open, as in a
// child that was started this very moment.
func TestJournalIsGivenUp(t *testing.T) {
	dir := t.TempDir()
	j, err := openJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	child, err := unix.Dup(int(j.lock.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	j.release()
	j, err = openJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	j.release()
	if err := unix.Close(child); err != nil {
		t.Fatal(err)
	}
}
