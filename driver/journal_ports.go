// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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
	if err == nil {
		err = renameio.WriteFile(j.portsPath(endpointID), data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("journal: %w; make room in or give write access to %s", err, j.ports)
	}
	return nil
}

// removePorts forgets an endpoint's ports.
func (j *journal) removePorts(endpointID string) error {
	if err := unlink(j.portsPath(endpointID)); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// loadPorts reads the ports of every endpoint; an entry that can't be read is an error and is left alone.
func (j *journal) loadPorts() (map[string][]nat.Port, error) {
	entries, err := os.ReadDir(j.ports)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	out := map[string][]nat.Port{}
	var errs []error
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), journalSuffix)
		if !ok {
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
