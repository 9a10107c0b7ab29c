// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestOutlive(t *testing.T) {
	const by = time.Second
	for name, tt := range map[string]struct {
		limit, gone time.Duration // of the context and until its caller gives up; 0 is never
		late        time.Duration // how long after its begin it is outlived
		want        time.Duration
	}{
		"its time is over":         {limit: 25 * time.Second, want: 26 * time.Second},
		"the caller gives up":      {limit: 25 * time.Second, gone: 3 * time.Second, want: 4 * time.Second},
		"nobody limits it":         {gone: 3 * time.Second, want: 4 * time.Second},
		"its time was over":        {limit: 2 * time.Second, late: 5 * time.Second, want: 6 * time.Second},
		"the caller had given up":  {limit: 25 * time.Second, gone: 2 * time.Second, late: 5 * time.Second, want: 6 * time.Second},
		"both, and its time first": {limit: 2 * time.Second, gone: 3 * time.Second, want: 3 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.limit > 0 {
					ctx, cancel = context.WithTimeout(ctx, tt.limit)
					defer cancel()
				}
				if tt.gone > 0 {
					time.AfterFunc(tt.gone, cancel)
				}
				<-time.After(tt.late)
				longer, end := outlive(ctx, by)
				defer end()
				<-longer.Done()
				if took := time.Since(begin); took != tt.want {
					t.Errorf("ends after %v, want %v", took, tt.want)
				}
			})
		})
	}
	longer, end := outlive(t.Context(), by)
	end()
	if longer.Err() == nil {
		t.Error("it goes on after its end")
	}
}
