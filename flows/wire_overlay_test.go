// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// wire is the underlay of an overlay bench, and what the bridge's ports see.
type wire struct {
	*bridge
	t     *testing.T
	files map[string]string
}

// tap captures what leaves by the underlay's port and by ports of the bridge.
func tap(t *testing.T, b *bridge, ports ...string) wire {
	t.Helper()
	w := wire{bridge: b, t: t, files: map[string]string{}}
	for _, port := range append(ports, "phy") {
		w.files[port] = filepath.Join(t.TempDir(), port+".pcap")
		b.sw.Ctl(t, "set", "Interface", port, "options:tx_pcap="+w.files[port])
	}
	return w
}

// send lets a frame in by a port.
func (w wire) send(port string, frame []byte) {
	w.t.Helper()
	if _, err := w.control.call("netdev-dummy/receive", port, hex.EncodeToString(frame)); err != nil {
		w.t.Fatal(err)
	}
}

// underlayMAC is the bridge's own MAC on the underlay.
func (w wire) underlayMAC() []byte {
	return mac(strings.Trim(w.sw.Ctl(w.t, "get", "Interface", "br-phy", "mac_in_use"), `"`))
}

// vxlan is a frame of a peer's in VXLAN (RFC 7348).
func (w wire) vxlan(peer, key int, frame []byte) []byte {
	head := cat([]byte{8, 0, 0, 0}, binary.BigEndian.AppendUint32(nil, uint32(key)<<8))
	datagram := udp(50000, tunnelUDP, cat(head, frame)...)
	if vtep(peer).Is4() {
		return v4(hw(100+peer), w.underlayMAC(), ip4(vtep(peer), netip.MustParseAddr("192.0.2.1"), isUDP, 0, datagram))
	}
	src, dst := vtep(peer), netip.MustParseAddr("2001:db8::1")
	sum := uint32(0)
	for _, part := range [][]byte{src.AsSlice(), dst.AsSlice(), be16(len(datagram)), be16(17), append(bytes.Clone(datagram), 0)} {
		for i := 0; i+1 < len(part); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(part[i:]))
		}
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(datagram[6:], ^uint16(sum))
	return v6(hw(100+peer), w.underlayMAC(), ip6(src, dst, 17, 64, datagram))
}

// seen are the frames that have left by a port.
func (w wire) seen(port string) [][]byte {
	w.t.Helper()
	captured, err := os.ReadFile(w.files[port])
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := pcapgo.NewReader(bytes.NewReader(captured))
	if err != nil {
		return nil // nothing yet
	}
	var frames [][]byte
	for {
		frame, _, err := r.ReadPacketData()
		if err != nil {
			return frames // the end, or a frame that is being written
		}
		frames = append(frames, frame)
	}
}

// inVXLAN takes a frame out of VXLAN: "<peer's address> <VNI>", and the frame.
func inVXLAN(frame []byte) (string, []byte) {
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	datagram, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
	if !ok || datagram.DstPort != tunnelUDP || len(datagram.Payload) < 8 {
		return "no VXLAN", nil
	}
	key := binary.BigEndian.Uint32(datagram.Payload[4:]) >> 8
	return fmt.Sprint(p.NetworkLayer().NetworkFlow().Dst(), " ", key), datagram.Payload[8:]
}

