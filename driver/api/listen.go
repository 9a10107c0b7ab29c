// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/docker/go-connections/sockets"
	"golang.org/x/sys/unix"
)

// ErrRunning says that another process serves the socket.
var ErrRunning = errors.New("is in use")

// ownFolder is the name of the folder that nobody but ovsnet puts sockets into.
const ownFolder = "ovsnet"

// Listen makes the unix socket path, mode 0660, of the given group (a name or a
// number; empty leaves the process's own), and returns its listener, whose
// Close removes the socket. Missing folders are made. A socket left by a
// process that died is replaced; the error wraps ErrRunning if one is in use.
func Listen(path, group string) (net.Listener, error) {
	l, err := listen(path, group)
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	return l, nil
}

func listen(path, group string) (net.Listener, error) {
	opts := []sockets.SockOption{sockets.WithChmod(0o660)}
	if group != "" {
		gid, err := lookupGroup(group)
		if err != nil {
			return nil, err
		}
		opts = append(opts, sockets.WithChown(-1, gid))
	}
	_, err := os.Stat(filepath.Dir(path)) //nolint:gosec // the operator chose the path
	// Of several installations that share ovsnet's own folder, whichever leaves last takes it away.
	ownDir := errors.Is(err, fs.ErrNotExist) || filepath.Base(filepath.Dir(path)) == ownFolder
	if err = os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // the engine's own mode for it
		return nil, err
	}
	lock, err := takeLock(path + ".lock")
	if err != nil {
		return nil, err
	}
	if err = checkFree(path); err != nil {
		return nil, errors.Join(err, lock.release())
	}
	l, err := sockets.NewUnixSocketWithOpts(path, opts...)
	if err != nil {
		return nil, errors.Join(err, lock.release())
	}
	// The library removes by name; ours looks whether it is still our socket.
	if ul, ok := l.(*net.UnixListener); ok {
		ul.SetUnlinkOnClose(false)
	}
	made, err := os.Lstat(path) //nolint:gosec // the operator chose the path
	if err != nil {
		return nil, errors.Join(err, l.Close(), lock.release())
	}
	return &listener{Listener: l, path: path, made: made, lock: lock, ownDir: ownDir}, nil
}

// checkFree looks at what is at path. The lock keeps a second ovsnet away,
// but not another plugin that serves the same name.
func checkFree(path string) error {
	fi, err := os.Lstat(path) //nolint:gosec // the operator chose the path
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode().Type() != fs.ModeSocket {
		return errors.New("exists and is not a socket; remove it or choose another path")
	}
	c, err := net.Dial("unix", path) //nolint:noctx,gosec // a local socket answers at once; the operator chose the path
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		return nil // nobody listens any more
	}
	if err != nil {
		return fmt.Errorf("asking whether it is in use: %w", err)
	}
	return errors.Join(fmt.Errorf("%w by another program; stop it or choose another path", ErrRunning), c.Close())
}

// lookupGroup turns a group's name or number into its number.
func lookupGroup(group string) (int, error) {
	if gid, err := strconv.Atoi(group); err == nil && gid >= 0 {
		return gid, nil
	}
	if group == "root" {
		return 0, nil // there may be no /etc/group in a plugin's root
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return 0, fmt.Errorf("group %s: %w; make it with groupadd or name another", group, err)
	}
	return strconv.Atoi(g.Gid)
}

// listener removes its socket when it is closed.
type listener struct {
	net.Listener
	path string
	made fs.FileInfo
	lock *fileLock
	// ownDir says that the folder was not there before us, or is ovsnet's own.
	ownDir bool
	once   sync.Once
	err    error
}

// Close stops listening, removes the socket and lets the next process in.
func (l *listener) Close() error {
	l.once.Do(func() {
		var err error
		if fi, serr := os.Lstat(l.path); serr == nil && os.SameFile(fi, l.made) {
			err = os.Remove(l.path)
		}
		l.err = errors.Join(l.Listener.Close(), err, l.lock.release())
		if l.ownDir {
			_ = os.Remove(filepath.Dir(l.path)) // fails, as it should, where somebody put something beside it
		}
	})
	return l.err
}

// fileLock is an flock(2) on a file that exists only while it is held.
type fileLock struct{ f *os.File }

func takeLock(path string) (*fileLock, error) {
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600) //nolint:gosec // the path is configured
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("%w: ovsnet is running already (it holds %s); stop that one first, or give each an owner of its own (OVSNET_OWNER)", ErrRunning, path), f.Close())
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
		}
		// The holder before us may have removed the file between open and lock.
		mine, err1 := f.Stat()
		there, err2 := os.Lstat(path) //nolint:gosec // the operator chose the path
		if err1 == nil && err2 == nil && os.SameFile(mine, there) {
			return &fileLock{f}, nil
		}
		if err := errors.Join(err1, f.Close()); err != nil {
			return nil, err
		}
		if err2 != nil && !errors.Is(err2, fs.ErrNotExist) {
			return nil, err2
		}
	}
}

func (l *fileLock) release() error {
	return errors.Join(os.Remove(l.f.Name()), l.f.Close()) //nolint:gosec // the operator chose the path
}
