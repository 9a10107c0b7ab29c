// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/driver"
)

// LAN is a link that hosts of a lab share: a bridge of the kernel's in a network namespace of its own, where neither the
// machine's firewall nor an engine's meets what passes.
type LAN struct {
	host  *Host // has nothing but the bridge
	hosts []*Host
}

const (
	lanName  = "lan"
	intruder = "intruder" // an interface on the LAN that is no host's
	// phyName is a host's end of its cable. On the kernel's datapath it has the host's addresses; on the userspace one
	// it is in phyBridge, a bridge of the switch, which has them: there tunnels end at such a bridge only (Open vSwitch,
	// "Userspace Tunneling").
	phyName   = "phy0"
	phyBridge = "br-phy"
)

// best is the datapath that the machine has.
var best = sync.OnceValues(func() (driver.Datapath, error) { return driver.ChooseDatapath(config.DatapathAuto) })

// Datapath is the one that bridges have here which do not choose: the kernel's where the machine has it.
func Datapath(tb testing.TB) driver.Datapath {
	tb.Helper()
	p, err := best()
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// underlay is the link that has a host's addresses on its LAN.
func underlay(tb testing.TB) string {
	tb.Helper()
	if Datapath(tb).TunnelsAtBridge {
		return phyBridge
	}
	return phyName
}

// LAN makes a link for hosts.
func (l *Lab) LAN(tb testing.TB) *LAN {
	tb.Helper()
	h := &Host{Name: lanName}
	h.begin(tb, l.id)
	h.Run(tb, "sh -ec", fmt.Sprintf(`
		echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
		echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
		ip link add %[1]s type bridge mcast_snooping 0 forward_delay 0
		ip link add %[2]s type veth peer name %[2]s-end
		ip link set %[2]s-end master %[1]s up
		ip link set %[2]s up
		ip link set %[1]s up`, lanName, intruder))
	return &LAN{host: h}
}

// Join gives hosts that have an Open vSwitch a cable each to the LAN, and an IPv4 and an IPv6 address on it, numbered in the order of joining. Every host of the LAN knows the others by their names.
func (n *LAN) Join(tb testing.TB, hosts ...*Host) {
	tb.Helper()
	for _, h := range hosts {
		number := len(n.hosts) + 1
		h.IPv4, h.IPv6 = fmt.Sprintf("198.51.100.%d", number), fmt.Sprintf("2001:db8:51::%d", number)
		n.hosts = append(n.hosts, h)
		// From outside of the hosts, which do not see each other's processes.
		must(tb, append([]string{"nsenter", "--net=" + n.host.NetNS()},
			strings.Fields(fmt.Sprintf("ip link add %s type veth peer name %s netns %d", h.Name, phyName, h.pid))...), nil)
		n.host.Run(tb, "ip link set "+h.Name+" master "+lanName+" up")
		h.Address(tb)
	}
	var names strings.Builder
	for _, h := range n.hosts {
		fmt.Fprintf(&names, "%s %s\n", h.IPv4, h.Name)
	}
	for _, h := range n.hosts {
		h.Run(tb, "sh -c", fmt.Sprintf("printf '127.0.0.1 localhost\n%s' >/etc/hosts", names.String()))
	}
}

// Address gives the host its addresses on its LAN, as its boot does. On the userspace datapath they are to be given again
// whenever br-phy is a new one: without ovs-vswitchd there is none, and with its database it is lost.
func (h *Host) Address(tb testing.TB) {
	tb.Helper()
	if h.IPv4 == "" {
		return
	}
	if Datapath(tb).TunnelsAtBridge {
		mac := h.Run(tb, "cat /sys/class/net/"+phyName+"/address")
		// Left to itself a new ovs-vswitchd gives the bridge another MAC, and others go on to send to the one they know.
		h.Run(tb, fmt.Sprintf("ovs-vsctl --timeout=30 --may-exist add-br %[1]s"+
			" -- set Bridge %[1]s datapath_type=netdev other_config:hwaddr=%[3]s -- --may-exist add-port %[1]s %[2]s", phyBridge, phyName, mac))
	}
	dev := underlay(tb)
	h.Run(tb, "ip link set "+phyName+" up")
	h.Run(tb, "ip addr replace "+h.IPv4+"/24 dev "+dev)
	h.Run(tb, "ip addr replace "+h.IPv6+"/64 dev "+dev+" nodad")
	h.Run(tb, "ip link set "+dev+" up")
}

// Cable plugs a host's cable in or out.
func (n *LAN) Cable(tb testing.TB, h *Host, in bool) {
	tb.Helper()
	state := map[bool]string{true: "up", false: "down"}[in]
	n.host.Run(tb, "ip link set "+h.Name+" "+state)
}

// SetMTU sets the largest packet of the LAN and of every host's underlay.
func (n *LAN) SetMTU(tb testing.TB, mtu int) {
	tb.Helper()
	for _, h := range n.hosts {
		n.host.Run(tb, fmt.Sprintf("ip link set %s mtu %d", h.Name, mtu))
		h.Run(tb, fmt.Sprintf("ip link set %s mtu %d", phyName, mtu))
		if Datapath(tb).TunnelsAtBridge {
			h.Run(tb, fmt.Sprintf("ovs-vsctl --timeout=30 set Interface %s mtu_request=%d", phyBridge, mtu))
		}
	}
	n.host.Run(tb, fmt.Sprintf("ip link set %s mtu %d", lanName, mtu))
}

// Forge sends packets to a host from a machine on the LAN that is no host: whatever addresses they claim to come from,
// and with a MAC address of the sender's own.
func (n *LAN) Forge(tb testing.TB, to *Host, packets ...Tunnelled) {
	tb.Helper()
	mac := func(h *Host, iface string) net.HardwareAddr {
		hw, err := net.ParseMAC(h.Run(tb, "cat /sys/class/net/"+iface+"/address"))
		if err != nil {
			tb.Fatal(err)
		}
		return hw
	}
	src, dst := mac(n.host, intruder), mac(to, underlay(tb))
	args := make([]string, 0, len(packets))
	for _, p := range packets {
		packet, err := p.encode(src, dst)
		if err != nil {
			tb.Fatal(err)
		}
		args = append(args, hex.EncodeToString(packet))
	}
	n.host.Run(tb, Probe(tb)+" send "+intruder, args...)
}

// encode is the whole Ethernet frame of the underlay.
func (t Tunnelled) encode(src, dst net.HardwareAddr) ([]byte, error) {
	eth := &layers.Ethernet{SrcMAC: src, DstMAC: dst, EthernetType: layers.EthernetTypeIPv4}
	udp := &layers.UDP{SrcPort: 50000, DstPort: layers.UDPPort(t.Port)}
	var ip gopacket.SerializableLayer
	var err error
	if t.From.Is4() {
		ip4 := &layers.IPv4{
			Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: t.From.AsSlice(), DstIP: t.To.AsSlice(),
		}
		ip, err = ip4, udp.SetNetworkLayerForChecksum(ip4)
	} else {
		eth.EthernetType = layers.EthernetTypeIPv6
		ip6 := &layers.IPv6{
			Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: t.From.AsSlice(), DstIP: t.To.AsSlice(),
		}
		ip, err = ip6, udp.SetNetworkLayerForChecksum(ip6)
	}
	if err != nil {
		return nil, err
	}
	buf := gopacket.NewSerializeBuffer()
	err = gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		eth, ip, udp, &layers.VXLAN{ValidIDFlag: true, VNI: t.VNI}, gopacket.Payload(t.Frame))
	return buf.Bytes(), err
}
