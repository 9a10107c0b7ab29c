// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"

	"github.com/ovsnet/ovsnet/ovsdb/vswitch"
)

// BridgeState is a bridge of ours as the database has it.
type BridgeState struct {
	Bridge
	UUID string
	// DatapathID is the OpenFlow datapath id, 16 hexadecimal digits; empty until
	// ovs-vswitchd has made the bridge.
	DatapathID string
}

// PortState is a port of ours as the database has it.
type PortState struct {
	Port
	OFPort   uint32 // 0 until ovs-vswitchd has made the port, or when it could not
	Error    string // Interface:error
	MACInUse string // Interface:mac_in_use, the device's address
}

// Snapshot is everything of ours in the database at one moment.
type Snapshot struct {
	Bridges       []BridgeState // by name
	Ports         []PortState   // by name; LOCAL ports are not among them
	Version       string        // ovs_version, as Open vSwitch's start script wrote it; may be empty
	DatapathTypes []string      // that ovs-vswitchd can make
}

// Bridge gives a bridge of ours, from memory. Absent or not ours: ErrNotFound.
// Without a connection: ErrUnavailable.
func (c *Client) Bridge(name string) (BridgeState, error) {
	k, err := c.current()
	if err != nil {
		return BridgeState{}, err
	}
	v := k.view()
	row := v.bridge(name)
	if row == nil {
		return BridgeState{}, fmt.Errorf("bridge %s: %w among ovsnet's", name, ErrNotFound)
	}
	return c.bridgeState(v, row, v.iface(name)), nil
}

// Port gives a port of ours, from memory. Absent or not ours: ErrNotFound. Without
// a connection: ErrUnavailable. The bridge is the one that the port was made on;
// Snapshot tells the one that it is on.
func (c *Client) Port(name string) (PortState, error) {
	k, err := c.current()
	if err != nil {
		return PortState{}, err
	}
	v := k.view()
	port, iface := v.port(name), v.iface(name)
	if port == nil || iface == nil || v.bridge(name) != nil {
		return PortState{}, fmt.Errorf("port %s: %w among ovsnet's", name, ErrNotFound)
	}
	return c.portState(port, iface), nil
}

// Snapshot gives all bridges and ports that are ours. It asks the database which
// port is on which bridge; a port that is on no bridge of ours has an empty Bridge.
func (c *Client) Snapshot(ctx context.Context) (Snapshot, error) {
	k, err := c.current()
	if err != nil {
		return Snapshot{}, err
	}
	g := &group{client: c, conn: k}
	results, err := k.query(ctx, choose(vswitch.BridgeTable, where(ownedBy(c.owner)), "name", "ports"))
	if err != nil {
		return Snapshot{}, g.transport(ctx, err)
	}
	bridgeOf := map[string]string{}
	for _, row := range results[0].Rows {
		name, _ := row["name"].(string)
		for _, id := range uuidsIn(row["ports"]) {
			bridgeOf[id] = name
		}
	}
	v := k.view()
	root := v.root()
	if root == nil {
		return Snapshot{}, g.unavailable(errNotInitialised)
	}
	s := Snapshot{DatapathTypes: slices.Sorted(slices.Values(root.DatapathTypes))}
	if root.OVSVersion != nil {
		s.Version = *root.OVSVersion
	}
	ifaces := map[string]*vswitch.Interface{}
	for _, iface := range rows[vswitch.Interface](v, vswitch.InterfaceTable) {
		ifaces[iface.Name] = iface
	}
	local := map[string]bool{}
	for _, row := range rows[vswitch.Bridge](v, vswitch.BridgeTable) {
		local[row.Name] = true
		s.Bridges = append(s.Bridges, c.bridgeState(v, row, ifaces[row.Name]))
	}
	for _, row := range rows[vswitch.Port](v, vswitch.PortTable) {
		iface := ifaces[row.Name]
		if iface == nil || local[row.Name] {
			continue
		}
		p := c.portState(row, iface)
		p.Bridge = bridgeOf[row.UUID]
		s.Ports = append(s.Ports, p)
	}
	slices.SortFunc(s.Bridges, func(a, b BridgeState) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Ports, func(a, b PortState) int { return cmp.Compare(a.Name, b.Name) })
	return s, nil
}

func (c *Client) bridgeState(v view, row *vswitch.Bridge, local *vswitch.Interface) BridgeState {
	ids, err := decodeBridgeIDs(row.ExternalIDs)
	c.damaged(kindBridge, row.Name, err)
	config := maps.Clone(row.OtherConfig)
	mac, _ := net.ParseMAC(config[configMAC])
	delete(config, configMAC)
	delete(config, configInBand)
	if len(config) == 0 {
		config = nil
	}
	s := BridgeState{UUID: row.UUID, Bridge: Bridge{
		Name: row.Name, Datapath: kindOfDatapath(row.DatapathType), MAC: mac,
		McastSnooping: row.McastSnoopingEnable, Prefixes: prefixesOf(v, row), OtherConfig: config, IDs: ids,
	}}
	if row.DatapathID != nil {
		s.DatapathID = *row.DatapathID
	}
	if local != nil && local.MTURequest != nil {
		s.MTU = *local.MTURequest
	}
	return s
}

func (c *Client) portState(port *vswitch.Port, iface *vswitch.Interface) PortState {
	ids, err := decodePortIDs(iface.ExternalIDs)
	c.damaged(kindPort, port.Name, err)
	s := PortState{Port: Port{
		Bridge: port.ExternalIDs[keyBridge], Name: port.Name, Type: iface.Type, IDs: ids,
	}}
	if len(iface.Options) > 0 {
		s.Options = maps.Clone(iface.Options)
	}
	if n := iface.OfportRequest; n != nil && *n > 0 && *n <= mostPorts {
		s.OFPortRequest = uint32(*n)
	}
	if iface.MTURequest != nil {
		s.MTU = *iface.MTURequest
	}
	if n := iface.Ofport; n != nil && *n > 0 && *n <= mostPorts {
		s.OFPort = uint32(*n)
	}
	if iface.Error != nil {
		s.Error = *iface.Error
	}
	if iface.MACInUse != nil {
		s.MACInUse = *iface.MACInUse
	}
	return s
}

// damaged logs external_ids that somebody edited; an Ensure writes them anew.
func (c *Client) damaged(kind, name string, err error) {
	if err != nil {
		c.log.Warn("external_ids of a row of ovsnet's can't be read in full", kind, name, "error", err)
	}
}
