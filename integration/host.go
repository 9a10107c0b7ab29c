// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// patience bounds every command on a host.
var patience = ovstest.Limit(2 * time.Minute)

// Host is one machine of the lab. Its commands take a line that is split at
// blanks, and more arguments that are taken as they are; they return the
// output without the last newline.
type Host struct {
	Name string
	// IPv4 and IPv6 are the host's addresses on the LAN that it joined.
	IPv4, IPv6 string

	pid                              int // of the host's init, as the machine sees it
	ovsdb, vswitchd, dockerd, ovsnet daemon
	programs                         []*daemon
	groups                           []string // control groups of the host
}

// Path is where the machine finds a file of the host.
func (h *Host) Path(name string) string {
	return fmt.Sprintf("/proc/%d/root%s", h.pid, name)
}

// NetNS is the path of the host's network namespace.
func (h *Host) NetNS() string { return fmt.Sprintf("/proc/%d/ns/net", h.pid) }

// Run runs a command on the host; the test ends when it fails.
func (h *Host) Run(tb testing.TB, line string, args ...string) string {
	tb.Helper()
	return must(tb, h.enter(line, args), nil)
}

// Try is Run for a command that may fail; the error has its output.
func (h *Host) Try(line string, args ...string) (string, error) {
	return output(h.enter(line, args), nil)
}

// enter is the command line of a command on the host.
func (h *Host) enter(line string, args []string) []string {
	enter := []string{"nsenter", "--target=" + strconv.Itoa(h.pid), "--net", "--mount", "--pid", "--uts", "--"}
	return append(append(enter, strings.Fields(line)...), args...)
}

// ReadFile is the text of a file of the host.
func (h *Host) ReadFile(tb testing.TB, name string) string {
	tb.Helper()
	text, err := os.ReadFile(h.Path(name))
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

func must(tb testing.TB, args, env []string) string {
	tb.Helper()
	out, err := output(args, env)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func output(args, env []string) (string, error) {
	return feed(nil, args, env)
}

// feed runs a command with an input and returns its standard output.
func feed(in *bytes.Buffer, args, env []string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(plainEnv(), env...)
	var stdout, stderr bytes.Buffer
	if in != nil {
		cmd.Stdin = in
	}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 5 * time.Second // a grandchild may hold the output open
	err := ovstest.StartTied(cmd)   // a test that is killed takes its commands with it
	if err == nil {
		err = cmd.Wait()
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("%w after %v", ctx.Err(), patience)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()+stdout.String()))
	}
	return strings.TrimRight(stdout.String(), "\n"), err
}

// Command runs a command on the machine; the error has its output.
func Command(line string, args ...string) (string, error) {
	return output(append(strings.Fields(line), args...), nil)
}
