// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/ovsnet/ovsnet/integration"
)

const benchNetwork = "b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0"

// engine calls the driver's socket as Docker does.
type engine struct{ client *http.Client }

func newEngine(h *integration.Host) engine {
	return engine{&http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 128,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", h.Path("/run/docker/plugins/ovs.sock"))
		},
	}}}
}

func (e engine) call(tb testing.TB, verb string, body map[string]any) {
	tb.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		tb.Fatal(err)
	}
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, "http://plugin/NetworkDriver."+verb, bytes.NewReader(data))
	if err != nil {
		tb.Fatal(err)
	}
	res, err := e.client.Do(req)
	if err != nil {
		tb.Error(err)
		return
	}
	defer res.Body.Close() //nolint:errcheck // read to its end below
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		tb.Errorf("%s: %s %v %s", verb, res.Status, err, text)
	}
}

// endpointID is 64 characters, told apart at the front: link names are made of it.
func endpointID(i int) string { return fmt.Sprintf("%08x%056x", i, i) }

func (e engine) attach(tb testing.TB, i int) {
	tb.Helper()
	ids := map[string]any{"NetworkID": benchNetwork, "EndpointID": endpointID(i)}
	e.call(tb, "CreateEndpoint", map[string]any{
		"NetworkID": benchNetwork, "EndpointID": endpointID(i),
		"Interface": map[string]any{"Address": fmt.Sprintf("10.9.%d.%d/16", i/250, i%250+2)}, "Options": map[string]any{},
	})
	ids["SandboxKey"], ids["Options"] = "/var/run/docker/netns/x", map[string]any{}
	e.call(tb, "Join", ids)
}

func (e engine) detach(tb testing.TB, i int) {
	tb.Helper()
	ids := map[string]any{"NetworkID": benchNetwork, "EndpointID": endpointID(i)}
	e.call(tb, "Leave", ids)
	e.call(tb, "DeleteEndpoint", ids)
}

// attachAll attaches a range of endpoints at once.
func (e engine) attachAll(tb testing.TB, from, to int) {
	tb.Helper()
	var wg sync.WaitGroup
	for i := from; i < to; i++ {
		wg.Go(func() { e.attach(tb, i) })
	}
	wg.Wait()
}

// floor does the least that attaching can be: one veth pair made and up, one port in the database until it has its number.
type floor struct {
	links  *netlink.Handle
	db     net.Conn
	reply  *json.Decoder
	bridge string
}

func newFloor(tb testing.TB, h *integration.Host, bridge string) *floor {
	tb.Helper()
	ns, err := netns.GetFromPath(h.NetNS())
	if err != nil {
		tb.Fatal(err)
	}
	defer ns.Close() //nolint:errcheck // read only
	links, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		tb.Fatal(err)
	}
	var d net.Dialer
	db, err := d.DialContext(tb.Context(), "unix", h.Path("/run/openvswitch/db.sock"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { links.Close(); _ = db.Close() })
	return &floor{links: links, db: db, reply: json.NewDecoder(db), bridge: bridge}
}

func (f *floor) transact(tb testing.TB, ops ...map[string]any) {
	tb.Helper()
	params := []any{"Open_vSwitch"}
	for _, op := range ops {
		params = append(params, op)
	}
	if err := json.NewEncoder(f.db).Encode(map[string]any{"method": "transact", "params": params, "id": 1}); err != nil {
		tb.Fatal(err)
	}
	var answer struct {
		Result []struct{ Error, Details string }
		Error  any
	}
	if err := f.reply.Decode(&answer); err != nil {
		tb.Fatal(err)
	}
	for _, r := range answer.Result {
		if r.Error != "" {
			tb.Fatalf("ovsdb: %s: %s", r.Error, r.Details)
		}
	}
}

func set(values ...any) []any { return []any{"set", values} }

