// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// scatter is the n-th of many numbers that have nothing in common.
func scatter(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n*2654435761) }

// TestExhaustion sends a thousand different frames of a kind and counts the datapath flows that they leave: what a container
// makes up must not fill the datapath's table, nor keep ovs-vswitchd from its neighbours.
func TestExhaustion(t *testing.T) {
	n := dualNetwork(1, nil)
	h := family(n)
	router := len(h.ports) + 1
	h.ports = append(h.ports, dualPort(n, router, func(p *flows.Port) { p.Allowed = []netip.Prefix{netip.MustParsePrefix("::/0")} }))
	b := bench(t, h)
	four := func(n uint32) netip.Addr { return netip.AddrFrom4([4]byte(scatter(n))) }
	wide := func(n uint32) netip.Addr {
		return netip.AddrFrom16([16]byte(cat(scatter(n), scatter(n+1), scatter(n+2), scatter(n+3))))
	}
	six := func(hw net.HardwareAddr, src, dst netip.Addr) []byte {
		to := bMAC
		if dst != bIP6 {
			to = gwMAC
		}
		return v6(hw, to, ip6(src, dst, 17, 64, udp(1, 2)))
	}
	wild := func(first byte, n uint32) []byte { return cat([]byte{first, byte(n)}, scatter(n)) }
	// near differs from an address for the first time in the n-th bit.
	near := func(a netip.Addr, n uint32) netip.Addr {
		b := a.AsSlice()
		bit := int(n) % (8 * len(b))
		b[bit/8] ^= 0x80 >> (bit % 8)
		for i := bit + 1; i < 8*len(b); i++ {
			if scatter(n + uint32(i)/8)[0]>>(i%8)&1 == 1 {
				b[i/8] ^= 0x80 >> (i % 8)
			}
		}
		out, _ := netip.AddrFromSlice(b)
		return out
	}
	packet := ip4(aIP, bIP, isUDP, 0, udp(1, 2))
	for _, c := range []struct {
		name  string
		from  int // port, 0 for LOCAL
		most  int // datapath flows
		frame func(n uint32) []byte
	}{
		{"MACs", alice, 48, func(n uint32) []byte { return v4(wild(2, n), bMAC, packet) }},
		{"MACs, to as many", alice, 48, func(n uint32) []byte { return v4(wild(2, n), wild(6, n), packet) }},
		{"MACs, to groups", alice, 48, func(n uint32) []byte { return v4(wild(2, n), wild(1, n), packet) }},
		{"MACs close to the own", alice, 48, func(n uint32) []byte { return v4(cat(aMAC[:3], scatter(n)[:3]), bMAC, packet) }},
		{"IPv4 addresses", alice, 32, func(n uint32) []byte { return v4(aMAC, bMAC, ip4(four(n), bIP, isUDP, 0, udp(1, 2))) }},
		{"IPv4 addresses close to the own", alice, 64, func(n uint32) []byte { return v4(aMAC, bMAC, ip4(near(aIP, n), bIP, isUDP, 0, udp(1, 2))) }},
		{"IPv6 addresses", alice, 32, func(n uint32) []byte { return six(aMAC, wide(n), bIP6) }},
		{"IPv6 addresses close to the own", alice, 140, func(n uint32) []byte { return six(aMAC, near(aIP6, n), bIP6) }},
		{"IPv6 addresses close to the link-local one", alice, 140, func(n uint32) []byte { return six(aMAC, near(aLL, n), bIP6) }},
		{"IPv6 addresses that solicit", alice, 140, func(n uint32) []byte { return ns(aMAC, near(aIP6, n), bIP6, lla(1, aMAC)) }},
		{"IPv6 addresses of a router", router, 140, func(n uint32) []byte { return six(hw(router+1), near(none6, n), bIP6) }},
		{"IPv6 addresses by way of the gateway", 0, 140, func(n uint32) []byte { return six(gwMAC, near(ip6of(carol+1), n), bIP6) }},
		{"IPv4 destinations", alice, 4, func(n uint32) []byte { return v4(aMAC, gwMAC, ip4(aIP, four(n), isUDP, 0, udp(1, 2))) }},
		{"IPv4 destinations from a neighbour's address", alice, 40, func(n uint32) []byte { return v4(aMAC, gwMAC, ip4(bIP, four(n), isUDP, 0, udp(1, 2))) }},
		{"IPv4 destinations from other addresses", alice, 96, func(n uint32) []byte { return v4(aMAC, gwMAC, ip4(near(aIP, n), four(n), isUDP, 0, udp(1, 2))) }},
		{"IPv6 destinations", alice, 4, func(n uint32) []byte { return six(aMAC, aIP6, wide(n)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.sw.AppCtl(t, "revalidator/purge")
			port := b.name
			if c.from != 0 {
				port += fmt.Sprint("-", c.from)
			}
			before := b.lookups(t)
			for n := range uint32(1000) {
				if _, err := b.control.call("netdev-dummy/receive", port, hex.EncodeToString(c.frame(n))); err != nil {
					t.Fatal(err)
				}
			}
			err := ovstest.Poll(10*time.Second, func() error {
				// A dummy device loses frames that come faster than they are taken.
				if got := b.lookups(t) - before; got < 500 {
					return fmt.Errorf("only %d frames of 1000 were looked at", got)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			left := b.sw.AppCtl(t, "dpctl/dump-flows")
			got := strings.Count(left, "recirc_id(")
			t.Logf("%d datapath flows", got)
			if got > c.most || got == 0 {
				t.Errorf("want 1 to %d:\n%.2000s", c.most, left)
			}
			if fdb := b.sw.AppCtl(t, "fdb/show", b.name); strings.Count(fdb, "\n") > 0 {
				t.Errorf("the switch learned:\n%s", fdb)
			}
		})
	}
}

// TestPrefixes: wherever the pipeline tells IP sources apart, Open vSwitch tracks their prefixes, within what 2.17 can.
func TestPrefixes(t *testing.T) {
	n := dualNetwork(1, nil)
	for _, f := range family(n).compile(t).Flows {
		tracked, ours := flows.Prefixes()[f.Table]
		if _, six := f.Match.Get(flows.FieldIPv6Src); six && !slices.Contains(tracked, "ipv6_src") {
			t.Errorf("IPv6 sources are not tracked in the table of %s", f)
		}
		if _, four := f.Match.Get(flows.FieldIPv4Src); four && ours && !slices.Contains(tracked, "ip_src") {
			t.Errorf("IPv4 sources are not tracked in the table of %s", f)
		}
	}
	for table, fields := range flows.Prefixes() {
		if len(fields) > 3 || !slices.IsSorted(fields) {
			t.Errorf("table %d: %v, want at most three, as the database sorts them", table, fields)
		}
	}
}

var lookups = regexp.MustCompile(`lookups: hit:(\d+) missed:(\d+) lost:(\d+)`)

// lookups is the number of frames that the datapath has had in its hands.
func (b *bridge) lookups(t *testing.T) int {
	t.Helper()
	m := lookups.FindStringSubmatch(b.sw.AppCtl(t, "dpctl/show"))
	if m == nil {
		t.Fatal("dpctl/show counts no lookups")
	}
	sum := 0
	for _, text := range m[1:] {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}
