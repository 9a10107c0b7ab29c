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

	"github.com/google/renameio/v2"

	"github.com/ovsnet/ovsnet/driver/nat"
)

func (j *journal) portsPath(endpointID string) string {
	return filepath.Join(j.ports, endpointID+journalSuffix)
}

// savePorts writes which ports an endpoint has published, with the host ports that they got.
func (j *journal) savePorts(endpointID string, ports []nat.Port) error {
	data, err := json.Marshal(ports)
	j.mu.Lock()
	before := j.withdrawn[endpointID]
	delete(j.withdrawn, endpointID) // it has others now
	j.mu.Unlock()
	if err == nil {
		err = renameio.WriteFile(j.portsPath(endpointID), data, 0o600)
	}
	if err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		if before {
			j.withdrawn[endpointID] = true
		}
		return fmt.Errorf("journal: %w; make room in or give write access to %s", err, j.ports)
	}
	return nil
}

// hasPorts says whether the journal has an endpoint's ports as they are.
func (j *journal) hasPorts(endpointID string, ports []nat.Port) bool {
	have, err := readBounded(j.portsPath(endpointID))
	want, bad := json.Marshal(ports)
	return err == nil && bad == nil && bytes.Equal(have, want)
}

// removePorts forgets an endpoint's ports. What the folder does not take is withdrawn all the same: settleUp tries it again.
func (j *journal) removePorts(endpointID string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.tryRemovePorts(endpointID)
}

func (j *journal) tryRemovePorts(endpointID string) error {
	if err := unlink(j.portsPath(endpointID)); err != nil {
		j.withdrawn[endpointID] = true
		return fmt.Errorf("journal: %w; give write access to %s", err, j.ports)
	}
	delete(j.withdrawn, endpointID)
	return nil
}

// portsWithdrawn are the endpoints whose file could not be removed.
func (j *journal) portsWithdrawn() map[string]bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.withdrawn)
}

// loadPorts reads the ports of every endpoint that has not withdrawn them; an entry that can't be read is an error and is
// left alone.
func (j *journal) loadPorts() (map[string][]nat.Port, error) {
	entries, err := os.ReadDir(j.ports)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	out, withdrawn := map[string][]nat.Port{}, j.portsWithdrawn()
	var errs []error
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), journalSuffix)
		if !ok || withdrawn[id] {
			continue
		}
		data, err := readBounded(filepath.Join(j.ports, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // withdrawn meanwhile
		}
		var ports []nat.Port
		if err == nil {
			ports, err = decodePorts(data)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("journal %s: %w", e.Name(), err))
			continue
		}
		out[id] = ports
	}
	return out, errors.Join(errs...)
}

// decodePorts reads an endpoint's ports back.
func decodePorts(data []byte) ([]nat.Port, error) {
	var ports []nat.Port
	if err := json.Unmarshal(data, &ports); err != nil {
		return nil, err
	}
	for _, p := range ports {
		switch {
		case p.Proto != nat.TCP && p.Proto != nat.UDP && p.Proto != nat.SCTP:
			return nil, fmt.Errorf("protocol %d has no ports to publish", p.Proto)
		case p.TargetPort == 0, !p.Target.IsValid(), p.HostPortEnd != 0 && p.HostPortEnd < p.HostPort:
			return nil, fmt.Errorf("%+v is no port that was published", p)
		}
	}
	return ports, nil
}
