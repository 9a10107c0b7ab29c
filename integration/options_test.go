// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"fmt"
	"strings"
	"testing"
)

// want holds that a text contains words, and none of those that begin with "!".
func want(tb testing.TB, what, text string, words ...string) {
	tb.Helper()
	for _, w := range words {
		if no, absent := strings.CutPrefix(w, "!"); absent == strings.Contains(text, strings.TrimPrefix(w, "!")) {
			tb.Errorf("%s: %q, absent %v: %s", what, no, absent, text)
		}
	}
}

func TestDockersOptions(t *testing.T) {
	t.Parallel()
	h := short.host(t)
	h.Docker(t, "network create --driver ovs --subnet 10.73.0.0/24 --gateway 10.73.0.254 --ip-range 10.73.0.128/25"+
		" --ipv6 --subnet fd73::/64 --gateway fd73::fe n1")
	h.Container(t, "c1", "--network=n1", "--ip=10.73.0.20", "--ip6=fd73::20", "--mac-address=02:aa:bb:cc:dd:01", "--cap-add=NET_ADMIN")
	h.Container(t, "c2", "--network=n1")

	t.Run("addresses", func(t *testing.T) {
		want(t, "c1", h.Exec(t, "c1", "ip addr show eth0"), "10.73.0.20/24", "fd73::20/64", "02:aa:bb:cc:dd:01", "mtu 1500")
		want(t, "route", h.Exec(t, "c1", "ip route"), "default via 10.73.0.254")
		want(t, "route", h.Exec(t, "c1", "ip -6 route"), "default via fd73::fe")
		ip, ip6, mac := in(t, h, "c1", "n1")
		if ip != "10.73.0.20" || ip6 != "fd73::20" || mac != "02:aa:bb:cc:dd:01" {
			t.Errorf("docker inspect: %s %s %s", ip, ip6, mac)
		}
		_, _, mac = in(t, h, "c2", "n1")
		want(t, "c2", h.Exec(t, "c2", "ip link show eth0"), mac)
		reaches(t, h, "c1", "c2")
		reaches(t, h, "c2", "10.73.0.20")
		reaches(t, h, "c2", "fd73::20")
		h.Exec(t, "c2", "ping -c 1 -W 5 10.73.0.254")
		h.Exec(t, "c2", "ping -c 1 -W 5 fd73::fe")
	})

	t.Run("the same address again is the same MAC", func(t *testing.T) {
		_, _, before := in(t, h, "c2", "n1")
		h.Docker(t, "restart --time=1 c2")
		if _, _, after := in(t, h, "c2", "n1"); after != before {
			t.Errorf("MAC %s, before %s", after, before)
		}
	})

	t.Run("in the database", func(t *testing.T) {
		id := h.Docker(t, "network inspect --format {{.Id}} n1")
		rows := h.Run(t, "ovs-vsctl --bare --columns=external_ids list Interface")
		want(t, "external_ids", rows, "ovsnet-network="+id, "attached-mac=", "02:aa:bb:cc:dd:01", "iface-id=", "10.73.0.20")
		want(t, "bridge", h.Run(t, "ovs-vsctl --bare --columns=name,fail_mode,external_ids list Bridge"), "ovsbr-"+id[:9], "secure", "ovsnet-network="+id)
	})

	t.Run("connect and disconnect", func(t *testing.T) {
		before := h.Snapshot(t)
		h.Docker(t, "network create --driver ovs --subnet 10.74.0.0/24 n2")
		h.Docker(t, "network connect --ip 10.74.0.30 --alias other n2 c1")
		h.Container(t, "c3", "--network=n2")
		want(t, "eth1", h.Exec(t, "c1", "ip addr show eth1"), "10.74.0.30/24")
		reaches(t, h, "c3", "other")
		h.Docker(t, "network disconnect n2 c1")
		want(t, "links", h.Exec(t, "c1", "ip -o link"), "eth0", "!eth1")
		cut(t, h, "c3", "10.74.0.30")
		h.Docker(t, "rm --force c3")
		h.Docker(t, "network rm n2")
		unchanged(t, h, before)
	})

	t.Run("internal", func(t *testing.T) {
		h.Docker(t, "network create --driver ovs --internal --subnet 10.75.0.0/24 inside")
		h.Container(t, "i1", "--network=inside")
		h.Container(t, "i2", "--network=inside")
		reaches(t, h, "i1", "i2")
		want(t, "route", h.Exec(t, "i1", "ip route"), "!default")
		cut(t, h, "i1", "10.73.0.20")
		want(t, "networks", h.Docker(t, "network ls"), "!docker_gwbridge")
		want(t, "the host's addresses", h.Run(t, "ip addr"), "!10.75.0.1")
		h.Docker(t, "rm --force i1 i2")
		h.Docker(t, "network rm inside")
	})

	t.Run("the driver's own", func(t *testing.T) {
		h.Docker(t, "network create --driver ovs --subnet 10.76.0.0/24 -o ovs.bridge.name=blue -o ovs.bridge.mtu=1400"+
			" -o ovs.bridge.datapath=netdev -o com.docker.network.container_iface_prefix=data"+
			" -o com.docker.network.bridge.enable_icc=true own")
		h.Container(t, "o1", "--network=own")
		h.Container(t, "o2", "--network=own")
		want(t, "bridges", h.Bridges(t), "blue")
		want(t, "link", h.Exec(t, "o1", "ip link"), "data0", "mtu 1400")
		want(t, "gateway", h.Run(t, "ip link show blue"), "mtu 1400")
		reaches(t, h, "o1", "o2")
		h.Exec(t, "o1", "ping -c 1 -W 5 -s 1372 o2")
		h.Docker(t, "rm --force o1 o2")
		h.Docker(t, "network rm own")
	})

	t.Run("ten containers", func(t *testing.T) {
		for i := range 10 {
			h.Container(t, fmt.Sprintf("m%d", i), "--network=n1")
		}
		for i := range 10 {
			h.Exec(t, fmt.Sprintf("m%d", i), fmt.Sprintf("ping -c 1 -W 5 m%d", (i+1)%10))
		}
	})
}