// attach attaches one, or several in one transaction.
func (f *floor) attach(tb testing.TB, names ...string) {
	tb.Helper()
	var ports, waits []map[string]any
	for i, name := range names {
		f.pair(tb, name)
		iface, port := fmt.Sprintf("i%d", i), fmt.Sprintf("p%d", i)
		named := func(n string) []any { return []any{"named-uuid", n} }
		ports = append(ports,
			map[string]any{"op": "insert", "table": "Interface", "uuid-name": iface, "row": map[string]any{"name": name}},
			map[string]any{"op": "insert", "table": "Port", "uuid-name": port, "row": map[string]any{"name": name, "interfaces": named(iface)}},
			map[string]any{"op": "mutate", "table": "Bridge", "where": []any{[]any{"name", "==", f.bridge}},
				"mutations": []any{[]any{"ports", "insert", set(named(port))}}})
		// RFC 7047, section 5.2.6: the answer comes when the port has its number.
		waits = append(waits, map[string]any{"op": "wait", "table": "Interface", "timeout": 10000,
			"where": []any{[]any{"name", "==", name}}, "columns": []string{"ofport"},
			"until": "!=", "rows": []any{map[string]any{"ofport": []any{"set", []any{}}}}})
	}
	f.transact(tb, ports...)
	f.transact(tb, waits...)
}

// pair makes a veth pair whose host end is up.
func (f *floor) pair(tb testing.TB, name string) {
	tb.Helper()
	veth := netlink.NewVeth(netlink.NewLinkAttrs())
	veth.Name, veth.Flags = name, net.FlagUp
	veth.PeerName = "p" + name
	if err := f.links.LinkAdd(veth); err != nil {
		tb.Fatal(err)
	}
}

// byHand is the floor as an operator makes it: the pair, and "ovs-vsctl add-port", which returns when the port has its number.
func (f *floor) byHand(tb testing.TB, h *integration.Host, name string) {
	tb.Helper()
	f.pair(tb, name)
	vsctl := exec.CommandContext(tb.Context(), "ovs-vsctl", "--db=unix:"+h.Path("/run/openvswitch/db.sock"), "add-port", f.bridge, name)
	if out, err := vsctl.CombinedOutput(); err != nil {
		tb.Fatalf("ovs-vsctl add-port: %v: %s", err, out)
	}
}

