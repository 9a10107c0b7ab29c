// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"testing"
)

// Outsider is a machine behind a host, on a link of its own with it: a network
// namespace of the host's with nothing but addresses. It goes with the host.
type Outsider struct {
	Name string
	// IPv4 and IPv6 are its addresses, HostIPv4 and HostIPv6 the host's on the same link.
	IPv4, IPv6, HostIPv4, HostIPv6 string

	host *Host
}

// Outside puts the number-th machine behind the host, 1 to 250: it has
// 192.0.<number>.2 and 2001:db8:<number>::2, the host 1 in place of the 2.
func (h *Host) Outside(tb testing.TB, number int) *Outsider {
	tb.Helper()
	o := &Outsider{
		Name: fmt.Sprintf("out%d", number), host: h,
		IPv4: fmt.Sprintf("192.0.%d.2", number), IPv6: fmt.Sprintf("2001:db8:%d::2", number),
		HostIPv4: fmt.Sprintf("192.0.%d.1", number), HostIPv6: fmt.Sprintf("2001:db8:%d::1", number),
	}
	h.Run(tb, "sh -ec", fmt.Sprintf(`
		ip netns add %[1]s
		ip link add %[1]s type veth peer name eth0 netns %[1]s
		ip addr add %[4]s/24 dev %[1]s && ip addr add %[5]s/64 dev %[1]s nodad
		ip -n %[1]s addr add %[2]s/24 dev eth0 && ip -n %[1]s addr add %[3]s/64 dev eth0 nodad
		ip -n %[1]s link set lo up && ip -n %[1]s link set eth0 up && ip link set %[1]s up`,
		o.Name, o.IPv4, o.IPv6, o.HostIPv4, o.HostIPv6))
	return o
}

// Run runs a command on the machine; the test ends when it fails.
func (o *Outsider) Run(tb testing.TB, line string, args ...string) string {
	tb.Helper()
	return o.host.Run(tb, o.enter()+line, args...)
}

// Try is Run for a command that may fail; the error has its output.
func (o *Outsider) Try(line string, args ...string) (string, error) {
	return o.host.Try(o.enter()+line, args...)
}

// Start starts a program on the machine; it runs until the host's end.
func (o *Outsider) Start(tb testing.TB, line string, args ...string) {
	tb.Helper()
	o.host.StartProgram(tb, o.enter()+line, args...)
}

func (o *Outsider) enter() string { return "nsenter --net=/run/netns/" + o.Name + " -- " }

// Probe is the path of the program of integration/probe, on every host.
func Probe(tb testing.TB) string {
	tb.Helper()
	path, err := build("./integration/probe", "probe")
	if err != nil {
		tb.Fatal(err)
	}
	return path
}
