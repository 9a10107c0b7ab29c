// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"github.com/ovn-kubernetes/libovsdb/model"

	"github.com/ovsnet/ovsnet/ovsdb/vswitch"
)

// rootHandler hears of changes to the Open_vSwitch row.
type rootHandler struct{ *conn }

// OnAdd is told of a new row.
func (h rootHandler) OnAdd(table string, _ model.Model) { h.on(table) }

// OnUpdate is told of a changed row.
func (h rootHandler) OnUpdate(table string, _, _ model.Model) { h.on(table) }

// OnDelete is told of a removed row.
func (h rootHandler) OnDelete(table string, _ model.Model) { h.on(table) }

func (h rootHandler) on(table string) {
	if table == vswitch.OpenvSwitchTable {
		h.tellCfg()
	}
}

// rowHandler hears of changes to our rows and tells those that nobody asked for.
type rowHandler struct{ *Client }

// OnAdd is told of a row that appears, or that got our mark.
func (h rowHandler) OnAdd(_ string, row model.Model) {
	if !h.wanted.matches(row) {
		h.events.poke(Event{Rows: true})
	}
}

// OnUpdate is told of a changed row.
func (h rowHandler) OnUpdate(_ string, old, row model.Model) {
	if !h.wanted.matches(row) || worse(old, row) {
		h.events.poke(Event{Rows: true})
	}
}

// OnDelete is told of a row that goes, or that lost our mark.
func (h rowHandler) OnDelete(_ string, row model.Model) {
	if h.wanted.has(row) {
		h.events.poke(Event{Rows: true})
	}
}

// worse says whether an interface that had an OpenFlow port number lost it or got
// another one.
func worse(old, row model.Model) bool {
	before, ok := old.(*vswitch.Interface)
	after, is := row.(*vswitch.Interface)
	if !ok || !is || before.Ofport == nil || *before.Ofport <= 0 {
		return false
	}
	return after.Ofport == nil || *after.Ofport != *before.Ofport
}
