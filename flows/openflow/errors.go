// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"errors"
	"fmt"
)

// ErrClosed is wrapped by the errors of calls on a connection that was closed
// or lost; the cause is wrapped beside it.
var ErrClosed = errors.New("connection closed")

// ErrUncertain is wrapped by the error of a change whose confirmation did not
// arrive: it may be in the switch or not, as a dump will tell.
var ErrUncertain = errors.New("the switch may or may not have made the change")

// ErrVersion is wrapped by Dial when the bridge does not speak OpenFlow 1.5.
var ErrVersion = errors.New("the bridge does not speak OpenFlow 1.5; clear or extend `protocols` of its Bridge row")

// RefusedError is the switch's refusal of one message.
type RefusedError struct {
	Message string // what was refused, in ovs-ofctl's grammar
	Type    uint16 // error type of OpenFlow 1.5.1, 7.5.4; 0xffff is Open vSwitch's own
	Code    uint16
	Name    string // Open vSwitch's name for type and code, such as OFPBAC_BAD_OUT_PORT
}

// Error names what was refused and why.
func (e *RefusedError) Error() string {
	name := e.Name
	if name == "" {
		name = "unknown error"
	}
	return fmt.Sprintf("openflow: the switch refused %q: %s (type %d, code %d)", e.Message, name, e.Type, e.Code)
}

// TooLargeError says that a flow or group does not fit into one OpenFlow
// message of 64 KiB.
type TooLargeError struct {
	Message string // in ovs-ofctl's grammar, shortened
	Bytes   int
}

// Error gives the size and the way out.
func (e *TooLargeError) Error() string {
	text := e.Message
	if len(text) > 200 {
		text = text[:200] + "..."
	}
	return fmt.Sprintf("openflow: %q: %d bytes do not fit one message; use several groups", text, e.Bytes)
}

// errorExperimenter is the error type of vendors' errors.
const errorExperimenter = 0xffff

// decodeError reads the body of an OFPT_ERROR (OpenFlow 1.5.1, 7.5.4).
func decodeError(b []byte) (*RefusedError, error) {
	if len(b) < 4 {
		return nil, malformed("error", "%d bytes", len(b))
	}
	e := &RefusedError{Type: get16(b), Code: get16(b[2:])}
	switch {
	case e.Type != errorExperimenter:
		if names, ok := errorNames[e.Type]; ok && int(e.Code) < len(names) {
			e.Name = names[e.Code]
		}
	case len(b) < 8:
		return nil, malformed("error", "%d bytes", len(b))
	case get32(b[4:]) == niciraID:
		e.Name = niciraErrors[e.Code]
	}
	return e, nil
}
