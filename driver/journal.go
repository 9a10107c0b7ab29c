// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// journal keeps the networks, one file each, so that they are known again after a restart: Docker does not repeat them.
// Beside them it keeps which host ports an endpoint got, and the endpoints themselves a second time.
type journal struct {
	dir   string
	ports string
	eps   string
	lock  *os.File // the folder, held against a second process

	mu sync.Mutex
	// owed are removals that the folder did not take, by network; true where the bridge was left.
	owed map[string]bool
	// withdrawn are the endpoints whose published ports the folder still has, because it did not take their removal.
	withdrawn map[string]bool
}

const (
	journalSuffix = ".json"
	// goneSuffix marks a network that was removed while Open vSwitch was away, so that its bridge, when it shows up
	// again, is removed and not taken for a network whose file was lost.
	goneSuffix = ".gone"
	// maxRecord bounds a file that is read back.
	maxRecord = 1 << 20
)

func openJournal(stateDir string) (*journal, error) {
	j := &journal{
		dir: filepath.Join(stateDir, "networks"), ports: filepath.Join(stateDir, "ports"), eps: filepath.Join(stateDir, "endpoints"),
		owed: map[string]bool{}, withdrawn: map[string]bool{},
	}
	for _, dir := range []string{j.dir, j.ports, j.eps} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("journal: %w; give state_dir a folder that can be written", err)
		}
	}
	var err error
	if j.lock, err = hold(stateDir); err != nil {
		return nil, err
	}
	return j, nil
}

// ErrRunning says that another process has the journal.
var ErrRunning = errors.New("is in use by another ovsnet of the same owner")

// hold takes a folder for this process; the lock goes with the process, however it ends.
func hold(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("%w; stop that one, or give each an owner of its own (owner, OVSNET_OWNER)", ErrRunning)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("journal %s: %w", dir, err), f.Close())
	}
	return f, nil
}

// close removes the folders if nothing is in them, so that nothing remains of an installation without networks.
func (j *journal) close() {
	for _, dir := range []string{j.dir, j.ports, j.eps, filepath.Dir(j.dir)} {
		_ = os.Remove(dir) // fails, as it should, where something is left
	}
	j.release()
}

// release gives the folder up. Closing the file alone would leave the lock to a child that is being started this very
// moment and has not let go of its copy yet.
func (j *journal) release() {
	_ = unix.Flock(int(j.lock.Fd()), unix.LOCK_UN)
	_ = j.lock.Close()
}

// load reads every network; an entry that can't be read is an error of its own and is left alone.
func (j *journal) load() ([]record, []error) {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, []error{fmt.Errorf("journal: %w", err)}
	}
	var recs []record
	var errs []error
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), journalSuffix)
		if !ok {
			continue
		}
		data, err := readBounded(filepath.Join(j.dir, e.Name()))
		if err != nil {
			errs = append(errs, fmt.Errorf("journal: %w", err))
			continue
		}
		rec, err := decodeRecord(data)
		if err == nil && rec.ID != id {
			err = fmt.Errorf("it is of network %s", short(rec.ID))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("journal %s: %w", e.Name(), err))
			continue
		}
		recs = append(recs, rec)
	}
	return recs, errs
}

// decodeRecord reads a network back from a file or from a bridge's external_ids.
func decodeRecord(data []byte) (record, error) {
	var rec record
	if len(data) > maxRecord {
		return rec, fmt.Errorf("%d bytes: longer than the %d of any network", len(data), maxRecord)
	}
	if err := json.Unmarshal(data, &rec); err != nil {
		return rec, err
	}
	if rec.ID == "" || rec.Bridge == "" || rec.Version < 1 {
		return rec, errors.New("id, bridge or version is missing")
	}
	if err := checkIDs(rec.ID); err != nil { // it becomes a file's name
		return rec, err
	}
	for _, name := range []string{rec.Bridge, rec.Tunnel} {
		if len(name) > maxName || strings.ContainsFunc(name, notInNames) {
			return rec, fmt.Errorf("%q is no name of a bridge or a port of 1 to %d bytes", name, maxName)
		}
	}
	for _, p := range rec.Pools {
		if !p.Subnet.IsValid() || p.Gateway.IsValid() && p.Gateway.Addr().Is4() != p.Subnet.Addr().Is4() {
			return rec, fmt.Errorf("%v with gateway %v is no pool of addresses", p.Subnet, p.Gateway)
		}
	}
	return rec, nil
}

