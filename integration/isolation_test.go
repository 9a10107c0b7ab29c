// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"path/filepath"
	"testing"
)

func TestNothingPassesBetweenNetworks(t *testing.T) {
	t.Parallel()
	h := short.host(t)
	for i, n := range []string{"n1", "n2"} {
		h.Docker(t, fmt.Sprintf("network create --driver ovs --ipv6 --subnet 10.6%d.0.0/24 --subnet fd6%d::/64 %s", i, i, n))
		for _, c := range []string{"a", "b"} {
			h.Container(t, c+n, "--network="+n, "--cap-add=NET_ADMIN", "--cap-add=NET_RAW")
		}
	}
	ip := map[string]string{}
	mac := map[string]string{}
	for _, c := range []string{"an1", "bn1", "an2", "bn2"} {
		var ip6 string
		ip[c], ip6, mac[c] = in(t, h, c, c[1:])
		if c[1:] == "n2" {
			cut(t, h, "an1", ip[c])
			cut(t, h, "an1", ip6)
			cut(t, h, "an1", c) // no such name on its network
		}
	}
	reaches(t, h, "an1", "bn1")
	reaches(t, h, "an2", "bn2")

	t.Run("raw frames", func(t *testing.T) {
		inside, outside := sniff(t, h, "bn1", "eth0"), sniff(t, h, "bn2", "eth0")
		const all = "ff:ff:ff:ff:ff:ff"
		h.Exec(t, "an1", "probe send eth0",
			// To the other network, under the own, the neighbour's and the victim's identity.
			frame(t, mac["an1"], mac["bn2"], ip["an1"], ip["bn2"], forbidden),
			frame(t, mac["an2"], mac["bn2"], ip["an2"], ip["bn2"], forbidden),
			frame(t, mac["bn2"], mac["bn2"], ip["bn2"], ip["bn2"], forbidden),
			frame(t, mac["an1"], all, ip["an1"], ip["bn2"], forbidden),
			// On the own network, under somebody else's MAC or address.
			frame(t, mac["an2"], mac["bn1"], ip["an1"], ip["bn1"], forbidden),
			frame(t, mac["an1"], mac["bn1"], ip["an2"], ip["bn1"], forbidden),
			frame(t, mac["bn1"], mac["bn1"], ip["bn1"], ip["bn1"], forbidden),
			// The only honest one, so that the test knows that its frames are whole.
			frame(t, mac["an1"], mac["bn1"], ip["an1"], ip["bn1"], forbidden))
		h.Exec(t, "an1", "probe send eth0", frame(t, mac["an1"], mac["bn1"], ip["an1"], ip["bn1"], lastOne))
		h.Exec(t, "an2", "probe send eth0", frame(t, mac["an2"], mac["bn2"], ip["an2"], ip["bn2"], lastOne))
		inside.saw(t, 2) // the honest one and the broadcast
		outside.saw(t, 0)
	})

	t.Run("the other's subnet", func(t *testing.T) {
		h.Exec(t, "an1", "ip addr add 10.61.0.77/24 dev eth0")
		h.Exec(t, "an1", "ip addr add fd61::77/64 dev eth0")
		for _, c := range []string{"an2", "bn2"} {
			_, ip6, _ := in(t, h, c, "n2")
			cut(t, h, "an1", "-I 10.61.0.77 "+ip[c])
			cut(t, h, "an1", "-I fd61::77 "+ip6)
		}
		reaches(t, h, "an2", "bn2")
	})
}

func TestSameSubnetTwice(t *testing.T) {
	t.Parallel()
	h := served.host(t)
	// The engine's own IPAM refuses it, so the test has another.
	probe, err := filepath.Abs("../build/e2e/probe")
	if err != nil {
		t.Fatal(err)
	}
	h.StartProgram(t, probe+" ipam /run/docker/plugins/twice.sock")
	soon(t, func() error { _, err := h.Try("test -S /run/docker/plugins/twice.sock"); return err })
	for _, n := range []string{"n1", "n2"} {
		h.Docker(t, "network create --driver ovs --ipam-driver twice --subnet 10.70.0.0/24 --gateway 10.70.0.1 "+n)
		h.Container(t, "a"+n, "--network="+n, "--ip=10.70.0.10")
		h.Container(t, "b"+n, "--network="+n, "--ip=10.70.0.11", "--hostname=b"+n)
	}
	for _, n := range []string{"n1", "n2"} {
		reaches(t, h, "a"+n, "10.70.0.11")
		reaches(t, h, "a"+n, "b"+n)
	}
	// Each reaches its own: with the one gone, the other's neighbour does not answer in its place.
	h.Docker(t, "rm -f bn1")
	cut(t, h, "an1", "10.70.0.11")
	reaches(t, h, "an2", "10.70.0.11")
}

func TestContainerOnTwoNetworks(t *testing.T) {
	t.Parallel()
	h := short.host(t)
	for _, n := range []string{"n1", "n2"} {
		h.Docker(t, "network create --driver ovs "+n)
		h.Container(t, "only"+n, "--network="+n)
	}
	h.Container(t, "both", "--network=n1")
	h.Docker(t, "network connect n2 both")
	reaches(t, h, "both", "onlyn1")
	reaches(t, h, "both", "onlyn2")
	reaches(t, h, "onlyn2", "both")
	ip, _, _ := in(t, h, "onlyn2", "n2")
	cut(t, h, "onlyn1", ip)
	h.Docker(t, "restart --time=1 both")
	reaches(t, h, "both", "onlyn1")
	reaches(t, h, "both", "onlyn2")
	h.Docker(t, "network disconnect n1 both")
	cut(t, h, "both", "onlyn1")
	reaches(t, h, "both", "onlyn2")
}
