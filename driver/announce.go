// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"time"

	"github.com/ovsnet/ovsnet/flows"
)

// announceAgain is the time from an endpoint's first announcement to its second. Open vSwitch learns from datapath
// statistics up to half a second after a frame was there: old frames of a container that has just moved can win over the
// first announcement (seen with 3.1), and would be believed until the container speaks.
const announceAgain = time.Second

// announcement is one that is due again.
type announcement struct {
	network, endpoint string
	due               time.Time
}

// announcements holds those that wait for their second time. One that finds no room is not repeated.
const announcements = 4096

// announce tells the peers where an endpoint is now: one that was on another host, and does not speak by itself, would be
// looked for there until that is forgotten. It does so twice. An announcement that is lost costs flooded frames, so errors
// are none.
func (d *Driver) announce(ctx context.Context, n network, e endpoint) {
	if !n.overlay() {
		return
	}
	d.announceOnce(ctx, n, e)
	select {
	case d.again <- announcement{network: n.ID, endpoint: e.ID, due: time.Now().Add(announceAgain)}:
	default:
	}
}

func (d *Driver) announceOnce(ctx context.Context, n network, e endpoint) {
	ctx, cancel := context.WithTimeout(ctx, announceAgain)
	defer cancel()
	frame, actions := flows.Announcement(e.view(n))
	if err := d.loop.sendFrame(ctx, n.Bridge, frame, actions); err != nil {
		d.log.Debug("endpoint not announced to peers", "endpoint", short(e.ID), "err", err)
	}
}

// repeatAnnouncements announces endpoints for the second time, if they are still there, until ctx ends.
func (d *Driver) repeatAnnouncements(ctx context.Context) {
	wait := time.NewTimer(announceAgain)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-d.again:
			// They come in the order in which they are due.
			wait.Reset(time.Until(a.due))
			select {
			case <-ctx.Done():
				return
			case <-wait.C:
			}
			d.mu.Lock()
			n, known := d.world.networks[a.network]
			e, there := d.world.endpoints[a.endpoint]
			d.mu.Unlock()
			if known && there && e.attached {
				d.announceOnce(ctx, n, e)
			}
		}
	}
}

// sendFrame sends a frame into a bridge, which does actions with it. A bridge that is not connected is made anew, and what
// is known of it elsewhere too.
func (l *loop) sendFrame(ctx context.Context, bridge string, frame []byte, actions []flows.Action) error {
	l.switches.Lock()
	b, ok := l.bridges[bridge]
	l.switches.Unlock()
	if !ok {
		return nil
	}
	if err := b.holdPart(ctx); err != nil {
		return err
	}
	defer b.letPartGo()
	if !b.alive() {
		return nil
	}
	return b.conn.PacketOut(ctx, flows.PortController, frame, actions...)
}
