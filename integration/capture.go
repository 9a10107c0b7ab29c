// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// Tunnelled is an Ethernet frame in a VXLAN packet (RFC 7348).
type Tunnelled struct {
	From, To netip.Addr // of the underlay
	Port     uint16     // UDP port that it goes to
	VNI      uint32
	Frame    []byte
}

// Capture is what a host sends into the LAN.
type Capture struct {
	host  *Host
	file  string // a frame on each line, in hexadecimal
	taken int    // bytes of it
	marks int
}

// Capture begins to capture what a host sends into the LAN.
func (n *LAN) Capture(tb testing.TB, h *Host) *Capture {
	tb.Helper()
	const begin = "listening\n"
	file := fmt.Sprintf("/run/capture%d", len(n.host.programs))
	n.host.StartProgram(tb, "sh -c", Probe(tb)+" capture "+h.Name+" >"+file)
	n.host.await(tb, n.host.programs[len(n.host.programs)-1], func() error {
		text, err := os.ReadFile(n.host.Path(file))
		if err == nil && !strings.HasPrefix(string(text), begin) {
			err = fmt.Errorf("%q", text)
		}
		return err
	})
	return &Capture{host: h, file: n.host.Path(file), taken: len(begin)}
}

// etherLocal is an EtherType for experiments (IEEE 802, 9.2.3).
const etherLocal = 0x88b5

// Frames returns what the host has sent since the last call, up to now: all that its switch had taken in before.
func (c *Capture) Frames(tb testing.TB) [][]byte {
	tb.Helper()
	var frames [][]byte
	// The switch may take up what came at the same time in another order; the second mark is behind all of it.
	for range 2 {
		frames = append(frames, c.mark(tb)...)
	}
	return frames
}

func (c *Capture) mark(tb testing.TB) [][]byte {
	tb.Helper()
	c.marks++
	mac, err := net.ParseMAC(c.host.Run(tb, "cat /sys/class/net/"+underlay(tb)+"/address"))
	if err != nil {
		tb.Fatal(err)
	}
	buf := gopacket.NewSerializeBuffer()
	err = gopacket.SerializeLayers(buf, gopacket.SerializeOptions{},
		&layers.Ethernet{SrcMAC: mac, DstMAC: layers.EthernetBroadcast, EthernetType: etherLocal},
		gopacket.Payload(fmt.Sprintf("ovsnet capture %p %8d", c, c.marks)))
	if err != nil {
		tb.Fatal(err)
	}
	end := hex.EncodeToString(buf.Bytes())
	c.host.Run(tb, Probe(tb)+" send "+underlay(tb), end)
	var text []byte
	err = ovstest.Poll(10*time.Second, func() error {
		all, failed := os.ReadFile(c.file)
		if failed != nil {
			return failed
		}
		text = all[c.taken:]
		i := bytes.Index(text, []byte(end+"\n"))
		if i < 0 {
			return fmt.Errorf("what host %s sent itself to the LAN did not come", c.host.Name)
		}
		text = text[:i]
		c.taken += i + len(end) + 1
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	var frames [][]byte
	for line := range strings.Lines(string(text)) {
		f, err := hex.DecodeString(strings.TrimSpace(line))
		if err != nil {
			tb.Fatalf("%q: %v", line, err)
		}
		frames = append(frames, f)
	}
	return frames
}

// Tunnelled is Frames, but for what is no VXLAN packet to the UDP port.
func (c *Capture) Tunnelled(tb testing.TB, port uint16) []Tunnelled {
	tb.Helper()
	var all []Tunnelled
	for _, f := range c.Frames(tb) {
		if t, ok := decode(f); ok && t.Port == port {
			all = append(all, t)
		}
	}
	return all
}

// decode takes a frame of the underlay for a VXLAN packet, whatever UDP port it goes to.
func decode(frame []byte) (Tunnelled, bool) {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	udp, ok := p.TransportLayer().(*layers.UDP)
	if !ok || len(udp.Payload) < 8 {
		return Tunnelled{}, false
	}
	from, to := p.NetworkLayer().NetworkFlow().Endpoints()
	var vxlan layers.VXLAN
	if err := vxlan.DecodeFromBytes(udp.Payload, gopacket.NilDecodeFeedback); err != nil {
		return Tunnelled{}, false
	}
	t := Tunnelled{Port: uint16(udp.DstPort), VNI: vxlan.VNI, Frame: vxlan.Payload}
	t.From, _ = netip.AddrFromSlice(from.Raw())
	t.To, _ = netip.AddrFromSlice(to.Raw())
	return t, true
}
