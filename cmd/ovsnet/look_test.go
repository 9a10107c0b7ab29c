// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/driver"
	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/flows/openflow"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// TestFlowsOfABridge: the command names the rows of what is in a real switch, and counts what it dropped.
func TestFlowsOfABridge(t *testing.T) {
	t.Parallel()
	sw := ovstest.Start(t)
	sw.AddBridge(t, "br-look")
	conn, err := openflow.Dial(t.Context(), sw.Mgmt("br-look"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	compiled := flows.CompileBridge()
	if err := conn.Apply(t.Context(), openflow.Update{Flows: compiled.Flows}); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	sw.OFCtl(t, "add-flow", "br-look", "table=0,priority=7,arp,actions=drop")
	sw.Ctl(t, "add-port", "br-look", "p1", "--", "set", "Interface", "p1", "type=dummy")
	sw.AppCtl(t, "netdev-dummy/receive", "p1", "in_port(1),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:07),eth_type(0x0800),ipv4(src=192.168.0.1,dst=192.168.0.2,proto=1,tos=0,ttl=64,frag=no),icmp(type=8,code=0)")

	s, _ := environment(t, sw.DB)
	var out string
	if err := ovstest.Poll(patience, func() error {
		var code int
		if code, out = s.ovsnet(t, "flows", "br-look"); code != 0 || !strings.Contains(out, "packets dropped: unknown-port 1\n") {
			return &missing{out}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"table 0 classify: ", "table 60 output: ", `(?m)^1 +\d+ +unknown-port +priority=0 actions=drop$`} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if strings.Contains(out, "priority=7") {
		t.Errorf("a stranger's flow is shown:\n%s", out)
	}
	if _, out = s.ovsnet(t, "flows", "--all", "br-look"); !strings.Contains(out, "(not ovsnet's)  priority=7,arp actions=drop") {
		t.Errorf("--all does not show a stranger's flow:\n%s", out)
	}
	for _, bridge := range []string{"br-none", "../br-look", ""} {
		if code, out := s.ovsnet(t, "flows", bridge); code != 1 || !strings.Contains(out, "ovs-vsctl list-br") {
			t.Errorf("bridge %q: exit status %d: %s", bridge, code, out)
		}
	}
}

// missing is what a poll says of an output that is not there yet.
type missing struct{ out string }

func (m *missing) Error() string { return "not there yet in:\n" + m.out }

func TestDoctor(t *testing.T) {
	t.Parallel()
	sw := ovstest.Start(t)
	s, _ := environment(t, sw.DB)
	sw.Ctl(t, "set", "Open_vSwitch", ".", "ovs_version=2.16.9")
	if _, out := s.ovsnet(t, "doctor"); !strings.Contains(out, "version 2.16.9 is older than 2.17") {
		t.Errorf("an old version is no fault:\n%s", out)
	}
	sw.Ctl(t, "set", "Open_vSwitch", ".", "ovs_version=3.1.0")
	_, out := s.ovsnet(t, "doctor")
	for _, want := range []string{
		`(?m)^ok +settings +can be used$`, `(?m)^note +state folder `, `(?m)^ok +Open vSwitch database +version 3\.1\.0 at `,
		`(?m)^ok +ovs-vswitchd +answers `, `(?m)^ok +bridges +0 of ovsnet's`, `(?m)^warning +driver socket +nobody answers`,
		`(?m)^(ok|note|warning|fault) +firewall `, `(?m)^warning +daemon +does not answer`, `-> start the daemon`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}

	sw.StopVSwitchd(t)
	s.environ = append(s.environ, "OVSNET_MTU=much")
	code, out := s.ovsnet(t, "doctor", "--json", "--ovsdb="+sw.DB)
	var findings []driver.Finding
	text, _, _ := strings.Cut(out, "ovsnet: ") // what is printed at the exit
	if err := json.Unmarshal([]byte(text), &findings); err != nil || code != 1 {
		t.Fatalf("doctor --json %d: %v\n%s", code, err, out)
	}
	if !slices.ContainsFunc(findings, func(f driver.Finding) bool { return f.Topic == "ovs-vswitchd" && f.Level == driver.FindingFault }) {
		t.Errorf("a switch that is down is no fault: %+v", findings)
	}
	if f := findings[0]; f.Level != driver.FindingFault || !strings.Contains(f.Text, "OVSNET_MTU=much") {
		t.Errorf("the first finding is %+v, want the setting that cannot be used", f)
	}
}

func TestPrintStatus(t *testing.T) {
	t.Parallel()
	const id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.Local)
	var out strings.Builder
	err := printStatus(&out, driver.Status{
		Version: "v1", Owner: "ovsnet",
		OVS:     driver.OVSStatus{Endpoint: "unix:/x", Connected: true},
		Audit:   driver.AuditStatus{Last: at, Repairs: map[string]int{"port": 2, "flow": 1}},
		Process: driver.ProcessStatus{Goroutines: 20, HeapBytes: 3 << 20, OpenFiles: 12},
		Networks: []driver.NetworkStatus{{
			ID: id, Door: "ovs", Bridge: "br-x", Datapath: "system", MTU: 1500, Subnets: []string{"10.0.0.0/24", "fd00::/64"},
			Endpoints: []driver.EndpointStatus{{ID: "e" + id, Port: "ovs1", OFPort: 5, MAC: "02:00:00:00:00:01", Addresses: []string{"10.0.0.2/24"}, Attached: true, Published: []string{"0.0.0.0:8080->10.0.0.2:80/tcp", "[::]:8080->10.0.0.2:80/tcp"}}},
		}},
	})
	want := `ovsnet        v1, owner mark ovsnet
Open vSwitch  connected at unix:/x
audit         last at 2026-03-04 05:06:07, repaired since the start: 1 flow, 2 port
process       20 goroutines, 12 files, 3072 KiB in use

NETWORK       BRIDGE  DATAPATH  MTU   DRIVER  SUBNETS                GATEWAYS  ENDPOINTS
0123456789ab  br-x    system    1500  ovs     10.0.0.0/24,fd00::/64  -         1

ENDPOINT      NETWORK       PORT  OFPORT  MAC                ADDRESSES    ATTACHED  PORTS
e0123456789a  0123456789ab  ovs1  5       02:00:00:00:00:01  10.0.0.2/24  yes       0.0.0.0:8080->10.0.0.2:80/tcp,[::]:8080->10.0.0.2:80/tcp
`
	if err != nil || out.String() != want {
		t.Errorf("%v, got:\n%s\nwant:\n%s", err, out.String(), want)
	}
}

func TestVersionAndUnknownCommand(t *testing.T) {
	t.Parallel()
	s := &serving{}
	if code, out := s.ovsnet(t, "version"); code != 0 || !strings.HasPrefix(out, "ovsnet ") {
		t.Errorf("version: %d, %s", code, out)
	}
	if code, out := s.ovsnet(t, "option"); code != 1 || !strings.Contains(out, "options") {
		t.Errorf("a typo: %d, %s", code, out)
	}
}
