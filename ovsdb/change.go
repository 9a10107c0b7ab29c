// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"fmt"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/ovsnet/ovsnet/ovsdb/vswitch"
)

// Change is one of EnsureBridge, RemoveBridge, EnsurePort and RemovePort.
type Change interface {
	// object names what is changed, for errors.
	object() string
	// claim fills in the owner and checks the values.
	claim(owner string) (Change, error)
	// plan gives the operations, from what is known. Facts are nil at first, and
	// what the database said after it refused the former plan.
	plan(v view, n int, f *facts) plan
	// explain says why the plan was refused: an error for the caller, or nil if the
	// change should be planned again.
	explain(owner string, f *facts) error
	// subject is the interface that tells how the change went, empty for none.
	subject() string
	// undo is the change that takes an insertion back.
	undo() Change
}

// EnsureBridge makes a bridge, or makes a bridge of ours as it should be. Present
// and equal: nothing is written. Present and not ours: ForeignError.
type EnsureBridge struct{ Bridge }

// RemoveBridge removes a bridge of ours with its ports. Absent: success. Not ours,
// or with a port on it that is not ours: ForeignError.
type RemoveBridge struct{ Name string }

// EnsurePort makes a port on a bridge of ours, or makes a port of ours as it should
// be, moving it from another bridge if need be. Present and equal: nothing is
// written. Present and not ours, or the bridge not ours: ForeignError. No such
// bridge: ErrNotFound.
type EnsurePort struct{ Port }

// RemovePort removes a port of ours. Absent: success. Not ours: ForeignError.
type RemovePort struct{ Bridge, Name string }

// plan is what a change means for the database.
type plan struct {
	ops    []ovsdb.Operation
	writes bool // the rows change, or ovs-vswitchd is to look at them again
	fresh  bool // the rows are inserted
	// check reads the results of an accepted plan.
	check func([]ovsdb.OperationResult) error
}

func (c EnsureBridge) claim(owner string) (Change, error) {
	b, err := c.Bridge.claim(owner)
	return EnsureBridge{b}, err
}

func (c EnsureBridge) subject() string { return c.Name }

func (c EnsureBridge) undo() Change { return RemoveBridge{Name: c.Name} }

func (c EnsureBridge) plan(v view, n int, _ *facts) plan {
	row := v.bridge(c.Name)
	if row == nil {
		return plan{ops: c.insert(v.root().UUID, n), writes: true, fresh: true}
	}
	local := v.iface(c.Name)
	guard := exists(vswitch.BridgeTable, c.Name, isRow(row.UUID), ownedBy(c.IDs.Owner))
	repair := c.repair(v, n, row, local)
	return plan{ops: append([]ovsdb.Operation{guard}, repair...), writes: len(repair) > 0 || unsettled(local)}
}

func (c EnsureBridge) explain(owner string, f *facts) error {
	switch {
	case f.bridge.exists && f.bridge.owner != owner:
		return &ForeignError{Kind: kindBridge, Name: c.Name, Owner: f.bridge.owner}
	case f.bridge.exists:
		return nil
	case f.port.exists && f.port.owner != owner:
		return &ForeignError{Kind: kindPort, Name: c.Name, Owner: f.port.owner}
	case f.port.exists, f.iface.exists && f.iface.owner == owner:
		return fmt.Errorf("%s: %w: a port of ovsnet's has that name; choose another ovs.bridge.name", c.object(), ErrConflict)
	case f.iface.exists:
		return &ForeignError{Kind: kindInterface, Name: c.Name, Owner: f.iface.owner}
	}
	return nil
}

func (c EnsurePort) claim(owner string) (Change, error) {
	p, err := c.Port.claim(owner)
	return EnsurePort{p}, err
}

func (c EnsurePort) subject() string { return c.Name }

func (c EnsurePort) undo() Change { return RemovePort{Bridge: c.Bridge, Name: c.Name} }

func (c EnsurePort) plan(v view, n int, f *facts) plan {
	if v.bridge(c.Name) != nil {
		return hopeless(fmt.Errorf("%s: %w: a bridge has that name", c.object(), ErrConflict))
	}
	port, iface := v.port(c.Name), v.iface(c.Name)
	if port == nil || iface == nil {
		return plan{ops: c.insert(n), writes: true, fresh: true}
	}
	if f != nil && f.port.exists {
		return plan{ops: append(c.move(port), c.repair(port, iface)...), writes: true}
	}
	repair := c.repair(port, iface)
	return plan{ops: append(c.onBridge(port), repair...), writes: len(repair) > 0 || unsettled(iface)}
}

func (c EnsurePort) explain(owner string, f *facts) error {
	switch {
	case f.parent.exists && f.parent.owner != owner:
		return fmt.Errorf("%s: %w", c.object(), &ForeignError{Kind: kindBridge, Name: c.Bridge, Owner: f.parent.owner, Keep: true})
	case !f.parent.exists:
		return fmt.Errorf("%s: bridge %s: %w; create the network again", c.object(), c.Bridge, ErrNotFound)
	case f.bridge.exists:
		return fmt.Errorf("%s: %w: a bridge has that name", c.object(), ErrConflict)
	case f.port.exists && f.port.owner != owner:
		return &ForeignError{Kind: kindPort, Name: c.Name, Owner: f.port.owner}
	case f.iface.exists && (f.iface.owner != owner || !f.port.exists):
		return &ForeignError{Kind: kindInterface, Name: c.Name, Owner: f.iface.owner}
	}
	return nil
}

// unsettled says whether ovs-vswitchd has not given an interface its number, so
// that it should look again.
func unsettled(iface *vswitch.Interface) bool {
	return iface == nil || iface.Error != nil || iface.Ofport == nil || *iface.Ofport <= 0
}

// hopeless is a plan that asks the database nothing.
func hopeless(err error) plan {
	return plan{check: func([]ovsdb.OperationResult) error { return err }}
}
