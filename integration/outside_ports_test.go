// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/driver"
	"github.com/ovsnet/ovsnet/integration"
)

// status asks the daemon for the published ports of all endpoints, by their address.
func (w *world) status(t *testing.T) map[string][]string {
	t.Helper()
	var s driver.Status
	if err := json.Unmarshal([]byte(w.Ovsnet(t, "status --json")), &s); err != nil {
		t.Fatal(err)
	}
	ports := map[string][]string{}
	for _, n := range s.Networks {
		for _, e := range n.Endpoints {
			addr, _, _ := strings.Cut(e.Addresses[0], "/")
			ports[addr] = append(ports[addr], e.Published...)
		}
	}
	return ports
}

// TestOutsidePorts: host ports that are chosen, told, taken and given back.
func TestOutsidePorts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.net(t, "ovs", "pub", 1)
	near := w.outs[0]
	quiet := w.Snapshot(t)

	t.Run("chosen", func(t *testing.T) {
		// 9000 is somebody's already, so that the range begins at 9001.
		w.StartProgram(t, w.probe+" seen :9000")
		soon(t, func() error { return w.try("host", "tcp/127.0.0.1:9000=127.0.0.1") })
		w.server(t, "web", "pub", 1, 10, "-p", "80/tcp", "-p", "9000-9002:81/tcp", "-p", "3868:3868/sctp")
		w.server(t, "two", "pub", 1, 11, "-p", "9000-9002:81/tcp")
		ports := w.status(t)
		text := strings.Join(ports["10.80.1.10"], " ")
		want(t, "status", text, "0.0.0.0:9001->10.80.1.10:81/tcp", "[::]:9001->[fd80:1::10]:81/tcp", "0.0.0.0:3868->10.80.1.10:3868/sctp")
		want(t, "status", strings.Join(ports["10.80.1.11"], " "), "0.0.0.0:9002->10.80.1.11:81/tcp")
		free := regexp.MustCompile(`0\.0\.0\.0:(\d+)->10\.80\.1\.10:80/tcp \[::\]:(\d+)->\[fd80:1::10\]:80/tcp`).FindStringSubmatch(text)
		if len(free) != 3 || free[1] != free[2] {
			t.Fatalf("a free port, the same in both families: %s", text)
		}
		w.hears(t, "outside 1", "tcp/"+near.HostIPv4+":"+free[1]+"=outside 1", "tcp/["+near.HostIPv6+"]:"+free[1]+"=outside 1",
			"tcp/"+near.HostIPv4+":9001=outside 1", "tcp/"+near.HostIPv4+":9002=outside 1")
		// Docker keeps what EndpointOperInfo says to itself.
		ids := strings.Fields(w.Docker(t, "inspect --format", `{{with index .NetworkSettings.Networks "pub"}}{{.NetworkID}} {{.EndpointID}}{{end}}`, "web"))
		info := w.MustVerb(t, "EndpointOperInfo", integration.Map{"NetworkID": ids[0], "EndpointID": ids[1]})
		want(t, "EndpointOperInfo", fmt.Sprint(info), "0.0.0.0:"+free[1]+"->10.80.1.10:80/tcp", "0.0.0.0:9001->10.80.1.10:81/tcp")
	})

	t.Run("taken", func(t *testing.T) {
		before := w.Snapshot(t)
		for port, who := range map[string]string{
			"9001:80": "0.0.0.0:9001/tcp: already in use by the container with endpoint",
			"9000:80": "0.0.0.0:9000/tcp: already in use by process",
		} {
			out, err := w.TryDocker("run --rm --network pub -p 9500:81 -p "+port, integration.Image, "true")
			if err == nil {
				t.Errorf("port %s was had twice: %s", port, out)
				continue
			}
			want(t, "error", err.Error(), who, "choose another host port")
		}
		if out, err := w.TryDocker("run --rm --network pub -p 203.0.113.9:9600:80", integration.Image, "true"); err == nil {
			t.Errorf("an address that is not the host's was had: %s", out)
		} else {
			want(t, "error", err.Error(), "203.0.113.9:9600")
		}
		unchanged(t, w.Host, before)
		w.hears(t, "host", "tcp/127.0.0.1:9500=-")
		w.hears(t, "outside 1", "tcp/"+near.HostIPv4+":9001=outside 1")
	})

	t.Run("given back", func(t *testing.T) {
		w.Docker(t, "rm --force web")
		w.server(t, "three", "pub", 1, 12, "-p", "9001:81/tcp")
		w.hears(t, "outside 1", "tcp/"+near.HostIPv4+":9001=outside 1", "tcp/"+near.HostIPv4+":9002=outside 1")
		w.Docker(t, "stop --time=1 three")
		w.hears(t, "host", "tcp/127.0.0.1:9001=-")
		w.Docker(t, "start three")
		w.hears(t, "outside 1", "tcp/"+near.HostIPv4+":9001=outside 1")
		w.Docker(t, "rm --force two three")
		soon(t, func() error { return same(kept(quiet), kept(w.Snapshot(t))) })
	})
	w.Docker(t, "network rm pub")
}

