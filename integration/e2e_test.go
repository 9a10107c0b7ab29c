// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration"
	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// way is one way of running the driver and naming it.
type way struct {
	name   string
	driver string
	start  func(h *integration.Host, tb testing.TB, settings ...string)
}

var (
	managed = way{"managed plugin", integration.ManagedDoor, (*integration.Host).StartPlugin}
	short   = way{"managed plugin by its short name", integration.ShortDoor, (*integration.Host).StartPlugin}
	served  = way{"ovsnet serve", integration.ShortDoor, (*integration.Host).StartServe}
)

// start gives a host on which the driver runs.
func (w way) host(tb testing.TB, settings ...string) *integration.Host {
	tb.Helper()
	h := integration.NewLab(tb).Host(tb, "h1")
	w.start(h, tb, settings...)
	return h
}

// in is a container's side of a network: the interface's address and MAC as
// Docker tells them.
func in(tb testing.TB, h *integration.Host, container, network string) (ip, ip6, mac string) {
	tb.Helper()
	text := h.Docker(tb, "inspect --format",
		fmt.Sprintf(`{{with index .NetworkSettings.Networks %q}}{{.IPAddress}} {{.GlobalIPv6Address}} {{.MacAddress}}{{end}}`, network), container)
	f := strings.Split(text, " ")
	if len(f) != 3 {
		tb.Fatalf("container %s on %s: %q", container, network, text)
	}
	return f[0], f[1], f[2]
}

// reaches holds that one container reaches another by ping, TCP and UDP.
func reaches(tb testing.TB, h *integration.Host, from, to string) {
	tb.Helper()
	h.Exec(tb, from, "ping -c 2 -i 0.2 -W 5 "+to)
	host := to
	if strings.Contains(to, ":") {
		host = "[" + to + "]"
	}
	h.Exec(tb, from, "probe tcp "+host+":9000 1000000")
	h.Exec(tb, from, "probe udp "+host+":9000 1000")
}

// cut holds that one container does not reach another.
func cut(tb testing.TB, h *integration.Host, from, to string) {
	tb.Helper()
	if out, err := h.TryExec(from, "ping -c 2 -i 0.2 -W 1 "+to); err == nil {
		tb.Errorf("%s reaches %s: %s", from, to, out)
	}
}

// soon repeats what becomes true without anybody waiting for it.
func soon(tb testing.TB, condition func() error) {
	tb.Helper()
	if err := ovstest.Poll(30*time.Second, condition); err != nil {
		tb.Fatal(err)
	}
}

// same is nil when two states are equal.
func same(before, after integration.State) error {
	if diff := integration.Diff(before, after); diff != "" {
		return errors.New("the host is not what it was:\n" + diff)
	}
	return nil
}

// unchanged holds that the host is what it was.
func unchanged(tb testing.TB, h *integration.Host, before integration.State) {
	tb.Helper()
	if err := same(before, h.Snapshot(tb)); err != nil {
		tb.Error(err)
	}
}
