// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"context"
	"time"
)

// Run owns everything the client does: it connects, watches, and connects again
// for as long as ctx lasts, with one log record per change of state. It returns
// nil when ctx ends and all its goroutines have, and an error only when it runs
// already. A client runs once.
func (c *Client) Run(ctx context.Context) error {
	if !c.running.CompareAndSwap(false, true) {
		return c.errRunning()
	}
	for {
		k, err := open(ctx, c.endpoint, c.owner, c.log, rowHandler{c})
		if err == nil {
			err = c.serve(ctx, k)
		}
		if ctx.Err() != nil {
			err = errStopped
		}
		c.down(err)
		if k != nil {
			k.close()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(c.reconnect):
		}
	}
}

// serve watches over one connection until it ends, and says why it did. The
// connection is usable while the database has its Open_vSwitch row.
func (c *Client) serve(ctx context.Context, k *conn) error {
	probe := time.NewTicker(probeEvery)
	defer probe.Stop()
	for usable := false; ; {
		changed := k.cfgChanged()
		switch there := k.view().root() != nil; {
		case there && !usable:
			c.up(k)
		case !there:
			c.down(errNotInitialised)
		}
		usable = c.uses(k)
		select {
		case <-k.over:
			return k.why()
		case <-changed:
		case <-probe.C:
			if err := k.echo(ctx); err != nil {
				return err
			}
		}
	}
}

// uses says whether k is the usable connection.
func (c *Client) uses(k *conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn == k
}
