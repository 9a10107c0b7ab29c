// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"fmt"
	"net/netip"
	"sync"

	"github.com/ovsnet/ovsnet/flows"
)

// peerCompiler keeps what peers compile to: nearly all networks have the same ones, with the same flows. Those that no
// network has any more go with the audit after the next.
type peerCompiler struct {
	mu    sync.Mutex
	known map[flows.Peer]*compiledPeer
}

type compiledPeer struct {
	flows.Compiled // nobody changes it
	used           bool
}

// compile gives what a peer compiles to, for reading.
func (c *peerCompiler) compile(p flows.Peer) (*flows.Compiled, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.known[p]
	if !ok {
		compiled, err := flows.CompilePeer(p)
		if err != nil {
			return nil, err
		}
		if c.known == nil {
			c.known = map[flows.Peer]*compiledPeer{}
		}
		k = &compiledPeer{Compiled: compiled}
		c.known[p] = k
	}
	k.used = true
	return &k.Compiled, nil
}

// sweep forgets what has not been asked for since the last sweep.
func (c *peerCompiler) sweep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p, k := range c.known {
		if !k.used {
			delete(c.known, p)
		}
		k.used = false
	}
}

// compilePeer gives the flows of one peer.
func (d *Driver) compilePeer(n network, a netip.Addr, id uint16) (flowChange, error) {
	c, err := d.compiler.compile(flows.Peer{Tag: n.tag(), Tunnel: *n.tunnelView(), ID: id, Addr: a})
	if err != nil {
		return flowChange{}, fmt.Errorf("flows of peer %s: %w", a, err)
	}
	return flowChange{bridge: n.Bridge, object: objectPeer(a), compiled: c}, nil
}

// peerFlows gives the flows of a peer and of what is behind it.
func (d *Driver) peerFlows(n network, a netip.Addr, id uint16) ([]flowChange, error) {
	peer, err := d.compilePeer(n, a, id)
	if err != nil {
		return nil, err
	}
	behind, err := compileNeighbours(n, a)
	return append(behind, peer), err
}

// knownFlows gives the flows of all peers that the network has by now.
func (d *Driver) knownFlows(n network) ([]flowChange, error) {
	if !n.overlay() {
		return nil, nil
	}
	d.mu.Lock()
	known := n.peers.snapshot()
	d.mu.Unlock()
	out := make([]flowChange, 0, len(known))
	for _, k := range known {
		fcs, err := d.peerFlows(n, k.addr, k.id)
		if err != nil {
			return nil, err
		}
		out = append(out, fcs...)
	}
	return out, nil
}
