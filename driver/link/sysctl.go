// SPDX-License-Identifier: Apache-2.0

package link

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// sysctl is a setting under net.ipv6.conf.<link> (ip-sysctl in the kernel's documentation).
type sysctl struct{ key, value string }

var (
	// ipv6On: everything that must hold before the first address comes.
	ipv6On = []sysctl{
		{"accept_ra", "0"},     // the gateway is a router, not a host
		{"accept_dad", "0"},    // every host has the same gateway address
		{"addr_gen_mode", "1"}, // none: we add the link-local address ourselves, without detection
		{"disable_ipv6", "0"},
	}
	ipv6Off = []sysctl{{"disable_ipv6", "1"}}
)

// fixIPv6 turns IPv6 on or off on a link.
func (l *Links) fixIPv6(name string, on bool) error {
	dir := filepath.Join(l.proc, "net", "ipv6", "conf", name)
	set := ipv6Off
	if on {
		set = ipv6On
	}
	for _, s := range set {
		err := write(filepath.Join(dir, s.key), s.value)
		if errors.Is(err, fs.ErrNotExist) {
			if !on {
				return nil // no IPv6 to turn off
			}
			return fmt.Errorf("IPv6 is not available: %w; boot the kernel without ipv6.disable=1, or do without IPv6", err)
		}
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
			return fmt.Errorf("%w; give ovsnet a writable /proc/sys and name it in proc_sys", err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// write sets a sysctl unless it is set already.
func write(path, value string) error {
	b, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(b)) == value {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
