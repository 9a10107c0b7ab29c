// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"errors"
	"fmt"
	"net/netip"
)

var (
	// ErrUnknownNetwork says that a network was never given to EnsureNetwork.
	ErrUnknownNetwork = errors.New("unknown network")
	// ErrInvalid says that what was asked cannot be, whatever the host's state.
	ErrInvalid = errors.New("invalid")
	// ErrClosed says that the Firewall was closed.
	ErrClosed = errors.New("the firewall is closed")
)

// PortError says why a port could not be published.
type PortError struct {
	Proto  uint8
	HostIP netip.Addr
	// HostPort is the port asked for; 0: any. HostPortEnd, if above it, ends the range.
	HostPort, HostPortEnd uint16
	// Holder says in words who has the port, if that is the cause and could be found out.
	Holder string
	// Err is the cause.
	Err error
}

// Error gives the port, the cause and the way out.
func (e *PortError) Error() string {
	at := netip.AddrPortFrom(e.HostIP, e.HostPort).String()
	if e.HostPort == 0 {
		at = fmt.Sprintf("%v, any port", e.HostIP)
	} else if e.HostPortEnd > e.HostPort {
		at = fmt.Sprintf("%s-%d", at, e.HostPortEnd)
	}
	if e.Holder != "" {
		return fmt.Sprintf("%s/%s: already in use by %s; choose another host port", at, protoName(e.Proto), e.Holder)
	}
	return fmt.Sprintf("%s/%s: %v", at, protoName(e.Proto), e.Err)
}

// Unwrap gives the cause.
func (e *PortError) Unwrap() error { return e.Err }
