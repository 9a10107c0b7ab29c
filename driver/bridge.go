// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/flows/openflow"
)

// flowChange is what one object asks of one bridge; nil takes the object out.
type flowChange struct {
	bridge   string
	object   string
	compiled *flows.Compiled
}

// bridge is one switch: what its objects want, and the connection over which it is kept so. The loop alone uses it. What
// follows log is for who holds it, so that a switch that does not answer keeps nobody from another.
type bridge struct {
	name string
	path string              // <bridge>.mgmt
	held *semaphore.Weighted // who works on the bridge: one that has it whole, or several that have a part
	gone atomic.Bool         // it was removed: who holds it closes the connection
	came *arrivals           // is told of the ports that it gets
	log  *slog.Logger

	sharing sync.Mutex // guards objects and unsure among those who have a part
	turn    uint       // which spare is next, likewise

	conn    *openflow.Conn
	watched *openflow.Conn // the connection whose end the loop is told of
	spares  spares
	objects map[string]flows.Compiled
	// unsure says that the switch may not hold what objects say: the next apply compares everything.
	unsure bool
	// stalls says that it did not answer in its time: audits, behind which others wait, ask it briefly before they compare.
	stalls bool
	// seen is what the last comparison saw of peers' frames.
	seen map[netip.Addr]sighting
}

func newBridge(name, runDir string, came *arrivals, log *slog.Logger) *bridge {
	return &bridge{
		name: name, path: filepath.Join(runDir, name+".mgmt"), held: semaphore.NewWeighted(whole), came: came, log: log.With("bridge", name),
		objects: map[string]flows.Compiled{}, unsure: true,
	}
}

// end closes the connection, now or when the bridge is let go.
func (b *bridge) end() {
	b.gone.Store(true)
	b.closeIfGone()
}

func (b *bridge) close() {
	b.closeSpares()
	if b.conn != nil {
		if err := b.conn.Close(); err != nil {
			b.log.Debug("closing the OpenFlow connection", "err", err)
		}
		b.conn = nil
	}
	b.unsure = true
}

// alive says whether the bridge has a connection that has not ended.
func (b *bridge) alive() bool {
	if b.conn == nil {
		return false
	}
	select {
	case <-b.conn.Done():
		return false
	default:
		return true
	}
}

// apply changes objects and brings the switch there in one bundle, or in several where spreads allows it. On an error the
// objects are as before, and so is the switch, or the next apply puts it right.
func (b *bridge) apply(ctx context.Context, changes []flowChange) error {
	before := b.touched(changes)
	b.set(changes)
	if !b.unsure {
		partly, err := b.change(ctx, changes, before)
		var refused *openflow.RefusedError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &refused):
			b.put(before)
			b.unsure = partly
			return err
		}
		b.close() // lost on the way: only a comparison can tell what arrived
		if ctx.Err() != nil {
			b.put(before) // and there is no time for one
			return fmt.Errorf("bridge %s: %w; check that ovs-vswitchd answers", b.name, err)
		}
	}
	if _, err := b.sync(ctx); err != nil {
		b.put(before)
		b.unsure = true
		return fmt.Errorf("bridge %s: %w", b.name, err)
	}
	return nil
}

// change sends what changes mean for the switch. Partly says that some of it may have been made when err is not nil.
func (b *bridge) change(ctx context.Context, changes []flowChange, before map[string]*flows.Compiled) (partly bool, err error) {
	if spreads(changes, before) && b.alive() { // else a new connection could find a switch that has begun anew
		err = b.spread(ctx, changes, b.spare)
		if err != nil || len(b.objects) < crowdedFrom {
			b.closeSpares()
		}
		return true, err
	}
	update, gone := b.since(before)
	update.InOneGo = allNew(changes, before)
	return update.InOneGo || len(update.Meters)+len(gone) > 0, b.send(ctx, update, gone) // meters are outside of the bundle
}

// touched gives the objects that changes are about as they are now; nil for those that are not there.
func (b *bridge) touched(changes []flowChange) map[string]*flows.Compiled {
	out := make(map[string]*flows.Compiled, len(changes))
	for _, c := range changes {
		out[c.object] = nil
		if now, ok := b.objects[c.object]; ok {
			out[c.object] = &now
		}
	}
	return out
}

// put writes objects back.
func (b *bridge) put(objects map[string]*flows.Compiled) {
	for name, c := range objects {
		if c == nil {
			delete(b.objects, name)
		} else {
			b.objects[name] = *c
		}
	}
}

