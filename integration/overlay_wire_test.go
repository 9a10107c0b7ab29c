// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/ovsnet/ovsnet/integration"
)

const toAll = "ff:ff:ff:ff:ff:ff"

// macs are the containers' of a network, by the number of their host.
func (f *fabric) macs(t *testing.T, letter string) map[int]string {
	t.Helper()
	macs := map[int]string{}
	for i, h := range f.hosts[:members] {
		macs[i+1] = h.Exec(t, fmt.Sprint(letter, i+1), "cat /sys/class/net/eth0/address")
	}
	return macs
}

// with are the packets whose frame holds a text.
func with(packets []integration.Tunnelled, text string) []integration.Tunnelled {
	var out []integration.Tunnelled
	for _, p := range packets {
		if bytes.Contains(p.Frame, []byte(text)) {
			out = append(out, p)
		}
	}
	return out
}

// wire: what goes to whom, and what to nobody.
func (f *fabric) wire(t *testing.T) {
	one, two := f.hosts[0], f.hosts[1]
	capture := f.lan.Capture(t, one)
	mac := f.macs(t, "r")
	// So that everybody knows everybody.
	f.allTalk(t, "r", 1, 2, 3)
	capture.Frames(t)

	t.Run("unicast", func(t *testing.T) {
		one.Exec(t, "r1", "probe send eth0", frame(t, mac[1], mac[2], v4(11), v4(12), forbidden))
		sent := with(capture.Tunnelled(t, tunnelPort), forbidden)
		if len(sent) != 1 || sent[0].From.String() != one.IPv4 || sent[0].To.String() != two.IPv4 || sent[0].VNI != 100 {
			t.Errorf("a frame for a container on %s: %+v", two.IPv4, sent)
		}
	})
	t.Run("to everybody", func(t *testing.T) {
		heard := f.sniffAll(t, "r2", "r3", "b2", "b3")
		for name, dst := range map[string]string{"broadcast": toAll, "multicast": "01:00:5e:01:02:03", "unknown": "02:42:0a:3d:00:fe"} {
			one.Exec(t, "r1", "probe send eth0", frame(t, mac[1], dst, v4(11), v4(254), forbidden))
			sent := with(capture.Tunnelled(t, tunnelPort), forbidden)
			to := map[string]int{}
			for _, p := range sent {
				to[p.To.String()]++
			}
			if len(sent) != 2 || to[two.IPv4] != 1 || to[f.hosts[2].IPv4] != 1 {
				t.Errorf("%s: %+v", name, sent)
			}
		}
		// Each host knows all MACs of its own: what is unknown to the sender ends there.
		f.saw(t, heard, map[string]int{"r2": 2, "r3": 2})
	})
	t.Run("the gateway", func(t *testing.T) {
		// What is known is forgotten on the container's and on the gateway's side, so that both ask.
		for range 2 {
			one.Exec(t, "r1", "ip neigh flush dev eth0")
			one.Run(t, "ip neigh flush dev red")
			one.Exec(t, "r1", "sh -c", "ping -c 1 -W 2 10.61.0.1 && ping -c 1 -W 2 fd61::1")
			one.Run(t, "ping -c 1 -W 2 "+v4(11))
			one.Run(t, "ping -c 1 -W 2 "+v6(11))
		}
		one.Run(t, "sh -c", "ping -c 1 -W 1 "+v4(77)+"; ping -c 1 -W 1 "+v6(77)+"; true")
		gateway := one.Run(t, "cat /sys/class/net/red/address")
		for _, p := range capture.Tunnelled(t, tunnelPort) {
			if who := about(p.Frame, gateway, "10.61.0.1", "fd61::1"); who != "" {
				t.Errorf("%s of the gateway's went to %s: %x", who, p.To, p.Frame)
			}
		}
	})
}

// about says what of a gateway's is in a frame: its MAC, or a question or an answer about its addresses.
func about(f []byte, mac string, addrs ...string) string {
	p := gopacket.NewPacket(f, layers.LayerTypeEthernet, gopacket.NoCopy)
	eth, ok := p.LinkLayer().(*layers.Ethernet)
	switch {
	case !ok:
		return "no Ethernet"
	case eth.SrcMAC.String() == mac:
		return "a frame from the MAC"
	case eth.DstMAC.String() == mac:
		return "a frame to the MAC"
	case eth.EthernetType != layers.EthernetTypeARP && p.Layer(layers.LayerTypeICMPv6) == nil:
		return ""
	}
	for _, text := range addrs {
		if bytes.Contains(eth.Payload, netip.MustParseAddr(text).AsSlice()) {
			return "a question about an address"
		}
	}
	return ""
}

