// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/ovn-kubernetes/libovsdb/client"
)

var (
	// ErrUnavailable says that the database can't be reached, or that the
	// connection was lost before the answer came. Nothing is known to be changed.
	ErrUnavailable = errors.New("not reachable")
	// ErrNotFound says that no such row of ours exists.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that a row of ours stands in the way of the change, or that
	// others change the same rows too often.
	ErrConflict = errors.New("conflict")
	// ErrNotApplied says that the transaction is in the database, but that
	// ovs-vswitchd has not taken it up by the caller's deadline.
	ErrNotApplied = errors.New("not applied")
	// ErrInvalid says that the change asks for something that can't be written.
	ErrInvalid = errors.New("invalid")
)

// ForeignError says that a row is in the way that does not carry our owner mark.
// Such a row is never changed or removed.
type ForeignError struct {
	Kind  string // "bridge", "port" or "interface"
	Name  string // the row's name
	Owner string // its ovsnet-owner mark, empty if it has none
	// Keep is true when the row was to be removed or used, false when something of
	// the same name was to be made.
	Keep bool
}

// Error names the row, its owner and a way out.
func (e *ForeignError) Error() string {
	owner := "owner none"
	if e.Owner != "" {
		owner = "owner " + e.Owner
	}
	switch {
	case e.Keep:
		return fmt.Sprintf("%s %s: is not ovsnet's (%s) and is left alone", e.Kind, e.Name, owner)
	case e.Kind == kindBridge:
		return fmt.Sprintf("bridge %s: exists and is not ovsnet's (%s); choose another ovs.bridge.name", e.Name, owner)
	default:
		return fmt.Sprintf("%s %s: exists and is not ovsnet's (%s); choose another name or remove it with ovs-vsctl", e.Kind, e.Name, owner)
	}
}

// PortError is what ovs-vswitchd says of an interface in Interface:error.
type PortError struct {
	Name   string // the interface
	Reason string // ovs-vswitchd's words
}

// Error names the interface and gives ovs-vswitchd's words.
func (e *PortError) Error() string {
	return fmt.Sprintf("port %s: ovs-vswitchd refuses it: %s", e.Name, e.Reason)
}

// RefusedError is a transaction that the database refused for a reason that is
// none of the others, for example a value outside a column's range.
type RefusedError struct {
	Object string // what was to be changed, for example "port ovs123"
	Reason string // the database's words
}

// Error names the object and gives the database's words.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s: the database refuses the change: %s", e.Object, e.Reason)
}

// unavailableError is ErrUnavailable with its cause and a way out.
type unavailableError struct {
	endpoint string
	cause    error
}

// Error gives the endpoint, the cause and a way out.
func (e *unavailableError) Error() string {
	text, out := diagnose(e.cause)
	return fmt.Sprintf("Open vSwitch is not reachable at %s: %s; %s", e.endpoint, text, out)
}

// Is makes errors.Is find ErrUnavailable.
func (e *unavailableError) Is(target error) bool { return target == ErrUnavailable }

// Unwrap gives the cause.
func (e *unavailableError) Unwrap() error { return e.cause }

// Causes of unavailability that are not errors of the operating system.
var (
	errNotStarted     = errors.New("not connected yet")
	errStopped        = errors.New("the client was stopped")
	errLost           = errors.New("the connection was lost")
	errSilent         = errors.New("the database does not answer")
	errNotInitialised = errors.New("the database holds no Open_vSwitch row")
	errEndpoint       = errors.New("not an endpoint of the form unix:/path or tcp:address:port")
)

// diagnose gives the cause of unavailability in a few words, and a way out.
func diagnose(cause error) (text, out string) {
	const start = "start openvswitch-switch"
	var errno syscall.Errno
	switch {
	case cause == nil:
		return errNotStarted.Error(), start
	case errors.Is(cause, errEndpoint):
		return cause.Error(), "correct the setting ovsdb"
	case errors.Is(cause, fs.ErrPermission) && errors.As(cause, &errno):
		return errno.Error(), "run as root, or let this user open the socket"
	case errors.Is(cause, syscall.ENOENT), errors.Is(cause, syscall.ECONNREFUSED):
		errors.As(cause, &errno)
		return errno.Error(), start + ", or correct the setting ovsdb"
	case errors.Is(cause, errNotInitialised):
		return cause.Error(), start + " (it runs ovs-vsctl init)"
	case errors.Is(cause, errStopped):
		return cause.Error(), "start it again"
	case errors.Is(cause, client.ErrNotConnected):
		return errLost.Error(), start
	case strings.Contains(cause.Error(), "validation error"):
		return cause.Error(), "Open vSwitch 2.17 or newer is needed"
	case errors.As(cause, &errno):
		return errno.Error(), start
	default:
		return cause.Error(), start
	}
}

const (
	kindBridge    = "bridge"
	kindPort      = "port"
	kindInterface = "interface"
)
