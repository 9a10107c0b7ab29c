// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// quiet is how long there must be no more news before changed is called: a flush or a restart of the engine is many.
// News that never end are waited for no longer than longest.
const (
	quiet   = 100 * time.Millisecond
	longest = 10 * quiet
)

// Watch calls changed whenever somebody else may have changed what we keep, so that the caller can Audit at once and
// not at the next round: a table, chain or rule of ours was deleted (nft flush ruleset), DOCKER-USER was made anew or
// lost a rule (a restart of the engine, iptables -F DOCKER-USER), firewalld was started, forwarding was turned on or off for the host. It
// returns when ctx ends. Changes by iptables-legacy are noticed within a second. Those of single elements make no news.
func (f *Firewall) Watch(ctx context.Context, changed func()) error {
	tables, err := listen(unix.NETLINK_NETFILTER, unix.NFNLGRP_NFTABLES)
	if err != nil {
		return fmt.Errorf("watching nftables: %w", err)
	}
	settings, err := listen(unix.NETLINK_ROUTE, unix.RTNLGRP_IPV4_NETCONF, unix.RTNLGRP_IPV6_NETCONF)
	if err != nil {
		return errors.Join(fmt.Errorf("watching sysctls: %w", err), tables.Close())
	}
	news := make(chan struct{}, 1)
	var readers sync.WaitGroup
	readers.Go(func() { read(tables, news, f.concernsTable) })
	readers.Go(func() { read(settings, news, concernsForwarding) })
	readers.Go(func() { f.watchLegacy(ctx, news) })
	stop := context.AfterFunc(ctx, func() {
		_ = tables.Close()
		_ = settings.Close()
	})
	defer func() {
		stop()
		_, _ = tables.Close(), settings.Close()
		readers.Wait()
	}()
	wait := time.NewTimer(quiet)
	wait.Stop()
	defer wait.Stop()
	var first time.Time // of the news that changed has not been called for
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-news:
			if first.IsZero() {
				first = time.Now()
			}
			wait.Reset(min(quiet, max(0, longest-time.Since(first))))
		case <-wait.C:
			first = time.Time{}
			changed()
		}
	}
}

// listen opens a netlink socket that hears some groups.
func listen(family int, groups ...int) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, family)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), "netlink") // #nosec G115 -- a descriptor is not negative
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, errors.Join(os.NewSyscallError("bind", err), f.Close())
	}
	for _, g := range groups {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, g); err != nil {
			return nil, errors.Join(os.NewSyscallError("setsockopt", err), f.Close())
		}
	}
	return f, nil
}

// read passes on that there are news, until f is closed. News that were dropped may have been any.
func read(f *os.File, news chan<- struct{}, concerns func(kind uint16, body []byte) bool) {
	b := make([]byte, 1<<16)
	for {
		n, err := f.Read(b)
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case err != nil && !errors.Is(err, unix.ENOBUFS):
			return
		case err == nil && !anyMessage(b[:n], concerns):
			continue
		}
		tell(news)
	}
}

func tell(news chan<- struct{}) {
	select {
	case news <- struct{}{}:
	default: // somebody told already
	}
}

// anyMessage tells whether a message among those in b is of concern.
func anyMessage(b []byte, concerns func(kind uint16, body []byte) bool) bool {
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return false
		}
		if concerns(binary.NativeEndian.Uint16(b[4:]), b[unix.SizeofNlMsghdr:size]) {
			return true
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return false
}

// attributeType leaves out the flags that share an attribute's type field (NLA_TYPE_MASK).
const attributeType = 0x3fff

// newsHeader is the size of the header that both kinds of news begin with: struct nfgenmsg, and struct netconfmsg
// with what follows it to a full word.
const newsHeader = 4

// attribute finds an attribute of a message.
func attribute(b []byte, kind uint16) []byte {
	for b = b[min(newsHeader, len(b)):]; len(b) >= unix.SizeofNlAttr; {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofNlAttr || size > len(b) {
			return nil
		}
		if binary.NativeEndian.Uint16(b[2:])&attributeType == kind {
			return b[unix.SizeofNlAttr:size]
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return nil
}

func text(b []byte) string { return string(bytes.TrimRight(b, "\x00")) }

// concernsTable reads news of nftables.
func (f *Firewall) concernsTable(kind uint16, body []byte) bool {
	table, second := text(attribute(body, 1)), text(attribute(body, 2))
	switch kind &^ (unix.NFNL_SUBSYS_NFTABLES << 8) {
	case unix.NFT_MSG_NEWTABLE: // it was started, or loaded anew: what was set at run time may be gone
		return table == firewalldTable
	case unix.NFT_MSG_DELTABLE, unix.NFT_MSG_DELSET:
		return table == f.table.name
	case unix.NFT_MSG_DELRULE:
		return table == f.table.name || table == filterTable && second == dockerUser
	case unix.NFT_MSG_NEWCHAIN, unix.NFT_MSG_DELCHAIN:
		return kind&0xff == unix.NFT_MSG_DELCHAIN && table == f.table.name ||
			table == filterTable && text(attribute(body, unix.NFTA_CHAIN_NAME)) == dockerUser
	}
	return false
}

// netconfAll is the interface number that stands for the host's own switch.
const netconfAll = -1

// concernsForwarding reads news of sysctls.
func concernsForwarding(kind uint16, body []byte) bool {
	const link, forwarding = 1, 2 // NETCONFA_IFINDEX, NETCONFA_FORWARDING
	index := attribute(body, link)
	return kind == unix.RTM_NEWNETCONF && len(index) == 4 && int32(binary.NativeEndian.Uint32(index)) == netconfAll && // #nosec G115 -- it is a signed number
		attribute(body, forwarding) != nil
}
