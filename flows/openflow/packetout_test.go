// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"github.com/ovsnet/ovsnet/flows"
)

func TestPacketOut(t *testing.T) {
	t.Parallel()
	b := newBridge(t)
	file := filepath.Join(t.TempDir(), "out.pcap")
	b.sw.Ctl(t, "add-port", bridgeName, "p1", "--", "set", "Interface", "p1", "type=dummy", "ofport_request=7", "options:tx_pcap="+file)
	frame, actions := flows.Announcement(flows.Port{Network: flows.Network{Tag: 2}, MAC: mac(askerMAC)})
	ctx := testContext(t)

	err := b.PacketOut(ctx, flows.PortController, frame, actions...)
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Name != "OFPBAC_BAD_OUT_GROUP" {
		t.Errorf("into a group that is not there: %v", err)
	}
	if err = b.PacketOut(ctx, flows.PortController, frame, flows.Goto{Table: 1}); !errors.Is(err, flows.ErrInvalid) {
		t.Errorf("with goto: %v", err)
	}
	if err = b.PacketOut(ctx, flows.PortController, make([]byte, maxMessage), actions...); err == nil {
		t.Error("a frame that fits no message was sent")
	}
	var groups []GroupMod
	for _, a := range actions {
		g, ok := a.(flows.Group)
		if !ok {
			t.Fatalf("an unmarked port's announcement does %v", a)
		}
		groups = append(groups, GroupMod{Command: GroupAdd, Group: flows.GroupDesc{ID: g.ID}})
	}
	groups[2].Group.Buckets = []flows.Bucket{{ID: 1, Actions: []flows.Action{flows.Output{Port: 7}}}}
	if err = b.Apply(ctx, Update{Groups: groups}); err != nil {
		t.Fatal(err)
	}
	if err = b.PacketOut(ctx, flows.PortController, frame, actions...); err != nil {
		t.Fatal(err)
	}
	if got := firstFrame(t, file); !bytes.Equal(got, frame) {
		t.Errorf("sent %x, the switch let %x out", frame, got)
	}
	// As what comes in by a port, a frame is not sent back to it.
	if err = b.PacketOut(ctx, 7, frame, flows.Output{Port: 7}, flows.Output{Port: flows.PortLocal}); err != nil {
		t.Error(err)
	}
	if err = b.Close(); err != nil {
		t.Fatal(err)
	}
	if err = b.PacketOut(ctx, flows.PortController, frame, actions...); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
