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
func NeedTool(tb testing.TB, tool, debianPackage string) string {
	tb.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		Missing(tb, tool+" is not installed; apt-get install "+debianPackage)
	}
	return path
}

// NeedRoot ends the test unless it runs as root, like NeedTool.
func NeedRoot(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() != 0 {
		Missing(tb, "needs root; run with sudo")
	}
}

// Missing ends the test because the machine lacks something: a skip, or a
// failure when OVSNET_REQUIRE=all.
func Missing(tb testing.TB, what string) {
	tb.Helper()
	if os.Getenv("OVSNET_REQUIRE") == "all" {
		tb.Fatal(what)
	}
	tb.Skip(what)
}
