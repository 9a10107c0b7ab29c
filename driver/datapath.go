// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"fmt"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/driver/link"
)

// Datapath is who forwards a bridge's packets, and what follows from it. All that differs between the two in this code is
// here; docs/datapath.md has the table with the tests that show it.
type Datapath struct {
	// Name is the bridge's datapath_type, config.DatapathSystem or config.DatapathNetdev.
	Name string
	// TxOffload: containers may leave checksums to the device. The userspace datapath reads its ports from packet sockets,
	// where they are not filled in yet, and passes them on like that.
	TxOffload bool
	// SeenTwice: the host's own IP stack sees what containers send to the switch, past all of the switch's checks, and
	// has to be kept from it.
	SeenTwice bool
	// WritesND: the switch can turn a neighbour solicitation into its advertisement. The kernel has no key for an
	// advertisement's flags and the types of its options, so there the solicitation goes to who has the address.
	WritesND bool
	// TunnelsAtBridge: a tunnel ends only at an address that is on a bridge of Open vSwitch; else at any of the host's.
	TunnelsAtBridge bool
	// KernelTunnels: tunnels are devices of the kernel, vxlan_sys_<port> and its kin. They have their UDP port from the
	// kernel, which gives it to one kind of device only, and need its module.
	KernelTunnels bool
}

// datapaths are all that there are.
var datapaths = map[string]Datapath{
	config.DatapathSystem: {Name: config.DatapathSystem, TxOffload: true, KernelTunnels: true},
	config.DatapathNetdev: {Name: config.DatapathNetdev, SeenTwice: true, WritesND: true, TunnelsAtBridge: true},
}

// ChooseDatapath resolves "auto" by what the host has: the kernel's where it has the openvswitch module or can load it,
// else the userspace one. What else is asked for is had, whether it is there or not.
func ChooseDatapath(asked string) (Datapath, error) {
	if asked != config.DatapathAuto {
		return datapaths[asked], nil
	}
	kernel, err := link.KernelDatapath()
	switch {
	case err != nil:
		return Datapath{}, fmt.Errorf("looking for the kernel's openvswitch module: %w; set datapath to system or netdev", err)
	case kernel:
		return datapaths[config.DatapathSystem], nil
	}
	return datapaths[config.DatapathNetdev], nil
}

// datapath is that of the network's bridge.
func (n network) datapath() Datapath { return datapaths[n.Datapath] }

// datapath is that of a network which asks for it, or for none, and then the daemon's own.
func (d *Driver) datapath(asked string) (string, error) {
	if asked == "" {
		asked = d.cfg.Datapath
	}
	p, err := ChooseDatapath(asked)
	if err == nil && asked == config.DatapathAuto && p.Name == config.DatapathNetdev {
		d.slower.Do(func() {
			d.log.Info("the kernel has no openvswitch module: bridges use the userspace datapath (netdev)")
		})
	}
	return p.Name, err
}
