// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"maps"
	"slices"
	"strconv"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// The operations of RFC 7047 section 5.2 that are used here, built by hand: going
// through the models would read a bridge's whole list of ports for every port.

func insert(table, name string, row ovsdb.Row) ovsdb.Operation {
	return ovsdb.Operation{Op: ovsdb.OperationInsert, Table: table, UUIDName: name, Row: row}
}

func update(table string, where []ovsdb.Condition, row ovsdb.Row) ovsdb.Operation {
	return ovsdb.Operation{Op: ovsdb.OperationUpdate, Table: table, Where: where, Row: row}
}

func mutate(table string, where []ovsdb.Condition, mutations ...ovsdb.Mutation) ovsdb.Operation {
	return ovsdb.Operation{Op: ovsdb.OperationMutate, Table: table, Where: where, Mutations: mutations}
}

func choose(table string, where []ovsdb.Condition, columns ...string) ovsdb.Operation {
	return ovsdb.Operation{Op: ovsdb.OperationSelect, Table: table, Where: where, Columns: columns}
}

// exists is a guard: the transaction is refused unless a row with this name meets
// the conditions.
func exists(table, name string, conditions ...ovsdb.Condition) ovsdb.Operation {
	now := 0
	return ovsdb.Operation{
		Op: ovsdb.OperationWait, Table: table, Timeout: &now, Where: conditions,
		Columns: []string{"name"}, Until: string(ovsdb.WaitConditionEqual), Rows: []ovsdb.Row{{"name": name}},
	}
}

func where(conditions ...ovsdb.Condition) []ovsdb.Condition { return conditions }

func isRow(uuid string) ovsdb.Condition {
	return ovsdb.NewCondition("_uuid", ovsdb.ConditionEqual, uuidOf(uuid))
}

func isNamed(name string) ovsdb.Condition {
	return ovsdb.NewCondition("name", ovsdb.ConditionEqual, name)
}

func includes(column string, value any) ovsdb.Condition {
	return ovsdb.NewCondition(column, ovsdb.ConditionIncludes, value)
}

// ownedBy is the condition that a row carries our mark.
func ownedBy(owner string) ovsdb.Condition {
	return includes("external_ids", mapOf(map[string]string{keyOwner: owner}))
}

func grow(column string, value any) ovsdb.Mutation {
	return ovsdb.Mutation{Column: column, Mutator: ovsdb.MutateOperationInsert, Value: value}
}

func shrink(column string, value any) ovsdb.Mutation {
	return ovsdb.Mutation{Column: column, Mutator: ovsdb.MutateOperationDelete, Value: value}
}

// rewrite sets entries of a map column and removes the other keys of the list; the
// rest of the map is whoever's it is and stays. An insert alone would keep the old
// value of a key that is there (RFC 7047 section 5.1).
func rewrite(column string, keys []string, entries map[string]string) []ovsdb.Mutation {
	return []ovsdb.Mutation{shrink(column, setOf(keys)), grow(column, mapOf(entries))}
}

func mapOf(m map[string]string) ovsdb.OvsMap {
	out := ovsdb.OvsMap{GoMap: make(map[any]any, len(m))}
	for key, value := range m {
		out.GoMap[key] = value
	}
	return out
}

func setOf(texts []string) ovsdb.OvsSet {
	out := ovsdb.OvsSet{}
	for _, text := range texts {
		out.GoSet = append(out.GoSet, text)
	}
	return out
}

func keysOf(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func uuidOf(id string) ovsdb.UUID { return ovsdb.UUID{GoUUID: id} }

// named is a name for a row that the transaction is about to insert.
func named(kind string, n int) string { return kind + strconv.Itoa(n) }
