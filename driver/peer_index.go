// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
)

// maxPeerID is the greatest number of a peer on a bridge.
const maxPeerID = 0xffff

// peerIndex tells which peers' flows a network's bridge should have, and each peer's number there.
type peerIndex struct {
	all []knownPeer // by address
	ids map[uint16]bool
}

// knownPeer is a peer and its number.
type knownPeer struct {
	addr netip.Addr
	id   uint16
}

func newPeerIndex() *peerIndex { return &peerIndex{ids: map[uint16]bool{}} }

// snapshot copies the peers.
func (x *peerIndex) snapshot() []knownPeer { return slices.Clone(x.all) }

// addrs are the peers' addresses, sorted.
func (x *peerIndex) addrs() []netip.Addr {
	out := make([]netip.Addr, len(x.all))
	for i, k := range x.all {
		out[i] = k.addr
	}
	return out
}

// are says whether want, sorted, are the peers.
func (x *peerIndex) are(want []netip.Addr) bool {
	return slices.EqualFunc(want, x.all, func(a netip.Addr, k knownPeer) bool { return a == k.addr })
}

// become makes want, sorted and without duplicates, the network's peers, and tells the difference.
func (x *peerIndex) become(want []netip.Addr) (come []knownPeer, gone []netip.Addr, err error) {
	if len(want) > maxPeerID {
		return nil, nil, fmt.Errorf("%d peers: more than the %d that a bridge can have", len(want), maxPeerID)
	}
	if x.are(want) {
		return nil, nil, nil
	}
	all := make([]knownPeer, 0, len(want))
	var fresh []netip.Addr
	had := x.all
	for _, a := range want {
		for len(had) > 0 && had[0].addr.Less(a) {
			gone, had = append(gone, had[0].addr), had[1:]
		}
		if len(had) > 0 && had[0].addr == a {
			all, had = append(all, had[0]), had[1:]
		} else {
			fresh = append(fresh, a)
		}
	}
	for _, k := range had {
		gone = append(gone, k.addr)
	}
	clear(x.ids)
	for _, k := range all {
		x.ids[k.id] = true
	}
	for _, a := range fresh {
		come = append(come, knownPeer{a, x.number(a)})
	}
	x.all = slices.Concat(all, come)
	slices.SortFunc(x.all, func(a, b knownPeer) int { return a.addr.Compare(b.addr) })
	return come, gone, nil
}

// number gives a peer a free number that follows from its address: after a restart it has the same, and its flows and
// what was learned from it stay. Where two addresses would have one number, the second gets the next.
func (x *peerIndex) number(a netip.Addr) uint16 {
	h := fnv.New32a()
	b := a.As16()
	_, _ = h.Write(b[:]) // never fails
	n := h.Sum32()
	for id := uint16(n ^ n>>16); ; id++ { //nolint:gosec // the lower half is what is wanted
		if id != 0 && !x.ids[id] {
			x.ids[id] = true
			return id
		}
	}
}
