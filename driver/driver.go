// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/driver/api"
	"github.com/ovsnet/ovsnet/driver/link"
	"github.com/ovsnet/ovsnet/driver/nat"
	"github.com/ovsnet/ovsnet/ovsdb"
)

// Options of New. Config is expected to be valid (config.Load).
type Options struct {
	Config config.Daemon
	Log    *slog.Logger
	// Version is the program's, for status and logs.
	Version string
}

// Driver joins Docker's networks to Open vSwitch. Run does its work; the doors answer Docker.
type Driver struct {
	cfg     config.Daemon
	log     *slog.Logger
	version string

	ovs      *ovsdb.Client
	links    *link.Links
	journal  *journal
	fw       *nat.Firewall // nil where the host has none that can be used; fwErr says why
	fwErr    error
	mending  sync.Mutex // one goroutine at a time compares the firewall with the world
	loop     *loop
	locks    keyedLocks
	peers    *peers
	compiler peerCompiler
	again    chan announcement // endpoints to be announced to peers for the second time
	vnis     allocations       // of a Swarm whose leader this host is or was; under vnisKey

	// restored is closed when the world has been read back from the journal and from Open vSwitch.
	restored chan struct{}

	slower sync.Once // of saying that the userspace datapath is all that the host has

	unnamed chan struct{} // somebody wants names from Docker soon; one slot

	// alone are the bridges with our mark that this program can't read: those of a newer one. Written before restored is
	// closed.
	alone map[string]bool

	// mu guards world and under, the only state that verbs share.
	mu    sync.Mutex
	world world
	under underlayState
}

// New reads the journal and prepares a driver; nothing outside is touched before Run.
func New(ctx context.Context, o Options) (*Driver, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	j, err := openJournal(o.Config.OwnState())
	if err != nil {
		return nil, err
	}
	links, err := link.Open(link.Options{ProcSys: o.Config.ProcSys})
	if err != nil {
		j.release()
		return nil, fmt.Errorf("netlink: %w", err)
	}
	d := &Driver{
		cfg: o.Config, log: o.Log, version: o.Version,
		ovs:      ovsdb.New(ovsdb.Options{Endpoint: o.Config.OVSDB, Owner: o.Config.Owner, Log: o.Log}),
		links:    links,
		journal:  j,
		restored: make(chan struct{}),
		again:    make(chan announcement, announcements),
		unnamed:  make(chan struct{}, 1),
		alone:    map[string]bool{},
		world:    newWorld(),
		peers:    newPeers(o.Config.Peers, o.Config.TunnelAddress),
	}
	if d.fw, d.fwErr = nat.New(ctx, nat.Options{Owner: o.Config.Owner, ProcSys: o.Config.ProcSys, SystemBus: o.Config.SystemBus, Log: o.Log}); d.fwErr != nil {
		d.fw = nil
		o.Log.Warn("no firewall: networks that need one will be refused", "err", d.fwErr)
	}
	d.loop = newLoop(d)
	d.loadPeers(ctx)
	if d.vnis, err = j.loadVNIs(); err != nil {
		o.Log.Error("VNIs of the Swarm's networks are unknown until it asks for them again", "err", err)
	}
	records, errs := j.load()
	for _, err := range errs {
		o.Log.Error("journal entry left alone", "err", err)
	}
	for _, rec := range records {
		if err := d.world.addNetwork(rec); err != nil {
			o.Log.Error("journal entry left alone", "network", short(rec.ID), "err", err)
		}
	}
	return d, nil
}

// Run connects to Open vSwitch and keeps it as the world says, until ctx ends. It returns when all its goroutines have
// ended; the data path goes on forwarding.
func (d *Driver) Run(ctx context.Context) error {
	defer d.links.Close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.ovs.Run(ctx) })
	g.Go(func() error { return d.loop.run(ctx) })
	g.Go(func() error { d.watchPeers(ctx); return nil })
	g.Go(func() error { d.repeatAnnouncements(ctx); return nil })
	g.Go(func() error { d.watchUnderlay(ctx); return nil })
	if d.fw != nil {
		g.Go(func() error { d.watchFirewall(ctx); return nil })
	}
	if d.fw != nil && d.cfg.DockerSocket != "" {
		g.Go(func() error { d.learnNames(ctx); return nil })
	}
	if d.cfg.DockerSocket != "" {
		g.Go(func() error { d.watchOrphans(ctx); return nil })
	}
	err := g.Wait()
	if d.fw != nil {
		err = errors.Join(err, d.fw.Close())
	}
	if bad := d.forgetNames(); bad != nil {
		d.log.Warn("what peers' names stood for is left", "err", bad)
	}
	d.journal.close()
	_ = os.Remove(d.cfg.StateDir) // that of all owners; fails, as it should, where something is left
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Door gives Docker's view of the driver through one socket: its name is what a network remembers to have come by, its
// scope what GetCapabilities answers.
func (d *Driver) Door(name, scope string) api.Driver { return &door{d: d, name: name, scope: scope} }

// grace is how long a verb waits for a connection to Open vSwitch that may be coming up, at our start or at its own.
const grace = time.Second

// ready waits until the world is known, and fails soon while Open vSwitch is not reachable.
func (d *Driver) ready(ctx context.Context) error {
	if err := d.reachable(ctx); err != nil {
		return err
	}
	select {
	case <-d.restored:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("reading back networks and endpoints: %w; try again", ctx.Err())
	}
}

func (d *Driver) reachable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	return d.ovs.Wait(ctx)
}

// undoAtEnd is how long undoing may go on when the process ends; what it leaves is for the next start.
const undoAtEnd = 2 * time.Second

// undo runs the cleaning up of a verb that failed, which must go on when the verb's own time is over. Its errors are
// logged alone: the audit finishes what it leaves.
func (d *Driver) undo(ctx context.Context, what string, f func(ctx context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.cfg.VerbTimeout*2/5)
	defer cancel()
	defer api.AtEnd(ctx, func() { time.AfterFunc(undoAtEnd, cancel) })()
	if err := d.left(f(ctx)); err != nil {
		d.log.Warn("undo left to the audit", "what", what, "err", err)
	}
}

// left has what a removal could not remove found by an audit soon, and gives its error back.
func (d *Driver) left(err error) error {
	if err != nil {
		d.loop.want()
	}
	return err
}

// short is how Docker shows an id.
func short(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}
