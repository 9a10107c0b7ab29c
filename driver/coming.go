// SPDX-License-Identifier: Apache-2.0

package driver

import "sync"

// coming counts the verbs that are about to submit a change. A pass waits a little for them.
type coming struct {
	mu    sync.Mutex
	count int
	empty chan struct{} // closed when count falls to zero; nil while nobody asks
}

// announce says that a change will be submitted soon; the caller calls what it returns once it was, or will not be.
func (c *coming) announce() (done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.count--; c.count == 0 && c.empty != nil {
			close(c.empty)
			c.empty = nil
		}
	})
}

// none gives a channel that is closed when no announced change is left; nil if there is none now.
func (c *coming) none() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == 0 {
		return nil
	}
	if c.empty == nil {
		c.empty = make(chan struct{})
	}
	return c.empty
}
