// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// scatter is the n-th of many numbers that have nothing in common.
func scatter(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n*2654435761) }

// TestExhaustion sends a thousand different frames of a kind and counts the datapath flows that they leave: what a container
// makes up must not fill the datapath's table, nor keep ovs-vswitchd from its neighbours.
func TestExhaustion(t *testing.T) {
	b := bench(t, family(dualNetwork(1, nil)))
	four := func(n uint32) netip.Addr { return netip.AddrFrom4([4]byte(scatter(n))) }
	six := func(n uint32) netip.Addr {
		return netip.AddrFrom16([16]byte(cat([]byte{0x20, 1}, make([]byte, 10), scatter(n))))
	}
	wild := func(first byte, n uint32) []byte { return cat([]byte{first, byte(n)}, scatter(n)) }
	packet := ip4(aIP, bIP, isUDP, 0, udp(1, 2))
	for _, c := range []struct {
		name  string
		most  int // datapath flows
		frame func(n uint32) []byte
	}{
		{"MACs", 48, func(n uint32) []byte { return v4(wild(2, n), bMAC, packet) }},
		{"MACs, to as many", 48, func(n uint32) []byte { return v4(wild(2, n), wild(6, n), packet) }},
		{"MACs, to groups", 48, func(n uint32) []byte { return v4(wild(2, n), wild(1, n), packet) }},
		{"MACs close to the own", 48, func(n uint32) []byte { return v4(cat(aMAC[:3], scatter(n)[:3]), bMAC, packet) }},
		{"IPv4 addresses", 32, func(n uint32) []byte { return v4(aMAC, bMAC, ip4(four(n), bIP, isUDP, 0, udp(1, 2))) }},
		{"IPv4 destinations", 4, func(n uint32) []byte { return v4(aMAC, gwMAC, ip4(aIP, four(n), isUDP, 0, udp(1, 2))) }},
		{"IPv6 destinations", 4, func(n uint32) []byte { return v6(aMAC, gwMAC, ip6(aIP6, six(n), 17, 64, udp(1, 2))) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.sw.AppCtl(t, "dpctl/del-flows")
			before := b.lookups(t)
			for n := range uint32(1000) {
				if _, err := b.control.call("netdev-dummy/receive", "br0-1", hex.EncodeToString(c.frame(n))); err != nil {
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
			if got := strings.Count(left, "recirc_id("); got > c.most || got == 0 {
				t.Errorf("%d datapath flows, want 1 to %d:\n%.2000s", got, c.most, left)
			}
			if fdb := b.sw.AppCtl(t, "fdb/show", b.name); strings.Count(fdb, "\n") > 0 {
				t.Errorf("the switch learned:\n%s", fdb)
			}
		})
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
