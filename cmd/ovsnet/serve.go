// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"reflect"
	"runtime/debug"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/ovsnet/ovsnet/config"
	"github.com/ovsnet/ovsnet/driver"
	"github.com/ovsnet/ovsnet/driver/api"
)

func (p *program) serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Be the driver, until SIGTERM",
		Long: `Be the driver: open the sockets that Docker calls, then connect to Open vSwitch and keep bridges, ports, flows
and links as Docker's networks ask, until SIGTERM. Containers' traffic flows on without it. SIGHUP reads the settings
again and takes over the peers; other settings take a restart.`,
		Args: cobra.NoArgs,
	}
	load := p.settings(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := load()
		if err != nil {
			return err
		}
		return serve(cmd.Context(), cfg, logger(p.stderr, cfg), load)
	}
	return cmd
}

// logger writes as the settings say.
func logger(w io.Writer, cfg config.Daemon) *slog.Logger {
	o := &slog.HandlerOptions{Level: cfg.Level()}
	if cfg.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// The names of the doors, by which a network remembers where it came from.
const (
	shortDoor   = driver.ShortDoor
	managedDoor = driver.ManagedDoor
)

// door is one socket that Docker calls.
type door struct {
	name, path, scope string
	listener          net.Listener
}

// doors lists the doors that the settings open.
func doors(cfg config.Daemon) ([]*door, error) {
	var out []*door
	if cfg.PluginSocket != "" {
		out = append(out, &door{name: managedDoor, path: cfg.PluginSocket, scope: cfg.Scope})
	}
	if cfg.Socket != "" {
		// Swarm knows managed plugins alone, so here a global scope could only fail, late and oddly.
		out = append(out, &door{name: shortDoor, path: cfg.Socket, scope: config.ScopeLocal})
	}
	if len(out) == 0 {
		return nil, errors.New("no socket to serve; set socket, plugin_socket or both")
	}
	return out, nil
}

// gcPercent is the garbage collector's target in serve, half of Go's default.
const gcPercent = 50

// serve runs the daemon until ctx ends. It listens before anything else: Docker calls as soon as it sees the socket,
// and its first calls can wait for Open vSwitch, but not for a socket.
func serve(ctx context.Context, cfg config.Daemon, log *slog.Logger, load func() (config.Daemon, error)) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	// Between bursts of calls there is little to do, so memory is worth more than the collector's time.
	debug.SetGCPercent(gcPercent)
	open, err := doors(cfg)
	if err != nil {
		return err
	}
	listeners, err := listen(cfg, open)
	if err != nil {
		return err
	}
	d, err := driver.New(ctx, driver.Options{Config: cfg, Log: log, Version: version()})
	if err != nil {
		return errors.Join(err, closeAll(listeners))
	}
	again := func(ctx context.Context) { reload(ctx, hangup, cfg, log, d, load) }
	return work(ctx, cfg, log, d, open, listeners[len(open):], again)
}

// reload takes over the peers of the settings at each SIGHUP, until ctx ends. Settings that can't be read change nothing.
func reload(ctx context.Context, hangup <-chan os.Signal, cfg config.Daemon, log *slog.Logger, d *driver.Driver, load func() (config.Daemon, error)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		}
		now, err := load()
		if err != nil {
			log.Error("settings could not be read again; going on with those before", "err", err)
			continue
		}
		verb, done := context.WithTimeout(ctx, cfg.VerbTimeout)
		err = d.SetPeers(verb, now.Peers)
		done()
		if err != nil && ctx.Err() == nil {
			log.Warn("peers are read again, and left to the audit", "err", err)
		}
		log.Info("settings read again", "peers", now.Peers)
		now.Peers = cfg.Peers
		if !reflect.DeepEqual(now, cfg) {
			log.Warn("settings other than peers have changed too; restart ovsnet to use them")
		}
	}
}

// work runs the driver behind its open doors until ctx ends or one of them fails.
func work(ctx context.Context, cfg config.Daemon, log *slog.Logger, d *driver.Driver, open []*door, status []net.Listener, again func(context.Context)) error {
	if cfg.Scope == config.ScopeGlobal && cfg.PluginSocket == "" {
		log.Warn("scope is global, but only a managed plugin can be global; networks are local to this host")
	}
	log.Info("ovsnet starts", "version", version(), "ovsdb", cfg.OVSDB, "socket", cfg.Socket, "plugin_socket", cfg.PluginSocket)
	notify(log, daemon.SdNotifyReady)

	// The doors close first, and the driver works on for the calls that are still inside.
	inside, closed := context.WithCancel(context.WithoutCancel(ctx))
	defer closed()
	outside, shut := context.WithCancel(ctx)
	defer shut()
	all, inside := errgroup.WithContext(inside)
	context.AfterFunc(inside, shut)
	all.Go(func() error {
		defer shut()
		return d.Run(inside)
	})
	all.Go(func() error {
		defer closed()
		return serveDoors(outside, cfg, log, d, open, status)
	})
	all.Go(func() error {
		again(outside)
		return nil
	})
	all.Go(func() error {
		<-outside.Done()
		notify(log, daemon.SdNotifyStopping)
		return nil
	})
	err := all.Wait()
	log.Info("ovsnet ends")
	return err
}

// listen opens the doors, and the status socket behind them in what it returns.
func listen(cfg config.Daemon, open []*door) ([]net.Listener, error) {
	var listeners []net.Listener
	paths := make([]string, 0, len(open)+1)
	for _, o := range open {
		paths = append(paths, o.path)
	}
	if cfg.StatusSocket != "" {
		paths = append(paths, cfg.StatusSocket)
	}
	for _, path := range paths {
		l, err := api.Listen(path, cfg.SocketGroup)
		if err != nil {
			return nil, errors.Join(err, closeAll(listeners))
		}
		listeners = append(listeners, l)
	}
	for i, o := range open {
		o.listener = listeners[i]
	}
	return listeners, nil
}

// serveDoors answers Docker, and ovsnet status, until ctx ends.
func serveDoors(ctx context.Context, cfg config.Daemon, log *slog.Logger, d *driver.Driver, open []*door, status []net.Listener) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, o := range open {
		s := api.NewServer(d.Door(o.name, o.scope), api.ServerOptions{Log: log, Name: o.name, Deadline: cfg.VerbTimeout})
		g.Go(func() error { return s.Serve(ctx, o.listener) })
	}
	for _, l := range status {
		g.Go(func() error { return serveStatus(ctx, l, d) })
	}
	return g.Wait()
}

func closeAll(listeners []net.Listener) error {
	var errs []error
	for _, l := range listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// notify tells systemd how far we are, where systemd asked to be told (sd_notify(3)).
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd could not be told", "state", state, "err", err)
	}
}
