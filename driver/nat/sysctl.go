// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// sysctls reads and writes below the host's /proc/sys.
type sysctls struct{ root string }

// get gives a sysctl's value. A sysctl, or link, that is not there gives fs.ErrNotExist.
func (s sysctls) get(key ...string) (string, error) {
	b, err := os.ReadFile(s.path(key))
	if err != nil {
		return "", fmt.Errorf("sysctl: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// is tells whether a sysctl has a value; one that is missing has none.
func (s sysctls) is(value string, key ...string) bool {
	v, err := s.get(key...)
	return err == nil && v == value
}

// set writes a sysctl.
func (s sysctls) set(value string, key ...string) error {
	err := os.WriteFile(s.path(key), []byte(value), 0o644)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, errReadOnly) {
		return fmt.Errorf("sysctl: %w; give ovsnet the host's /proc/sys to write to (proc_sys)", err)
	}
	if err != nil {
		return fmt.Errorf("sysctl: %w", err)
	}
	return nil
}

// links gives the links that have sysctls in a family, "ipv4" or "ipv6".
func (s sysctls) links(family string) []string {
	entries, err := os.ReadDir(s.path([]string{"net", family, "conf"}))
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if n := e.Name(); n != "all" && n != "default" && n != "lo" {
			out = append(out, n)
		}
	}
	return out
}

func (s sysctls) path(key []string) string {
	return filepath.Join(append([]string{s.root}, key...)...)
}

// name is a sysctl as sysctl(8) writes it, for the log.
func name(key ...string) string { return strings.Join(key, ".") }
