// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Environment variables that choose the engine of every host: the folder of its
// programs, as scripts/engines.sh makes it, and more arguments for dockerd.
const (
	engineVariable  = "OVSNET_ENGINE"
	dockerdVariable = "OVSNET_DOCKERD"
)

// otherEngine puts the engine that the environment chooses in the place of the
// packaged one.
func (h *Host) otherEngine(o HostOptions) {
	if dir := os.Getenv(engineVariable); dir != "" {
		h.dockerd.line = dir + "/" + h.dockerd.line
		// The client that is packaged here speaks an older API than new engines take on their own.
		h.dockerd.env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "DOCKER_MIN_API_VERSION=1.24"}
	}
	h.dockerd.args = append(strings.Fields(os.Getenv(dockerdVariable)), o.Dockerd...)
}

// DockerNFT tells whether engines keep their firewall with nftables themselves
// (since 29, --firewall-backend=nftables). They have no chain DOCKER-USER then.
func DockerNFT() bool {
	return slices.Contains(strings.Fields(os.Getenv(dockerdVariable)), "--firewall-backend=nftables")
}

// forward does what such an engine leaves to the operator: it lets the host forward.
func (h *Host) forward(tb testing.TB) {
	tb.Helper()
	if DockerNFT() {
		h.Run(tb, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
	}
}

// Engine is the first number of the engine's version: 20, 28.
func (h *Host) Engine(tb testing.TB) int {
	tb.Helper()
	version := h.Docker(tb, "version --format {{.Server.Version}}")
	major, err := strconv.Atoi(strings.SplitN(version, ".", 2)[0])
	if err != nil {
		tb.Fatalf("the engine's version: %q", version)
	}
	return major
}
