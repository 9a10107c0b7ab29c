// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"fmt"
	"math"
)

// How much of a bridge somebody holds: all of it, or a part beside others that have one. With a part, connections, spares
// and what is seen are as they are; objects and unsure are guarded by sharing.
const (
	whole = math.MaxInt64
	part  = 1
)

// hold waits until nobody else works on the bridge. letGo ends it.
func (b *bridge) hold(ctx context.Context) error { return b.take(ctx, whole) }

func (b *bridge) letGo() { b.release(whole) }

// holdPart waits until nobody has the bridge whole, or waits for that. letPartGo ends it.
func (b *bridge) holdPart(ctx context.Context) error { return b.take(ctx, part) }

func (b *bridge) letPartGo() { b.release(part) }

// tryHold is hold without waiting.
func (b *bridge) tryHold() bool { return b.held.TryAcquire(whole) }

func (b *bridge) take(ctx context.Context, n int64) error {
	if err := b.held.Acquire(ctx, n); err != nil {
		b.closeIfGone() // it may have been granted in the moment in which ctx ended
		return fmt.Errorf("bridge %s: waiting for earlier changes: %w; check that ovs-vswitchd answers", b.name, err)
	}
	return nil
}

func (b *bridge) release(n int64) {
	b.held.Release(n)
	b.closeIfGone()
}

// closeIfGone closes the connections of a bridge that was removed, if nobody works on it; else who does will.
func (b *bridge) closeIfGone() {
	if b.gone.Load() && b.tryHold() {
		b.close()
		b.held.Release(whole)
	}
}
