// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// define fills in the daemons of a host; none is started.
func (h *Host) define(o HostOptions) {
	const dir = "/run/openvswitch/"
	h.ovsdb = daemon{
		host: h, name: "ovsdb-server",
		line: "ovsdb-server " + dir + "conf.db --remote=punix:" + dir + "db.sock --pidfile=" + dir + "ovsdb-server.pid",
	}
	h.vswitchd = daemon{
		host: h, name: "ovs-vswitchd",
		line: "ovs-vswitchd unix:" + dir + "db.sock --pidfile=" + dir + "ovs-vswitchd.pid",
	}
	h.dockerd = daemon{
		host: h, name: "dockerd", args: o.Dockerd,
		line: "dockerd --config-file=/run/daemon.json --host=unix:///run/docker.sock --storage-driver=overlay2" +
			" --cgroup-parent=docker --exec-opt=native.cgroupdriver=cgroupfs",
	}
	h.otherEngine(o)
	h.ovsnet = daemon{host: h, name: "ovsnet"}
}

// StartOVS starts ovsdb-server and ovs-vswitchd, with the database as it was
// left or an empty one, and waits until both work.
func (h *Host) StartOVS(tb testing.TB) {
	tb.Helper()
	h.StartOVSDB(tb)
	h.StartVSwitchd(tb)
}

// StartOVSDB starts ovsdb-server alone.
func (h *Host) StartOVSDB(tb testing.TB) {
	tb.Helper()
	if _, err := h.Try("test -e /run/openvswitch/conf.db"); err != nil {
		h.Run(tb, "ovsdb-tool create /run/openvswitch/conf.db /usr/share/openvswitch/vswitch.ovsschema")
	}
	h.launch(tb, &h.ovsdb)
	h.await(tb, &h.ovsdb, func() error { return dialable(h.Path("/run/openvswitch/db.sock")) })
	h.Run(tb, "ovs-vsctl --no-wait init")
}

// StartVSwitchd starts ovs-vswitchd alone and waits until it has applied the database; a host
// on a LAN gets its addresses there again.
func (h *Host) StartVSwitchd(tb testing.TB) {
	tb.Helper()
	h.launch(tb, &h.vswitchd)
	h.Run(tb, "ovs-vsctl --timeout=30 set Open_vSwitch .", fmt.Sprintf("external_ids:lab-start=%d", time.Now().UnixNano()))
	h.Run(tb, "ovs-vsctl --no-wait remove Open_vSwitch . external_ids lab-start")
	h.Address(tb)
}

// StopOVS ends ovs-vswitchd and ovsdb-server; the database stays.
func (h *Host) StopOVS(tb testing.TB) {
	tb.Helper()
	h.StopVSwitchd(tb)
	h.StopOVSDB(tb)
}

// StopOVSDB ends ovsdb-server.
func (h *Host) StopOVSDB(tb testing.TB) { tb.Helper(); h.stop(tb, &h.ovsdb, syscall.SIGTERM) }

// KillOVSDB ends ovsdb-server with SIGKILL.
func (h *Host) KillOVSDB(tb testing.TB) { tb.Helper(); h.stop(tb, &h.ovsdb, syscall.SIGKILL) }

// WipeOVSDB removes the database; the next StartOVSDB makes an empty one.
func (h *Host) WipeOVSDB(tb testing.TB) {
	tb.Helper()
	h.Run(tb, "rm -f /run/openvswitch/conf.db /run/openvswitch/.conf.db.~lock~")
}

// StopVSwitchd ends ovs-vswitchd; its flows are lost.
func (h *Host) StopVSwitchd(tb testing.TB) { tb.Helper(); h.stop(tb, &h.vswitchd, syscall.SIGTERM) }

// KillVSwitchd ends ovs-vswitchd with SIGKILL.
func (h *Host) KillVSwitchd(tb testing.TB) { tb.Helper(); h.stop(tb, &h.vswitchd, syscall.SIGKILL) }

// Bridges are the names of the switch's bridges, one on a line.
func (h *Host) Bridges(tb testing.TB) string { tb.Helper(); return h.Run(tb, "ovs-vsctl list-br") }

// Flows is what ovs-ofctl prints of a bridge's flows, without statistics.
func (h *Host) Flows(tb testing.TB, bridge string) string {
	tb.Helper()
	flows, err := h.tryFlows(bridge)
	if err != nil {
		tb.Fatal(err)
	}
	return flows
}

// tryFlows is Flows of a bridge that may have gone, with more options for ovs-ofctl.
func (h *Host) tryFlows(bridge string, options ...string) (string, error) {
	return h.Try("ovs-ofctl -OOpenFlow15 --no-stats", append(options, "dump-flows", bridge)...)
}

// await waits until a daemon serves; the test ends when it does not.
func (h *Host) await(tb testing.TB, d *daemon, serves func() error) {
	tb.Helper()
	if err := h.serves(d, serves); err != nil {
		tb.Fatal(err)
	}
}

// serves polls until a daemon serves, or has ended.
func (h *Host) serves(d *daemon, serves func() error) error {
	err := ovstest.Poll(30*time.Second, func() error {
		if !d.running() {
			return fmt.Errorf("%w: %s ended: %s", ovstest.ErrHopeless, d.name, d.tail(10))
		}
		return serves()
	})
	if err != nil {
		return fmt.Errorf("host %s: %s: %w", h.Name, d.name, err)
	}
	return nil
}

func dialable(socket string) error {
	var d net.Dialer
	c, err := d.DialContext(context.Background(), "unix", socket)
	if err != nil {
		return err
	}
	return c.Close()
}
