// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"fmt"
	"maps"
	"net"
	"strings"
	"unicode/utf8"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/ovsnet/ovsnet/ovsdb/vswitch"
)

// Bridge is a bridge as ovsnet wants it. Besides what is here a bridge of ours
// always has fail_mode=secure (it forwards nothing but what a flow allows) and
// other_config:disable-in-band=true (no hidden flows for a controller), and its
// protocols stay as they are (empty: every OpenFlow version).
type Bridge struct {
	Name string
	// Datapath is "system" (kernel) or "netdev" (userspace).
	Datapath string
	// MAC of the LOCAL port, other_config:hwaddr. None: Open vSwitch chooses.
	MAC net.HardwareAddr
	// MTU in bytes of the LOCAL port, its Interface's mtu_request. 0: left as it is.
	MTU int
	// McastSnooping turns IGMP and MLD snooping on.
	McastSnooping bool
	// Prefixes are, by the number of a flow table, the fields of which the switch
	// looks at no more bits than it needs to tell the table's flows apart, at most
	// three (Flow_Table:prefixes, instead of Open vSwitch's own choice). Entries of
	// others in flow_tables are kept, unless they are for a table that is named here.
	Prefixes map[uint8][]string
	// OtherConfig is written to other_config; keys of others are kept.
	OtherConfig map[string]string
	// IDs is the identity; an empty Owner means the client's.
	IDs BridgeIDs
}

const (
	configMAC    = "hwaddr"
	configInBand = "disable-in-band"

	datapathSystem = "system"
	typeInternal   = "internal"
)

func (b Bridge) object() string { return kindBridge + " " + b.Name }

// config is what other_config must hold.
func (b Bridge) config() map[string]string {
	m := map[string]string{}
	maps.Copy(m, b.OtherConfig)
	m[configInBand] = "true"
	put(m, configMAC, b.MAC.String())
	return m
}

// localIDs is the identity on the Port and Interface of the LOCAL port.
func (b Bridge) localIDs() map[string]string {
	m := map[string]string{}
	put(m, keyOwner, b.IDs.Owner)
	put(m, keyNetwork, b.IDs.Network)
	return m
}

// clone copies what Bridge refers to.
func (b Bridge) clone() Bridge {
	b.MAC = append(net.HardwareAddr(nil), b.MAC...)
	b.OtherConfig = maps.Clone(b.OtherConfig)
	b.Prefixes = clonePrefixes(b.Prefixes)
	return b
}

// claim fills in the owner and checks the values.
func (b Bridge) claim(owner string) (Bridge, error) {
	if b.IDs.Owner == "" {
		b.IDs.Owner = owner
	}
	if b.Datapath == "" {
		b.Datapath = datapathSystem
	}
	switch n := len(b.MAC); {
	case b.IDs.Owner != owner:
		return b, invalid(b.object(), "its owner %s is not this client's owner %s", b.IDs.Owner, owner)
	case n != 0 && n != 6:
		return b, invalid(b.object(), "MAC address %s must have 6 bytes", b.MAC)
	case b.MTU < 0:
		return b, invalid(b.object(), "MTU %d is negative", b.MTU)
	}
	if err := checkName(kindBridge, b.Name); err != nil {
		return b, err
	}
	if err := b.checkPrefixes(); err != nil {
		return b, err
	}
	return b, checkTexts(b.object(), b.IDs.encode(), b.config(), map[string]string{"datapath_type": b.Datapath})
}

// insert are the operations that make the bridge, with its LOCAL port.
func (b Bridge) insert(root string, n int) []ovsdb.Operation {
	iface := ovsdb.Row{
		"name": b.Name, "type": typeInternal, "external_ids": mapOf(b.localIDs()),
	}
	if b.MTU != 0 {
		iface["mtu_request"] = b.MTU
	}
	ops, tables := b.insertTables(n)
	return append(ops,
		insert(vswitch.InterfaceTable, named("i", n), iface),
		insert(vswitch.PortTable, named("p", n), ovsdb.Row{
			"name": b.Name, "interfaces": uuidOf(named("i", n)), "external_ids": mapOf(b.localIDs()),
		}),
		insert(vswitch.BridgeTable, named("b", n), ovsdb.Row{
			"name": b.Name, "datapath_type": b.Datapath,
			"fail_mode": vswitch.BridgeFailModeSecure, "mcast_snooping_enable": b.McastSnooping,
			"other_config": mapOf(b.config()), "external_ids": mapOf(b.IDs.encode()),
			"ports": uuidOf(named("p", n)), "flow_tables": tables,
		}),
		mutate(vswitch.OpenvSwitchTable, where(isRow(root)), grow("bridges", uuidOf(named("b", n)))),
	)
}

