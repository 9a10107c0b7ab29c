// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"context"
	"errors"
	"fmt"

	"github.com/ovsnet/ovsnet/flows"
)

// Multipart types (OpenFlow 1.5.1, 7.3.5.1).
const (
	multipartFlows  = 1
	multipartGroups = 7
	multipartMeters = 10
	multipartPorts  = 13

	multipartMore = 1

	groupAll = 0xfffffffc
)

// DumpFlows reads the flows whose cookie equals cookie in the bits of mask; a
// zero mask takes them all. The order is the switch's.
func (c *Conn) DumpFlows(ctx context.Context, cookie, mask uint64) ([]FlowStats, error) {
	return multipart(ctx, c, multipartFlows, appendFlowRequest(nil, cookie, mask), decodeFlowDesc)
}

// DumpGroups reads all groups of the bridge.
func (c *Conn) DumpGroups(ctx context.Context) ([]flows.GroupDesc, error) {
	return multipart(ctx, c, multipartGroups, all(groupAll), decodeGroupDesc)
}

// DumpMeters reads all meters of the bridge.
func (c *Conn) DumpMeters(ctx context.Context) ([]flows.MeterDesc, error) {
	return multipart(ctx, c, multipartMeters, all(0xffffffff), decodeMeterDesc)
}

// Ports reads all ports of the bridge, its LOCAL port included.
func (c *Conn) Ports(ctx context.Context) ([]Port, error) {
	return multipart(ctx, c, multipartPorts, all(flows.PortAny), decodePort)
}

// all is the body of a request for everything: an id and padding.
func all(id uint32) []byte { return pad(be32(nil, id), 4) }

// multipart sends a multipart request and decodes the entries of its replies.
func multipart[T any](ctx context.Context, c *Conn, kind uint16, body []byte, decode func([]byte) (T, []byte, error)) ([]T, error) {
	var entries []T
	var failed error
	what := name(fmt.Sprintf("multipart request %d", kind))
	w := c.expect(1, func(_ uint32, m message) bool {
		switch {
		case m.kind == typeError:
			failed = refusal(what, m.body)
			return true
		case m.kind != typeMultipartReply || len(m.body) < 8 || get16(m.body) != kind:
			failed = malformed(what.String(), "answered by message type %d", m.kind)
			return true
		}
		for b := m.body[8:]; len(b) > 0 && failed == nil; {
			var e T
			if e, b, failed = decode(b); failed == nil {
				entries = append(entries, e)
			}
		}
		// After an error the rest of the replies still comes; nobody waits for it.
		return failed != nil || get16(m.body[2:])&multipartMore == 0
	})
	defer c.forget(w)
	b := appendHeader(nil, typeMultipartRequest, w.first)
	b = pad(be16(be16(b, kind), 0), 4)
	b, err := finish(append(b, body...), 0, what.String)
	if err != nil {
		return nil, err
	}
	if err = c.write(ctx, b); err != nil {
		return nil, err
	}
	if err = c.wait(ctx, w); err != nil {
		return nil, err
	}
	return entries, failed
}

// Barrier returns when the switch has finished everything that was sent before.
func (c *Conn) Barrier(ctx context.Context) error {
	return c.ask(ctx, typeBarrierRequest, typeBarrierReply, "barrier")
}

// Echo asks the switch for a sign of life.
func (c *Conn) Echo(ctx context.Context) error {
	return c.ask(ctx, typeEchoRequest, typeEchoReply, "echo")
}

// ask sends a message without a body and waits for its one answer.
func (c *Conn) ask(ctx context.Context, request, reply byte, what name) error {
	var failed error
	w := c.expect(1, func(_ uint32, m message) bool {
		if m.kind != reply {
			failed = refusal(what, m.body)
		}
		return true
	})
	defer c.forget(w)
	b, err := finish(appendHeader(nil, request, w.first), 0, what.String)
	if err != nil {
		return err
	}
	if err = c.write(ctx, b); err != nil {
		return err
	}
	if err = c.wait(ctx, w); err != nil {
		return err
	}
	return failed
}

// Meters changes meters, in order. They cannot be in a bundle: those that are
// not refused are made, and the error joins a RefusedError for each other one.
func (c *Conn) Meters(ctx context.Context, mods []MeterMod) error {
	if len(mods) == 0 {
		return nil
	}
	var refused []error
	count := uint32(len(mods)) //nolint:gosec // a slice of structs in memory
	w := c.expect(count+1, func(i uint32, m message) bool {
		if m.kind == typeError && i < count {
			refused = append(refused, refusal(mods[i], m.body))
		}
		return i == count
	})
	defer c.forget(w)
	var b []byte
	var err error
	for i, m := range mods {
		if b, err = appendMeterMod(b, w.first+uint32(i), m); err != nil {
			return err
		}
	}
	barrier, err := finish(appendHeader(nil, typeBarrierRequest, w.first+count), 0, name("barrier").String)
	if err != nil {
		return err
	}
	if err = c.write(ctx, append(b, barrier...)); err != nil {
		return err
	}
	if err = c.wait(ctx, w); err != nil {
		return fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	return errors.Join(refused...)
}

// refusal is the RefusedError that an error message stands for.
func refusal(what fmt.Stringer, body []byte) error {
	e, err := decodeError(body)
	if err != nil {
		return err
	}
	e.Message = what.String()
	return e
}
