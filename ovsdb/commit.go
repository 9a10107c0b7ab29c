// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"context"
	"errors"
	"fmt"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/ovsnet/ovsnet/ovsdb/vswitch"
)

// Result is how one change went.
type Result struct {
	// Err is nil when the change is in the database and applied by ovs-vswitchd.
	// Otherwise it wraps ErrUnavailable, ErrNotApplied, ErrNotFound, ErrConflict or
	// ErrInvalid, or it is a ForeignError, PortError or RefusedError.
	Err error
	// OFPort is the OpenFlow port number that ovs-vswitchd gave: of the port after
	// EnsurePort, of the LOCAL port (65534) after EnsureBridge.
	OFPort uint32
	// Wrote says that rows were not as the change has them, or a port had no number, and were written.
	Wrote bool
}

// maxAttempts is how often a change is planned anew when others change the same
// rows meanwhile.
const maxAttempts = 4

// Commit makes the changes in one transaction, in their order, waits until
// ovs-vswitchd has applied it, and says for each change how it went. When the
// database refuses the transaction, each change is tried in one of its own, so
// that a bad one fails alone.
//
// A port or bridge that ovs-vswitchd can't make (Interface:error) is that change's
// error, and is removed again if this call inserted it; one that was there before
// stays. When ctx ends before ovs-vswitchd has answered, the error wraps
// ErrNotApplied and the rows stay, for ovs-vswitchd to find.
func (c *Client) Commit(ctx context.Context, changes []Change) []Result {
	results := make([]Result, len(changes))
	jobs := make([]*job, 0, len(changes))
	for i, change := range changes {
		if change == nil {
			results[i].Err = fmt.Errorf("change %d: %w: it is nil", i, ErrInvalid)
			continue
		}
		claimed, err := change.claim(c.owner)
		if err != nil {
			results[i].Err = err
			continue
		}
		jobs = append(jobs, &job{change: claimed, result: &results[i]})
	}
	if len(jobs) == 0 {
		return results
	}
	k, err := c.current()
	if err != nil {
		fail(jobs, err)
		return results
	}
	g := &group{client: c, conn: k}
	for _, j := range jobs {
		c.wanted.note(j.change)
	}
	g.together(ctx, jobs)
	g.settle(ctx, jobs)
	g.takeBack(ctx, jobs)
	return results
}

// job is one change on its way.
type job struct {
	change  Change
	plan    plan
	result  *Result
	applied int // the next_cfg to wait for, 0 if there is nothing to wait for
}

func fail(jobs []*job, err error) {
	for _, j := range jobs {
		if j.result.Err == nil {
			j.result.Err = err
		}
	}
}

// group is one Commit.
type group struct {
	client *Client
	conn   *conn
}

// refusal is the database's answer to a transaction that it did not commit.
type refusal struct{ reason string }

func (r *refusal) Error() string { return r.reason }

// together tries all the changes in one transaction, and each alone if that is
// refused.
func (g *group) together(ctx context.Context, jobs []*job) {
	v := g.conn.view()
	if v.root() == nil {
		fail(jobs, g.unavailable(errNotInitialised))
		return
	}
	for n, j := range jobs {
		j.plan = j.change.plan(v, n, nil)
	}
	err := g.send(ctx, jobs)
	var refused *refusal
	switch {
	case errors.As(err, &refused) && len(jobs) > 1:
		for _, j := range jobs {
			g.alone(ctx, j, nil)
		}
		return
	case err != nil && refused == nil:
		fail(jobs, err)
		return
	}
	for _, j := range jobs {
		switch {
		case refused != nil:
			g.alone(ctx, j, refused)
		case errors.Is(j.result.Err, errStale):
			g.alone(ctx, j, nil)
		}
	}
}

// alone makes one change in a transaction of its own. Last is the database's
// refusal of the plan that the job has, nil to begin anew.
func (g *group) alone(ctx context.Context, j *job, last *refusal) {
	j.result.Err = nil
	var seen *facts
	for range maxAttempts {
		if last != nil {
			f, err := inquire(ctx, g.conn, j.change)
			if err == nil {
				err = j.change.explain(g.client.owner, f)
			} else {
				err = g.transport(ctx, err)
			}
			if err != nil {
				j.result.Err = err
				return
			}
			seen = f
		}
		v := g.conn.view()
		if v.root() == nil {
			j.result.Err = g.unavailable(errNotInitialised)
			return
		}
		j.plan = j.change.plan(v, 0, seen)
		err := g.send(ctx, []*job{j})
		switch {
		case errors.As(err, &last):
		case err != nil:
			j.result.Err = err
			return
		case errors.Is(j.result.Err, errStale):
			j.result.Err = nil
			last = &refusal{reason: "the row comes and goes"}
		default:
			return
		}
	}
	if last.reason == guardFailed {
		j.result.Err = fmt.Errorf("%s: %w: others keep changing the same rows; try again", j.change.object(), ErrConflict)
		return
	}
	j.result.Err = &RefusedError{Object: j.change.object(), Reason: last.reason}
}

// guardFailed is the reason of a wait operation that does not hold.
const guardFailed = "timed out"

