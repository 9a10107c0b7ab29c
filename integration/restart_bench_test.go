// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration"
)

// restartTime is what a restart may take with restartCrowd endpoints, from the start of the process until all that there
// is has been compared and every verb is answered.
const (
	restartTime  = 2 * time.Second
	restartCrowd = 1000
)

// BenchmarkRestart is the time that a new process takes to be ready, on a switch with real ports.
func BenchmarkRestart(b *testing.B) {
	h, e, bridge := benchHost(b)
	for n := 0; n < restartCrowd; n += 250 {
		e.attachAll(b, n, n+250)
	}
	h.StopServe(b)
	before := h.Flows(b, bridge)
	var all, ours, theirs []time.Duration
	for range 5 {
		begun, busy := time.Now(), processorTime(b, h, "ovs-vswitchd")
		h.StartServe(b)
		soon(b, func() error { return compared(h) })
		all = append(all, time.Since(begun))
		ours = append(ours, processorTime(b, h, "ovsnet"))
		theirs = append(theirs, processorTime(b, h, "ovs-vswitchd")-busy)
		h.StopServe(b)
	}
	b.Logf("ready after %v; processors %v, the switch's %v", all, ours, theirs)
	if after := h.Flows(b, bridge); after != before {
		b.Error("a restart changed flows")
	}
	took := median(all)
	b.ReportMetric(float64(took.Milliseconds()), "restart-ms")
	b.ReportMetric(float64(median(ours).Milliseconds()), "processor-ms")
	b.ReportMetric(float64(median(theirs).Milliseconds()), "switch-processor-ms")
	b.ReportMetric(0, "ns/op")
	if took > restartTime {
		b.Errorf("ready after %v with %d endpoints", took, restartCrowd)
	}
}

// processorTime is what a program of the host's has had of the processors, in ticks of 10 ms (proc_pid_stat(5)).
func processorTime(tb testing.TB, h *integration.Host, program string) time.Duration {
	tb.Helper()
	text := h.Run(tb, "sh -c", "cat /proc/$(pidof "+program+")/stat")
	fields := strings.Fields(text[strings.LastIndex(text, ")")+1:])
	var ticks time.Duration
	const tick = 10 * time.Millisecond
	for _, f := range fields[11:13] { // of the user's and of the system's
		n, err := strconv.Atoi(f)
		if err != nil {
			tb.Fatalf("%q: %v", text, err)
		}
		ticks += time.Duration(n) * tick
	}
	return ticks
}

// compared is nil when an audit has come to its end, with nothing to repair.
func compared(h *integration.Host) error {
	var status struct {
		Audit struct {
			Last    time.Time
			Error   string
			Repairs map[string]int
		}
	}
	text, err := h.AskDaemon("/status")
	if err == nil {
		err = json.Unmarshal([]byte(text), &status)
	}
	switch a := status.Audit; {
	case err != nil:
		return err
	case a.Error != "":
		return errors.New(a.Error)
	case a.Last.IsZero():
		return errors.New("no audit yet")
	case len(a.Repairs) > 0:
		return errors.New("a restart changed something: " + text)
	}
	return nil
}
