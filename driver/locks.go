// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"fmt"
	"sync"
)

// keyedLocks lets one verb at a time work on an object, so that a call that Docker repeats waits for the first.
// Locks are taken network before endpoint, and never while Driver.mu is held.
type keyedLocks struct {
	mu   sync.Mutex
	held map[string]*keyedLock
}

type keyedLock struct {
	token chan struct{} // holds one token while the lock is free
	users int
}

// lock waits for the lock of key; the caller calls what it returns when done.
func (k *keyedLocks) lock(ctx context.Context, key string) (unlock func(), err error) {
	l, leave := k.enter(key)
	select {
	case <-l.token:
		return func() { l.token <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, fmt.Errorf("%s: another call is still at work on it: %w", key, ctx.Err())
	}
}

// enter counts the caller among the users of key's lock, until it calls leave.
func (k *keyedLocks) enter(key string) (l *keyedLock, leave func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held == nil {
		k.held = map[string]*keyedLock{}
	}
	l = k.held[key]
	if l == nil {
		l = &keyedLock{token: make(chan struct{}, 1)}
		l.token <- struct{}{}
		k.held[key] = l
	}
	l.users++
	return l, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(k.held, key)
		}
	}
}

// try takes the lock of key if nobody holds it.
func (k *keyedLocks) try(key string) (unlock func(), ok bool) {
	l, leave := k.enter(key)
	select {
	case <-l.token:
		return func() { l.token <- struct{}{}; leave() }, true
	default:
		leave()
		return nil, false
	}
}

// free says whether nobody holds the lock of key.
func (k *keyedLocks) free(key string) bool {
	unlock, ok := k.try(key)
	if ok {
		unlock()
	}
	return ok
}