// notInNames are the characters that names of links, which are names of sockets too, can't have.
func notInNames(r rune) bool { return r == '/' || r == ':' || r <= ' ' || r == 0x7f }

func encodeRecord(rec record) ([]byte, error) { return json.Marshal(rec) }

// path is in the folder, whatever an id from outside has in it.
func (j *journal) path(id, suffix string) string {
	return filepath.Join(j.dir, filepath.Base(id)+suffix)
}

// save writes a network, whole or not at all.
func (j *journal) save(rec record) error {
	data, err := encodeRecord(rec)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	j.mu.Lock()
	delete(j.owed, rec.ID) // it is wanted again
	j.mu.Unlock()
	if err := renameio.WriteFile(j.path(rec.ID, journalSuffix), data, 0o600); err != nil {
		return fmt.Errorf("journal: %w; make room in or give write access to %s", err, j.dir)
	}
	return j.forget(rec.ID)
}

// has says whether the journal has the network as it is.
func (j *journal) has(rec record) bool {
	have, err := os.ReadFile(j.path(rec.ID, journalSuffix))
	want, bad := encodeRecord(rec)
	return err == nil && bad == nil && bytes.Equal(have, want)
}

// remove takes a network out; left says that its bridge still stands and has to be removed later. What the folder does not
// take is owed: settleUp tries it again.
func (j *journal) remove(id string, left bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.removeOrOwe(id, left)
}

func (j *journal) removeOrOwe(id string, left bool) error {
	err := j.tryRemove(id, left)
	if delete(j.owed, id); err != nil {
		j.owed[id] = left
	}
	return err
}

func (j *journal) tryRemove(id string, left bool) error {
	var errs []error
	if left {
		if err := renameio.WriteFile(j.path(id, goneSuffix), nil, 0o600); err != nil {
			errs = append(errs, fmt.Errorf("journal: %w; make room in or give write access to %s", err, j.dir))
		}
	}
	if err := unlink(j.path(id, journalSuffix)); err != nil {
		errs = append(errs, fmt.Errorf("journal: %w; give write access to %s", err, j.dir))
	}
	return errors.Join(errs...)
}

// unlink removes a file that may be missing; a folder that takes no changes refuses to remove those too.
func unlink(path string) error {
	err := os.Remove(path)
	if _, missing := os.Lstat(path); err != nil && errors.Is(missing, fs.ErrNotExist) {
		return nil
	}
	return err
}

// settleUp tries again what could not be removed.
func (j *journal) settleUp() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var errs []error
	for id, left := range maps.Clone(j.owed) {
		errs = append(errs, j.removeOrOwe(id, left))
	}
	for id := range maps.Clone(j.withdrawn) {
		errs = append(errs, j.tryRemovePorts(id))
	}
	return errors.Join(errs...)
}

// gone says whether a network was removed while its bridge stood.
func (j *journal) gone(id string) bool {
	_, err := os.Stat(j.path(id, goneSuffix))
	return err == nil
}

// forgetAll drops the marks of all networks but those whose bridges stand.
func (j *journal) forgetAll(standing map[string]bool) error {
	entries, err := os.ReadDir(j.dir)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), goneSuffix); ok && !standing[id] {
			errs = append(errs, j.forget(id))
		}
	}
	return errors.Join(errs...)
}

// forget drops the mark that remove left.
func (j *journal) forget(id string) error {
	j.mu.Lock()
	if j.owed[id] {
		j.owed[id] = false // the bridge is gone, the file not yet
	}
	j.mu.Unlock()
	if err := unlink(j.path(id, goneSuffix)); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}
