// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ovsnet/ovsnet/flows"
)

// Update is a change of a bridge that is made as a whole or not at all, unless it is InOneGo.
type Update struct {
	// InOneGo sends the commit along with the rest, so that all is done in one turn of ovs-vswitchd's main loop and not in
	// two, and does not wait for other bundles of the connection. When the switch refuses to take a part into the bundle, a
	// *RefusedError, it makes the others.
	InOneGo bool
	// Flows are added; each replaces the flow with its key, keeping the counters.
	Flows []flows.Flow
	// Delete are the flows to delete, by their key. A flow without ovsnet's
	// cookie magic stays. Deletions come before additions.
	Delete []flows.Flow
	// Groups are changed in this order, GroupDelete after and everything else
	// before the flows, so that flows find their groups.
	Groups []GroupMod
	// Meters are changed first. They cannot be in the bundle and so are not made
	// as a whole: when one is refused the bundle is given up, but the meters that
	// were not refused stay as they then are. They must not be MeterDelete, which
	// takes flows along.
	Meters []MeterMod
}

// Bundle control types and flags (OpenFlow 1.5.1, 7.3.9).
const (
	bundleOpen    = 0
	bundleClose   = 2
	bundleCommit  = 4
	bundleDiscard = 6

	bundleAtomicOrdered = 3

	// chunk is how much is encoded before it is sent.
	chunk = 64 << 10
	// perStep is about what a step takes, in bytes.
	perStep = 256
)

// bundle is an Update on its way. Its transaction ids are in the order of its
// messages: meters, OPEN, steps.
type bundle struct {
	conn   *Conn
	id     uint32
	meters []MeterMod
	steps  []step
	// answers collects refusals of OPEN and the steps, until the very end.
	answers *waiter
	refused error // the first one, under the lock of answers
}

// step is one message: a group change or a flow, added or deleted.
type step struct {
	group  *GroupMod
	flow   *flows.Flow
	remove bool
}

// String shows what is done in ovs-ofctl's grammar.
func (s step) String() string {
	switch {
	case s.group != nil:
		return s.group.String()
	case s.remove:
		return "delete " + s.flow.Key().String()
	}
	return s.flow.String()
}

func (s step) append(b []byte, xid uint32) ([]byte, error) {
	switch {
	case s.group != nil:
		return appendGroupMod(b, xid, *s.group)
	case s.remove:
		return appendFlowDelete(b, xid, *s.flow)
	}
	return appendFlowMod(b, xid, *s.flow)
}

func (s step) validate() error {
	switch {
	case s.group != nil:
		return s.group.Group.Validate()
	case s.remove:
		if err := s.flow.Match.Validate(); err != nil {
			return fmt.Errorf("%v: %w", s, err)
		}
		return nil
	}
	return s.flow.Validate()
}

// steps puts an update into the order in which the switch must take it.
func (u Update) steps() []step {
	all := make([]step, 0, len(u.Flows)+len(u.Delete)+len(u.Groups))
	for i := range u.Groups {
		if u.Groups[i].Command != GroupDelete {
			all = append(all, step{group: &u.Groups[i]})
		}
	}
	for i := range u.Delete {
		all = append(all, step{flow: &u.Delete[i], remove: true})
	}
	for i := range u.Flows {
		all = append(all, step{flow: &u.Flows[i]})
	}
	for i := range u.Groups {
		if u.Groups[i].Command == GroupDelete {
			all = append(all, step{group: &u.Groups[i]})
		}
	}
	return all
}

// Apply makes the update in one atomic bundle. On nil all of it is in the
// switch and works. On a *RefusedError (but see InOneGo), a *TooLargeError or
// an error that wraps flows.ErrInvalid nothing was changed. On ErrUncertain the connection failed
// or ctx ended while the switch was committing. An empty update sends nothing.
func (c *Conn) Apply(ctx context.Context, u Update) error {
	steps := u.steps()
	switch {
	case len(steps) == 0 && len(u.Meters) == 0:
		return c.Err()
	case len(steps) == 0:
		return c.Meters(ctx, u.Meters)
	}
	for _, s := range steps {
		if err := s.validate(); err != nil {
			return fmt.Errorf("openflow: %w", err)
		}
	}
	if !u.InOneGo {
		select {
		case c.bundling <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("openflow %s: waiting for another bundle: %w", c.path, ctx.Err())
		case <-c.done:
			return c.err
		}
		defer func() { <-c.bundling }()
	}
	b := &bundle{conn: c, id: c.bundleID.Add(1), meters: u.Meters, steps: steps}
	b.answers = c.expect(uint32(len(u.Meters)+1+len(steps)), b.answer) //nolint:gosec // slices of structs in memory
	defer c.forget(b.answers)
	if u.InOneGo {
		return b.hurry(ctx)
	}
	if err := b.fill(ctx); err != nil {
		b.discard(ctx)
		return err
	}
	return b.commit(ctx)
}

// answer takes what the switch says of OPEN and the steps.
func (b *bundle) answer(i uint32, m message) bool {
	if m.kind == typeError && b.refused == nil {
		b.refused = refusal(b.message(i), m.body)
	}
	return false
}

