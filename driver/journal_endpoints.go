// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// endpointRecord is what the journal keeps of an endpoint, beside Open vSwitch, whose database may be lost while we are away.
type endpointRecord struct {
	Version   int               `json:"version"`
	ID        string            `json:"id"`
	Network   string            `json:"network"`
	MAC       string            `json:"mac"`
	Addresses []netip.Prefix    `json:"addresses"`
	Options   map[string]string `json:"options,omitempty"`
	Link      string            `json:"link"`
	Peer      string            `json:"peer"`
	OFPort    uint32            `json:"ofport"`
	// Attached says that it has its port; it has none between Leave and DeleteEndpoint.
	Attached bool `json:"attached"`

	mac net.HardwareAddr
}

// endpointVersion is the newest form of endpointRecord that this program writes and reads.
const endpointVersion = 1

func (r endpointRecord) endpoint() endpoint {
	return endpoint{
		ID: r.ID, Network: r.Network, MAC: r.mac, Addresses: r.Addresses, Options: r.Options,
		Link: r.Link, Peer: r.Peer, OFPort: r.OFPort, wantFlows: r.Attached, attached: r.Attached,
	}
}

func encodeEndpoint(e endpoint) ([]byte, error) {
	return json.Marshal(endpointRecord{
		Version: endpointVersion, ID: e.ID, Network: e.Network, MAC: e.MAC.String(), Addresses: e.Addresses, Options: e.Options,
		Link: e.Link, Peer: e.Peer, OFPort: e.OFPort, Attached: e.attached,
	})
}

// decodeEndpoint reads an endpoint back from its file.
func decodeEndpoint(data []byte) (endpointRecord, error) {
	var r endpointRecord
	if len(data) > maxRecord {
		return r, fmt.Errorf("%d bytes: longer than the %d of any endpoint", len(data), maxRecord)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, err
	}
	switch {
	case r.Version > endpointVersion:
		return r, fmt.Errorf("record version %d is newer than this program's %d; install the newer ovsnet", r.Version, endpointVersion)
	case r.Version < 1 || checkIDs(r.ID, r.Network) != nil:
		return r, errors.New("id, network or version is missing")
	case r.Link == "" || len(r.Link) > maxName || r.Peer == "" || len(r.Peer) > maxName:
		return r, fmt.Errorf("links %q and %q: not names of links", r.Link, r.Peer)
	}
	for _, a := range r.Addresses {
		if !a.IsValid() {
			return r, errors.New("an address is missing")
		}
	}
	var err error
	if r.mac, err = net.ParseMAC(r.MAC); err == nil && len(r.mac) != 6 {
		err = fmt.Errorf("MAC %s: not of 6 bytes", r.MAC)
	}
	return r, err
}

// endpointPath is in the folder, whatever an id from outside has in it.
func (j *journal) endpointPath(id string) string {
	return filepath.Join(j.eps, filepath.Base(id)+journalSuffix)
}

// saveEndpoint writes an endpoint, whole or not at all. A loss of power may lose it: that ends the endpoint too.
func (j *journal) saveEndpoint(e endpoint) error {
	data, err := encodeEndpoint(e)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	path := j.endpointPath(e.ID)
	fresh := path + ".new"
	if err = os.WriteFile(fresh, data, 0o600); err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		_ = os.Remove(fresh)
		return fmt.Errorf("journal: %w; make room in or give write access to %s", err, j.eps)
	}
	return nil
}

// hasEndpoint says whether the journal has the endpoint as it is.
func (j *journal) hasEndpoint(e endpoint) bool {
	have, err := os.ReadFile(j.endpointPath(e.ID))
	want, bad := encodeEndpoint(e)
	return err == nil && bad == nil && bytes.Equal(have, want)
}

// removeEndpoint forgets an endpoint.
func (j *journal) removeEndpoint(id string) error {
	if err := unlink(j.endpointPath(id)); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// loadEndpoints reads every endpoint; an entry that can't be read is an error of its own and is left alone.
func (j *journal) loadEndpoints() ([]endpointRecord, []error) {
	entries, err := os.ReadDir(j.eps)
	if err != nil {
		return nil, []error{fmt.Errorf("journal: %w", err)}
	}
	var recs []endpointRecord
	var errs []error
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), journalSuffix)
		if !ok {
			continue
		}
		var rec endpointRecord
		data, err := os.ReadFile(j.endpointPath(id))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err == nil {
			rec, err = decodeEndpoint(data)
		}
		if err == nil && rec.ID != id {
			err = fmt.Errorf("it is of endpoint %s", short(rec.ID))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("journal endpoints/%s%s: %w", id, journalSuffix, err))
			continue
		}
		recs = append(recs, rec)
	}
	return recs, errs
}
