// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"sync"

	"github.com/ovn-kubernetes/libovsdb/model"

	"github.com/ovsnet/ovsnet/ovsdb/vswitch"
)

// wanted remembers what Commit was last asked for, to tell a change that somebody
// else made from the echo of our own.
type wanted struct {
	mu      sync.Mutex
	bridges map[string]Bridge
	ports   map[string]Port
}

// note takes in a change that is about to be made.
func (w *wanted) note(change Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bridges == nil {
		w.bridges, w.ports = map[string]Bridge{}, map[string]Port{}
	}
	switch c := change.(type) {
	case EnsureBridge:
		w.bridges[c.Name] = c.clone()
	case EnsurePort:
		w.ports[c.Name] = c.clone()
	case RemoveBridge:
		delete(w.bridges, c.Name)
		for name, port := range w.ports {
			if port.Bridge == c.Name {
				delete(w.ports, name)
			}
		}
	case RemovePort:
		delete(w.ports, c.Name)
	}
}

// matches says whether a row is as it was asked for. A row that nobody has asked
// for matches: it is one that was removed a moment ago, or one of a former life
// of ours, which the caller has yet to look at.
func (w *wanted) matches(m model.Model) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch row := m.(type) {
	case *vswitch.Bridge:
		b, ok := w.bridges[row.Name]
		return !ok || len(b.repairBridge(row)) == 0 && b.refersTo(row)
	case *vswitch.FlowTable:
		b, ok := w.bridges[row.ExternalIDs[keyBridge]]
		return !ok || b.tableMatches(row)
	case *vswitch.Port:
		if b, ok := w.bridges[row.Name]; ok {
			return !idsDiffer(row.ExternalIDs, b.localIDs(), localKeys)
		}
		p, ok := w.ports[row.Name]
		return !ok || len(p.repairPort(row)) == 0
	case *vswitch.Interface:
		if b, ok := w.bridges[row.Name]; ok {
			return !b.localDiffers(row)
		}
		p, ok := w.ports[row.Name]
		return !ok || len(p.repairInterface(row)) == 0
	}
	return true
}

// has says whether the row is one that should be there.
func (w *wanted) has(m model.Model) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := ""
	switch row := m.(type) {
	case *vswitch.FlowTable:
		table, _ := tableOf(row)
		return w.bridges[row.ExternalIDs[keyBridge]].Prefixes[table] != nil
	case *vswitch.Bridge:
		name = row.Name
	case *vswitch.Port:
		name = row.Name
	case *vswitch.Interface:
		name = row.Name
	}
	_, bridge := w.bridges[name]
	_, port := w.ports[name]
	return bridge || port
}
