// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// halt has a program that was built with the race detector end at the first race: what comes after it proves nothing.
const halt = "GORACE=halt_on_error=1"

// reportLines bounds what is shown of a log from a data race on.
const reportLines = 120

// Races is what the race detector has reported of the host's programs so far, and of the managed plugin in the engine's
// log. They have the detector in them where the tests have it (go test -race).
func (h *Host) Races(tb testing.TB) string {
	tb.Helper()
	var all strings.Builder
	for _, d := range h.daemons() {
		if d.done == nil {
			continue
		}
		log, err := os.ReadFile(d.log())
		if err != nil {
			tb.Errorf("host %s: the race detector's reports: %v", h.Name, err)
		}
		all.WriteString(raceReport(string(log)))
	}
	return all.String()
}

// raceReport is the part of a log that begins with the first data race; empty where there is none.
func raceReport(log string) string {
	begin := strings.Index(log, "WARNING: DATA RACE")
	if begin < 0 {
		return ""
	}
	report := log[begin:]
	for lines, end := 0, 0; ; lines++ {
		next := strings.IndexByte(report[end:], '\n')
		if next < 0 {
			return report + "\n"
		}
		if end += next + 1; lines == reportLines {
			return report[:end]
		}
	}
}

// haltPlugin puts halt into the environment that the managed plugin's configuration gives it.
func haltPlugin(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	config := Map{}
	if err = json.Unmarshal(text, &config); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	env, _ := config["env"].([]any)
	name, value, _ := strings.Cut(halt, "=")
	config["env"] = append(env, Map{"name": name, "description": "Settings of the race detector", "settable": []string{}, "value": value})
	if text, err = json.Marshal(config); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
