// SPDX-License-Identifier: Apache-2.0

package link

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// KernelDatapath tells whether the kernel has the openvswitch module, that is
// the generic-netlink family ovs_datapath. Asking loads the module if the
// kernel may.
func KernelDatapath() (bool, error) {
	h, err := netlink.NewHandleAt(netns.None(), unix.NETLINK_GENERIC)
	if err == nil {
		defer h.Close()
		_, err = h.GenlFamilyGet("ovs_datapath")
	}
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("asking for the generic-netlink family ovs_datapath: %w", err)
	}
	return true, nil
}
