// SPDX-License-Identifier: Apache-2.0

//go:build race

package integration_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/ovsnet/ovsnet/integration"
)

// racer is a program with a data race, and halts as the driver would.
const racer = "RACER"

// TestRacesAreSeen: a data race in a program of a host ends the program, and is told of with both places.
func TestRacesAreSeen(t *testing.T) {
	if os.Getenv(racer) != "" {
		race()
		return
	}
	t.Setenv(racer, "1")
	t.Setenv("GORACE", "halt_on_error=1")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h := integration.NewLab(t).HostWith(t, "racer", integration.HostOptions{NoDocker: true, NoOVS: true})
	if report := h.Races(t); report != "" {
		t.Fatalf("nothing has begun, and there is a report:\n%s", report)
	}
	h.StartProgram(t, program+" -test.run=^TestRacesAreSeen$ -test.v")
	const log = "/run/log/program1.log"
	soon(t, func() error {
		if report := h.Races(t); !strings.Contains(report, "integration_test.race") || !strings.Contains(report, "Previous write") {
			return errors.New("no report yet: " + report)
		}
		return nil
	})
	if text := h.ReadFile(t, log); strings.Contains(text, "outlived") {
		t.Errorf("the program went on after its race:\n%s", text)
	}
	h.Run(t, "truncate --size=0", log) // at the host's end it would be this test's failure
}

// race writes from two goroutines.
func race() {
	var wg sync.WaitGroup
	n := 0
	for range 2 {
		wg.Go(func() { n++ })
	}
	wg.Wait()
	fmt.Fprintln(os.Stdout, "outlived", n)
}
