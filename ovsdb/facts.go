// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"context"
	"fmt"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/ovsnet/ovsnet/ovsdb/vswitch"
)

// facts are what the database says about the rows around a change that it
// refused, whoever they belong to.
type facts struct {
	bridge, port, iface fact // of the name that is changed
	parent              fact // the bridge of a port
	ports               map[string]fact
}

// fact is one row.
type fact struct {
	exists bool
	name   string
	owner  string
	ports  []string // a bridge's
}

// inquire reads the facts around a change.
func inquire(ctx context.Context, k *conn, change Change) (*facts, error) {
	name, parent := "", ""
	switch c := change.(type) {
	case EnsureBridge:
		name = c.Name
	case RemoveBridge:
		name = c.Name
	case EnsurePort:
		name, parent = c.Name, c.Bridge
	case RemovePort:
		name, parent = c.Name, c.Bridge
	}
	results, err := k.query(ctx,
		choose(vswitch.BridgeTable, where(isNamed(name)), "name", "external_ids", "ports"),
		choose(vswitch.PortTable, where(isNamed(name)), "name", "external_ids"),
		choose(vswitch.InterfaceTable, where(isNamed(name)), "name", "external_ids"),
		choose(vswitch.BridgeTable, where(isNamed(parent)), "name", "external_ids"),
	)
	if err != nil {
		return nil, err
	}
	f := &facts{bridge: factOf(results[0]), port: factOf(results[1]), iface: factOf(results[2]), parent: factOf(results[3])}
	if _, removes := change.(RemoveBridge); !removes || len(f.bridge.ports) == 0 {
		return f, nil
	}
	ops := make([]ovsdb.Operation, len(f.bridge.ports))
	for i, id := range f.bridge.ports {
		ops[i] = choose(vswitch.PortTable, where(isRow(id)), "name", "external_ids")
	}
	if results, err = k.query(ctx, ops...); err != nil {
		return nil, err
	}
	f.ports = make(map[string]fact, len(ops))
	for i, id := range f.bridge.ports {
		if port := factOf(results[i]); port.exists {
			f.ports[id] = port
		}
	}
	return f, nil
}

// query runs selects.
func (k *conn) query(ctx context.Context, ops ...ovsdb.Operation) ([]ovsdb.OperationResult, error) {
	results, err := k.transact(ctx, ops)
	if err != nil {
		return nil, err
	}
	if _, err := ovsdb.CheckOperationResults(results, ops); err != nil {
		return nil, fmt.Errorf("reading rows: %w", err)
	}
	return results, nil
}

func factOf(result ovsdb.OperationResult) fact {
	if len(result.Rows) == 0 {
		return fact{}
	}
	row := result.Rows[0]
	f := fact{exists: true, ports: uuidsIn(row["ports"])}
	f.name, _ = row["name"].(string)
	if ids, ok := row["external_ids"].(ovsdb.OvsMap); ok {
		f.owner, _ = ids.GoMap[keyOwner].(string)
	}
	return f
}

// uuidsIn reads a set of UUIDs, which RFC 7047 writes without a set when it has
// one member.
func uuidsIn(value any) []string {
	switch v := value.(type) {
	case ovsdb.UUID:
		return []string{v.GoUUID}
	case ovsdb.OvsSet:
		var out []string
		for _, member := range v.GoSet {
			if id, ok := member.(ovsdb.UUID); ok {
				out = append(out, id.GoUUID)
			}
		}
		return out
	}
	return nil
}
