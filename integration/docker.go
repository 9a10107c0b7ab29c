// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Docker runs the docker command against the host's engine; the test ends when
// it fails.
func (h *Host) Docker(t testing.TB, line string, args ...string) string {
	t.Helper()
	return must(t, dockerArgs(line, args), h.dockerEnv())
}

// TryDocker is Docker for a command that may fail; the error has its output.
func (h *Host) TryDocker(line string, args ...string) (string, error) {
	return output(dockerArgs(line, args), h.dockerEnv())
}

func dockerArgs(line string, args []string) []string {
	return append(append([]string{"docker"}, strings.Fields(line)...), args...)
}

// dockerEnv keeps the machine's engine and the user's settings out of it.
func (h *Host) dockerEnv() []string {
	return []string{
		"DOCKER_HOST=unix://" + h.Path("/run/docker.sock"), "DOCKER_CONFIG=" + h.Path("/run/docker-config"),
		"DOCKER_CONTEXT=", "DOCKER_BUILDKIT=0",
	}
}

// Container starts a container of the test image that does nothing, and
// returns when it runs; args are options of docker run.
func (h *Host) Container(t testing.TB, name string, args ...string) {
	t.Helper()
	h.Docker(t, "run --detach --name", append([]string{name, "--hostname", name}, append(args, Image)...)...)
}

// Exec runs a command in a container; the test ends when it fails.
func (h *Host) Exec(t testing.TB, container, line string, args ...string) string {
	t.Helper()
	return h.Docker(t, "exec "+container+" "+line, args...)
}

// TryExec is Exec for a command that may fail.
func (h *Host) TryExec(container, line string, args ...string) (string, error) {
	return h.TryDocker("exec "+container+" "+line, args...)
}

// StartDocker starts the engine and waits until it answers; what it stored
// before is there again.
func (h *Host) StartDocker(t testing.TB) {
	t.Helper()
	h.launch(t, &h.dockerd)
	h.awaitDocker(t)
	if _, err := h.TryDocker("image inspect", Image); err != nil {
		h.importImage(t)
	}
}

// StopDocker ends the engine as its service does (SIGTERM): containers stop.
func (h *Host) StopDocker(t testing.TB) { t.Helper(); h.stop(t, &h.dockerd, syscall.SIGTERM) }

// KillDocker ends the engine with SIGKILL.
func (h *Host) KillDocker(t testing.TB) { t.Helper(); h.stop(t, &h.dockerd, syscall.SIGKILL) }

// DockerLog is the engine's log, which has the managed plugin's output too.
func (h *Host) DockerLog(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(h.dockerd.log())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (h *Host) awaitDocker(t testing.TB) {
	t.Helper()
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", h.Path("/run/docker.sock"))
		},
	}}
	h.await(t, &h.dockerd, func() error {
		r, err := client.Get("http://docker/_ping")
		if err != nil {
			return err
		}
		defer r.Body.Close() //nolint:errcheck // nothing is read
		if r.StatusCode != http.StatusOK {
			return fmt.Errorf("ping: %s", r.Status)
		}
		return nil
	})
}
