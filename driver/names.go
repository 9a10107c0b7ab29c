// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
)

const (
	bridgePrefix = "ovsbr-" // and 9 characters of the network's id
	hostPrefix   = "ovs"    // and 12 of the endpoint's: the end that is an OVS port
	peerPrefix   = "ovc"    // and 12 of the endpoint's: the end that goes into the container
	maxName      = 15       // IFNAMSIZ less the final zero
)

// candidates yields names for id: the prefix and the start of the id, then, where that is taken, of its hashes.
func candidates(prefix, id string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i := 0; i < 16; i++ {
			tail := id
			if i > 0 {
				sum := sha256.Sum256(fmt.Appendf(nil, "%s#%d", id, i))
				tail = hex.EncodeToString(sum[:])
			}
			if !yield(prefix + tail[:min(len(tail), maxName-len(prefix))]) {
				return
			}
		}
	}
}

// seed is what MACs of the network are derived from: on every host the same. In local scope the hosts know a network across
// hosts by different ids, but by one VNI.
func (n network) seed() string {
	if n.overlay() {
		return fmt.Sprintf("vni %d", n.opts.Tunnel.VNI)
	}
	return n.ID
}

// gatewayMAC is the network's gateway's: each host answers for it.
func (n network) gatewayMAC() net.HardwareAddr { return gatewayMAC(n.seed()) }

// gatewayMAC is a gateway's MAC: locally administered, derived from the network's seed. Its first byte differs from every
// endpointMAC's.
func gatewayMAC(network string) net.HardwareAddr {
	sum := sha256.Sum256([]byte("gateway " + network))
	return net.HardwareAddr{0x06, sum[0], sum[1], sum[2], sum[3], sum[4]}
}

// endpointMAC is a locally administered MAC derived from the seed of the endpoint's network and its address, so that a
// container that gets its address again gets its MAC again, on whatever host.
func endpointMAC(network string, a netip.Addr) net.HardwareAddr {
	sum := sha256.Sum256([]byte("endpoint " + network))
	if a.Is4() {
		b := a.As4()
		return net.HardwareAddr{0x02, sum[0], b[0], b[1], b[2], b[3]}
	}
	sum = sha256.Sum256([]byte("endpoint " + network + " " + a.String()))
	return net.HardwareAddr{0x02, sum[0], sum[1], sum[2], sum[3], sum[4]}
}

// alias is the mark on the host end of an endpoint's veth pair.
func alias(owner, network, endpoint string) string {
	return aliasPrefix(owner) + network + ":" + endpoint
}

func aliasPrefix(owner string) string { return "ovsnet:" + owner + ":" }
