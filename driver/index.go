// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"fmt"
	"net/netip"
)

// The OpenFlow port numbers that are asked for: up to the last below those that OpenFlow keeps to itself (OpenFlow
// 1.5.1, 7.2.1; OVS uses 16 bits), and from the half on, because OVS gives numbers from 1 on to ports that ask for none.
const (
	minOFPort = 0x8000
	maxOFPort = 0xfeff
)

// index tells what the endpoints of one network use, so that attaching one costs the same however many there are.
type index struct {
	ports map[uint32]string
	macs  map[string]string
	addrs map[netip.Addr]string
	// unguarded counts the endpoints without port security whose flows are wanted.
	unguarded int
	last      uint32 // port number given last: a freed number rests for a round
}

func newIndex() *index {
	return &index{ports: map[uint32]string{}, macs: map[string]string{}, addrs: map[netip.Addr]string{}}
}

// freePort chooses an OpenFlow port number.
func (x *index) freePort(n network) (uint32, error) {
	for range maxOFPort - minOFPort + 1 {
		if x.last++; x.last > maxOFPort || x.last < minOFPort {
			x.last = minOFPort
		}
		if _, taken := x.ports[x.last]; !taken {
			return x.last, nil
		}
	}
	return 0, fmt.Errorf("network %s: all %d ports of bridge %s are %w; remove an endpoint", short(n.ID), maxOFPort-minOFPort+1, n.Bridge, ErrTaken)
}

// foreign notes that somebody else's port on the bridge has a number.
func (x *index) foreign(port uint32) { x.ports[port] = "" }

func (x *index) put(e endpoint) {
	x.ports[e.OFPort] = e.ID
	x.macs[string(e.MAC)] = e.ID
	for _, a := range e.Addresses {
		x.addrs[a.Addr()] = e.ID
	}
	if e.unguarded() {
		x.unguarded++
	}
}

func (x *index) drop(e endpoint) {
	if x.ports[e.OFPort] == e.ID {
		delete(x.ports, e.OFPort)
	}
	delete(x.macs, string(e.MAC))
	for _, a := range e.Addresses {
		delete(x.addrs, a.Addr())
	}
	if e.unguarded() {
		x.unguarded--
	}
}
