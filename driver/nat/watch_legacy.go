// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// legacyLook is how often iptables-legacy is looked at, whose changes the kernel does not tell of.
const legacyLook = time.Second

// tableInfo is struct ipt_getinfo, and ip6t_getinfo, of linux/netfilter_ipv4/ip_tables.h: the outline of a table, which
// differs when rules came or went.
type tableInfo struct {
	name              [32]byte
	hooks             uint32
	entry, underflow  [5]uint32
	entries, ruleSize uint32
}

// getTableInfo is IPT_SO_GET_INFO and IP6T_SO_GET_INFO.
const getTableInfo = 64

// filterInfo asks the kernel for the outline of the filter table of one family's iptables-legacy.
func filterInfo(v6 bool) (tableInfo, error) {
	domain, level := unix.AF_INET, unix.SOL_IP
	if v6 {
		domain, level = unix.AF_INET6, unix.SOL_IPV6
	}
	var info tableInfo
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return info, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	copy(info.name[:], filterTable)
	size := uint32(unsafe.Sizeof(info))
	_, _, no := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), getTableInfo, // #nosec G103 G115 -- the kernel fills in a fixed struct
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0) // #nosec G103 -- likewise
	if no != 0 {
		return info, os.NewSyscallError("getsockopt", no)
	}
	return info, nil
}

// legacyChain is what one iptables-legacy's DOCKER-USER was when it was last looked at.
type legacyChain struct {
	backend
	info  tableInfo
	rules []string
}

// look tells whether the chain has changed since the last time. Only a change of the table makes it read the rules.
func (c *legacyChain) look() (bool, error) {
	var info tableInfo
	if c.inUse() {
		var err error
		if info, err = filterInfo(c.v6); err != nil {
			return false, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	if info == c.info {
		return false, nil
	}
	var rules []string
	if info != (tableInfo{}) {
		var err error
		if rules, err = c.backend.rules(dockerUser); err != nil {
			return false, err
		}
	}
	changed := !slices.Equal(rules, c.rules)
	c.info, c.rules = info, rules
	return changed, nil
}

// watchLegacy makes news of changes to the chain DOCKER-USER by iptables-legacy, until ctx ends.
func (f *Firewall) watchLegacy(ctx context.Context, news chan<- struct{}) {
	var chains []*legacyChain
	for _, b := range f.backends {
		if b.legacy {
			chains = append(chains, &legacyChain{backend: b})
		}
	}
	if len(chains) == 0 {
		return
	}
	tick := time.NewTicker(legacyLook)
	defer tick.Stop()
	for {
		changed := false
		for _, c := range chains {
			differs, err := c.look()
			changed = changed || differs
			if err != nil {
				f.log.Debug("iptables-legacy could not be looked at", "err", err) // the audit says so if it stays so
			}
		}
		if changed {
			tell(news)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
