// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bytes"
	"net"
)

// Port is a port of the bridge as OpenFlow describes it.
type Port struct {
	Number uint32
	Name   string
	MAC    net.HardwareAddr
	Up     bool // administratively up, and its link is up
}

const (
	portConfigDown = 1 // OFPPC_PORT_DOWN
	portLinkDown   = 1 // OFPPS_LINK_DOWN
)

// decodePort splits one ofp_port (OpenFlow 1.5.1, 7.2.1) off b.
func decodePort(b []byte) (Port, []byte, error) {
	entry, rest, err := tlv("port description", b, 4, 40)
	if err != nil {
		return Port{}, nil, err
	}
	name, _, _ := bytes.Cut(entry[16:32], []byte{0})
	return Port{
		Number: get32(entry),
		Name:   string(name),
		MAC:    net.HardwareAddr(bytes.Clone(entry[8:14])),
		Up:     get32(entry[32:])&portConfigDown == 0 && get32(entry[36:])&portLinkDown == 0,
	}, rest, nil
}
