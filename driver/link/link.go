// SPDX-License-Identifier: Apache-2.0

package link

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// ErrTaken says that a link of that name exists and is not ours.
var ErrTaken = errors.New("exists and is not ovsnet's")

// Options of Open; zero fields take the default.
type Options struct {
	// ProcSys is where the host's /proc/sys is writable; default /proc/sys.
	ProcSys string
}

// sockets is how many requests may be with the kernel at once. Making a link
// is serial in the kernel, but removing one waits for an RCU grace period
// (about 17 ms), which many removals can wait for together.
const sockets = 16

// answerTimeout bounds the wait for an answer that the kernel has given already.
const answerTimeout = 10 * time.Second

// Links works on the links of the network namespace in which it was opened. It
// is safe for concurrent use.
type Links struct {
	proc  string
	conns chan *conn // those that are free
	ioctl int        // a socket for ethtool
	names names
}

// Open opens the sockets that Links needs. It does not change namespaces.
func Open(o Options) (*Links, error) {
	if o.ProcSys == "" {
		o.ProcSys = "/proc/sys"
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("ethtool socket: %w", err)
	}
	l := &Links{proc: o.ProcSys, ioctl: fd, conns: make(chan *conn, sockets), names: names{held: map[string]chan struct{}{}}}
	for range sockets {
		c, err := dial()
		if err != nil {
			l.Close()
			return nil, fmt.Errorf("netlink socket: %w", err)
		}
		l.conns <- c
	}
	return l, nil
}

// Close closes the sockets; no call may be running or follow.
func (l *Links) Close() {
	for {
		select {
		case c := <-l.conns:
			c.close()
			continue
		default:
		}
		break
	}
	_ = unix.Close(l.ioctl)
}

// conn is one pair of netlink sockets: the library's, and one for the requests
// that it cannot make.
type conn struct {
	*netlink.Handle
	raw *nl.SocketHandle
}

func dial() (*conn, error) {
	h, err := netlink.NewHandleAt(netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	if err = h.SetSocketTimeout(answerTimeout); err != nil {
		h.Close()
		return nil, err
	}
	s, err := nl.GetNetlinkSocketAt(netns.None(), netns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		h.Close()
		return nil, err
	}
	c := &conn{h, &nl.SocketHandle{Socket: s}}
	tv := unix.NsecToTimeval(answerTimeout.Nanoseconds())
	if err = errors.Join(s.SetSendTimeout(&tv), s.SetReceiveTimeout(&tv)); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *conn) close() {
	c.Close()
	c.raw.Close()
}

// do runs f with a connection of its own.
func (l *Links) do(ctx context.Context, f func(*conn) error) error {
	select {
	case c := <-l.conns:
		defer func() { l.conns <- c }()
		if err := ctx.Err(); err != nil {
			return err
		}
		return f(c)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// on runs f for the link called name, one f at a time for each name, and says
// in the error which link it is about.
func (l *Links) on(ctx context.Context, name string, f func(*conn) error) error {
	err := checkName(name)
	if err == nil {
		var unlock func()
		if unlock, err = l.names.lock(ctx, name); err == nil {
			defer unlock()
			err = l.do(ctx, f)
		}
	}
	return explain(name, err)
}

// explain says which link an error is about, and what to do where it is known.
func explain(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("link %s: %w; ovsnet needs CAP_NET_ADMIN", name, err)
	default:
		return fmt.Errorf("link %s: %w", name, err)
	}
}

// checkName holds a name to what the kernel takes (dev_valid_name).
func checkName(name string) error {
	if name == "" || len(name) >= unix.IFNAMSIZ || name == "." || name == ".." {
		return fmt.Errorf("%q is not a link's name of 1 to 15 bytes", name)
	}
	for _, b := range []byte(name) {
		if b == '/' || b == ':' || b <= ' ' || b == 0x7f {
			return fmt.Errorf("%q is not a link's name: it has a space, a slash, a colon or a control character in it", name)
		}
	}
	return nil
}

// get looks a link up by its name; nil if there is none. The kernel also finds
// it by an alternative name, under which nothing can be made or taken for ours.
func (c *conn) get(name string) (netlink.Link, error) {
	k, err := c.LinkByName(name)
	if gone(err) {
		return nil, nil //nolint:nilnil // absence is an answer here
	}
	if err != nil {
		return nil, err
	}
	if k.Attrs().Name != name {
		return nil, fmt.Errorf("%w: it is another name of %s", ErrTaken, k.Attrs().Name)
	}
	return k, nil
}

// gone tells whether an error says that a link does not exist (any more).
func gone(err error) bool {
	var notFound netlink.LinkNotFoundError //nolint:forbidigo // a type, no call
	return errors.As(err, &notFound) || errors.Is(err, unix.ENODEV)
}

// Index returns the interface index of a link, and whether it exists.
func (l *Links) Index(ctx context.Context, name string) (int, bool, error) {
	var index int
	err := l.do(ctx, func(c *conn) error {
		k, err := c.get(name)
		if err == nil && k != nil {
			index = k.Attrs().Index
		}
		return err
	})
	return index, index != 0, explain(name, err)
}

// names are locks by name.
type names struct {
	mu   sync.Mutex
	held map[string]chan struct{} // closed when the name is free
}

func (n *names) lock(ctx context.Context, name string) (unlock func(), err error) {
	mine := make(chan struct{})
	for {
		n.mu.Lock()
		theirs, held := n.held[name]
		if !held {
			n.held[name] = mine
		}
		n.mu.Unlock()
		if !held {
			return func() {
				n.mu.Lock()
				delete(n.held, name)
				n.mu.Unlock()
				close(mine)
			}, nil
		}
		select {
		case <-theirs:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