// Compose makes a network with its labels, creates containers that are
// connected with aliases, and starts them in the order of their dependence.
func TestAsComposeDoes(t *testing.T) {
	t.Parallel()
	h := short.host(t)
	before := h.Snapshot(t)
	h.Docker(t, "network create --driver ovs --label com.docker.compose.project=shop --label com.docker.compose.network=default shop_default")
	for _, s := range []string{"db", "web"} {
		h.Docker(t, fmt.Sprintf("create --name shop_%s_1 --network shop_default --network-alias %s"+
			" --label com.docker.compose.project=shop --label com.docker.compose.service=%s ovsnet-test", s, s, s))
		// Compose connects anew, to give the alias and the address of the file.
		h.Docker(t, fmt.Sprintf("network disconnect shop_default shop_%s_1", s))
		h.Docker(t, fmt.Sprintf("network connect --alias %s shop_default shop_%s_1", s, s))
		h.Docker(t, fmt.Sprintf("start shop_%s_1", s))
	}
	reaches(t, h, "shop_web_1", "db")
	reaches(t, h, "shop_db_1", "web")
	// docker-compose up --force-recreate web
	h.Docker(t, "stop --time=1 shop_web_1")
	h.Docker(t, "rm shop_web_1")
	h.Docker(t, "run --detach --name shop_web_1 --network shop_default --network-alias web ovsnet-test")
	reaches(t, h, "shop_db_1", "web")
	// docker-compose down
	h.Docker(t, "stop --time=1 shop_web_1 shop_db_1")
	h.Docker(t, "rm shop_web_1 shop_db_1")
	h.Docker(t, "network rm shop_default")
	unchanged(t, h, before)
}
