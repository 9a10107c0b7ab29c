// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"

	"github.com/ovsnet/ovsnet/flows"
)

// announce tells the peers where an endpoint is now: one that was on another host, and does not speak by itself, would be
// looked for there until that is forgotten. An announcement that is lost costs flooded frames, so errors are none.
func (d *Driver) announce(ctx context.Context, n network, e endpoint) {
	if !n.overlay() {
		return
	}
	frame, actions := flows.Announcement(e.view(n))
	if err := d.loop.sendFrame(ctx, n.Bridge, frame, actions); err != nil {
		d.log.Debug("endpoint not announced to peers", "endpoint", short(e.ID), "err", err)
	}
}

// sendFrame sends a frame into a bridge, which does actions with it. A bridge that is not connected is made anew, and what
// is known of it elsewhere too.
func (l *loop) sendFrame(ctx context.Context, bridge string, frame []byte, actions []flows.Action) error {
	l.switches.Lock()
	defer l.switches.Unlock()
	b, ok := l.bridges[bridge]
	if !ok || !b.alive() {
		return nil
	}
	return b.conn.PacketOut(ctx, flows.PortController, frame, actions...)
}
