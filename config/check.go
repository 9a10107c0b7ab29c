// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// The values that the datapath key takes.
const (
	// DatapathAuto takes the kernel's datapath where the host has it, else the userspace one.
	DatapathAuto = "auto"
	// DatapathSystem is the kernel's datapath.
	DatapathSystem = "system"
	// DatapathNetdev is ovs-vswitchd's own, in userspace.
	DatapathNetdev = "netdev"
)

// The sizes of packet, in bytes, that a network can have.
const (
	// MinMTU is the smallest packet that every IPv4 host must forward (RFC 791).
	MinMTU = 68
	// MinMTU6 is the smallest MTU that IPv6 works on (RFC 8200, section 5).
	MinMTU6 = 1280
	// MaxMTU is the largest size that an IPv4 packet has a length field for.
	MaxMTU = 65535
)

// maxName is the longest name that Linux gives a network interface: IFNAMSIZ less the closing zero.
const maxName = 15

// checkLinkName holds a name to what both Linux and Open vSwitch take, and keeps it out of the names that
// already mean something under /proc/sys/net or to Open vSwitch.
func checkLinkName(s string) error {
	if err := checkNameBytes(s, maxName); err != nil {
		return err
	}
	switch s {
	case "all", "default", "lo", "ovs-system", "ovs-netdev":
		return &wrong{"is a name that the system keeps for itself", "choose another"}
	}
	return nil
}

// checkNameBytes holds a name to 1..longest bytes of A-Z a-z 0-9 . _ - that do not start with a dash and are
// no folder's own name.
func checkNameBytes(s string, longest int) error {
	switch {
	case s == "":
		return &wrong{"is empty", "give a name, or leave the option out"}
	case len(s) > longest:
		return &wrong{
			fmt.Sprintf("is %d bytes long and may have at most %d", len(s), longest), "choose a shorter one",
		}
	case s[0] == '-':
		return &wrong{"starts with a dash", "choose a name that starts with a letter or a digit"}
	case s == "." || s == "..":
		return &wrong{"is no name", "choose one of letters and digits"}
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return &wrong{fmt.Sprintf("holds the byte %q", s[i:i+1]), "use letters, digits, dot, dash, underscore"}
		}
	}
	return nil
}

// checkPrefix holds the first part of an interface's name to what leaves room for the number behind it.
func checkPrefix(s string) error {
	const room = 3
	if err := checkNameBytes(s, maxName-room); err != nil {
		return err
	}
	if c := s[len(s)-1]; c >= '0' && c <= '9' {
		return &wrong{"ends in a digit, so that its interfaces' numbers could not be told", "leave the digit out"}
	}
	return nil
}

// parseMTU reads a number of bytes.
func parseMTU(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || strconv.Itoa(n) != s {
		return 0, &wrong{"is not a number of bytes", fmt.Sprintf("give %d to %d", MinMTU, MaxMTU)}
	}
	return n, checkMTU(n)
}

// checkMTU holds an MTU to what a packet can have.
func checkMTU(n int) error {
	if n < MinMTU || n > MaxMTU {
		return &wrong{"is outside what a packet can have", fmt.Sprintf("give %d to %d bytes", MinMTU, MaxMTU)}
	}
	return nil
}

// boolType is how a truth value is shown in the tables.
const boolType = "true | false"

// parseRate reads a number of frames a second.
func parseRate(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, &wrong{"is not a number of frames a second", "give 0 (no limit) to 2147483647"}
	}
	return uint32(n), nil
}

// checkOneOf holds a value to a few words.
func checkOneOf(s string, words ...string) error {
	if contains(words, s) {
		return nil
	}
	return &wrong{"is none of its values", "give one of " + strings.Join(words, ", ")}
}

// checkPath holds a path to one that means the same in every working directory.
func checkPath(s string) error {
	if !filepath.IsAbs(s) || strings.ContainsRune(s, 0) {
		return &wrong{"is not an absolute path", "write it from / on"}
	}
	return nil
}

// maxSocketPath is the longest path that a unix socket's address holds on Linux (unix(7)).
const maxSocketPath = 107

// checkSocket holds a path to one that a unix socket can have. Empty is no socket.
func checkSocket(s string) error {
	if s == "" {
		return nil
	}
	if err := checkPath(s); err != nil {
		return err
	}
	if len(s) > maxSocketPath {
		return &wrong{
			fmt.Sprintf("is %d bytes long; a unix socket's path has at most %d", len(s), maxSocketPath),
			"choose a shorter one",
		}
	}
	return nil
}
