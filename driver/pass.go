// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"

	"github.com/ovsnet/ovsnet/flows/openflow"
)

// share takes a part of the bridge for changes, without waiting, and writes them into objects; add makes them. That can be
// done beside others, in whichever order the switch takes them, where all that changes are about is new. It is for a bridge
// whose spares are open: on others ovs-vswitchd is not slow.
func (b *bridge) share(changes []flowChange) bool {
	if !b.held.TryAcquire(part) {
		return false
	}
	b.sharing.Lock()
	ok := !b.unsure && b.alive() && b.sparesOpen() && allNew(changes, b.touched(changes))
	if ok {
		b.set(changes)
	}
	b.sharing.Unlock()
	if !ok {
		b.letPartGo()
	}
	return ok
}

// add makes changes that share has let in, and lets go of the bridge. On an error the objects are as before, and the next
// change that has the bridge whole compares everything.
func (b *bridge) add(ctx context.Context, changes []flowChange) error {
	defer b.letPartGo()
	err := b.spread(ctx, changes, func(_ context.Context, i int) (*openflow.Conn, error) { return b.spares[i], nil })
	if err == nil {
		return nil
	}
	b.sharing.Lock()
	defer b.sharing.Unlock()
	for _, c := range changes {
		delete(b.objects, c.object)
	}
	b.unsure = true
	if refused := new(openflow.RefusedError); ctx.Err() != nil || !errors.As(err, &refused) {
		b.cut()
	}
	if ctx.Err() != nil {
		return fmt.Errorf("bridge %s: %w; check that ovs-vswitchd answers", b.name, err)
	}
	return fmt.Errorf("bridge %s: %w", b.name, err)
}

// cut ends the bridge's connections under those who have a part of it. ovs-vswitchd takes what is on its way over them before it
// takes a new connection, and so before the comparison that follows.
func (b *bridge) cut() {
	for _, c := range b.spares {
		_ = c.Close() // gives no error
	}
	_ = b.conn.Close()
}
