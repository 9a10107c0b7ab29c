// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// house is what a bridge holds: networks and ports, from which its flows are compiled.
type house struct {
	nets  []flows.Network
	ports []flows.Port
	peers []flows.Peer
	given []flows.Neighbour
	// learned is what the model has learned from tunnels.
	learned map[remoteMAC]remote
}

func (h house) compile(tb testing.TB) flows.Compiled {
	tb.Helper()
	parts := []flows.Compiled{flows.CompileBridge()}
	for _, n := range h.nets {
		c, err := flows.CompileNetwork(n)
		if err != nil {
			tb.Fatal(err)
		}
		parts = append(parts, c)
	}
	for _, p := range h.ports {
		c, err := flows.CompilePort(p)
		if err != nil {
			tb.Fatal(err)
		}
		parts = append(parts, c)
	}
	for _, p := range h.peers {
		c, err := flows.CompilePeer(p)
		if err != nil {
			tb.Fatal(err)
		}
		parts = append(parts, c)
	}
	for _, n := range h.given {
		c, err := flows.CompileNeighbour(n)
		if err != nil {
			tb.Fatal(err)
		}
		parts = append(parts, c)
	}
	all, err := flows.Merge(parts...)
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// hw, ip4of and ip6of are the addresses of port n in every house.
func hw(n int) net.HardwareAddr { return net.HardwareAddr{0x02, 0x42, 0x0a, 0, 0, byte(n)} }

func ip4of(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}) }

func ip6of(n int) netip.Addr { return netip.AddrFrom16([16]byte{0xfd, 15: byte(n)}) }

func llOf(n int) netip.Addr { return flows.LinkLocal(hw(n)) }

// The gateway of every house has number 1 in the addresses.
var (
	gwMAC = hw(1)
	gwLL  = flows.LinkLocal(gwMAC)
)

// dualNetwork is a network with a gateway that speaks both families.
func dualNetwork(tag uint16, more func(*flows.Network)) flows.Network {
	n := flows.Network{Tag: tag, ICC: true, Gateway: true, GatewayMAC: gwMAC, GatewayAddrs: []netip.Addr{ip4of(1), ip6of(1), gwLL}}
	if more != nil {
		more(&n)
	}
	return n
}

// dualPort is the OpenFlow port number with the addresses of number+1, in both families.
func dualPort(n flows.Network, number int, more func(*flows.Port)) flows.Port {
	p := flows.Port{Network: n, Number: uint16(number), MAC: hw(number + 1), Addrs: []netip.Addr{ip4of(number + 1), ip6of(number + 1)}, IPv6: true}
	if more != nil {
		more(&p)
	}
	return p
}

// attempt is a frame that a port sends, and what must come of it.
type attempt struct {
	name  string
	in    uint32
	frame []byte
	// row is one that the frame must meet: the one that decides.
	row string
	out []uint32
	// final are parts of the frame as it leaves, for what the switch answers itself.
	final []string
}

func out(ports ...uint32) []uint32 { return ports }

// judge sends every attempt through the bridge.
func judge(t *testing.T, b *bridge, attempts []attempt) {
	t.Helper()
	seen := map[string]bool{}
	for _, a := range attempts {
		if seen[a.name] {
			t.Errorf("two attempts are called %s", a.name)
		}
		seen[a.name] = true
		t.Run(a.name, func(t *testing.T) {
			if len(a.frame) < 14 {
				t.Fatal("the frame could not be built")
			}
			d, err := b.trace(a.in, a.frame)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.check(b, d); err != nil {
				t.Errorf("%v\n%s", err, d.Text)
			}
		})
	}
}

func (a attempt) check(b *bridge, d decision) error {
	want := slices.Clone(a.out)
	slices.Sort(want)
	if !slices.Equal(d.Out, want) {
		return fmt.Errorf("leaves by %v, want %v", d.Out, want)
	}
	if !slices.Contains(d.Rows, a.row) {
		return fmt.Errorf("rows %v, want %s among them", d.Rows, a.row)
	}
	for _, r := range b.rows {
		if r.Name == a.row && d.Drop != r.Drop {
			return fmt.Errorf("dropped as %q, want %q", d.Drop, r.Drop)
		}
	}
	for _, part := range a.final {
		if !strings.Contains(d.Final, part) {
			return fmt.Errorf("final frame %s, want %s in it", d.Final, part)
		}
	}
	return nil
}

// bench is a switch with one bridge that runs the house.
func bench(t *testing.T, h house) *bridge {
	t.Helper()
	most := 0
	for _, p := range h.ports {
		most = max(most, int(p.Number))
	}
	b := newBridge(t, ovstest.Start(t), "br0", most+1) // one port more, which is not ours
	b.load(t, h.compile(t))
	return b
}
