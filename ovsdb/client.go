// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultOwner is the owner mark when Options.Owner is empty.
const DefaultOwner = "ovsnet"

// Options say where the database is and who we are.
type Options struct {
	// Endpoint is where ovsdb-server listens, in ovsdb(7)'s words: unix:/path or
	// tcp:address:port.
	Endpoint string
	// Owner is our mark, external_ids:ovsnet-owner of every row that is ours.
	// Empty: DefaultOwner.
	Owner string
	// Log takes one record per change of state. Nil: no log.
	Log *slog.Logger
	// Reconnect is the time from a lost or failed connection to the next attempt.
	// Zero: a tenth of a second. ovs-vswitchd waits for a whole one: rows that a lost database lacks are there before it looks,
	// and it keeps its bridges.
	Reconnect time.Duration
}

// Client is a connection to the Open_vSwitch database that repairs itself. It is
// safe for concurrent use. It does nothing until Run is called.
type Client struct {
	endpoint  string
	owner     string
	log       *slog.Logger
	reconnect time.Duration

	running atomic.Bool
	events  events
	wanted  wanted

	mu      sync.Mutex
	conn    *conn         // nil while there is no usable connection
	cause   error         // why conn is nil
	changed chan struct{} // closed and replaced when conn changes
}

// New makes a client. It does no I/O; an endpoint that makes no sense is reported
// by Run, Check and Wait.
func New(o Options) *Client {
	c := &Client{
		endpoint:  o.Endpoint,
		owner:     o.Owner,
		log:       o.Log,
		reconnect: o.Reconnect,
		cause:     errNotStarted,
		changed:   make(chan struct{}),
		events:    events{slot: make(chan Event, 1)},
	}
	if c.owner == "" {
		c.owner = DefaultOwner
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.reconnect <= 0 {
		c.reconnect = 100 * time.Millisecond
	}
	if _, err := dialable(c.endpoint); err != nil {
		c.cause = err
	}
	return c
}

// Check returns nil when the database is connected and our rows are known, and
// otherwise at once an error that wraps ErrUnavailable.
func (c *Client) Check() error {
	_, err := c.current()
	return err
}

// Wait waits until the database is connected and our rows are known. When ctx
// ends first the error wraps ErrUnavailable and says why there is no connection.
func (c *Client) Wait(ctx context.Context) error {
	for {
		c.mu.Lock()
		conn, changed := c.conn, c.changed
		c.mu.Unlock()
		if conn != nil {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return c.Check()
		}
	}
}

// current returns the usable connection, or an error that wraps ErrUnavailable.
func (c *Client) current() (*conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return nil, &unavailableError{endpoint: c.endpoint, cause: c.cause}
	}
	return c.conn, nil
}

// up makes a connection the usable one.
func (c *Client) up(k *conn) {
	c.mu.Lock()
	c.conn, c.cause = k, nil
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
	c.log.Info("Open vSwitch is connected", "endpoint", c.endpoint, "version", k.version())
	c.events.poke(Event{Connected: true})
}

// down says that there is no usable connection. The log tells it once per cause.
func (c *Client) down(cause error) {
	c.mu.Lock()
	before := c.cause
	c.conn, c.cause = nil, cause
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
	text := (&unavailableError{endpoint: c.endpoint, cause: cause}).Error()
	if before != nil && text == (&unavailableError{endpoint: c.endpoint, cause: before}).Error() {
		return
	}
	c.log.Warn(text)
}

// errRunning is the answer to a second Run.
func (c *Client) errRunning() error {
	return fmt.Errorf("database client of %s: runs already", c.endpoint)
}
