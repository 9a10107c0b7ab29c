// SPDX-License-Identifier: Apache-2.0

package link

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestDumpsAreInterrupted: links that come and go at every moment interrupt the kernel's dumps (NLM_F_DUMP_INTR). What is
// listed is whole all the same.
func TestDumpsAreInterrupted(t *testing.T) {
	const pairs = 150 // more than one message can hold
	s := newSpace(t)
	for i := range pairs {
		v := sample
		v.Name, v.Peer, v.Alias = fmt.Sprintf("h%d", i), fmt.Sprintf("p%d", i), fmt.Sprintf("ovsnet:o:n:%d", i)
		if err := s.EnsureVeth(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	churner, err := netlink.NewHandleAt(s.ns, unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer churner.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	var churn sync.WaitGroup
	defer churn.Wait()
	defer cancel()
	churn.Go(func() {
		for ctx.Err() == nil {
			k := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "churn"}, PeerName: "churn-peer"} //nolint:forbidigo // a type, no call
			if bad := errors.Join(churner.LinkAdd(k), churner.LinkDel(k)); bad != nil {
				t.Error(bad)
				return
			}
		}
	})
	// A dump without the retries shows that there is something to be held.
	raw, err := netlink.NewHandleAt(s.ns, unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	interrupted := 0
	for round := 0; round < 10 || interrupted == 0; round++ {
		if _, err := raw.LinkList(); errors.Is(err, netlink.ErrDumpInterrupted) {
			interrupted++
		}
		got, err := s.List(t.Context(), "ovsnet:o:")
		if err != nil || len(got) != pairs {
			t.Fatalf("%d of %d links listed, %v", len(got), pairs, err)
		}
		if ctx.Err() != nil {
			t.Fatal("no dump was interrupted")
		}
	}
	t.Logf("%d dumps were interrupted", interrupted)
}

// TestDumpGivesUp: a dump that is always interrupted is an error that says so, and ends with its context.
func TestDumpGivesUp(t *testing.T) {
	always := func() ([]int, error) { return []int{1}, netlink.ErrDumpInterrupted }
	if got, err := dump(t.Context(), always); !errors.Is(err, netlink.ErrDumpInterrupted) || !strings.Contains(err.Error(), "times") || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dump(ctx, always); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
