// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// The host does not listen at its ends of the veth pairs: what a container sends is for the switch alone, whatever MAC
// it is sent to. Else nothing of what the switch holds would hold.
func TestHostEndsAreDeaf(t *testing.T) {
	t.Parallel()
	h := served.host(t)
	probe, err := filepath.Abs("../build/e2e/probe")
	if err != nil {
		t.Fatal(err)
	}
	h.StartProgram(t, probe+" serve :9000")
	for _, options := range []string{"", "--internal"} {
		name := "lan" + strings.TrimLeft(options, "-")
		s := newStage(t, h, served.driver, name, options)
		a, v := s.add(t, "mallory"), s.add(t, "victim")
		// The host's addresses, on this network and elsewhere.
		outside := newStage(t, h, served.driver, "by"+name, "")
		outside.addGateway(t)
		before := datagrams(h.Run(t, "cat /proc/net/snmp"))
		to, ask := outside.gateway, []byte("host?")
		a.send(t,
			whoHas(a.mac, a.ip, to.ip), ns(a.mac, a.ip6, to.ip6, lla(1, a.mac)), ns(a.mac, a.ll, to.ll, lla(1, a.mac)),
			udp4(a.mac, hostEnd(a), a.ip, to.ip, 4000, 9000, ask), udp6(a.mac, hostEnd(a), a.ip6, to.ip6, 4000, 9000, ask),
			udp4(a.mac, hostEnd(a), v.ip, to.ip, 4000, 9000, ask), udp6(a.mac, hostEnd(a), v.ip6, to.ip6, 4000, 9000, ask),
			udp4(a.mac, everyone, a.ip, limitedBroadcast, 4000, 9000, ask), udp4(v.mac, hostEnd(a), v.ip, to.ip, 4000, 9000, ask))
		got := s.settle(t, a, v)
		for _, f := range got[a.name] {
			if text := tells(f); strings.HasSuffix(text, hostEnd(a).String()) {
				t.Errorf("%s: the host says that %s", name, text)
			}
		}
		// The one to all comes to the host by the gateway where there is one.
		want := before
		if options == "" {
			want++
		}
		if after := datagrams(h.Run(t, "cat /proc/net/snmp")); after > want {
			t.Errorf("%s: the host took %d datagrams, want %d at most", name, after-before, want-before)
		}
	}
}

// datagrams is how many UDP datagrams have been taken, of /proc/net/snmp: the second line that begins with Udp.
func datagrams(snmp string) int {
	_, rest, _ := strings.Cut(snmp, "\nUdp: ")
	_, rest, _ = strings.Cut(rest, "\nUdp: ")
	n := 0
	if _, err := fmt.Sscan(rest, &n); err != nil {
		return -1
	}
	return n
}
