// SPDX-License-Identifier: Apache-2.0

package ovsdb

import "sync"

// Event says what may have changed. It is a reason to look, not a report.
type Event struct {
	// Connected: the connection to the database was made or made again, and any
	// row may differ from what it was.
	Connected bool
	// Rows: somebody else changed or removed a row that Commit was asked for, or
	// ovs-vswitchd took a port's number away or gave another. What Commit itself
	// changes is not told, unless a row is removed and made again at once.
	Rows bool
}

// events holds at most one Event, the sum of what has not been received yet.
type events struct {
	mu   sync.Mutex
	slot chan Event
}

// poke adds to the pending event. It never blocks.
func (e *events) poke(add Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case had := <-e.slot:
		add.Connected = add.Connected || had.Connected
		add.Rows = add.Rows || had.Rows
	default:
	}
	e.slot <- add
}

// Changed gives a channel with at most one pending Event: everything that
// happened since the last receive, summed up. It is never closed, and it is for
// one receiver.
func (c *Client) Changed() <-chan Event { return c.events.slot }
