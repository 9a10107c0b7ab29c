// SPDX-License-Identifier: Apache-2.0

package ovstest

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

// ErrHopeless makes Poll give up at once when a condition's error wraps it.
var ErrHopeless = errors.New("hopeless")

// slowness is how many times longer than on an ordinary machine everything may
// take: OVSNET_SLOWNESS, which the emulated machine of "make kernel" sets.
var slowness = sync.OnceValue(func() int {
	n, err := strconv.Atoi(os.Getenv("OVSNET_SLOWNESS"))
	if err != nil || n < 1 {
		return 1
	}
	return n
})

// Limit is the time after which something has failed that an ordinary machine
// does in d at the latest.
func Limit(d time.Duration) time.Duration { return d * time.Duration(slowness()) }

// Poll asks the condition every few milliseconds until it returns nil; when it
// has not by the [Limit], Poll returns its last error.
func Poll(limit time.Duration, condition func() error) error {
	limit = Limit(limit)
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil || errors.Is(err, ErrHopeless) {
			return err
		}
		select {
		case <-deadline.C:
			return fmt.Errorf("still so after %v: %w", limit, err)
		case <-tick.C:
		}
	}
}
