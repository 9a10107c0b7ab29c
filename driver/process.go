// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"os"
	"runtime"
	"runtime/metrics"
)

// ProcessStatus tells what the process holds: numbers that stay where they are however many calls come.
type ProcessStatus struct {
	Goroutines int `json:"goroutines"`
	// HeapBytes is what objects take, those that nobody needs any more and that are not yet swept among them.
	HeapBytes uint64 `json:"heap_bytes"`
	// OpenFiles are the file descriptors; -1 if the kernel does not tell.
	OpenFiles int `json:"open_files"`
}

func processStatus() ProcessStatus {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	p := ProcessStatus{Goroutines: runtime.NumGoroutine(), HeapBytes: heap[0].Value.Uint64(), OpenFiles: -1}
	if dir, err := os.Open("/proc/self/fd"); err == nil {
		if names, err := dir.Readdirnames(-1); err == nil {
			p.OpenFiles = len(names) - 1 // but for dir's own
		}
		_ = dir.Close() // read only
	}
	return p
}
