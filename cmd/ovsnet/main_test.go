// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// TestMain: no command leaves a goroutine behind, but for the process's one of signal.Notify.
func TestMain(m *testing.M) {
	// ovstest keeps one goroutine for all its processes; it starts with the first.
	first := exec.Command("true")
	err := ovstest.StartTied(first)
	if err == nil {
		err = first.Wait()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the program true does not run:", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent(), goleak.IgnoreTopFunction("os/signal.signal_recv"))
}
