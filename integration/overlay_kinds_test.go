// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// kinds: networks by Geneve and by GRE, which a host can have beside each other, but Geneve not beside VXLAN.
func (f *fabric) kinds(t *testing.T) {
	hosts := f.hosts[:2]
	for _, h := range hosts {
		f.settings(t, h, "h1", "h2")
		h.ReloadServe(t)
	}
	for _, h := range f.hosts {
		f.clear(t, h)
	}
	for _, kind := range []struct {
		name   string
		vni    int
		mtu    int // of the underlay's 1500 bytes
		packet gopacket.LayerType
	}{{"geneve", 300, 1450, layers.LayerTypeGeneve}, {"gre", 400, 1458, layers.LayerTypeGRE}} {
		t.Run(kind.name, func(t *testing.T) {
			letter := kind.name[:2]
			for i, h := range hosts {
				f.network(t, h, kind.name, fmt.Sprintf("--opt ovs.tunnel.type=%s --opt ovs.tunnel.vni=%d --opt ovs.bridge.name=%[1]s", kind.name, kind.vni))
				f.container(t, h, kind.name, fmt.Sprint(letter, i+1), 11+i)
			}
			capture := f.lan.Capture(t, hosts[0])
			f.allTalk(t, letter, 1, 2)
			seen := 0
			for _, frame := range capture.Frames(t) {
				if carriedBy(frame, kind.packet) == kind.vni {
					seen++
				}
			}
			if seen == 0 {
				t.Errorf("no packet of %s with key %d", kind.name, kind.vni)
			}
			f.carries(t, kind.mtu, 1500, "IPv4", letter+"1", letter+"2")
		})
	}
}

// carriedBy is the key of a packet of a kind of tunnel, 0 of any other.
func carriedBy(frame []byte, kind gopacket.LayerType) int {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	if gre, ok := p.Layer(layers.LayerTypeGRE).(*layers.GRE); ok && kind == layers.LayerTypeGRE && gre.KeyPresent {
		return int(gre.Key)
	}
	udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
	var geneve layers.Geneve
	if !ok || kind != layers.LayerTypeGeneve || udp.DstPort != tunnelPort || geneve.DecodeFromBytes(udp.Payload, gopacket.NilDecodeFeedback) != nil {
		return 0
	}
	if geneve.Protocol != layers.EthernetTypeTransparentEthernetBridging {
		return 0
	}
	return int(geneve.VNI)
}
