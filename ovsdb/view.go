// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"github.com/ovn-kubernetes/libovsdb/cache"

	"github.com/ovsnet/ovsnet/ovsdb/vswitch"
)

// view reads the rows that the monitor keeps: the Open_vSwitch row and the rows
// that carry our mark. Every read asks the cache for its table anew, which waits
// for an update that is being taken in, so that a row read after another is never
// older than it.
type view struct{ cache *cache.TableCache }

// row finds a row by the name in the model.
func row[M any](v view, table string, m *M) *M {
	if v.cache == nil {
		return nil
	}
	rows := v.cache.Table(table)
	if rows == nil {
		return nil
	}
	_, found, err := rows.RowByModel(m)
	if err != nil || found == nil {
		return nil
	}
	out, _ := found.(*M)
	return out
}

// rows lists a table. The rows are not to be changed.
func rows[M any](v view, table string) []*M {
	if v.cache == nil {
		return nil
	}
	t := v.cache.Table(table)
	if t == nil {
		return nil
	}
	var out []*M
	for _, found := range t.RowsShallow() {
		if m, ok := found.(*M); ok {
			out = append(out, m)
		}
	}
	return out
}

func (v view) bridge(name string) *vswitch.Bridge {
	return row(v, vswitch.BridgeTable, &vswitch.Bridge{Name: name})
}

func (v view) port(name string) *vswitch.Port {
	return row(v, vswitch.PortTable, &vswitch.Port{Name: name})
}

func (v view) iface(name string) *vswitch.Interface {
	return row(v, vswitch.InterfaceTable, &vswitch.Interface{Name: name})
}

// flowTable finds a row for a flow table, nil if there is none or it is not ours.
func (v view) flowTable(id string) *vswitch.FlowTable {
	if id == "" {
		return nil
	}
	return row(v, vswitch.FlowTableTable, &vswitch.FlowTable{UUID: id})
}

// root is the one row of the Open_vSwitch table, nil if there is none.
func (v view) root() *vswitch.OpenvSwitch {
	for _, r := range rows[vswitch.OpenvSwitch](v, vswitch.OpenvSwitchTable) {
		return r
	}
	return nil
}

// portsOf are the ports that we made on a bridge, its LOCAL port included.
func (v view) portsOf(bridge string) []*vswitch.Port {
	var out []*vswitch.Port
	for _, p := range rows[vswitch.Port](v, vswitch.PortTable) {
		if p.Name == bridge || p.ExternalIDs[keyBridge] == bridge {
			out = append(out, p)
		}
	}
	return out
}
