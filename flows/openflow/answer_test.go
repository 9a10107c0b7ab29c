// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bytes"
	"encoding/hex"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

const askerMAC = "02:00:00:00:00:99"

// exchange adds a port, lets a packet in by it and returns the one that leaves.
func (b *bridge) exchange(t *testing.T, request ...gopacket.SerializableLayer) gopacket.Packet {
	t.Helper()
	file := filepath.Join(t.TempDir(), "out.pcap")
	b.sw.Ctl(t, "add-port", bridgeName, "p1", "--", "set", "Interface", "p1", "type=dummy", "options:tx_pcap="+file)
	defer b.sw.Ctl(t, "del-port", bridgeName, "p1")
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, request...); err != nil {
		t.Fatal(err)
	}
	b.sw.AppCtl(t, "netdev-dummy/receive", "p1", hex.EncodeToString(buf.Bytes()))
	reply := firstFrame(t, file)
	return gopacket.NewPacket(reply, layers.LayerTypeEthernet, gopacket.Default)
}

// firstFrame waits for the first frame in a capture.
func firstFrame(t *testing.T, file string) []byte {
	t.Helper()
	var frame []byte
	err := ovstest.Poll(5*time.Second, func() error {
		captured, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		r, err := pcapgo.NewReader(bytes.NewReader(captured))
		if err != nil {
			return err
		}
		frame, _, err = r.ReadPacketData()
		return err
	})
	if err != nil {
		t.Fatalf("no frame: %v", err)
	}
	return frame
}

func TestNeighbourSolicitationIsAnswered(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	if err := b.Apply(testContext(t), Update{Flows: ndResponder()}); err != nil {
		t.Fatal(err)
	}
	ip := &layers.IPv6{Version: 6, HopLimit: 255, NextHeader: layers.IPProtocolICMPv6, SrcIP: net.ParseIP("fd00::99"), DstIP: net.ParseIP("ff02::1:ff00:1")}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeNeighborSolicitation, 0)}
	if err := icmp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	reply := b.exchange(t,
		&layers.Ethernet{SrcMAC: mac(askerMAC), DstMAC: mac("33:33:ff:00:00:01"), EthernetType: layers.EthernetTypeIPv6}, ip, icmp,
		&layers.ICMPv6NeighborSolicitation{TargetAddress: net.ParseIP("fd00::1"), Options: layers.ICMPv6Options{
			{Type: layers.ICMPv6OptSourceAddress, Data: mac(askerMAC)},
		}})
	eth, ok1 := reply.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	ip, ok2 := reply.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
	na, ok3 := reply.Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement)
	if !ok1 || !ok2 || !ok3 {
		t.Fatalf("the answer is no advertisement: %v", reply)
	}
	if eth.SrcMAC.String() != "02:00:00:00:00:01" || eth.DstMAC.String() != askerMAC {
		t.Errorf("Ethernet: %v", eth)
	}
	if ip.SrcIP.String() != "fd00::1" || ip.DstIP.String() != "fd00::99" || ip.HopLimit != 255 {
		t.Errorf("IPv6: %v", ip)
	}
	if !na.Solicited() || !na.Override() || na.Router() || na.TargetAddress.String() != "fd00::1" {
		t.Errorf("advertisement: %v", na)
	}
	if len(na.Options) != 1 || na.Options[0].Type != layers.ICMPv6OptTargetAddress || net.HardwareAddr(na.Options[0].Data).String() != "02:00:00:00:00:01" {
		t.Errorf("target option: %v", na.Options)
	}
	answer, ok := reply.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
	if !ok || answer.SetNetworkLayerForChecksum(ip) != nil {
		t.Fatal("no ICMPv6")
	}
	if err, wrong := reply.VerifyChecksums(); err != nil || len(wrong) != 0 {
		t.Errorf("checksums: %v %v", err, wrong)
	}
}

func TestARPRequestIsAnswered(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	if err := b.Apply(testContext(t), Update{Flows: []flows.Flow{arpResponder()}}); err != nil {
		t.Fatal(err)
	}
	reply := b.exchange(t,
		&layers.Ethernet{SrcMAC: mac(askerMAC), DstMAC: mac("ff:ff:ff:ff:ff:ff"), EthernetType: layers.EthernetTypeARP},
		&layers.ARP{AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: layers.ARPRequest,
			SourceHwAddress: mac(askerMAC), SourceProtAddress: []byte{10, 0, 0, 9}, DstHwAddress: make([]byte, 6), DstProtAddress: []byte{10, 0, 0, 1}})
	arp, ok := reply.Layer(layers.LayerTypeARP).(*layers.ARP)
	if !ok {
		t.Fatalf("the answer is no ARP: %v", reply)
	}
	if arp.Operation != layers.ARPReply || net.HardwareAddr(arp.SourceHwAddress).String() != "02:00:00:00:00:01" || net.HardwareAddr(arp.DstHwAddress).String() != askerMAC ||
		!bytes.Equal(arp.SourceProtAddress, []byte{10, 0, 0, 1}) || !bytes.Equal(arp.DstProtAddress, []byte{10, 0, 0, 9}) {
		t.Errorf("reply: %v", arp)
	}
}
