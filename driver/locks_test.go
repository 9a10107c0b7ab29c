// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"errors"
	"sync"
	"testing"
)

func TestLocksExclude(t *testing.T) {
	var k keyedLocks
	counters := map[string]*int{"a": new(int), "b": new(int)}
	var wg sync.WaitGroup
	for i := range 100 {
		key := []string{"a", "b"}[i%2]
		wg.Go(func() {
			unlock, err := k.lock(t.Context(), key)
			if err != nil {
				t.Error(err)
				return
			}
			defer unlock()
			*counters[key]++ // the race detector watches
		})
	}
	wg.Wait()
	if *counters["a"] != 50 || *counters["b"] != 50 {
		t.Errorf("got %d and %d", *counters["a"], *counters["b"])
	}
	if len(k.held) != 0 {
		t.Errorf("locks left: %v", k.held)
	}
}

func TestLockGivesUp(t *testing.T) {
	var k keyedLocks
	unlock, err := k.lock(t.Context(), "endpoint x")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := k.try("endpoint x"); ok {
		t.Error("try took a lock that is held")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.lock(ctx, "endpoint x"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	unlock()
	free, ok := k.try("endpoint x")
	if !ok {
		t.Fatal("try did not take a free lock")
	}
	free()
	if len(k.held) != 0 {
		t.Errorf("locks left: %v", k.held)
	}
}
