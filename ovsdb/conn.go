// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"github.com/ovsnet/ovsnet/ovsdb/vswitch"
)

const (
	// callTimeout bounds every request to ovsdb-server, also when the caller has
	// more time: libovsdb holds a lock during a request.
	callTimeout = 10 * time.Second
	// probeEvery is the time between two echo requests.
	probeEvery = 5 * time.Second
	// closeTimeout bounds the wait for libovsdb's goroutines.
	closeTimeout = 5 * time.Second
	// recheckEvery is how often a waiter looks at cur_cfg without being told to:
	// libovsdb drops events when its queue is full.
	recheckEvery = time.Second
)

// conn is one connection with its monitor, from connecting to the loss. It is
// never connected again: libovsdb's own reconnecting mixes old rows with new ones
// and ends the process when it gives up, so a fresh client is cheaper to trust.
type conn struct {
	log *slog.Logger
	db  client.Client

	over <-chan struct{} // closed when the connection is over
	why  func() error    // the reason, once it is over
	end  context.CancelCauseFunc

	background sync.WaitGroup
	gone       chan struct{} // closed when libovsdb has put the connection away
	closed     chan struct{} // closed when close gives up waiting for that

	mu  sync.Mutex
	cfg chan struct{} // closed and replaced when the Open_vSwitch row changes
}

// monitored are the columns that are watched. See the package's documentation for
// why Bridge:ports is not there; Interface:statistics and its like would wake us
// every five seconds for nothing.
var monitored = map[string][]string{
	vswitch.OpenvSwitchTable: {"next_cfg", "cur_cfg", "ovs_version", "datapath_types"},
	vswitch.BridgeTable: {
		"name", "datapath_type", "datapath_id", "fail_mode", "mcast_snooping_enable", "flow_tables", "other_config", "external_ids",
	},
	vswitch.FlowTableTable: {"prefixes", "external_ids"},
	vswitch.PortTable:      {"name", "external_ids"},
	vswitch.InterfaceTable: {
		"name", "type", "options", "external_ids", "ofport", "ofport_request", "mtu_request", "error", "mac_in_use",
	},
}

// dialable gives an endpoint in the form that libovsdb reads without guessing.
func dialable(endpoint string) (string, error) {
	scheme, rest, _ := strings.Cut(endpoint, ":")
	switch {
	case scheme == client.UNIX && filepath.IsAbs(rest):
		return (&url.URL{Scheme: scheme, Path: rest}).String(), nil
	case scheme == client.TCP && rest != "":
		return endpoint, nil
	}
	return "", errEndpoint
}

// open connects and fills the cache. The handler is told of every change of a row.
func open(ctx context.Context, endpoint, owner string, log *slog.Logger, handler cache.EventHandler) (*conn, error) {
	address, err := dialable(endpoint)
	if err != nil {
		return nil, err
	}
	dbModel, err := vswitch.FullDatabaseModel()
	if err != nil {
		return nil, fmt.Errorf("row models: %w", err)
	}
	db, err := client.NewOVSDBClient(dbModel, client.WithEndpoint(address))
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancelCause(ctx)
	k := &conn{
		log: log, db: db,
		over: life.Done(), end: end,
		why: func() error {
			if err := context.Cause(life); !errors.Is(err, context.Canceled) {
				return err
			}
			return errStopped // it was Run's context that ended
		},
		gone: make(chan struct{}), closed: make(chan struct{}), cfg: make(chan struct{}),
	}
	// libovsdb drops the notice of a disconnection when nobody listens.
	k.background.Go(func() {
		select {
		case <-db.DisconnectNotify():
			close(k.gone)
			k.end(errLost)
		case <-k.closed:
		}
	})
	limited, cancel := context.WithTimeoutCause(life, callTimeout, errSilent)
	defer cancel()
	if err := db.Connect(limited); err != nil {
		err = orCause(limited, err)
		k.end(err)
		close(k.closed)
		k.background.Wait()
		return nil, err
	}
	db.Cache().AddEventHandler(handler)
	db.Cache().AddEventHandler(k.cfgHandler())
	monitor := &client.Monitor{Method: ovsdb.ConditionalMonitorRPC}
	for table, columns := range monitored {
		m := client.TableMonitor{Table: table, Fields: columns}
		if table != vswitch.OpenvSwitchTable {
			m.Conditions = where(ownedBy(owner))
		}
		monitor.Tables = append(monitor.Tables, m)
	}
	if _, err := db.Monitor(limited, monitor); err != nil {
		err = orCause(limited, err)
		k.close()
		return nil, err
	}
	return k, nil
}

