// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"testing"
)

func TestTwoContainersTalk(t *testing.T) {
	t.Parallel()
	for _, w := range []way{managed, short, served} {
		t.Run(w.name, func(t *testing.T) {
			h := w.host(t)
			h.Docker(t, "network create --ipv6 --subnet 10.50.0.0/24 --subnet fd50::/64 --driver", w.driver, "n1")
			h.Container(t, "c1", "--network=n1")
			h.Container(t, "c2", "--network=n1")
			ip, ip6, _ := in(t, h, "c2", "n1")
			for _, to := range []string{ip, ip6, "c2"} {
				reaches(t, h, "c1", to)
			}
			t.Log(h.Exec(t, "c1", "probe tcp c2:9000 10000000"))
			t.Log(h.Exec(t, "c2", "probe tcp ["+ip6+"]:9000 10000000"))
			// The largest packet passes whole, one more byte does not.
			h.Exec(t, "c1", "ping -c 1 -W 5 -s 1472 "+ip)
			h.Exec(t, "c1", "ping -c 2 -i 0.2 -W 5 10.50.0.1")
			h.Exec(t, "c1", "ping -c 2 -i 0.2 -W 5 fd50::1")
			h.Run(t, "ping -c 2 -i 0.2 -W 5 "+ip)
		})
	}
}
