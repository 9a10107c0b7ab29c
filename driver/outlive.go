// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"time"
)

// outlive gives a context that ends some time after ctx does, or after now if ctx has ended.
func outlive(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if end, ok := ctx.Deadline(); ok {
		if now := time.Now(); end.Before(now) {
			end = now
		}
		cancel()
		longer, cancel = context.WithDeadline(context.WithoutCancel(ctx), end.Add(by))
	}
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(by, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}