// repair are the operations that make a bridge of ours what it should be; none
// when it is. The bridge is change n of the transaction. Local is the LOCAL port's Interface, nil if it lost our mark.
func (b Bridge) repair(v view, n int, row *vswitch.Bridge, local *vswitch.Interface) []ovsdb.Operation {
	ops := append(b.repairBridge(row), b.repairTables(v, n, row)...)
	if local != nil && !b.localDiffers(local) {
		return ops
	}
	byName := where(isNamed(b.Name))
	if b.MTU != 0 {
		ops = append(ops, update(vswitch.InterfaceTable, byName, ovsdb.Row{"mtu_request": b.MTU}))
	}
	for _, table := range []string{vswitch.PortTable, vswitch.InterfaceTable} {
		ops = append(ops, mutate(table, byName, rewrite("external_ids", localKeys, b.localIDs())...))
	}
	return ops
}

// repairBridge is the part of repair that is about the Bridge row.
func (b Bridge) repairBridge(row *vswitch.Bridge) []ovsdb.Operation {
	var ops []ovsdb.Operation
	ours := where(isRow(row.UUID), ownedBy(b.IDs.Owner))
	columns := ovsdb.Row{}
	if kindOfDatapath(row.DatapathType) != kindOfDatapath(b.Datapath) {
		columns["datapath_type"] = b.Datapath
	}
	if row.FailMode == nil || *row.FailMode != vswitch.BridgeFailModeSecure {
		columns["fail_mode"] = vswitch.BridgeFailModeSecure
	}
	if row.McastSnoopingEnable != b.McastSnooping {
		columns["mcast_snooping_enable"] = b.McastSnooping
	}
	if len(columns) > 0 {
		ops = append(ops, update(vswitch.BridgeTable, ours, columns))
	}
	if config := b.config(); !holds(row.OtherConfig, config) {
		ops = append(ops, mutate(vswitch.BridgeTable, ours, rewrite("other_config", keysOf(config), config)...))
	}
	if ids := b.IDs.encode(); idsDiffer(row.ExternalIDs, ids, bridgeKeys) {
		ops = append(ops, mutate(vswitch.BridgeTable, ours, rewrite("external_ids", bridgeKeys, ids)...))
	}
	return ops
}

// localDiffers says whether the LOCAL port's Interface is not as it should be.
func (b Bridge) localDiffers(local *vswitch.Interface) bool {
	return b.MTU != 0 && (local.MTURequest == nil || *local.MTURequest != b.MTU) ||
		idsDiffer(local.ExternalIDs, b.localIDs(), localKeys)
}

// kindOfDatapath treats the empty type as what it means.
func kindOfDatapath(text string) string {
	if text == "" {
		return datapathSystem
	}
	return text
}

// holds says whether every entry of want is in have.
func holds(have, want map[string]string) bool {
	for key, value := range want {
		if got, ok := have[key]; !ok || got != value {
			return false
		}
	}
	return true
}

func invalid(object, format string, args ...any) error {
	return fmt.Errorf("%s: %w: %s", object, ErrInvalid, fmt.Sprintf(format, args...))
}

// checkName holds names to what both a Linux device and ovs-vswitchd take.
func checkName(kind, name string) error {
	const most = 15 // IFNAMSIZ without the final zero
	switch {
	case name == "":
		return invalid(kind, "it has no name")
	case len(name) > most:
		return invalid(kind+" "+name, "the name has %d bytes, more than %d", len(name), most)
	case name == ".", name == "..", strings.ContainsAny(name, "/ \t\r\n\v\f"):
		return invalid(kind+" "+name, "the name can't be a device's")
	}
	return checkTexts(kind+" "+name, map[string]string{"name": name})
}

// checkTexts refuses what a string of the database can't hold (RFC 7047 section
// 3.1: UTF-8 without the zero byte).
func checkTexts(object string, maps ...map[string]string) error {
	for _, m := range maps {
		for key, value := range m {
			for _, text := range []string{key, value} {
				if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
					return invalid(object, "%s holds %q, which is not text", key, text)
				}
			}
		}
	}
	return nil
}
