// SPDX-License-Identifier: Apache-2.0

package link

import (
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzNews: no message of the kernel's makes us fall over, and a name is one that a link can have.
func FuzzNews(f *testing.F) {
	head := make([]byte, unix.SizeofIfInfomsg)
	f.Add(head)
	f.Add(append(append([]byte{}, head...), 9, 0, unix.IFLA_IFNAME, 0, 'e', 't', 'h', '0', 0, 0, 0, 0, 8, 0, unix.IFLA_MTU, 0, 0xdc, 5, 0, 0))
	f.Add(append(append([]byte{}, head...), 3, 0, unix.IFLA_IFNAME, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		if mtu := mtuIn(b); mtu < 0 {
			t.Errorf("MTU %d", mtu)
		}
		for _, c := range []byte(nameIn(b)) {
			if c == 0 {
				t.Errorf("name %q", nameIn(b))
			}
		}
	})
}
