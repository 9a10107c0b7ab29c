// SPDX-License-Identifier: Apache-2.0

package integration_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// emulated begins a command in the emulated machine of "make kernel", with as
// little memory as that needs. The command has the folder for what it puts
// aside, and lives for five minutes at the most.
func emulated(t *testing.T, temporary, limit string, command ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), ovstest.Limit(5*time.Minute))
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "scripts/kernel.sh", append([]string{"run"}, command...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary, "LIMIT="+limit, "MEMORY=1G")
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = time.Minute
	return cmd
}

// TestEmulatedMachine: what is run in the machine of "make kernel" has its kernel and the kernel's datapath; its output
// and its exit code come out, as it goes; and the machine ends with it, after its time and when its script is told to.
func TestEmulatedMachine(t *testing.T) {
	if line, err := os.ReadFile("/proc/cmdline"); err != nil {
		t.Fatal(err)
	} else if bytes.Contains(line, []byte(" kernel_out=")) {
		t.Skip("this is the emulated machine, and another in it would take hours to begin")
	}
	ovstest.NeedRoot(t)
	ovstest.NeedTool(t, "qemu-system-x86_64", "qemu-system-x86")
	t.Parallel()
	for _, c := range []struct {
		name, limit, then string
		// told ends the script as soon as the command has said that it is there.
		told           bool
		code           int
		stdout, stderr string
	}{
		{"a command that fails", "5m", "exit 7", false, 7, "is there", ""},
		// It may end before the command has begun.
		{"a command that takes too long", "15s", "sleep 1000", false, 1, "", "124 is the limit of 15s"},
		{"its script is told to end", "5m", "sleep 1000", true, 130, "is there", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			temporary := t.TempDir()
			cmd := emulated(t, temporary, c.limit, "sh", "-c", "grep -q kernel_out= /proc/cmdline && modprobe openvswitch && echo is there; "+c.then)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err = cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			lines := bufio.NewScanner(stdout)
			for lines.Scan() {
				fmt.Fprintln(&text, lines.Text())
				if c.told && strings.Contains(lines.Text(), "is there") {
					if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
						t.Error(err)
					}
				}
			}
			if err := lines.Err(); err != nil {
				t.Error(err)
			}
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != c.code {
				t.Errorf("%v, and not exit code %d", err, c.code)
			}
			want(t, "standard output", text.String(), c.stdout)
			want(t, "standard error", stderr.String(), c.stderr)
			if left, err := os.ReadDir(temporary); err != nil || len(left) != 0 {
				t.Errorf("it leaves %v, %v", left, err)
			}
			if t.Failed() {
				t.Logf("%s%s", text.String(), &stderr)
			}
		})
	}
}
