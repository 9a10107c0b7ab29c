// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/flows/openflow"
)

const (
	// spreadFrom is how many objects are worth the making of connections.
	spreadFrom = 16
	// spreadOver is over how many connections they go. ovs-vswitchd takes 50 messages from each on every turn of its main
	// loop, and with hundreds of ports a turn takes milliseconds.
	spreadOver = 16
	// inOneTurn is how many objects' flows, some twenty each, ovs-vswitchd takes from one connection on one turn.
	inOneTurn = 2
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

// bundles divides such changes. Flows and meters of an object are in one bundle, and all that joins groups is in the first: a
// switch copies a group for each message that changes it.
func bundles(changes []flowChange) []openflow.Update {
	var all []openflow.Update
	var members []flows.Member
	for some := range slices.Chunk(changes, max(inOneTurn, (len(changes)+spreadOver-1)/spreadOver)) {
		var now flows.Compiled
		for _, c := range some {
			join(&now, *c.compiled)
		}
		u := openflow.Update{InOneGo: true}
		u.Flows, _ = diffFlows(nil, now.Flows)
		u.Meters, _ = diffMeters(nil, now.Meters)
		all = append(all, u)
		members = append(members, now.Members...)
	}
	all[0].Groups = insertBuckets(members)
	return all
}

// spread makes such changes over the bridge's spares, which it is given by their index. On an error some of them may be made.
func (b *bridge) spread(ctx context.Context, changes []flowChange, spare func(context.Context, int) (*openflow.Conn, error)) error {
	all := bundles(changes)
	b.sharing.Lock()
	first := b.turn
	b.turn += uint(len(all))
	b.sharing.Unlock()
	var g errgroup.Group
	for i, u := range all {
		g.Go(func() error {
			conn, err := spare(ctx, int((first+uint(i))%spreadOver))
			if err != nil {
				return err
			}
			return conn.Apply(ctx, u)
		})
	}
	return g.Wait()
}
