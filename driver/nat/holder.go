// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// holder says in words who has a port.
func holder(err error, proto uint8, at netip.AddrPort) string {
	var ours *inUse
	if errors.As(err, &ours) {
		return "the container with endpoint " + short(ours.by.owner)
	}
	if who := process(socketInode(proto, at)); who != "" {
		return who
	}
	return "another program on this host"
}

// listening is the state that /proc shows for a socket of TCP that takes connections.
const listening = "0A"

// socketInode finds the socket that stands in the way of a port; "" if it is not to be seen.
func socketInode(proto uint8, at netip.AddrPort) string {
	if proto == SCTP {
		return ""
	}
	for _, s := range []string{suffix(at.Addr()), "6"} { // a socket of IPv6 may hold IPv4's port too
		file := "/proc/thread-self/net/" + protoName(proto)
		if s == "6" {
			file += "6"
		}
		b, err := os.ReadFile(file) // #nosec G304 -- one of four files of /proc
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(b), "\n") {
			f := strings.Fields(line)
			if len(f) < 10 || proto == TCP && f[3] != listening {
				continue
			}
			if l, ok := procAddr(f[1]); ok && l.Port() == at.Port() && overlaps(l.Addr(), at.Addr()) {
				return f[9]
			}
		}
	}
	return ""
}

// procAddr reads an address of /proc/net/tcp: words of 32 bits in the host's order, and the port.
func procAddr(s string) (netip.AddrPort, bool) {
	a, p, ok := strings.Cut(s, ":")
	b, err := hex.DecodeString(a)
	port, perr := strconv.ParseUint(p, 16, 16)
	if !ok || err != nil || perr != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	addr, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), ok
}

// process names the program that has a socket, if it can be seen from here.
func process(inode string) string {
	if inode == "" || inode == "0" {
		return ""
	}
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err != nil || to != "socket:["+inode+"]" {
			continue
		}
		pid := strings.Split(fd, "/")[2]
		comm, err := os.ReadFile("/proc/" + pid + "/comm") // #nosec G304 -- a number between two parts of /proc
		if err != nil {
			return "process " + pid
		}
		return fmt.Sprintf("process %s (%s)", pid, strings.TrimSpace(string(comm)))
	}
	return ""
}
