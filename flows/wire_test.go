// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// The traces of the other files say what the switch means to do; here it does it, to the last byte.

// exchange sends a frame into a port and returns the first one that comes out of it.
func (b *bridge) exchange(t *testing.T, port string, frame []byte) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "out.pcap")
	b.sw.Ctl(t, "set", "Interface", port, "options:tx_pcap="+file)
	defer b.sw.Ctl(t, "remove", "Interface", port, "options", "tx_pcap")
	if _, err := b.control.call("netdev-dummy/receive", port, hex.EncodeToString(frame)); err != nil {
		t.Fatal(err)
	}
	var reply []byte
	err := ovstest.Poll(10*time.Second, func() error {
		captured, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		r, err := pcapgo.NewReader(bytes.NewReader(captured))
		if err != nil {
			return err
		}
		reply, _, err = r.ReadPacketData()
		return err
	})
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	return reply
}

// answered is an advertisement as a host reads it.
type answered struct {
	From, To   string // MACs
	Src, Dst   netip.Addr
	Hops       uint8
	Flags      uint8
	Target     netip.Addr
	TargetMAC  string
	Unreadable string
}

func readAdvertisement(frame []byte) answered {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	link, _ := p.Layer(layers.LayerTypeEthernet).(*layers.Ethernet)
	six, _ := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
	msg, _ := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6)
	na, _ := p.Layer(layers.LayerTypeICMPv6NeighborAdvertisement).(*layers.ICMPv6NeighborAdvertisement)
	if link == nil || six == nil || msg == nil || na == nil {
		return answered{Unreadable: p.Dump()}
	}
	a := answered{From: link.SrcMAC.String(), To: link.DstMAC.String(), Hops: six.HopLimit, Flags: na.Flags}
	a.Src, _ = netip.AddrFromSlice(six.SrcIP)
	a.Dst, _ = netip.AddrFromSlice(six.DstIP)
	a.Target, _ = netip.AddrFromSlice(na.TargetAddress)
	for _, o := range na.Options {
		if o.Type == layers.ICMPv6OptTargetAddress {
			a.TargetMAC = net.HardwareAddr(o.Data).String()
		}
	}
	if err := checksum6(a.Src, a.Dst, six.Payload); err != nil {
		a.Unreadable = err.Error()
	}
	return a
}

var errChecksum = errors.New("the checksum is wrong")

// checksum6 checks ICMPv6's checksum (RFC 4443, section 2.3).
func checksum6(src, dst netip.Addr, message []byte) error {
	sum := uint32(0)
	for _, part := range [][]byte{src.AsSlice(), dst.AsSlice(), be16(len(message)), be16(58), message} {
		for i := 0; i+1 < len(part); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(part[i:]))
		}
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	if sum != 0xffff {
		return errChecksum
	}
	return nil
}

func TestAnswersOnTheWire(t *testing.T) {
	b := bench(t, family(dualNetwork(1, nil)))
	bobsMAC, gateway := bMAC.String(), gwMAC.String()
	for _, c := range []struct {
		name  string
		frame []byte
		want  answered
	}{
		{"neighbour", ns(aMAC, aIP6, bIP6, lla(1, aMAC)), answered{bobsMAC, aMAC.String(), bIP6, aIP6, 255, 0x60, bIP6, bobsMAC, ""}},
		{"gateway", ns(aMAC, aIP6, gwIP6, lla(1, aMAC)), answered{gateway, aMAC.String(), gwIP6, aIP6, 255, 0xe0, gwIP6, gateway, ""}},
		{"gateway's link-local address", ns(aMAC, aLL, gwLL, lla(1, aMAC)), answered{gateway, aMAC.String(), gwLL, aLL, 255, 0xe0, gwLL, gateway, ""}},
		{"duplicate", ns(aMAC, none6, bLL), answered{bobsMAC, aMAC.String(), bLL, allNodes, 255, 0x20, bLL, "", ""}},
		{"duplicate with nonce", ns(aMAC, none6, bLL, []byte{14, 1, 1, 2, 3, 4, 5, 6}), answered{bobsMAC, aMAC.String(), bLL, allNodes, 255, 0x20, bLL, "", ""}},
		{"duplicate of the gateway", ns(aMAC, none6, gwLL), answered{gateway, aMAC.String(), gwLL, allNodes, 255, 0xa0, gwLL, "", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, readAdvertisement(b.exchange(t, "br0-1", c.frame)), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	for _, c := range []struct {
		name        string
		frame, want []byte
	}{
		{"ARP for a neighbour", who(aMAC, aIP, bIP), arp(aMAC, bMAC, 2, bMAC, bIP, aMAC, aIP)},
		{"ARP for the gateway", who(aMAC, aIP, gwIP), arp(aMAC, gwMAC, 2, gwMAC, gwIP, aMAC, aIP)},
		{"ARP probe of a neighbour", who(aMAC, none4, bIP), arp(aMAC, bMAC, 2, bMAC, bIP, aMAC, none4)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := b.exchange(t, "br0-1", c.frame); !bytes.Equal(got[:42], c.want[:42]) {
				t.Errorf("got %x, want %x", got, c.want)
			}
		})
	}
}
