// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is an OpenFlow 1.5 connection to one bridge. It is safe for concurrent
// calls; bundles wait for each other, but for those that go InOneGo. Every
// call ends with its context.
type Conn struct {
	path string
	log  *slog.Logger
	nc   net.Conn
	in   *bufio.Reader

	// writing and bundling are locks that a context can interrupt.
	writing  chan struct{}
	bundling chan struct{}
	bundleID atomic.Uint32

	mu      sync.Mutex // guards nextXID and waiters
	nextXID uint32
	waiters map[*waiter]struct{}

	echoes chan []byte                // payloads that the echo goroutine is to send back
	came   atomic.Pointer[func(Port)] // is told of new ports; see Configure

	goroutines sync.WaitGroup
	failOnce   sync.Once
	done       chan struct{}
	err        error // set before done is closed
}

// waiter takes the answers to the messages first, first+1, ... first+count-1.
type waiter struct {
	first, count uint32

	mu     sync.Mutex // held while handle runs
	gone   bool
	handle func(i uint32, m message) (complete bool) // m answers message first+i
	done   chan struct{}                             // closed when handle has said complete
}

// Dial connects to a bridge's management socket and exchanges HELLO. A nil log
// is silent. The connection lives until Close or until it is lost.
func Dial(ctx context.Context, socketPath string, log *slog.Logger) (*Conn, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	nc, err := new(net.Dialer).DialContext(ctx, "unix", socketPath)
	if err != nil {
		return nil, fmt.Errorf("openflow %s: %w; is ovs-vswitchd running, and is there such a bridge?", socketPath, err)
	}
	c := &Conn{
		path: socketPath, log: log.With("socket", socketPath), nc: nc, in: bufio.NewReaderSize(nc, maxMessage+1),
		writing: make(chan struct{}, 1), bundling: make(chan struct{}, 1),
		nextXID: 1, waiters: map[*waiter]struct{}{},
		echoes: make(chan []byte, 1), done: make(chan struct{}),
	}
	if err = c.hello(ctx); err != nil {
		_ = nc.Close() // the error that matters is the first
		if ctx.Err() != nil {
			return nil, fmt.Errorf("openflow %s: %w; ovs-vswitchd does not answer: see its log", socketPath, err)
		}
		return nil, fmt.Errorf("openflow %s: %w", socketPath, err)
	}
	c.goroutines.Add(2)
	go func() {
		defer c.goroutines.Done()
		c.read()
	}()
	go func() {
		defer c.goroutines.Done()
		c.answerEchoes(context.WithoutCancel(ctx)) // they outlive the dialling
	}()
	return c, nil
}

// hello sends HELLO with the one version that we speak, and reads the peer's.
func (c *Conn) hello(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = c.nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	hello := appendHeader(nil, typeHello, c.takeXIDs(1))
	hello = be32(be32(hello, 1<<16|8), 1<<version) // OFPHET_VERSIONBITMAP
	hello, err := finish(hello, 0, name("hello").String)
	if err != nil {
		return err
	}
	if _, err = c.nc.Write(hello); err != nil {
		return orContext(ctx, fmt.Errorf("hello: %w", err))
	}
	peer, kind, body, err := c.readFrame()
	if err != nil {
		return orContext(ctx, fmt.Errorf("hello: %w", err))
	}
	if kind == typeError {
		return ErrVersion
	}
	if kind != typeHello {
		return malformed("hello", "message type %d comes first", kind)
	}
	if !speaks15(peer, body) {
		return ErrVersion
	}
	if !stop() {
		return ctx.Err()
	}
	return nil
}

// speaks15 applies OpenFlow 1.5.1, 6.3.1: a version bitmap counts if there is
// one, else the peer speaks everything up to its header's version.
func speaks15(peer byte, body []byte) bool {
	for len(body) >= 8 {
		n := int(get16(body[2:]))
		if n < 4 || n > len(body) {
			break
		}
		if get16(body) == 1 && n >= 8 {
			return get32(body[4:])&(1<<version) != 0
		}
		if n = roundUp8(n); n > len(body) {
			break
		}
		body = body[n:]
	}
	return peer >= version
}

// orContext prefers the context's error to the one that its end caused.
func orContext(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w (%w)", ctx.Err(), err)
	}
	return err
}

// readFrame reads one message. The body is valid until the next call.
func (c *Conn) readFrame() (peer, kind byte, body []byte, err error) {
	_, peer, kind, body, err = c.readFrameXID()
	return peer, kind, body, err
}

func (c *Conn) readFrameXID() (xid uint32, peer, kind byte, body []byte, err error) {
	head, err := c.in.Peek(headerLen)
	if err != nil {
		return 0, 0, 0, nil, noEOF(err)
	}
	n := int(get16(head[2:]))
	if n < headerLen {
		return 0, 0, 0, nil, malformed("message", "length %d", n)
	}
	frame, err := c.in.Peek(n)
	if err != nil {
		return 0, 0, 0, nil, noEOF(err)
	}
	if _, err = c.in.Discard(n); err != nil {
		return 0, 0, 0, nil, err
	}
	return get32(frame[4:]), frame[0], frame[1], frame[headerLen:], nil
}

