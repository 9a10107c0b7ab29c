// SPDX-License-Identifier: Apache-2.0

package openflow

const (
	typePortStatus = 12 // OFPT_PORT_STATUS (OpenFlow 1.5.1, 7.4.3)
	portAdded      = 0  // OFPPR_ADD
)

// decodePortStatus reads an ofp_port_status.
func decodePortStatus(body []byte) (reason byte, p Port, err error) {
	if len(body) < 8 {
		return 0, p, malformed("port status", "%d bytes where 8 are needed", len(body))
	}
	p, _, err = decodePort(body[8:])
	return body[0], p, err
}

// takePortStatus tells of a new port, if somebody wants to know.
func (c *Conn) takePortStatus(body []byte) {
	reason, p, err := decodePortStatus(body)
	came := c.came.Load()
	switch {
	case err != nil:
		c.log.Warn("OpenFlow news of a port that makes no sense", "error", err)
	case reason == portAdded && came != nil && *came != nil:
		(*came)(p)
	}
}
