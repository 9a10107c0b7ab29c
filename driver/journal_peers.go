// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"
)

// keptPeers is what is kept of the other hosts: Docker does not repeat them to a driver that starts again, and a name
// server may be away.
type keptPeers struct {
	Version int                     `json:"version"`
	Self    netip.Addr              `json:"self,omitzero"`
	Nodes   []netip.Addr            `json:"nodes,omitempty"`
	Names   map[string][]netip.Addr `json:"names,omitempty"`
}

const keptPeersVersion = 1

// kept is what of the peers goes to the journal. The caller holds mu.
func (p *peers) kept() keptPeers {
	return keptPeers{
		Version: keptPeersVersion, Self: p.self, Names: maps.Clone(p.found),
		Nodes: slices.SortedFunc(maps.Keys(p.nodes), netip.Addr.Compare),
	}
}

// restore takes back what was kept.
func (p *peers) restore(k keptPeers) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.self, p.nodes = k.Self, set(k.Nodes)
	for name, addrs := range k.Names {
		p.found[name] = addrs
	}
}

func (j *journal) peersPath() string {
	return filepath.Join(filepath.Dir(j.dir), "peers"+journalSuffix)
}

// savePeers writes the peers, whole or not at all; where there are none there is no file.
func (j *journal) savePeers(k keptPeers) error {
	return j.saveFile(j.peersPath(), k, !k.Self.IsValid() && len(k.Nodes) == 0 && len(k.Names) == 0)
}

// saveFile writes v as JSON, or removes the file of one that is empty.
func (j *journal) saveFile(path string, v any, empty bool) error {
	if empty {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("journal: %w", err)
		}
		return nil
	}
	data, err := json.Marshal(v)
	if err == nil {
		err = renameio.WriteFile(path, data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("journal: %w; make room in or give write access to %s", err, filepath.Dir(path))
	}
	return nil
}

// loadPeers reads the peers back.
func (j *journal) loadPeers() (keptPeers, error) {
	data, err := readBounded(j.peersPath())
	if errors.Is(err, fs.ErrNotExist) {
		return keptPeers{}, nil
	}
	var k keptPeers
	if err == nil {
		k, err = decodePeers(data)
	}
	if err != nil {
		return keptPeers{}, fmt.Errorf("journal %s: %w", filepath.Base(j.peersPath()), err)
	}
	return k, nil
}

// readBounded reads a small file.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if len(data) > maxRecord {
		return nil, fmt.Errorf("longer than %d bytes", maxRecord)
	}
	return data, nil
}

func decodePeers(data []byte) (keptPeers, error) {
	var k keptPeers
	if err := json.Unmarshal(data, &k); err != nil {
		return keptPeers{}, err
	}
	if k.Version < 1 || k.Version > keptPeersVersion {
		return keptPeers{}, fmt.Errorf("version %d is not this program's %d", k.Version, keptPeersVersion)
	}
	if k.Self.IsValid() && !hostAddress(k.Self) {
		return keptPeers{}, fmt.Errorf("%s is no address of one host", k.Self)
	}
	lists := append(slices.Collect(maps.Values(k.Names)), k.Nodes)
	for _, list := range lists {
		for _, a := range list {
			if !hostAddress(a) || a.Zone() != "" || a.Is4In6() {
				return keptPeers{}, fmt.Errorf("%s is no address of one host", a)
			}
		}
	}
	return k, nil
}
