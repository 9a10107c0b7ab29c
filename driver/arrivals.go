// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"sync"

	"github.com/ovsnet/ovsnet/ovsdb"
)

// arrivals wakes verbs as soon as a bridge says over OpenFlow that it has their port. The database says the same when
// ovs-vswitchd is done with everything that it does in one go, which is a good part of an attachment later.
type arrivals struct {
	mu      sync.Mutex
	waiting map[portOn]chan uint32
}

type portOn struct{ bridge, name string }

// await gives a channel that takes the number of the port once it has come, and a function that ends the waiting. One at a
// time waits for a port: its endpoint is locked.
func (a *arrivals) await(bridge, name string) (came <-chan uint32, forget func()) {
	at, number := portOn{bridge, name}, make(chan uint32, 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting == nil {
		a.waiting = map[portOn]chan uint32{}
	}
	a.waiting[at] = number
	return number, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.waiting, at)
	}
}

// tell says that a port has come.
func (a *arrivals) tell(bridge, name string, number uint32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case a.waiting[portOn{bridge, name}] <- number: // of nobody's channel this is never chosen
	default: // it came before, and went
	}
}

// commitPort makes a port and gives its number. It waits for the bridge to have it, or for the transaction, whichever tells
// first: the loop sees to what else may become of the latter.
func (l *loop) commitPort(ctx context.Context, announced func(), p ovsdb.Port) (uint32, error) {
	came, forget := l.arrivals.await(p.Bridge, p.Name)
	defer forget()
	c, err := l.submit(ctx, ovsdb.EnsurePort{Port: p})
	announced()
	if err != nil {
		return 0, err
	}
	for {
		select {
		case number := <-came:
			if c.parted.CompareAndSwap(false, true) {
				return number, nil
			}
		case err = <-c.done:
			if err != nil {
				return 0, err
			}
			return c.results[0].OFPort, nil
		case <-ctx.Done():
			return 0, waited("Open vSwitch", daemonsAnswer, ctx.Err())
		}
	}
}
