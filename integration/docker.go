// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// Docker runs the docker command against the host's engine; the test ends when
// it fails.
func (h *Host) Docker(tb testing.TB, line string, args ...string) string {
	tb.Helper()
	return must(tb, dockerArgs(line, args), h.dockerEnv())
}

// TryDocker is Docker for a command that may fail; the error has its output.
func (h *Host) TryDocker(line string, args ...string) (string, error) {
	return output(dockerArgs(line, args), h.dockerEnv())
}

func dockerArgs(line string, args []string) []string {
	return append(append([]string{client()}, strings.Fields(line)...), args...)
}

// client is the docker command that was packaged with the engine, if there is
// one: a newer one refuses some options where the engine is older.
var client = sync.OnceValue(func() string {
	const packaged = "/usr/bin/docker"
	if _, err := os.Stat(packaged); err == nil {
		return packaged
	}
	return "docker"
})

// dockerEnv keeps the machine's engine and the user's settings out of it.
func (h *Host) dockerEnv() []string {
	return []string{
		"DOCKER_HOST=unix://" + h.Path("/run/docker.sock"), "DOCKER_CONFIG=" + h.Path("/run/docker-config"),
		"DOCKER_CONTEXT=", "DOCKER_BUILDKIT=0",
	}
}

// Container starts a container of the test image, and returns when it runs;
// args are options of docker run.
func (h *Host) Container(tb testing.TB, name string, args ...string) {
	tb.Helper()
	h.Docker(tb, "run --detach --name", append([]string{name, "--hostname", name}, append(args, Image)...)...)
}

// Exec runs a command in a container; the test ends when it fails.
func (h *Host) Exec(tb testing.TB, container, line string, args ...string) string {
	tb.Helper()
	return h.Docker(tb, "exec "+container+" "+line, args...)
}

// TryExec is Exec for a command that may fail.
func (h *Host) TryExec(container, line string, args ...string) (string, error) {
	return h.TryDocker("exec "+container+" "+line, args...)
}

// StartDocker starts the engine and waits until it answers; what it stored
// before is there again.
func (h *Host) StartDocker(tb testing.TB) {
	tb.Helper()
	h.launch(tb, &h.dockerd)
	h.awaitDocker(tb)
	if _, err := h.TryDocker("image inspect", Image); err != nil {
		h.importImage(tb)
	}
}

// StopDocker ends the engine as its service does (SIGTERM): containers stop.
func (h *Host) StopDocker(tb testing.TB) { tb.Helper(); h.stop(tb, &h.dockerd, syscall.SIGTERM) }

// KillDocker ends the engine with SIGKILL, and waits for its containerd, which
// the kernel ends then; an engine that still finds it there takes it for its own.
func (h *Host) KillDocker(tb testing.TB) {
	tb.Helper()
	h.stop(tb, &h.dockerd, syscall.SIGKILL)
	h.containerdEnds(tb)
}

func (h *Host) containerdEnds(tb testing.TB) {
	tb.Helper()
	err := ovstest.Poll(30*time.Second, func() error {
		if out, err := h.Try("ps -o pid= -C containerd"); err == nil {
			return fmt.Errorf("containerd still runs: %s", out)
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// DockerLog is the engine's log, which has the managed plugin's output too.
func (h *Host) DockerLog(tb testing.TB) string {
	tb.Helper()
	text, err := os.ReadFile(h.dockerd.log())
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

// gaveUp is what an engine says that ends because its containerd did not answer
// within 15 seconds, which an emulated machine may not have done by then. Docker's
// service starts it again (Restart=always).
const gaveUp = "timeout waiting for containerd to start"

func (h *Host) awaitDocker(tb testing.TB) {
	tb.Helper()
	err := h.serves(&h.dockerd, h.dockerAnswers())
	for range 2 {
		if !errors.Is(err, ovstest.ErrHopeless) || !strings.Contains(h.dockerd.tail(1), gaveUp) {
			break
		}
		h.containerdEnds(tb)
		h.launch(tb, &h.dockerd)
		err = h.serves(&h.dockerd, h.dockerAnswers())
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// dockerAnswers asks the engine for a sign of life.
func (h *Host) dockerAnswers() func() error {
	client := http.Client{Timeout: ovstest.Limit(5 * time.Second), Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", h.Path("/run/docker.sock"))
		},
	}}
	return func() error {
		q, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://docker/_ping", http.NoBody)
		if err != nil {
			return err
		}
		r, err := client.Do(q)
		if err != nil {
			return err
		}
		defer r.Body.Close() //nolint:errcheck // nothing is read
		if r.StatusCode != http.StatusOK {
			return fmt.Errorf("ping: %s", r.Status)
		}
		return nil
	}
}