// send commits the plans of the jobs in one transaction. The error is a refusal or
// one for the caller; what a plan's check says is in the job's result.
func (g *group) send(ctx context.Context, jobs []*job) error {
	var ops []ovsdb.Operation
	first := make([]int, len(jobs))
	writes := false
	for i, j := range jobs {
		first[i] = len(ops)
		ops = append(ops, j.plan.ops...)
		writes = writes || j.plan.writes
	}
	if writes {
		root := g.conn.view().root()
		if root == nil {
			return g.unavailable(errNotInitialised)
		}
		ops = append(ops,
			mutate(vswitch.OpenvSwitchTable, where(isRow(root.UUID)),
				ovsdb.Mutation{Column: "next_cfg", Mutator: ovsdb.MutateOperationAdd, Value: 1}),
			choose(vswitch.OpenvSwitchTable, where(isRow(root.UUID)), "next_cfg"))
	}
	var results []ovsdb.OperationResult
	if len(ops) > 0 {
		var err error
		if results, err = g.conn.transact(ctx, ops); err != nil {
			return g.transport(ctx, err)
		}
		if err := refusalIn(results, ops); err != nil {
			return err
		}
	}
	next := 0
	if writes {
		rows := results[len(results)-1].Rows
		if len(rows) == 0 {
			return g.unavailable(errNotInitialised)
		}
		n, _ := rows[0]["next_cfg"].(float64)
		next = int(n)
	}
	for i, j := range jobs {
		if j.plan.check != nil {
			j.result.Err = j.plan.check(results[first[i] : first[i]+len(j.plan.ops)])
		}
		if j.plan.writes {
			j.applied, j.result.Wrote = next, true
		}
	}
	return nil
}

// refusalIn finds the reason why a transaction was not committed.
func refusalIn(results []ovsdb.OperationResult, ops []ovsdb.Operation) error {
	for _, r := range results {
		if r.Error == "" {
			continue
		}
		reason := r.Error
		if r.Details != "" && r.Error != guardFailed {
			reason += ": " + r.Details
		}
		return &refusal{reason: reason}
	}
	if len(results) < len(ops) {
		return &refusal{reason: fmt.Sprintf("%d of %d operations were answered", len(results), len(ops))}
	}
	return nil
}

// transport turns the error of a request that got no answer into the caller's.
func (g *group) transport(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("the database did not answer in time, and may or may not have the change: %w; check that ovsdb-server runs", ctx.Err())
	}
	return g.unavailable(err)
}

func (g *group) unavailable(cause error) error {
	return &unavailableError{endpoint: g.client.endpoint, cause: cause}
}

// settle waits until ovs-vswitchd has applied the transactions and reads what it
// says of each interface.
func (g *group) settle(ctx context.Context, jobs []*job) {
	latest := 0
	for _, j := range jobs {
		latest = max(latest, j.applied)
	}
	if latest > 0 {
		if err := g.conn.applied(ctx, latest); err != nil {
			if !errors.Is(err, ErrNotApplied) {
				err = g.unavailable(err)
			}
			for _, j := range jobs {
				if j.result.Err == nil && j.applied > 0 {
					j.result.Err = fmt.Errorf("%s: %w", j.change.object(), err)
				}
			}
		}
	}
	v := g.conn.view()
	for _, j := range jobs {
		if name := j.change.subject(); name != "" && j.result.Err == nil {
			j.result.OFPort, j.result.Err = outcome(v, j.change, name)
		}
	}
}

// outcome reads what ovs-vswitchd made of an interface.
func outcome(v view, change Change, name string) (uint32, error) {
	iface := v.iface(name)
	switch {
	case iface == nil:
		return 0, fmt.Errorf("%s: %w: somebody removed it at once; try again", change.object(), ErrConflict)
	case iface.Error != nil:
		return 0, &PortError{Name: name, Reason: *iface.Error}
	case iface.Ofport == nil || *iface.Ofport <= 0:
		return 0, &PortError{Name: name, Reason: "it got no OpenFlow port number; see the log of ovs-vswitchd for its bridge's datapath " +
			"(netdev needs /dev/net/tun: modprobe tun)"}
	}
	return uint32(*iface.Ofport), nil //nolint:gosec // 1 to 65534 by ovs-vswitchd.conf.db(5)
}

// takeBack removes what this call inserted and ovs-vswitchd could not make.
func (g *group) takeBack(ctx context.Context, jobs []*job) {
	var undo []*job
	for _, j := range jobs {
		var refused *PortError
		if j.plan.fresh && errors.As(j.result.Err, &refused) {
			undo = append(undo, &job{change: j.change.undo(), result: &Result{}})
		}
	}
	if len(undo) == 0 {
		return
	}
	// The rows go even when the caller has just run out of time.
	rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	for _, j := range undo {
		g.client.wanted.note(j.change)
	}
	g.together(rest, undo)
	g.settle(rest, undo)
	for _, j := range undo {
		if j.result.Err != nil {
			g.client.log.Warn("a port that ovs-vswitchd refuses could not be removed again",
				"object", j.change.object(), "error", j.result.Err)
		}
	}
}
