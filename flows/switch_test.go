// SPDX-License-Identifier: Apache-2.0

package flows_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// bridge is a bridge of a real switch that runs compiled flows, and the judge of frames: ofproto/trace.
type bridge struct {
	sw   *ovstest.Switch
	name string
	rows map[uint8]flows.Row
	// openflow has the OpenFlow number of each datapath port.
	openflow map[string]uint32
	control  *control
}

// inPort stands in a decision's Out for the port that the frame came from.
const inPort = flows.PortInPort

// newBridge makes a bridge with ports 1 to n.
func newBridge(tb testing.TB, sw *ovstest.Switch, name string, n int) *bridge {
	tb.Helper()
	sw.AddBridge(tb, name)
	var args []string
	for i := 1; i <= n; i++ {
		port := fmt.Sprintf("%s-%d", name, i)
		args = append(args, "--", "add-port", name, port, "--", "set", "Interface", port, "type=dummy", fmt.Sprintf("ofport_request=%d", i))
	}
	for table, fields := range flows.Prefixes() {
		id := fmt.Sprintf("@t%d", table)
		args = append(args, "--", "set", "Bridge", name, fmt.Sprintf("flow_tables:%d=%s", table, id),
			"--", "--id="+id, "create", "Flow_Table", "prefixes="+strings.Join(fields, ","))
	}
	sw.Ctl(tb, args...)
	// As the driver does: the rows for services must see the ports of a first fragment.
	sw.OFCtl(tb, "set-frags", name, "nx-match")
	b := &bridge{sw: sw, name: name, rows: map[uint8]flows.Row{}, openflow: map[string]uint32{}, control: dialControl(tb, sw)}
	for _, r := range flows.Rows() {
		b.rows[r.Number] = r
	}
	for _, m := range dpifPort.FindAllStringSubmatch(sw.AppCtl(tb, "dpif/show"), -1) {
		if strings.HasPrefix(m[1], name+"-") || m[1] == name {
			number, err := strconv.ParseUint(m[2], 10, 16)
			if err != nil {
				tb.Fatal(err)
			}
			b.openflow[m[3]] = uint32(number)
		}
	}
	if len(b.openflow) != n+1 {
		tb.Fatalf("bridge %s: %d ports, want %d and LOCAL", name, len(b.openflow), n)
	}
	b.openflow[localPort(b)] = flows.PortLocal
	return b
}

// dpifPort is a port of dpif/show: name, OpenFlow number, datapath number.
var dpifPort = regexp.MustCompile(`(?m)^\s+(\S+) (\d+)/(\d+):`)

func localPort(b *bridge) string {
	for dp, of := range b.openflow {
		if of == flows.PortLocal&0xffff {
			return dp
		}
	}
	return ""
}

