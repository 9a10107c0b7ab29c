// SPDX-License-Identifier: Apache-2.0

package ovstest

import (
	"errors"
	"fmt"
	"time"
)

// ErrHopeless makes Poll give up at once when a condition's error wraps it.
var ErrHopeless = errors.New("hopeless")

// Poll asks the condition every few milliseconds until it returns nil; when it
// has not by the limit, Poll returns its last error.
func Poll(limit time.Duration, condition func() error) error {
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