// TestOutsidePeers: between two networks the host forwards nothing, whatever is asked of whatever address, until they
// are peers.
func TestOutsidePeers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, []string{"--experimental", "--ip6tables"})
	near := w.outs[0]
	// across asks other for what is on web's network, and what it may always have: a published port at the host's address.
	across := func(answer, gateway string) []string {
		return all(
			at("10.80.1.10", "80", answer), at("fd80:1::10", "80", answer), // published
			at("10.80.1.10", "81", answer), at("fd80:1::10", "81", answer),
			at("10.80.1.1", "8080", gateway), at("fd80:1::1", "8080", gateway),
			at("10.80.1.1", "7000", answer), at("fd80:1::1", "7000", answer), // the host by the other network's gateway
			at(near.HostIPv4, "8080", "pub's gateway"), at(near.HostIPv6, "8080", "pub's gateway"),
		)
	}
	w.net(t, "ovs", "pub", 1)
	w.server(t, "web", "pub", 1, 10, "-p", "8080:80/tcp", "-p", "8080:80/udp")
	w.net(t, "ovs", "oth", 2)
	w.server(t, "other", "oth", 2, 10)
	w.hears(t, "other", across("-", "-")...)
	for _, addr := range []string{"10.80.1.10", "fd80:1::10", "10.80.1.1", "fd80:1::1"} {
		cut(t, w.Host, "other", addr)
	}
	w.remove(t, "other", "oth")

	for _, mode := range []string{"nat", "routed"} {
		t.Run("peers, "+mode, func(t *testing.T) {
			w.net(t, "ovs", "oth", 2, "-o", "ovs.bridge.mode="+mode, "-o",
				"ovs.bridge.peers="+w.Docker(t, "network inspect --format {{.Id}} pub")[:12])
			w.server(t, "other", "oth", 2, 10)
			w.hears(t, "other", across("other", "pub's gateway")...)
			w.hears(t, "web", all(at("10.80.2.10", "80", "web"), at("fd80:2::10", "81", "web"))...)
			w.remove(t, "other", "oth")
		})
	}
	t.Run("peers by name", func(t *testing.T) {
		// One is there already, one is made later.
		w.net(t, "ovs", "oth", 2, "-o", "ovs.bridge.peers=pub,later")
		w.server(t, "other", "oth", 2, 10)
		soon(t, func() error { return w.try("other", across("other", "pub's gateway")...) })
		w.net(t, "ovs", "later", 3)
		w.server(t, "third", "later", 3, 10)
		there := all(at("10.80.3.10", "80", "other"), at("fd80:3::10", "81", "other"))
		soon(t, func() error { return w.try("other", there...) })
		w.hears(t, "third", all(at("10.80.2.10", "80", "third"), at("10.80.1.10", "80", "-"))...)
		// Without Docker the names are known all the same.
		w.KillServe(t)
		w.StartServe(t, "OVSNET_DOCKER_SOCKET=none")
		w.Ovsnet(t, "status")
		w.Run(t, "nft delete table inet ovsnet")
		soon(t, func() error { return w.try("other", append(there, across("other", "pub's gateway")...)...) })
		w.remove(t, "other third", "oth later")
	})
	w.remove(t, "web", "pub")
}