func (f *floor) detach(tb testing.TB, h *integration.Host, name string) {
	tb.Helper()
	h.Run(tb, "ovs-vsctl del-port", f.bridge, name)
	link, err := f.links.LinkByName(name)
	if err == nil {
		err = f.links.LinkDel(link)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// benchHost is a host with the driver and one network, called through the socket.
func benchHost(b *testing.B) (*integration.Host, engine, string) {
	b.Helper()
	h := integration.NewLab(b).HostWith(b, "bench", integration.HostOptions{NoDocker: true})
	h.StartServe(b)
	e := newEngine(h)
	e.call(b, "CreateNetwork", map[string]any{
		"NetworkID": benchNetwork, "Options": map[string]any{},
		"IPv4Data": []any{map[string]any{"Pool": "10.9.0.0/16", "Gateway": "10.9.255.254/16"}},
	})
	if b.Failed() {
		b.FailNow()
	}
	return h, e, "ovsbr-" + benchNetwork[:9]
}

func median(ds []time.Duration) time.Duration {
	slices.Sort(ds)
	return ds[len(ds)/2]
}

const benchSamples = 31

// BenchmarkAttach compares CreateEndpoint and Join through the socket with the floor, turn by turn on the same bridge:
// with the database spoken to over an open connection and nothing else in the way, and with "ovs-vsctl add-port".
func BenchmarkAttach(b *testing.B) {
	h, e, bridge := benchHost(b)
	f := newFloor(b, h, bridge)
	there := 0
	for _, ports := range []int{10, 300} {
		e.attachAll(b, there, ports)
		there = ports
		b.Run(fmt.Sprintf("ports=%d", ports), func(b *testing.B) {
			var ours, least, byHand []time.Duration
			for i := range benchSamples {
				name := fmt.Sprintf("floor%d", i)
				start := time.Now()
				f.attach(b, name)
				least = append(least, time.Since(start))
				f.detach(b, h, name)
				start = time.Now()
				f.byHand(b, h, name)
				byHand = append(byHand, time.Since(start))
				f.detach(b, h, name)
				start = time.Now()
				e.attach(b, 5000)
				ours = append(ours, time.Since(start))
				e.detach(b, 5000)
			}
			o, l, v := median(ours), median(least), median(byHand)
			b.ReportMetric(float64(o.Microseconds())/1000, "attach-ms")
			b.ReportMetric(float64(l.Microseconds())/1000, "floor-ms")
			b.ReportMetric(float64(o)/float64(l), "attach/floor")
			b.ReportMetric(float64(v.Microseconds())/1000, "ovs-vsctl-ms")
			b.ReportMetric(float64(o)/float64(v), "attach/ovs-vsctl")
			b.ReportMetric(0, "ns/op")
		})
	}
	b.Run("memory/ports=300", func(b *testing.B) {
		b.ReportMetric(float64(residentKiB(b, h))/1024, "RSS-MiB")
		b.ReportMetric(0, "ns/op")
	})
}

// BenchmarkAttachAtOnce compares a hundred attachments one after another with a hundred at once, on 300 ports, and does
// the same with the floor, whose hundred at once are one transaction.
func BenchmarkAttachAtOnce(b *testing.B) {
	h, e, bridge := benchHost(b)
	e.attachAll(b, 0, 300)
	const many = 100
	least, leastOnce := floorAtOnce(b, h, bridge, many)
	start := time.Now()
	for i := range many {
		e.attach(b, 1000+i)
	}
	serial := time.Since(start)
	detachAll(b, e, 1000, 1000+many)
	start = time.Now()
	e.attachAll(b, 2000, 2000+many)
	once := time.Since(start)
	b.ReportMetric(serial.Seconds()*1000, "serial-ms")
	b.ReportMetric(once.Seconds()*1000, "at-once-ms")
	b.ReportMetric(float64(serial)/float64(once), "serial/at-once")
	b.ReportMetric(leastOnce.Seconds()*1000, "floor-at-once-ms")
	b.ReportMetric(float64(least)/float64(leastOnce), "floor-serial/at-once")
	b.ReportMetric(0, "ns/op")
}

// floorAtOnce is how long the floor takes for so many, one after another and at once.
func floorAtOnce(b *testing.B, h *integration.Host, bridge string, many int) (serial, once time.Duration) {
	b.Helper()
	f := newFloor(b, h, bridge)
	names := make([]string, many)
	for i := range names {
		names[i] = fmt.Sprintf("floor%d", i)
	}
	attach := func(all ...[]string) time.Duration {
		start := time.Now()
		for _, some := range all {
			f.attach(b, some...)
		}
		took := time.Since(start)
		for _, name := range names {
			f.detach(b, h, name)
		}
		return took
	}
	return attach(slices.Collect(slices.Chunk(names, 1))...), attach(names)
}

func detachAll(tb testing.TB, e engine, from, to int) {
	tb.Helper()
	var wg sync.WaitGroup
	for i := from; i < to; i++ {
		wg.Go(func() { e.detach(tb, i) })
	}
	wg.Wait()
}

// residentKiB is VmRSS of the driver.
func residentKiB(tb testing.TB, h *integration.Host) int {
	tb.Helper()
	pids := strings.Fields(h.Run(tb, "pidof ovsnet"))
	pid := pids[len(pids)-1] // newest first: a fork of it has its name until it becomes another program
	text := h.Run(tb, "grep VmRSS: /proc/"+pid+"/status")
	var kib int
	if _, err := fmt.Sscanf(strings.TrimPrefix(text, "VmRSS:"), "%d", &kib); err != nil {
		tb.Fatalf("%q: %v", text, err)
	}
	return kib
}
