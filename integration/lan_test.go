// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/integration"
)

// plainPort is the UDP port of tunnels made by hand.
const plainPort = 14788

// plainEnd makes a network namespace on a host with the addresses 10.7.0.<i> and fd07::<i> and a port on a bridge, and
// a VXLAN port beside it with just the flows that take everything to and from the other host.
func plainEnd(tb testing.TB, h *integration.Host, i int, peer string) {
	tb.Helper()
	match := "tun_src=" + peer
	set := "set_field:" + peer + "->tun_dst"
	if strings.Contains(peer, ":") {
		match, set = "tun_ipv6_src="+peer, "set_field:"+peer+"->tun_ipv6_dst"
	}
	h.Run(tb, "sh -ec", fmt.Sprintf(`
		ip netns add end
		ip link add endport type veth peer name eth0 netns end
		ip link set endport up
		ip netns exec end ethtool -K eth0 tx off >/dev/null
		ip -n end addr add 10.7.0.%[1]d/24 dev eth0 && ip -n end addr add fd07::%[1]d/64 dev eth0 nodad
		ip -n end link set eth0 mtu 1400
		ip -n end link set lo up && ip -n end link set eth0 up
		ovs-vsctl --timeout=30 add-br plain -- set Bridge plain datapath_type=%[5]s fail_mode=secure \
			-- add-port plain endport -- set Interface endport ofport_request=1 \
			-- add-port plain plainvx -- set Interface plainvx ofport_request=2 type=vxlan \
			options:remote_ip=flow options:key=77 options:dst_port=%[2]d
		ovs-ofctl add-flow plain 'in_port=1 actions=%[4]s,output:2'
		ovs-ofctl add-flow plain 'in_port=2,%[3]s actions=output:1'`, i, plainPort, match, set, integration.Datapath(tb).Name))
}

const inEnd = "ip netns exec end "

func TestLANOfTheLab(t *testing.T) {
	t.Parallel()
	lab := integration.NewLab(t)
	lan := lab.LAN(t)
	hosts := lab.Hosts(t, integration.HostOptions{NoDocker: true}, "one", "two")
	lan.Join(t, hosts...)
	one, two := hosts[0], hosts[1]
	reached := func(line string) func() error {
		return func() error { _, err := one.Try(line); return err }
	}
	for _, to := range []string{"two", two.IPv6} {
		soon(t, reached("ping -c 1 -W 1 "+to))
	}
	plainEnd(t, one, 1, two.IPv4)
	plainEnd(t, two, 2, one.IPv4)
	capture := lan.Capture(t, one)
	for _, to := range []string{"10.7.0.2", "fd07::2"} {
		soon(t, reached(inEnd+"ping -c 1 -W 1 "+to))
	}
	capture.Frames(t)

	const payload = "ovsnet-over-the-lan"
	mac := func(h *integration.Host) string { return h.Run(t, inEnd+"cat /sys/class/net/eth0/address") }
	text := frame(t, mac(one), mac(two), "10.7.0.1", "10.7.0.2", payload)
	one.Run(t, inEnd+integration.Probe(t)+" send eth0 "+text)
	var sent []integration.Tunnelled
	for _, p := range capture.Tunnelled(t, plainPort) {
		if bytes.Contains(p.Frame, []byte(payload)) {
			sent = append(sent, p)
		}
	}
	if len(sent) != 1 || sent[0].VNI != 77 || fmt.Sprint(sent[0].From, sent[0].To) != one.IPv4+" "+two.IPv4 {
		t.Fatalf("one frame sent, on the LAN: %+v", sent)
	}

	t.Run("forged", func(t *testing.T) {
		const file = "/run/sniffed"
		two.StartProgram(t, "sh -c", fmt.Sprintf("%s %s sniff eth0 %x %x 10 >%s", inEnd, integration.Probe(t), payload, lastOne, file))
		says := func(want string) func() error {
			return func() error {
				if got, err := two.Try("cat " + file); err != nil || !strings.Contains(got, want) {
					return fmt.Errorf("%q, want %q, %w", got, want, err)
				}
				return nil
			}
		}
		soon(t, says("listening"))
		stranger, end := sent[0], sent[0]
		stranger.From = netip.MustParseAddr("198.51.100.77")
		end.Frame, _ = hex.DecodeString(frame(t, mac(one), mac(two), "10.7.0.1", "10.7.0.2", lastOne))
		lan.Forge(t, two, stranger, sent[0], end)
		soon(t, says("matched 1"))
	})

	t.Run("ovs-vswitchd restarts", func(t *testing.T) {
		two.KillVSwitchd(t)
		two.StartVSwitchd(t)
		for _, to := range []string{two.IPv4, two.IPv6} {
			soon(t, reached("ping -c 1 -W 1 "+to))
		}
	})

	t.Run("cable", func(t *testing.T) {
		const log = "/run/watched"
		one.StartProgram(t, "sh -c", fmt.Sprintf("%s watch 200 %s %s >%s", integration.Probe(t), two.IPv4, two.IPv6, log))
		told := func(what string, n int) func() error {
			return func() error {
				if got, err := one.Try("cat " + log); err != nil || strings.Count(got, what) != n {
					return fmt.Errorf("%q, want %s %d times, %w", got, what, n, err)
				}
				return nil
			}
		}
		soon(t, told("up", 2))
		lan.Cable(t, two, false)
		soon(t, told("down", 2))
		if out, err := one.Try("ping -c 1 -W 1 two"); err == nil {
			t.Errorf("reached without a cable: %s", out)
		}
		lan.Cable(t, two, true)
		soon(t, reached("ping -c 1 -W 1 two"))
		soon(t, told("up", 4))
	})

	t.Run("MTU", func(t *testing.T) {
		const large = "ping -M do -c 1 -W 1 -s 1800 two"
		if out, err := one.Try(large); err == nil {
			t.Errorf("passed at 1500: %s", out)
		}
		lan.SetMTU(t, 2000)
		soon(t, reached(large))
	})
}
