// SPDX-License-Identifier: Apache-2.0

package link

import (
	"context"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// Addresses returns every address of every link of the host, without prefix lengths and zones.
func (l *Links) Addresses(ctx context.Context) ([]netip.Addr, error) {
	var out []netip.Addr
	err := l.do(ctx, func(c *conn) error {
		all, err := dump(ctx, func() ([]netlink.Addr, error) { return c.AddrList(nil, netlink.FAMILY_ALL) })
		for _, a := range all {
			if p := prefixOf(a); p.IsValid() {
				out = append(out, p.Addr())
			}
		}
		return err
	})
	return out, err
}