func noEOF(err error) error {
	if err == io.EOF { //nolint:errorlint // bufio returns it bare
		return io.ErrUnexpectedEOF
	}
	return err
}

// read hands every message to whoever waits for it, until the connection ends.
// It never writes, so that the switch can always get rid of its answers.
func (c *Conn) read() {
	for {
		xid, peer, kind, body, err := c.readFrameXID()
		if err == nil && peer != version {
			err = malformed("message", "version %d", peer)
		}
		if err != nil {
			c.fail(err)
			return
		}
		m := message{kind: kind, xid: xid, body: body}
		switch w := c.waiterOf(m.xid); {
		case kind == typeEchoRequest:
			c.queueEcho(m)
		case w != nil:
			w.take(m)
		case kind == typePortStatus:
			c.takePortStatus(body)
		case kind == typeError:
			e, err := decodeError(body)
			c.log.Warn("OpenFlow error that answers nothing of ours", "error", e, "decoding", err)
		default:
			c.log.Debug("OpenFlow message that answers nothing of ours", "type", kind, "bytes", len(body))
		}
	}
}

func (w *waiter) take(m message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.gone {
		return
	}
	if w.handle(m.xid-w.first, m) {
		w.gone = true
		close(w.done)
	}
}

// queueEcho asks the echo goroutine to answer. One answer is enough to show
// that we live, so a second request that finds one waiting is dropped.
func (c *Conn) queueEcho(m message) {
	reply := appendHeader(make([]byte, 0, headerLen+len(m.body)), typeEchoReply, m.xid)
	reply = append(reply, m.body...)
	setLen(reply, 0, 2)
	select {
	case c.echoes <- reply:
	default:
	}
}

func (c *Conn) answerEchoes(ctx context.Context) {
	for {
		select {
		case reply := <-c.echoes:
			// A failed write has ended the connection, and done ends the loop.
			_ = c.write(ctx, reply)
		case <-c.done:
			return
		}
	}
}

// write sends whole messages. If ctx ends when a message has begun, the stream
// is of no more use and the connection fails.
func (c *Conn) write(ctx context.Context, b []byte) error {
	select {
	case c.writing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-c.done:
		return c.err
	}
	defer func() { <-c.writing }()
	if err := ctx.Err(); err != nil {
		return err
	}
	expired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(expired)
		_ = c.nc.SetWriteDeadline(time.Unix(1, 0))
	})
	n, err := c.nc.Write(b)
	if !stop() {
		<-expired
		_ = c.nc.SetWriteDeadline(time.Time{})
	}
	switch {
	case err == nil:
		return nil
	case n == 0 && ctx.Err() != nil:
		return ctx.Err()
	}
	c.fail(orContext(ctx, err))
	return c.err
}

// takeXIDs reserves n consecutive transaction ids, none of which is zero.
func (c *Conn) takeXIDs(n uint32) uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nextXID == 0 || c.nextXID+n < c.nextXID {
		c.nextXID = 1
	}
	first := c.nextXID
	c.nextXID += n
	return first
}

// expect registers a waiter for n new transaction ids. The caller must forget it.
func (c *Conn) expect(n uint32, handle func(uint32, message) bool) *waiter {
	w := &waiter{first: c.takeXIDs(n), count: n, handle: handle, done: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiters[w] = struct{}{}
	return w
}

// forget ends a waiter: when it returns, handle runs no more.
func (c *Conn) forget(w *waiter) {
	c.mu.Lock()
	delete(c.waiters, w)
	c.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = true
}

func (c *Conn) waiterOf(xid uint32) *waiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.waiters {
		if xid-w.first < w.count {
			return w
		}
	}
	return nil
}

// wait waits until w is complete.
func (c *Conn) wait(ctx context.Context, w *waiter) error {
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("openflow %s: %w", c.path, ctx.Err())
	case <-c.done:
	}
	select { // the answer may have been the last thing that came
	case <-w.done:
		return nil
	default:
		return c.err
	}
}

// fail ends the connection once, with its cause.
func (c *Conn) fail(cause error) {
	c.failOnce.Do(func() {
		c.err = fmt.Errorf("openflow %s: %w: %w", c.path, ErrClosed, cause)
		close(c.done)
		_ = c.nc.Close() // frees the reader and a writer
		c.log.Debug("OpenFlow connection ended", "cause", cause)
	})
}

// Done is closed when the connection has ended, by Close or by itself.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err is nil while the connection lives, and then wraps ErrClosed and the cause.
func (c *Conn) Err() error {
	select {
	case <-c.done:
		return c.err
	default:
		return nil
	}
}

// Close ends the connection and waits for its goroutines. Calls that are under
// way fail with ErrClosed. It may be called more than once.
func (c *Conn) Close() error {
	c.fail(net.ErrClosed)
	c.goroutines.Wait()
	return nil
}
