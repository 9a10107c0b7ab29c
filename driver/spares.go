// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/ovsnet/ovsnet/flows/openflow"
)

// crowdedFrom is how many objects make a bridge keep its spares open. ovs-vswitchd takes one new connection to a bridge on
// each turn of its main loop: sixteen are sixteen turns, and the more ports it has the longer a turn takes.
const crowdedFrom = 100

// spares are connections to a bridge beside its own, for what is spread; nil where none is open.
type spares [spreadOver]*openflow.Conn

// spare gives one of the bridge's spares, open already or opened now. Different ones may be asked for at once.
func (b *bridge) spare(ctx context.Context, i int) (*openflow.Conn, error) {
	if c := b.spares[i]; c != nil && c.Err() == nil {
		return c, nil
	}
	b.closeSpare(i)
	conn, err := openflow.Dial(ctx, b.path, b.log)
	if err != nil {
		return nil, err
	}
	b.spares[i] = conn
	return conn, nil
}

// tendSpares opens the spares of a crowded bridge, and closes those of another. What cannot be opened is dialled when it is
// needed.
func (b *bridge) tendSpares(ctx context.Context) {
	if len(b.objects) < crowdedFrom {
		b.closeSpares()
		return
	}
	var g errgroup.Group
	for i := range b.spares {
		g.Go(func() error {
			_, err := b.spare(ctx, i)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		b.log.Debug("not all spare OpenFlow connections are open", "err", err)
	}
}

// sparesOpen says whether all spares can be used.
func (b *bridge) sparesOpen() bool {
	return !slices.ContainsFunc(b.spares[:], func(c *openflow.Conn) bool { return c == nil || c.Err() != nil })
}

func (b *bridge) closeSpares() {
	for i := range b.spares {
		b.closeSpare(i)
	}
}

func (b *bridge) closeSpare(i int) {
	if b.spares[i] == nil {
		return
	}
	if err := b.spares[i].Close(); err != nil {
		b.log.Debug("closing a spare OpenFlow connection", "err", err)
	}
	b.spares[i] = nil
}
