// SPDX-License-Identifier: Apache-2.0

package ovstest

import (
	"os"
	"os/exec"
	"testing"
)

// NeedTool ends the test unless the program is on the PATH: a skip that names
// the Debian package, or a failure when OVSNET_REQUIRE=all. It returns the
// program's path.
func NeedTool(t testing.TB, tool, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		Missing(t, tool+" is not installed; apt-get install "+debianPackage)
	}
	return path
}

// NeedRoot ends the test unless it runs as root, like NeedTool.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "needs root; run with sudo")
	}
}

// Missing ends the test because the machine lacks something: a skip, or a
// failure when OVSNET_REQUIRE=all.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("OVSNET_REQUIRE") == "all" {
		t.Fatal(what)
	}
	t.Skip(what)
}
