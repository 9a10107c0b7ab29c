// SPDX-License-Identifier: Apache-2.0

package link

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// await returns when a link called name exists. It asks first; only if there
// is none does it subscribe to the kernel's news (RTNLGRP_LINK).
func (l *Links) await(ctx context.Context, name string) error {
	if there, err := l.exists(ctx, name); there || err != nil {
		return err
	}
	news, err := nl.SubscribeAt(netns.None(), netns.None(), unix.NETLINK_ROUTE, unix.RTNLGRP_LINK)
	if err != nil {
		return fmt.Errorf("subscribing to links: %w", err)
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { // ends a Receive under way
		news.Close()
		close(closed)
	})
	defer func() {
		if stop() {
			news.Close()
		} else {
			<-closed
		}
	}()
	for {
		// It may have come before we subscribed, or in news that were dropped.
		if there, err := l.exists(ctx, name); there || err != nil {
			return wait(ctx, err)
		}
		for {
			msgs, _, err := news.Receive()
			if errors.Is(err, unix.ENOBUFS) {
				break
			}
			if err != nil {
				return wait(ctx, fmt.Errorf("reading news of links: %w", err))
			}
			named := false
			for _, m := range msgs {
				named = named || m.Header.Type == unix.RTM_NEWLINK && nameIn(m.Data) == name
			}
			if named {
				break
			}
		}
	}
}

// wait says what we waited for if the wait ended because of ctx.
func wait(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("did not appear: %w; see the log of ovs-vswitchd", ctx.Err())
	}
	return err
}

func (l *Links) exists(ctx context.Context, name string) (bool, error) {
	there := false
	err := l.do(ctx, func(c *conn) error {
		k, err := c.get(name)
		there = k != nil
		return err
	})
	return there, err
}

// nameIn reads a link's name out of an RTM_NEWLINK message.
func nameIn(m []byte) string {
	name, _, _ := bytes.Cut(attrIn(m, unix.IFLA_IFNAME), []byte{0})
	return string(name)
}

// attrType leaves out the flags that share an attribute's type field (NLA_TYPE_MASK).
const attrType = 0x3fff

// attrIn finds an attribute in an RTM_NEWLINK message; nil if it has none such. The library's parser panics at a last
// attribute that is not padded.
func attrIn(m []byte, kind uint16) []byte {
	for b := m[min(unix.SizeofIfInfomsg, len(m)):]; len(b) >= unix.SizeofRtAttr; {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			return nil
		}
		if binary.NativeEndian.Uint16(b[2:])&attrType == kind {
			return b[unix.SizeofRtAttr:size]
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return nil
}
