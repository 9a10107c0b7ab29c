// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/ovsnet/ovsnet/integration"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// frame is a UDP packet over IPv4 in an Ethernet frame, as probe send takes it.
func frame(tb testing.TB, srcMAC, dstMAC, src, dst, payload string) string {
	tb.Helper()
	mac := func(s string) net.HardwareAddr {
		hw, err := net.ParseMAC(s)
		if err != nil {
			tb.Fatal(err)
		}
		return hw
	}
	ip := &layers.IPv4{
		Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.ParseIP(src).To4(), DstIP: net.ParseIP(dst).To4(),
	}
	udp := &layers.UDP{SrcPort: 4000, DstPort: 4001}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		tb.Fatal(err)
	}
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{SrcMAC: mac(srcMAC), DstMAC: mac(dstMAC), EthernetType: layers.EthernetTypeIPv4},
		ip, udp, gopacket.Payload(payload))
	if err != nil {
		tb.Fatal(err)
	}
	return hex.EncodeToString(buf.Bytes())
}

// sniffer watches for frames in a container.
type sniffer struct {
	h               *integration.Host
	container, file string
}

// The payloads that a sniffer looks for, and the one that ends it.
const (
	forbidden = "ovsnet-forbidden"
	lastOne   = "ovsnet-last-one"
)

// sniffs counts sniffers.
var sniffs atomic.Int32

// sniff starts to watch an interface of a container for forbidden frames, until the last one.
func sniff(tb testing.TB, h *integration.Host, container, iface string) sniffer {
	tb.Helper()
	return sniffFor(tb, h, container, iface, forbidden, lastOne)
}

// sniffTime is how long a sniffer waits from one frame to the next.
const sniffTime = 30 * time.Second

// sniffFor starts to count the frames of a kind that arrive, until one of another kind does.
func sniffFor(tb testing.TB, h *integration.Host, container, iface, kind, last string) sniffer {
	tb.Helper()
	s := sniffer{h: h, container: container, file: fmt.Sprintf("/tmp/sniffed-%d", sniffs.Add(1))} // none says what an earlier one did
	h.Docker(tb, "exec --detach "+container+" sh -c", fmt.Sprintf("probe sniff %s %x %x %d >%s 2>&1", iface, kind, last, ovstest.Limit(sniffTime)/time.Second, s.file))
	soon(tb, func() error { return s.says("listening") })
	return s
}

func (s sniffer) says(word string) error {
	text, err := s.h.TryExec(s.container, "cat "+s.file)
	if err == nil && !strings.Contains(text, word) {
		err = fmt.Errorf("%s: %q", s.container, text)
	}
	return err
}

// saw holds how many frames came before the last one.
func (s sniffer) saw(tb testing.TB, n int) {
	tb.Helper()
	soon(tb, func() error { return s.says("matched") })
	if err := s.says(fmt.Sprintf("matched %d", n)); err != nil {
		tb.Errorf("want %d frames: %v", n, err)
	}
}