// sniffAll watches in containers that are named by a letter and their host's number.
func (f *fabric) sniffAll(t *testing.T, containers ...string) map[string]sniffer {
	t.Helper()
	all := map[string]sniffer{}
	for _, c := range containers {
		all[c] = sniff(t, f.hosts[c[1]-'1'], c, "eth0")
	}
	return all
}

// saw ends watching: a frame from a container of the same network and host 1 tells everybody to. Then each must have
// seen so many forbidden frames, none where nothing is said.
func (f *fabric) saw(t *testing.T, heard map[string]sniffer, want map[string]int) {
	t.Helper()
	for _, letter := range []string{"r", "b"} {
		from := letter + "1"
		mac := f.hosts[0].Exec(t, from, "cat /sys/class/net/eth0/address")
		f.hosts[0].Exec(t, from, "probe send eth0", frame(t, mac, toAll, v4(11), "10.61.0.255", lastOne))
	}
	for name, s := range heard {
		soon(t, func() error { return s.says("matched") })
		if err := s.says(fmt.Sprintf("matched %d", want[name])); err != nil {
			t.Errorf("%s, want %d frames: %v", name, want[name], err)
		}
	}
}

// apart: a frame of the one network, or of a host that is no peer, is never seen by the other's containers.
func (f *fabric) apart(t *testing.T) {
	one, two := f.hosts[0], f.hosts[1]
	mac := f.macs(t, "r")
	f.allTalk(t, "r", 1, 2, 3)

	t.Run("of another VNI", func(t *testing.T) {
		heard := f.sniffAll(t, "r2", "r3", "b2", "b3")
		one.Exec(t, "r1", "probe send eth0",
			frame(t, mac[1], mac[2], v4(11), v4(12), forbidden),
			frame(t, mac[1], toAll, v4(11), "10.61.0.255", forbidden))
		// Both networks have the same addresses, and so the same MACs.
		f.saw(t, heard, map[string]int{"r2": 2, "r3": 1})
	})

	t.Run("forged", func(t *testing.T) {
		inner := func(src, dst string) []byte {
			b, err := hex.DecodeString(frame(t, src, dst, v4(11), v4(12), forbidden))
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		heard := f.sniffAll(t, "r2", "b2")
		packet := func(from string, vni uint32, port uint16, frame []byte) integration.Tunnelled {
			to := two.IPv4
			if strings.Contains(from, ":") {
				to = two.IPv6
			}
			return integration.Tunnelled{From: netip.MustParseAddr(from), To: netip.MustParseAddr(to), VNI: vni, Port: port, Frame: frame}
		}
		f.lan.Forge(t, two,
			// From hosts that are no peers, the fourth among them.
			packet("198.51.100.77", 100, tunnelPort, inner(mac[1], mac[2])),
			packet("198.51.100.77", 100, tunnelPort, inner(mac[1], toAll)),
			packet("198.51.100.77", 200, tunnelPort, inner(mac[1], toAll)),
			packet(f.hosts[3].IPv4, 100, tunnelPort, inner(mac[1], toAll)),
			packet("2001:db8:51::77", 100, tunnelPort, inner(mac[1], toAll)),
			// From a peer's address: a VNI that is nobody's, and another port.
			packet(one.IPv4, 300, tunnelPort, inner(mac[1], toAll)),
			packet(one.IPv4, 0, tunnelPort, inner(mac[1], toAll)),
			packet(one.IPv4, 100, 4789, inner(mac[1], toAll)),
			// From a peer: the gateway's MAC, and one that nobody can have.
			packet(one.IPv4, 100, tunnelPort, inner(two.Run(t, "cat /sys/class/net/red/address"), toAll)),
			packet(one.IPv4, 100, tunnelPort, inner(toAll, mac[2])),
			// And the one that shows that the others were whole.
			packet(one.IPv4, 100, tunnelPort, inner(mac[1], mac[2])),
		)
		f.saw(t, heard, map[string]int{"r2": 1})
	})
}
