// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/flows/openflow"
	"github.com/ovsnet/ovsnet/integration"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// actor is one end of a network with a probe on its interface that sends and tells frames.
type actor struct {
	name   string
	mac    net.HardwareAddr
	ip     netip.Addr
	ip6    netip.Addr
	ll     netip.Addr
	conn   net.Conn
	frames chan []byte // what arrived, in its order
	errs   chan string // what the kernel did not take
}

// stage is a network on a host with actors, and a view into its switch.
type stage struct {
	h        *integration.Host
	network  string
	bridge   string
	gateways [2]string
	gateway  *actor
	switch_  *openflow.Conn
	turn     int
}

// newStage makes a dual-stack network; its bridge has its name and options those of docker network create.
func newStage(tb testing.TB, h *integration.Host, driver, network, options string) *stage {
	tb.Helper()
	n := len(strings.Fields(h.Docker(tb, "network ls --quiet")))
	s := &stage{h: h, network: network, bridge: network, gateways: [2]string{fmt.Sprintf("10.90.%d.1", n), fmt.Sprintf("fd90:%d::1", n)}}
	h.Docker(tb, fmt.Sprintf("network create --driver %s --ipv6 --subnet 10.90.%d.0/24 --gateway %s --subnet fd90:%d::/64 --gateway %s -o ovs.bridge.name=%s %s %s",
		driver, n, s.gateways[0], n, s.gateways[1], network, options, network))
	conn, err := openflow.Dial(tb.Context(), h.Path("/run/openvswitch/"+network+".mgmt"), slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	s.switch_ = conn
	return s
}

// addGateway watches the network from the host.
func (s *stage) addGateway(tb testing.TB) {
	tb.Helper()
	s.gateway = newActor(tb, "gateway", s.h.Run(tb, "cat /sys/class/net/"+s.bridge+"/address"), s.gateways[0], s.gateways[1])
	s.lend(tb, s.gateway)
}

// lend gives an actor on the host the bridge's own interface.
func (s *stage) lend(tb testing.TB, a *actor) {
	tb.Helper()
	probe, err := filepath.Abs("../build/e2e/probe")
	if err != nil {
		tb.Fatal(err)
	}
	socket := "/run/" + s.bridge + ".agent"
	s.h.StartProgram(tb, probe+" agent "+s.bridge+" "+socket)
	a.meet(tb, s.h.Path(socket))
}

// add runs a container on the network, called after both, with the options of its port.
func (s *stage) add(tb testing.TB, name string, options ...string) *actor {
	tb.Helper()
	name = s.network + "-" + name
	network := "--network=name=" + s.network
	for _, o := range options {
		network += ",\"driver-opt=" + o + "\""
	}
	s.h.Container(tb, name, network, "--cap-add=NET_ADMIN")
	return s.adopt(tb, name, "eth0")
}

// adopt makes an actor of a container that runs.
func (s *stage) adopt(tb testing.TB, name, iface string) *actor {
	tb.Helper()
	ip, ip6, mac := in(tb, s.h, name, s.network)
	a := newActor(tb, name, mac, ip, ip6)
	s.h.Docker(tb, "exec --detach "+name+" probe agent "+iface+" /tmp/agent")
	pid := s.h.Docker(tb, "inspect --format {{.State.Pid}}", name)
	a.meet(tb, s.h.Path("/proc/"+pid+"/root/tmp/agent"))
	return a
}

func newActor(tb testing.TB, name, mac, ip, ip6 string) *actor {
	tb.Helper()
	hw, err := net.ParseMAC(mac)
	if err != nil {
		tb.Fatal(err)
	}
	return &actor{
		name: name, mac: hw, ip: netip.MustParseAddr(ip), ip6: netip.MustParseAddr(ip6), ll: flows.LinkLocal(hw),
		frames: make(chan []byte, 1<<14), errs: make(chan string, 16),
	}
}

// meet connects to the actor's probe.
func (a *actor) meet(tb testing.TB, socket string) {
	tb.Helper()
	err := ovstest.Poll(10*time.Second, func() error {
		var d net.Dialer
		conn, err := d.DialContext(tb.Context(), "unix", socket)
		a.conn = conn
		return err
	})
	if err != nil {
		tb.Fatalf("%s: %v", a.name, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(a.conn)
		lines.Buffer(nil, 1<<18)
		for lines.Scan() {
			if text, refused := strings.CutPrefix(lines.Text(), "!"); refused {
				a.errs <- text
			} else if f, err := hex.DecodeString(lines.Text()); err == nil {
				a.frames <- f
			}
		}
	}()
	tb.Cleanup(func() { _ = a.conn.Close(); drain(a.frames); <-done })
}

func drain(frames chan []byte) {
	for {
		select {
		case <-frames:
		default:
			return
		}
	}
}

// send sends frames from the actor's interface.
func (a *actor) send(tb testing.TB, frames ...[]byte) {
	tb.Helper()
	var text bytes.Buffer
	for _, f := range frames {
		fmt.Fprintf(&text, "%x\n", f)
	}
	if _, err := a.conn.Write(text.Bytes()); err != nil {
		tb.Fatalf("%s: %v", a.name, err)
	}
}

// until returns what arrived before a frame with the text.
func (a *actor) until(tb testing.TB, text string) [][]byte {
	tb.Helper()
	var before [][]byte
	timer := time.NewTimer(15 * time.Second)
	defer timer.Stop()
	for {
		select {
		case f := <-a.frames:
			if bytes.Contains(f, []byte(text)) {
				return before
			}
			before = append(before, f)
		case <-timer.C:
			tb.Fatalf("%s: %q did not come, %d other frames did", a.name, text, len(before))
		}
	}
}

// settle waits until the switch has dealt with all that the sender sent, and returns what arrived meanwhile, by the
// actors' names. The relay, the first of the hearers, must be one whom the sender can reach; it has to hear the sender
// twice, because the switch may send what it took in at the same time in another order. Then it tells everybody, the
// sender too, who must hear it. On the kernel's datapath what goes by ovs-vswitchd is overtaken by what the kernel knows
// where to send: there the sender's frames all go by ovs-vswitchd. The frames that settle itself sends to hearers are not
// among those returned.
func (s *stage) settle(tb testing.TB, sender *actor, hearers ...*actor) map[string][][]byte {
	tb.Helper()
	relay := hearers[0]
	got := map[string][][]byte{}
	for range 2 {
		s.turn++
		if integration.Datapath(tb).Name == config.DatapathSystem {
			s.h.Run(tb, "ovs-appctl revalidator/purge")
		}
		end := fmt.Sprintf("ovsnet-end-%08d;", s.turn)
		// An answer that nobody asked for makes no host say anything.
		sender.send(tb, ether(relay.mac, sender.mac, etherIPv4, ip4(sender.ip, relay.ip, protoICMP, 0, icmp(0, 0, []byte(end)))))
		got[relay.name] = append(got[relay.name], relay.until(tb, end)...)
	}
	back := fmt.Sprintf("ovsnet-back-%08d;", s.turn)
	relay.send(tb, udp4(relay.mac, everyone, relay.ip, limitedBroadcast, 9, 9, []byte(back)))
	for _, a := range append([]*actor{sender}, hearers[1:]...) {
		got[a.name] = a.until(tb, back)
	}
	return got
}

// fire sends one frame and returns what arrived where until the switch was done with it. The error is the sender's
// kernel's.
func (s *stage) fire(tb testing.TB, sender *actor, frame []byte, hearers ...*actor) (map[string][][]byte, error) {
	tb.Helper()
	sender.send(tb, frame)
	got := s.settle(tb, sender, hearers...)
	select {
	case text := <-sender.errs:
		return got, fmt.Errorf("%s", text)
	default:
		return got, nil
	}
}

// counters are the packets of each row of the switch, those of datapath flows included.
func (s *stage) counters(tb testing.TB) map[string]uint64 {
	tb.Helper()
	s.h.Run(tb, "ovs-appctl revalidator/purge")
	stats, err := s.switch_.DumpFlows(tb.Context(), flows.CookieOwnerValue, flows.CookieOwnerMask)
	if err != nil {
		tb.Fatal(err)
	}
	names := map[uint8]string{}
	for _, r := range flows.Rows() {
		names[r.Number] = r.Name
	}
	sums := map[string]uint64{}
	for _, f := range stats {
		c, _ := flows.ParseCookie(f.Cookie)
		sums[names[c.Row]] += f.Packets
	}
	return sums
}

// dropped are the rows that drop and whose counters rose.
func dropped(before, after map[string]uint64) []string {
	var out []string
	for _, r := range flows.Rows() {
		if r.Drop != "" && after[r.Name] > before[r.Name] {
			out = append(out, r.Name)
		}
	}
	slices.Sort(out)
	return out
}
