// SPDX-License-Identifier: Apache-2.0

package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/vishvananda/netlink"
)

// Link is what List tells of a link.
type Link struct {
	// Name and Alias are the link's (IFLA_IFNAME, IFLA_IFALIAS).
	Name, Alias string
	// Index is the interface index.
	Index int
	// MTU is in bytes.
	MTU int
	// Up tells of the administrative state (IFF_UP).
	Up bool
	// MAC is the link's hardware address.
	MAC net.HardwareAddr
	// PeerHere tells that the link is one end of a veth pair of which the other is in our namespace too: no container has it.
	PeerHere bool
}

// dumps is how often a dump is tried that changes of other links interrupt.
// Under heavy churn more than half of them are, so this many failures in a row
// do not happen by chance.
const dumps = 50

// dump runs f until it is not interrupted.
func dump[T any](ctx context.Context, f func() ([]T, error)) ([]T, error) {
	for range dumps {
		out, err := f()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return out, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w %d times", netlink.ErrDumpInterrupted, dumps)
}

// List returns the links whose alias starts with aliasPrefix.
func (l *Links) List(ctx context.Context, aliasPrefix string) ([]Link, error) {
	return l.list(ctx, func(k netlink.Link) bool { return strings.HasPrefix(k.Attrs().Alias, aliasPrefix) })
}

// Unclaimed returns the host ends that have our group and no alias: those that are being made at this moment, that a killed
// process left half made, or whose alias somebody took away.
func (l *Links) Unclaimed(ctx context.Context) ([]Link, error) {
	return l.list(ctx, func(k netlink.Link) bool {
		return k.Type() == "veth" && k.Attrs().Group == Group && k.Attrs().Alias == ""
	})
}

func (l *Links) list(ctx context.Context, want func(netlink.Link) bool) ([]Link, error) {
	var out []Link
	err := l.do(ctx, func(c *conn) error {
		all, err := dump(ctx, c.LinkList)
		peers := make(map[int]int, len(all)) // of veth ends that are both here
		for _, k := range all {
			if a := k.Attrs(); k.Type() == "veth" && a.NetNsID < 0 {
				peers[a.Index] = a.ParentIndex
			}
		}
		for _, k := range all {
			a := k.Attrs()
			if want(k) {
				other, here := peers[a.Index]
				out = append(out, Link{
					Name: a.Name, Alias: a.Alias, Index: a.Index, MTU: a.MTU,
					Up: a.Flags&net.FlagUp != 0, MAC: a.HardwareAddr, PeerHere: here && other != 0 && peers[other] == a.Index,
				})
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing links: %w", err)
	}
	return out, nil
}