// load makes the bridge run exactly c: everything in one bundle, as the driver does.
func (b *bridge) load(tb testing.TB, c flows.Compiled) {
	tb.Helper()
	b.sw.OFCtl(tb, "del-meters", b.name)
	for _, m := range c.Meters {
		b.sw.OFCtl(tb, "add-meter", b.name, m.String())
	}
	text := []string{"flow delete", "group delete"}
	for _, g := range c.Groups {
		text = append(text, "group add "+g.String())
	}
	for _, f := range c.Flows {
		if err := f.Validate(); err != nil {
			tb.Fatal(err)
		}
		text = append(text, "flow add "+f.String())
	}
	file := filepath.Join(tb.TempDir(), "bundle")
	if err := os.WriteFile(file, []byte(strings.Join(text, "\n")+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	b.sw.OFCtl(tb, "bundle", b.name, file)
}

// decision is what the switch does with a frame.
type decision struct {
	// Out are the OpenFlow ports that the frame leaves by, sorted; inPort where it is sent back.
	Out []uint32
	// Rows are the names of the rows that it met, in their order.
	Rows []string
	// Drop is the reason under which it was dropped; empty if it was not.
	Drop string
	// Final is the frame after the pipeline, in ovs-ofctl's grammar.
	Final string
	// Megaflow is what the switch had to look at.
	Megaflow string
	// Text is the whole trace.
	Text string
}

var (
	traceRow  = regexp.MustCompile(`(?m)^\s*\d+\. .*cookie (0x[0-9a-f]+)`)
	traceMiss = regexp.MustCompile(`(?m)^\s*\d+\. No match`)
	traceLine = regexp.MustCompile(`(?m)^(Final flow|Megaflow|Datapath actions): (.*)$`)
	setAction = regexp.MustCompile(`pop_vlan|(set|push_vlan|meter)(\([^()]*(\([^()]*(\([^()]*\))?[^()]*\)[^()]*)*\))`)
)

// trace asks the switch what it does with a frame from a port.
func (b *bridge) trace(in uint32, frame []byte) (decision, error) {
	text, err := b.control.call("ofproto/trace", b.name, from(in), hex.EncodeToString(frame))
	if err != nil {
		return decision{}, err
	}
	d := decision{Text: text}
	if traceMiss.MatchString(text) {
		return d, fmt.Errorf("a table without a lowest row:\n%s", text)
	}
	for _, m := range traceRow.FindAllStringSubmatch(text, -1) {
		v, bad := strconv.ParseUint(m[1], 0, 64)
		if bad != nil {
			return d, bad
		}
		c, ours := flows.ParseCookie(v)
		r, known := b.rows[c.Row]
		if !ours || !known {
			return d, fmt.Errorf("cookie %s is of no row:\n%s", m[1], text)
		}
		d.Rows = append(d.Rows, r.Name)
		d.Drop = r.Drop
	}
	var actions string
	for _, m := range traceLine.FindAllStringSubmatch(text, -1) {
		switch m[1] {
		case "Final flow":
			d.Final = m[2]
		case "Megaflow":
			d.Megaflow = m[2]
		default:
			actions = m[2]
		}
	}
	d.Out, err = b.outputs(in, actions)
	if err != nil {
		return d, fmt.Errorf("%w:\n%s", err, text)
	}
	if len(d.Out) > 0 {
		d.Drop = "" // a copy was dropped, the frame was not
	}
	return d, nil
}

// tunnelPush is the encapsulation for a peer, which then leaves by the underlay's one port.
var tunnelPush = regexp.MustCompile(`(?:clone\()?tnl_push\(tnl_port\(\d+\),header\(size=\d+,type=4,eth\([^)]*\),(?:ipv4\(src=[^,]*,dst=([^,]*),[^)]*\)|ipv6\(src=[^,]*,dst=([^,]*),[^)]*\)),udp\([^)]*\),vxlan\([^)]*\)\),out_port\(\d+\)\),\d+\)?`)

// outputs reads the ports from datapath actions.
func (b *bridge) outputs(in uint32, actions string) ([]uint32, error) {
	var out []uint32
	for _, m := range tunnelPush.FindAllStringSubmatch(actions, -1) {
		peer, err := behindVTEP(m[1] + m[2])
		if err != nil {
			return nil, err
		}
		if peer == in {
			peer = inPort
		}
		out = append(out, peer)
	}
	actions = tunnelPush.ReplaceAllString(actions, "")
	for _, a := range strings.Split(setAction.ReplaceAllString(actions, ""), ",") {
		if a == "" || a == "drop" {
			continue
		}
		port, ok := b.openflow[a]
		switch {
		case !ok:
			return nil, fmt.Errorf("datapath action %q of %q is no port of the bridge", a, actions)
		case port == in:
			port = inPort
		}
		out = append(out, port)
	}
	slices.Sort(out)
	return out, nil
}

// control speaks to ovs-vswitchd's control socket, as ovs-appctl does (ovs-appctl(8)), without a process a call.
type control struct {
	conn net.Conn
	in   *json.Decoder
	last int
}

func dialControl(tb testing.TB, sw *ovstest.Switch) *control {
	tb.Helper()
	conn, err := net.Dial("unix", filepath.Join(sw.Dir, "ovs-vswitchd.ctl"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := conn.Close(); err != nil {
			tb.Error(err)
		}
	})
	return &control{conn: conn, in: json.NewDecoder(conn)}
}

func (c *control) call(method string, params ...string) (string, error) {
	c.last++
	if err := c.conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return "", err
	}
	request := map[string]any{"id": c.last, "method": method, "params": params}
	if err := json.NewEncoder(c.conn).Encode(request); err != nil {
		return "", fmt.Errorf("%s: %w", method, err)
	}
	var reply struct {
		ID     int
		Result string
		Error  string
	}
	if err := c.in.Decode(&reply); err != nil {
		return "", fmt.Errorf("%s: %w", method, err)
	}
	if reply.Error != "" || reply.ID != c.last {
		return "", fmt.Errorf("%s %q: answer %d to call %d: %s", method, params, reply.ID, c.last, reply.Error)
	}
	return reply.Result, nil
}