// message describes message i of the bundle.
func (b *bundle) message(i uint32) fmt.Stringer {
	switch m := len(b.meters); {
	case int(i) < m:
		return b.meters[i]
	case int(i) == m:
		return name("open bundle")
	default:
		return b.steps[int(i)-m-1]
	}
}

func (b *bundle) refusal() error {
	b.answers.mu.Lock()
	defer b.answers.mu.Unlock()
	return b.refused
}

// fill opens the bundle, adds everything, closes it, and waits for the answer
// to that: answers come in order, so no refusal of an addition follows it.
func (b *bundle) fill(ctx context.Context) error {
	if err := b.send(ctx, nil); err != nil {
		return err
	}
	err := b.control(ctx, bundleClose, "close bundle")
	if refused := b.refusal(); refused != nil {
		return refused
	}
	return err
}

// hurry sends the whole bundle and its commit, and waits for the answer to that.
func (b *bundle) hurry(ctx context.Context) error {
	closing, sent := b.conn.takeXIDs(1), false
	err := b.ask(ctx, "commit bundle", func(xid uint32) error {
		err := b.send(ctx, b.appendControl(b.appendControl(nil, closing, bundleClose), xid, bundleCommit))
		sent = err == nil
		return err
	})
	if !sent {
		b.discard(ctx)
		return err
	}
	return b.end(err)
}

// send sends meters, OPEN and the steps, in chunks: the switch works on one
// while we encode the next. Then follows what is encoded already.
func (b *bundle) send(ctx context.Context, then []byte) error {
	xid := b.answers.first
	buf := make([]byte, 0, min(chunk, len(b.steps)*perStep)+4096)
	for _, m := range b.meters {
		var err error
		if buf, err = appendMeterMod(buf, xid, m); err != nil {
			return err
		}
		xid++
	}
	buf = b.appendControl(buf, xid, bundleOpen)
	for i := range b.steps {
		xid++
		start := len(buf)
		buf = appendHeader(buf, typeBundleAdd, xid)
		buf = be32(be32(buf, b.id), bundleAtomicOrdered)
		var err error
		if buf, err = b.steps[i].append(buf, xid); err != nil {
			return err
		}
		if buf, err = finish(buf, start, b.steps[i].String); err != nil {
			return err
		}
		if len(buf) >= chunk {
			if err = b.conn.write(ctx, buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
	}
	return b.conn.write(ctx, append(buf, then...))
}

// appendControl appends an ofp_bundle_ctrl_msg.
func (b *bundle) appendControl(buf []byte, xid uint32, kind uint16) []byte {
	start := len(buf)
	buf = be32(appendHeader(buf, typeBundleControl, xid), b.id)
	buf = be16(be16(buf, kind), bundleAtomicOrdered)
	setLen(buf, start, start+2)
	return buf
}

// control sends a bundle control message and waits for its answer.
func (b *bundle) control(ctx context.Context, kind uint16, what name) error {
	return b.ask(ctx, what, func(xid uint32) error { return b.conn.write(ctx, b.appendControl(nil, xid, kind)) })
}

// ask has a message sent with a transaction id of its own and waits for its answer.
func (b *bundle) ask(ctx context.Context, what name, send func(xid uint32) error) error {
	var failed error
	w := b.conn.expect(1, func(_ uint32, m message) bool {
		if m.kind == typeError {
			failed = refusal(what, m.body)
		}
		return true
	})
	defer b.conn.forget(w)
	if err := send(w.first); err != nil {
		return err
	}
	if err := b.conn.wait(ctx, w); err != nil {
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	return failed
}

// errNoAnswer marks a message that was sent and not answered.
var errNoAnswer = errors.New("no answer")

// commit makes the switch take the closed bundle. When one of its messages
// fails only now, the switch says so twice: with the message's transaction id
// and with the commit's.
func (b *bundle) commit(ctx context.Context) error {
	return b.end(b.control(ctx, bundleCommit, "commit bundle"))
}

// end gives the reason why a bundle failed, if it did: the first refusal of a part, or that of the commit.
func (b *bundle) end(err error) error {
	if refused := b.refusal(); refused != nil {
		return refused
	}
	if errors.Is(err, errNoAnswer) {
		return fmt.Errorf("%w: %w", ErrUncertain, err)
	}
	return err
}

// discard gives the bundle up after a failure. If ctx has ended, it asks but
// does not wait; what it cannot reach, the switch forgets after some seconds.
func (b *bundle) discard(ctx context.Context) {
	var err error
	if ctx.Err() == nil {
		err = b.control(ctx, bundleDiscard, "discard bundle")
	} else {
		brief, cancel := context.WithTimeout(context.WithoutCancel(ctx), 50*time.Millisecond)
		defer cancel()
		err = b.conn.write(brief, b.appendControl(nil, b.conn.takeXIDs(1), bundleDiscard))
	}
	if err != nil {
		b.conn.log.Debug("bundle not discarded", "error", err)
	}
}