// sent waits until n frames more than before have left for peers, and says where to, sorted.
func (w wire) sent(before, n int) (to []string, frames [][]byte) {
	w.t.Helper()
	err := ovstest.Poll(10*time.Second, func() error {
		if got := len(w.seen("phy")) - before; got < n {
			return fmt.Errorf("%d frames have left, want %d", got, n)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, frame := range w.seen("phy")[before:] {
		peer, inner := inVXLAN(frame)
		to, frames = append(to, peer), append(frames, inner)
	}
	slices.Sort(to)
	return to, frames
}

// arrives waits for a frame to leave by a port of the bridge.
func (w wire) arrives(port string, frame []byte) {
	w.t.Helper()
	err := ovstest.Poll(10*time.Second, func() error {
		if !slices.ContainsFunc(w.seen(port), func(got []byte) bool { return bytes.Equal(got, frame) }) {
			return fmt.Errorf("%x did not arrive at %s", frame, port)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// remote are the learned flows, as "<MAC> <peer>", sorted.
func (w wire) learnedFlows() []string {
	w.t.Helper()
	var all []string
	for _, line := range strings.Split(w.sw.OFCtl(w.t, "--no-stats", "dump-flows", w.name, fmt.Sprintf("table=%d", flows.TableRemote)), "\n") {
		var cookie uint64
		if _, err := fmt.Sscanf(strings.TrimSpace(line), "cookie=0x%x,", &cookie); err != nil || !flows.Learned(cookie) {
			continue
		}
		_, rest, _ := strings.Cut(line, "dl_dst=")
		hw, rest, _ := strings.Cut(rest, " ")
		_, rest, _ = strings.Cut(rest, "set_field:")
		peer, _, _ := strings.Cut(rest, "->")
		all = append(all, hw+" "+peer)
	}
	slices.Sort(all)
	return all
}

// learns waits until exactly these are learned.
func (w wire) learns(want ...string) {
	w.t.Helper()
	slices.Sort(want)
	err := ovstest.Poll(10*time.Second, func() error {
		if got := w.learnedFlows(); !slices.Equal(got, want) {
			return fmt.Errorf("learned %q, want %q", got, want)
		}
		return nil
	})
	if err != nil {
		w.t.Error(err)
	}
}

func is(number, peer int) string { return fmt.Sprint(hw(number), " ", vtep(peer)) }

func overlayWire(t *testing.T, limit uint32) (wire, flows.Network) {
	t.Helper()
	n := overlaid(dualNetwork(1, nil), limit)
	b := overlayBench(t, 4)
	h := house{nets: []flows.Network{n}, peers: peersOf(n, 2, 3, 4), ports: []flows.Port{
		dualPort(n, alice, nil), dualPort(n, bob, nil), dualPort(n, carol, func(p *flows.Port) { p.Isolated = true })}}
	b.load(t, h.compile(t))
	return tap(t, b, "br0-1", "br0-2"), n
}

// TestOverlayOnTheWire encapsulates for real: what leaves for whom, and what comes in.
func TestOverlayOnTheWire(t *testing.T) {
	w, n := overlayWire(t, 100)
	key := func(peer int) string { return fmt.Sprint(vtep(peer), " ", vni) }

	broadcast := who(aMAC, aIP, free4)
	w.send("br0-1", broadcast)
	to, frames := w.sent(0, 3)
	if want := []string{key(2), key(4), key(3)}; !slices.Equal(to, want) {
		t.Errorf("broadcast left for %q, want %q", to, want)
	}
	for _, got := range frames {
		if !bytes.Equal(got, broadcast) {
			t.Errorf("broadcast left as %x, want %x", got, broadcast)
		}
	}

	// From strangers, and with another VNI, nothing gets in; what comes after it does, so that it has been judged.
	stranger := who(hw(30), ip4of(30), free4)
	w.send("phy", w.vxlan(5, vni, stranger))
	w.send("phy", w.vxlan(2, vni+1, stranger))
	w.send("phy", w.vxlan(6, vni, stranger)) // IPv6
	for peer := 2; peer <= 4; peer++ {
		known := who(hw(20+peer), ip4of(20+peer), free4)
		w.send("phy", w.vxlan(peer, vni, known))
		w.arrives("br0-1", known)
		w.arrives("br0-2", known)
	}
	for _, port := range []string{"br0-1", "br0-2"} {
		for _, frame := range w.seen(port) {
			if bytes.Equal(frame, stranger) {
				t.Errorf("a stranger's frame came out of %s", port)
			}
		}
	}
	w.learns(is(22, 2), is(23, 3), is(24, 4))

	before := len(w.seen("phy"))
	if before != 3 {
		t.Errorf("%d frames have left: something that came in went out again", before)
	}
	w.send("br0-2", fromTo(3, 23))
	if to, _ = w.sent(before, 1); !slices.Equal(to, []string{key(3)}) {
		t.Errorf("unicast left for %q", to)
	}
	// A question is answered where it came from.
	before++
	w.send("phy", w.vxlan(3, vni, who(hw(23), ip4of(23), bIP)))
	to, frames = w.sent(before, 1)
	if want := arp(hw(23), bMAC, 2, bMAC, bIP, hw(23), ip4of(23)); !slices.Equal(to, []string{key(3)}) || !bytes.Equal(frames[0][:42], want[:42]) {
		t.Errorf("answered to %q with %x, want %x", to, frames, want)
	}
	before++
	w.send("br0-3", who(hw(4), ip4of(4), free4))
	if _, frames = w.sent(before, 3); !bytes.Equal(frames[0], tagged(0x8100, 1, who(hw(4), ip4of(4), free4))) {
		t.Errorf("an isolated port's frame left as %x", frames[0])
	}
	// A marked frame arrives without its mark.
	plain := fromTo(22, 2)
	w.send("phy", w.vxlan(2, vni, isolatedMark(plain)))
	w.arrives("br0-1", plain)

	// Whoever is announced is where the announcement comes from.
	announced, _ := flows.Announcement(dualPort(n, 22, nil))
	w.send("phy", w.vxlan(4, vni, announced))
	w.learns(is(22, 2), is(23, 4), is(24, 4))
}

// TestLearning is about what bounds it and what ends it.
func TestLearning(t *testing.T) {
	w, n := overlayWire(t, 3)
	say := func(number, peer int) {
		t.Helper()
		frame := fromTo(number, 2)
		w.send("phy", w.vxlan(peer, vni, frame))
		w.arrives("br0-1", frame)
	}
	for number := 20; number < 40; number++ {
		say(number, 2) // three are learned
	}
	say(40, 3)
	w.learns(is(20, 2), is(21, 2), is(22, 2), is(40, 3))
	say(20, 3)
	w.learns(is(20, 3), is(21, 2), is(22, 2), is(40, 3))
	say(30, 2) // there is room again
	w.learns(is(20, 3), is(21, 2), is(22, 2), is(30, 2), is(40, 3))
	if got := len(w.learnedFlows()); got != 5 {
		t.Errorf("%d learned flows", got)
	}

	// The same flow again, as after a restart, keeps what was learned; without the peer, the switch forgets.
	var two flows.Flow
	c, err := flows.CompilePeer(peersOf(n, 2)[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range c.Flows {
		two = f
	}
	w.sw.OFCtl(t, "add-flow", w.name, two.String())
	w.learns(is(20, 3), is(21, 2), is(22, 2), is(30, 2), is(40, 3))
	w.sw.OFCtl(t, "--strict", "del-flows", w.name, fmt.Sprintf("%v", two.Key()))
	w.learns(is(20, 3), is(40, 3))
}

// TestForgetting: a MAC that is silent is forgotten even if others still speak to it; one that speaks is not.
func TestForgetting(t *testing.T) {
	n := overlaid(dualNetwork(1, nil), 100)
	n.Tunnel.Idle = 2
	b := overlayBench(t, 3)
	h := house{nets: []flows.Network{n}, peers: peersOf(n, 2), ports: []flows.Port{dualPort(n, alice, nil)}}
	b.load(t, h.compile(t))
	w := tap(t, b, "br0-1")
	w.send("phy", w.vxlan(2, vni, fromTo(20, 2)))
	w.send("phy", w.vxlan(2, vni, fromTo(21, 2)))
	w.learns(is(20, 2), is(21, 2))
	err := ovstest.Poll(20*time.Second, func() error {
		w.send("br0-1", fromTo(2, 21)) // to the silent one
		w.send("phy", w.vxlan(2, vni, fromTo(20, 2)))
		if got := w.learnedFlows(); !slices.Equal(got, []string{is(20, 2)}) {
			return fmt.Errorf("learned: %q", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(5 * time.Second)
	err = ovstest.Poll(20*time.Second, func() error {
		w.send("phy", w.vxlan(2, vni, fromTo(20, 2)))
		if got := w.learnedFlows(); !slices.Equal(got, []string{is(20, 2)}) {
			return fmt.Errorf("%w: learned: %q", ovstest.ErrHopeless, got)
		}
		if time.Now().Before(until) {
			return fmt.Errorf("not yet %v", until)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