// orCause gives the reason why ctx ended, if it has ended, instead of err.
func orCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// close ends the connection and waits for everything that belongs to it.
func (k *conn) close() {
	k.mu.Lock()
	k.end(errStopped)
	k.mu.Unlock()
	k.background.Go(k.db.Close)
	limit := time.NewTimer(closeTimeout)
	defer limit.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for waiting := true; waiting; {
		select {
		case <-k.gone:
			waiting = false
		case <-look.C:
			// The notice may be lost; libovsdb drops the cache at the same moment.
			waiting = k.db.Cache() != nil
		case <-limit.C:
			k.log.Warn("the connection to the database does not close; it is left behind", "after", closeTimeout)
			close(k.closed)
			return
		}
	}
	close(k.closed)
	k.background.Wait()
}

func (k *conn) view() view { return view{cache: k.db.Cache()} }

// version is what the start script of Open vSwitch wrote; it may be empty.
func (k *conn) version() string {
	if root := k.view().root(); root != nil && root.OVSVersion != nil {
		return *root.OVSVersion
	}
	return ""
}

// call runs one request. It returns when ctx or the connection ends, even while
// libovsdb is stuck in a write.
func (k *conn) call(ctx context.Context, request func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errSilent)
	defer cancel()
	done := make(chan error, 1)
	k.mu.Lock() // against close, which waits for what has begun
	select {
	case <-k.over:
		k.mu.Unlock()
		return k.why()
	default:
	}
	k.background.Go(func() { done <- request(ctx) })
	k.mu.Unlock()
	select {
	case err := <-done:
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-k.over:
		return k.why()
	}
}

// echo asks whether the server is there.
func (k *conn) echo(ctx context.Context) error { return k.call(ctx, k.db.Echo) }

// transact sends one transaction. The error is that of the transport; what the
// database refuses is in the results.
func (k *conn) transact(ctx context.Context, ops []ovsdb.Operation) ([]ovsdb.OperationResult, error) {
	var results []ovsdb.OperationResult
	answer := make(chan []ovsdb.OperationResult, 1)
	err := k.call(ctx, func(ctx context.Context) error {
		r, err := k.db.Transact(ctx, ops...)
		answer <- r
		return err
	})
	if err == nil {
		results = <-answer
	}
	return results, err
}

// cfgHandler wakes those who wait for the Open_vSwitch row.
func (k *conn) cfgHandler() cache.EventHandler { return rootHandler{k} }

// cfgChanged gives a channel that is closed at the next change of the
// Open_vSwitch row.
func (k *conn) cfgChanged() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cfg
}

func (k *conn) tellCfg() {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.cfg)
	k.cfg = make(chan struct{})
}

// applied waits until ovs-vswitchd has taken up configuration n.
func (k *conn) applied(ctx context.Context, n int) error {
	recheck := time.NewTicker(recheckEvery)
	defer recheck.Stop()
	for {
		changed := k.cfgChanged()
		if root := k.view().root(); root != nil && root.CurCfg >= n {
			return nil
		}
		select {
		case <-changed:
		case <-recheck.C:
		case <-k.over:
			return k.why()
		case <-ctx.Done():
			return fmt.Errorf("ovs-vswitchd does not answer (transaction %d is committed, %w): %w; see whether it runs",
				n, ErrNotApplied, ctx.Err())
		}
	}
}
