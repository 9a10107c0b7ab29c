// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"context"
	"fmt"
	"strings"

	"github.com/ovsnet/ovsnet/flows"
)

// packetOut is one frame that the switch is to send.
type packetOut struct {
	inPort  uint32
	frame   []byte
	actions []flows.Action
}

// String is the packet-out in ovs-ofctl's grammar.
func (p packetOut) String() string {
	actions := make([]string, len(p.actions))
	for i, a := range p.actions {
		actions[i] = a.String()
	}
	return fmt.Sprintf("packet-out in_port=%d packet=%x actions=%s", p.inPort, p.frame, strings.Join(actions, ","))
}

// PacketOut lets the switch do actions with a frame, once, as if it had come in by inPort: a port of the bridge,
// flows.PortLocal or flows.PortController (OpenFlow 1.5.1, 7.3.6). It returns when the switch has done so, or with a
// *RefusedError. Actions cannot hold flows.Goto.
func (c *Conn) PacketOut(ctx context.Context, inPort uint32, frame []byte, actions ...flows.Action) error {
	p := packetOut{inPort: inPort, frame: frame, actions: actions}
	check := flows.GroupDesc{Buckets: []flows.Bucket{{Actions: actions}}} // what a bucket can hold, a packet-out can
	if err := check.Validate(); err != nil {
		return fmt.Errorf("openflow: packet-out: %w", err)
	}
	var failed error
	w := c.expect(2, func(i uint32, m message) bool {
		if m.kind == typeError {
			failed = refusal(p, m.body)
		}
		return i == 1 // the barrier's answer comes after any refusal
	})
	defer c.forget(w)
	b, err := appendPacketOut(nil, w.first, p)
	if err != nil {
		return err
	}
	barrier, err := finish(appendHeader(nil, typeBarrierRequest, w.first+1), 0, name("barrier").String)
	if err != nil {
		return err
	}
	if err = c.write(ctx, append(b, barrier...)); err != nil {
		return err
	}
	if err = c.wait(ctx, w); err != nil {
		return fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	return failed
}

// appendPacketOut appends an ofp_packet_out.
func appendPacketOut(b []byte, xid uint32, p packetOut) ([]byte, error) {
	start := len(b)
	b = be32(appendHeader(b, typePacketOut, xid), noBuffer)
	length := len(b)
	b = be32(b, 0) // length of the actions, padding
	b = appendMatch(b, flows.NewMatch(flows.U(flows.FieldInPort, uint64(p.inPort))))
	actions := len(b)
	b, err := appendActions(b, p.actions)
	if err != nil {
		return b[:start], err
	}
	setLen(b, actions, length)
	return finish(append(b, p.frame...), start, p.String)
}