// set writes changes into objects.
func (b *bridge) set(changes []flowChange) {
	for _, c := range changes {
		if c.compiled == nil {
			delete(b.objects, c.object)
		} else {
			b.objects[c.object] = *c.compiled
		}
	}
}

// since says what it means for the switch that objects are not as before any more, and which meters have to go after that.
func (b *bridge) since(before map[string]*flows.Compiled) (openflow.Update, []openflow.MeterMod) {
	var old, now flows.Compiled
	for object, c := range before {
		if c != nil {
			join(&old, *c)
		}
		join(&now, b.objects[object])
	}
	var u openflow.Update
	u.Flows, u.Delete = diffFlows(old.Flows, now.Flows)
	u.Groups = diffGroups(old, now)
	var gone []openflow.MeterMod
	u.Meters, gone = diffMeters(old.Meters, now.Meters)
	return u, gone
}

func join(all *flows.Compiled, c flows.Compiled) {
	all.Flows = append(all.Flows, c.Flows...)
	all.Groups = append(all.Groups, c.Groups...)
	all.Members = append(all.Members, c.Members...)
	all.Meters = append(all.Meters, c.Meters...)
}

// send makes an update and then removes meters that are gone: a flow never names a meter that is not there.
func (b *bridge) send(ctx context.Context, u openflow.Update, gone []openflow.MeterMod) error {
	if err := b.conn.Apply(ctx, u); err != nil {
		return err
	}
	return b.conn.Meters(ctx, gone)
}

// connect dials the bridge where no living connection is.
func (b *bridge) connect(ctx context.Context) error {
	if b.alive() {
		return nil
	}
	b.close()
	conn, err := openflow.Dial(ctx, b.path, b.log)
	if err != nil {
		return err
	}
	b.conn = conn
	return nil
}

// answers asks the switch for a sign of life.
func (b *bridge) answers(ctx context.Context) error {
	if err := b.connect(ctx); err != nil {
		return err
	}
	return b.conn.Barrier(ctx)
}

// read gives all that the switch holds of ours. It asks for everything at once: the switch comes round to its connections
// the less often the more bridges it has.
func (b *bridge) read(ctx context.Context) (have []openflow.FlowStats, groups []flows.GroupDesc, meters []flows.MeterDesc, err error) {
	g, ctx := errgroup.WithContext(ctx)
	// Without it fragments show no ports, so that the guard drops them all, and no verb hears of its port early.
	g.Go(func() error {
		return b.conn.Configure(ctx, func(p openflow.Port) { b.came.tell(b.name, p.Name, p.Number) })
	})
	g.Go(func() (err error) {
		have, err = b.conn.DumpFlows(ctx, flows.CookieOwnerValue, flows.CookieOwnerMask)
		return err
	})
	g.Go(func() (err error) { groups, err = b.conn.DumpGroups(ctx); return err })
	g.Go(func() (err error) { meters, err = b.conn.DumpMeters(ctx); return err })
	err = g.Wait()
	return have, groups, meters, err
}

// sync compares everything that the switch holds of ours with what objects want and changes the difference. What
// matches is left alone, its counters too. It returns the number of repairs.
func (b *bridge) sync(ctx context.Context) (int, error) {
	if err := b.connect(ctx); err != nil {
		return 0, err
	}
	want, err := flows.Merge(slices.Collect(maps.Values(b.objects))...)
	if err != nil {
		return 0, err
	}
	have, groups, meters, err := b.read(ctx)
	if err != nil {
		return 0, err
	}
	b.seen = sightings(have, time.Now())
	u := openflow.Update{Groups: compareGroups(groups, want.Groups)}
	var gone []openflow.MeterMod
	u.Meters, gone = diffMeters(meters, want.Meters)
	installed := make([]flows.Flow, 0, len(have))
	for _, f := range have {
		if !flows.Learned(f.Cookie) { // the switch's own
			installed = append(installed, f.Flow)
		}
	}
	u.Flows, u.Delete = diffFlows(installed, want.Flows)
	if err := b.send(ctx, u, gone); err != nil {
		b.close()
		return 0, err
	}
	b.unsure = false
	b.tendSpares(ctx)
	return len(u.Flows) + len(u.Delete) + len(u.Groups) + len(u.Meters) + len(gone), nil
}
