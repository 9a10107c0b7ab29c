// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"maps"
	"slices"
	"strconv"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/ovsnet/ovsnet/ovsdb/vswitch"
)

const (
	// mostPrefixes is how many fields a Flow_Table's prefixes take in every
	// supported version; those from 3.3 on may take one more.
	mostPrefixes = 3
	// mostTable is the highest number in Bridge:flow_tables.
	mostTable = 254
)

// tableIDs is the identity of the row for a flow table. Flow_Table rows have no
// name of their own: one would show up in place of the number in ovs-ofctl.
func (b Bridge) tableIDs(table uint8) map[string]string {
	m := map[string]string{keyTable: strconv.Itoa(int(table))}
	put(m, keyOwner, b.IDs.Owner)
	put(m, keyBridge, b.Name)
	return m
}

// tables are the numbers of the flow tables that have prefixes.
func (b Bridge) tables() []uint8 { return slices.Sorted(maps.Keys(b.Prefixes)) }

func clonePrefixes(prefixes map[uint8][]string) map[uint8][]string {
	out := maps.Clone(prefixes)
	for table, fields := range out {
		out[table] = slices.Clone(fields)
	}
	return out
}

func (b Bridge) checkPrefixes() error {
	for table, fields := range b.Prefixes {
		sorted := slices.Sorted(slices.Values(fields))
		switch {
		case table > mostTable:
			return invalid(b.object(), "flow table %d is not one of 0 to %d", table, mostTable)
		case len(fields) == 0 || len(fields) > mostPrefixes:
			return invalid(b.object(), "flow table %d has %d prefix fields, not 1 to %d", table, len(fields), mostPrefixes)
		case len(slices.Compact(sorted)) < len(fields):
			return invalid(b.object(), "flow table %d has a prefix field twice: %v", table, fields)
		}
		for _, field := range fields {
			if err := checkTexts(b.object(), map[string]string{"prefixes": field}); err != nil {
				return err
			}
		}
	}
	return nil
}

// insertTable makes the row for a flow table, and gives its name in the
// transaction of which the bridge is change n.
func (b Bridge) insertTable(table uint8, n int) (ovsdb.Operation, string) {
	name := named(named("f", n)+"t", int(table))
	return insert(vswitch.FlowTableTable, name, ovsdb.Row{
		"prefixes": setOf(b.Prefixes[table]), "external_ids": mapOf(b.tableIDs(table)),
	}), name
}

// insertTables makes the rows for all flow tables, and gives what the bridge's
// flow_tables must be.
func (b Bridge) insertTables(n int) ([]ovsdb.Operation, ovsdb.OvsMap) {
	var ops []ovsdb.Operation
	all := ovsdb.OvsMap{GoMap: map[any]any{}}
	for _, table := range b.tables() {
		op, name := b.insertTable(table, n)
		ops = append(ops, op)
		all.GoMap[int(table)] = uuidOf(name)
	}
	return ops, all
}

// repairTables are the operations that give a bridge of ours its prefixes, and
// take back those that it has from us and should not have. A row that is somebody
// else's, or another table's, is not written to: the bridge gets a new one in its
// place if the table is to have prefixes.
func (b Bridge) repairTables(v view, n int, row *vswitch.Bridge) []ovsdb.Operation {
	var ops []ovsdb.Operation
	gone, made := ovsdb.OvsSet{}, ovsdb.OvsMap{GoMap: map[any]any{}}
	for _, table := range b.tables() {
		have := v.flowTable(row.FlowTables[int(table)])
		switch {
		case have == nil || !holds(have.ExternalIDs, b.tableIDs(table)):
			op, name := b.insertTable(table, n)
			ops = append(ops, op)
			gone.GoSet = append(gone.GoSet, int(table))
			made.GoMap[int(table)] = uuidOf(name)
		case !b.tableMatches(have):
			ops = append(ops, update(vswitch.FlowTableTable, where(isRow(have.UUID), ownedBy(b.IDs.Owner)),
				ovsdb.Row{"prefixes": setOf(b.Prefixes[table])}))
		}
	}
	for table, id := range row.FlowTables {
		if _, wanted := b.Prefixes[uint8(table)]; !wanted && v.flowTable(id) != nil { //nolint:gosec // 0 to 254 by the schema
			gone.GoSet = append(gone.GoSet, table)
		}
	}
	if len(gone.GoSet) > 0 {
		// A row that no bridge refers to goes by itself.
		ops = append(ops, mutate(vswitch.BridgeTable, where(isRow(row.UUID), ownedBy(b.IDs.Owner)),
			shrink("flow_tables", gone), grow("flow_tables", made)))
	}
	return ops
}

// tableOf is the number of the flow table that a row of ours is for.
func tableOf(row *vswitch.FlowTable) (uint8, bool) {
	n, err := strconv.ParseUint(row.ExternalIDs[keyTable], 10, 8)
	return uint8(n), err == nil
}

// tableMatches says whether a row for a flow table of this bridge is as it should be.
func (b Bridge) tableMatches(row *vswitch.FlowTable) bool {
	table, ok := tableOf(row)
	want := slices.Sorted(slices.Values(b.Prefixes[table]))
	return ok && slices.Equal(want, slices.Sorted(slices.Values(row.Prefixes))) && holds(row.ExternalIDs, b.tableIDs(table))
}

// refersTo says whether a bridge's row has an entry for every flow table with prefixes.
func (b Bridge) refersTo(row *vswitch.Bridge) bool {
	for table := range b.Prefixes {
		if row.FlowTables[int(table)] == "" {
			return false
		}
	}
	return true
}

// prefixesOf reads back what the rows of ours say.
func prefixesOf(v view, row *vswitch.Bridge) map[uint8][]string {
	var out map[uint8][]string
	for table, id := range row.FlowTables {
		if ours := v.flowTable(id); ours != nil {
			if out == nil {
				out = map[uint8][]string{}
			}
			out[uint8(table)] = slices.Sorted(slices.Values(ours.Prefixes)) //nolint:gosec // 0 to 254 by the schema
		}
	}
	return out
}
