// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"maps"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/ovsnet/ovsnet/ovsdb/vswitch"
)

// Port is a port with its one interface, which has the same name.
type Port struct {
	Bridge string // the bridge it is on
	Name   string
	// Type of the Interface: empty for a device of the system, "vxlan", "patch", ...
	Type string
	// OFPortRequest is the OpenFlow port number to ask for, 1 to 65279. 0: any.
	OFPortRequest uint32
	// MTU in bytes, mtu_request. 0: left as it is.
	MTU int
	// Options of the Interface, exactly these.
	Options map[string]string
	// IDs is the identity; an empty Owner means the client's.
	IDs PortIDs
}

// mostPorts is the greatest value of ofport_request.
const mostPorts = 65279

func (p Port) object() string { return kindPort + " " + p.Name }

// clone copies what Port refers to.
func (p Port) clone() Port {
	p.Options = maps.Clone(p.Options)
	p.IDs = p.IDs.clone()
	return p
}

// claim fills in the owner and checks the values.
func (p Port) claim(owner string) (Port, error) {
	if p.IDs.Owner == "" {
		p.IDs.Owner = owner
	}
	switch {
	case p.IDs.Owner != owner:
		return p, invalid(p.object(), "its owner %s is not this client's owner %s", p.IDs.Owner, owner)
	case p.OFPortRequest > mostPorts:
		return p, invalid(p.object(), "OpenFlow port %d is above %d", p.OFPortRequest, mostPorts)
	case p.MTU < 0:
		return p, invalid(p.object(), "MTU %d is negative", p.MTU)
	case p.Name == p.Bridge:
		return p, invalid(p.object(), "the name is its bridge's")
	}
	if err := checkName(kindPort, p.Name); err != nil {
		return p, err
	}
	if err := checkName(kindBridge, p.Bridge); err != nil {
		return p, err
	}
	ids, err := p.IDs.encode()
	if err != nil {
		return p, invalid(p.object(), "%s", err)
	}
	return p, checkTexts(p.object(), ids, p.Options, p.IDs.Options, map[string]string{"type": p.Type})
}

// insert are the operations that add the port to its bridge. The bridge must be
// ours, which the first operation makes sure of.
func (p Port) insert(n int) []ovsdb.Operation {
	ids, _ := p.IDs.encode() // claim has seen to the error
	iface := ovsdb.Row{"name": p.Name, "type": p.Type, "external_ids": mapOf(ids)}
	if len(p.Options) > 0 {
		iface["options"] = mapOf(p.Options)
	}
	if p.OFPortRequest != 0 {
		iface["ofport_request"] = p.OFPortRequest
	}
	if p.MTU != 0 {
		iface["mtu_request"] = p.MTU
	}
	return []ovsdb.Operation{
		exists(vswitch.BridgeTable, p.Bridge, isNamed(p.Bridge), ownedBy(p.IDs.Owner)),
		insert(vswitch.InterfaceTable, named("i", n), iface),
		insert(vswitch.PortTable, named("p", n), ovsdb.Row{
			"name": p.Name, "interfaces": uuidOf(named("i", n)), "external_ids": mapOf(p.IDs.encodePort(p.Bridge)),
		}),
		mutate(vswitch.BridgeTable, where(isNamed(p.Bridge)), grow("ports", uuidOf(named("p", n)))),
	}
}

// onBridge are the guards that the port is ours, and on its bridge, which is
// ours. They write nothing.
func (p Port) onBridge(port *vswitch.Port) []ovsdb.Operation {
	return []ovsdb.Operation{
		exists(vswitch.BridgeTable, p.Bridge, isNamed(p.Bridge), ownedBy(p.IDs.Owner), includes("ports", uuidOf(port.UUID))),
		exists(vswitch.PortTable, p.Name, isRow(port.UUID), ownedBy(p.IDs.Owner)),
	}
}

// move are the operations that take the port to its bridge from wherever it is.
func (p Port) move(port *vswitch.Port) []ovsdb.Operation {
	return []ovsdb.Operation{
		exists(vswitch.BridgeTable, p.Bridge, isNamed(p.Bridge), ownedBy(p.IDs.Owner)),
		exists(vswitch.PortTable, p.Name, isRow(port.UUID), ownedBy(p.IDs.Owner)),
		mutate(vswitch.BridgeTable, where(includes("ports", uuidOf(port.UUID))), shrink("ports", uuidOf(port.UUID))),
		mutate(vswitch.BridgeTable, where(isNamed(p.Bridge)), grow("ports", uuidOf(port.UUID))),
	}
}

// repair are the operations that make the rows of a port of ours what they should
// be; none when they are.
func (p Port) repair(port *vswitch.Port, iface *vswitch.Interface) []ovsdb.Operation {
	return append(p.repairInterface(iface), p.repairPort(port)...)
}

func (p Port) repairInterface(row *vswitch.Interface) []ovsdb.Operation {
	var ops []ovsdb.Operation
	ours := where(isRow(row.UUID), ownedBy(p.IDs.Owner))
	columns := ovsdb.Row{}
	if row.Type != p.Type {
		columns["type"] = p.Type
	}
	if !maps.Equal(row.Options, p.Options) {
		columns["options"] = mapOf(p.Options)
	}
	if p.OFPortRequest != 0 && (row.OfportRequest == nil || *row.OfportRequest != int(p.OFPortRequest)) {
		columns["ofport_request"] = p.OFPortRequest
	}
	if p.MTU != 0 && (row.MTURequest == nil || *row.MTURequest != p.MTU) {
		columns["mtu_request"] = p.MTU
	}
	if len(columns) > 0 {
		ops = append(ops, update(vswitch.InterfaceTable, ours, columns))
	}
	ids, _ := p.IDs.encode() // claim has seen to the error
	if idsDiffer(row.ExternalIDs, ids, ifaceKeys) {
		ops = append(ops, mutate(vswitch.InterfaceTable, ours, rewrite("external_ids", ifaceKeys, ids)...))
	}
	return ops
}

func (p Port) repairPort(row *vswitch.Port) []ovsdb.Operation {
	ids := p.IDs.encodePort(p.Bridge)
	if !idsDiffer(row.ExternalIDs, ids, portKeys) {
		return nil
	}
	ours := where(isRow(row.UUID), ownedBy(p.IDs.Owner))
	return []ovsdb.Operation{mutate(vswitch.PortTable, ours, rewrite("external_ids", portKeys, ids)...)}
}
