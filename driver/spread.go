// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/ovsnet/ovsnet/flows"
)

const (
	// spreadFrom is how many objects are worth the making of connections.
	spreadFrom = 16
	// spreadOver is over how many connections they go. ovs-vswitchd takes 50 messages from each on every turn of its main
	// loop, and with hundreds of ports a turn takes milliseconds.
	spreadOver = 8
)

// spreads says whether changes may be made in several bundles, in whichever order these come: they are many, nothing that
// they are about is in the switch yet, so that none of them undoes another, and none has a group that another may need.
func spreads(changes []flowChange, before map[string]*flows.Compiled) bool {
	return len(changes) >= spreadFrom && allNew(changes, before)
}

// allNew says whether changes are about objects of which the switch has nothing yet, and that bring no group.
func allNew(changes []flowChange, before map[string]*flows.Compiled) bool {
	return len(before) == len(changes) && !slices.ContainsFunc(changes, func(c flowChange) bool {
		return c.compiled == nil || before[c.object] != nil || len(c.compiled.Groups) > 0
	})
}

// spread makes such changes in bundles over the bridge's spares, each object whole in one of them. On an error some
// of them may be made.
func (b *bridge) spread(ctx context.Context, changes []flowChange) error {
	var g errgroup.Group
	for i, some := range slices.Collect(slices.Chunk(changes, (len(changes)+spreadOver-1)/spreadOver)) {
		before := make(map[string]*flows.Compiled, len(some))
		for _, c := range some {
			before[c.object] = nil
		}
		u, _ := b.since(before)
		u.InOneGo = true
		g.Go(func() error {
			conn, err := b.spare(ctx, i)
			if err != nil {
				return err
			}
			return conn.Apply(ctx, u)
		})
	}
	err := g.Wait()
	if err != nil || len(b.objects) < crowdedFrom {
		b.closeSpares()
	}
	return err
}
