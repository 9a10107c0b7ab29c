// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/ovsnet/ovsnet/ovsdb/vswitch"
)

// errStale says that a row is there which was believed to be absent.
var errStale = errors.New("stale")

func (c RemoveBridge) object() string { return kindBridge + " " + c.Name }

func (c RemoveBridge) claim(string) (Change, error) { return c, checkName(kindBridge, c.Name) }

func (c RemoveBridge) subject() string { return "" }

func (c RemoveBridge) undo() Change { return nil }

// plan removes the bridge only with exactly the ports that are known to be ours,
// because its ports go with it.
func (c RemoveBridge) plan(v view, _ int, f *facts) plan {
	row := v.bridge(c.Name)
	if row == nil {
		return absent(vswitch.BridgeTable, c.Name)
	}
	ports := ovsdb.OvsSet{}
	if f != nil && f.bridge.exists {
		for _, id := range f.bridge.ports {
			ports.GoSet = append(ports.GoSet, uuidOf(id))
		}
	} else {
		for _, p := range v.portsOf(c.Name) {
			ports.GoSet = append(ports.GoSet, uuidOf(p.UUID))
		}
	}
	exactly := ovsdb.NewCondition("ports", ovsdb.ConditionEqual, ports)
	return plan{writes: true, ops: []ovsdb.Operation{
		exists(vswitch.BridgeTable, c.Name, isRow(row.UUID), ownedBy(row.ExternalIDs[keyOwner]), exactly),
		mutate(vswitch.OpenvSwitchTable, where(isRow(v.root().UUID)), shrink("bridges", uuidOf(row.UUID))),
	}}
}

func (c RemoveBridge) explain(owner string, f *facts) error {
	if !f.bridge.exists {
		return nil
	}
	if f.bridge.owner != owner {
		return &ForeignError{Kind: kindBridge, Name: c.Name, Owner: f.bridge.owner, Keep: true}
	}
	for _, id := range f.bridge.ports {
		port, known := f.ports[id]
		if known && port.owner != owner && port.name != c.Name {
			return fmt.Errorf("%s: %w; take it off the bridge first",
				c.object(), &ForeignError{Kind: kindPort, Name: port.name, Owner: port.owner, Keep: true})
		}
	}
	return nil
}

func (c RemovePort) object() string { return kindPort + " " + c.Name }

func (c RemovePort) claim(string) (Change, error) { return c, checkName(kindPort, c.Name) }

func (c RemovePort) subject() string { return "" }

func (c RemovePort) undo() Change { return nil }

// plan takes the port off whatever bridge it is on, without reading one.
func (c RemovePort) plan(v view, _ int, _ *facts) plan {
	row := v.port(c.Name)
	if row == nil {
		return absent(vswitch.PortTable, c.Name)
	}
	if v.bridge(c.Name) != nil {
		return hopeless(fmt.Errorf("%s: %w: it is a bridge's own port; remove the bridge", c.object(), ErrConflict))
	}
	return plan{writes: true, ops: []ovsdb.Operation{
		exists(vswitch.PortTable, c.Name, isRow(row.UUID), ownedBy(row.ExternalIDs[keyOwner])),
		mutate(vswitch.BridgeTable, where(includes("ports", uuidOf(row.UUID))), shrink("ports", uuidOf(row.UUID))),
	}}
}

func (c RemovePort) explain(owner string, f *facts) error {
	if f.port.exists && f.port.owner != owner {
		return &ForeignError{Kind: kindPort, Name: c.Name, Owner: f.port.owner, Keep: true}
	}
	return nil
}

// absent makes sure that there is no row of the name; the check says errStale if
// there is one.
func absent(table, name string) plan {
	return plan{
		ops: []ovsdb.Operation{choose(table, where(isNamed(name)), "_uuid")},
		check: func(results []ovsdb.OperationResult) error {
			if slices.ContainsFunc(results, func(r ovsdb.OperationResult) bool { return len(r.Rows) > 0 }) {
				return errStale
			}
			return nil
		},
	}
}
