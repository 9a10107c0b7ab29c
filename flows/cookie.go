// SPDX-License-Identifier: Apache-2.0

package flows

import "fmt"

// CookieMagic fills the high 16 bits of the cookie of every flow of ovsnet.
const CookieMagic uint64 = 0x0e75

// CookieOwnerValue and CookieOwnerMask select every flow of ovsnet and no
// other, as in `ovs-ofctl dump-flows BRIDGE cookie=VALUE/MASK`.
const (
	CookieOwnerValue = CookieMagic << 48
	CookieOwnerMask  = uint64(0xffff) << 48
)

// Cookie says whose a flow is and what it should be. In 64 bits:
// [magic 16][row 8][object 16][hash 24].
type Cookie struct {
	Row    uint8  // which declared row of the pipeline made the flow
	Object uint16 // which object (network, port, peer) it is for
	Hash   uint32 // Hash24 of the flow, 24 bits
}

// Uint64 is the cookie as OpenFlow carries it. Bits of Hash above the low 24
// are dropped.
func (c Cookie) Uint64() uint64 {
	return CookieOwnerValue | uint64(c.Row)<<40 | uint64(c.Object)<<24 | uint64(c.Hash&0xffffff)
}

// ParseCookie is the reverse of Uint64; false if the magic is not ours.
func ParseCookie(v uint64) (Cookie, bool) {
	if v&CookieOwnerMask != CookieOwnerValue {
		return Cookie{}, false
	}
	return Cookie{Row: uint8(v >> 40), Object: uint16(v >> 24), Hash: uint32(v) & 0xffffff}, true //nolint:gosec // fields of fixed width
}

// String is "row/object/hash".
func (c Cookie) String() string { return fmt.Sprintf("%d/%d/%06x", c.Row, c.Object, c.Hash) }
