// SPDX-License-Identifier: Apache-2.0

package driver

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ovsnet/ovsnet/flows"
	"github.com/ovsnet/ovsnet/flows/openflow"
)

func TestSightings(t *testing.T) {
	now := time.Unix(1e9, 0)
	four, six, other := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7"), netip.MustParseAddr("192.0.2.8")
	n := flows.Network{Tag: 1, ICC: true, Tunnel: &flows.Tunnel{Port: 9, Limit: 1, Idle: 1}}
	var have []openflow.FlowStats
	for i, a := range []netip.Addr{four, six, other} {
		c, err := flows.CompilePeer(flows.Peer{Tag: n.Tag, Tunnel: *n.Tunnel, ID: uint16(i) + 1, Addr: a})
		if err != nil {
			t.Fatal(err)
		}
		s := openflow.FlowStats{Flow: c.Flows[0], Duration: time.Hour, Idle: time.Hour}
		if a != other {
			s.Packets, s.Idle = 5, time.Duration(i+1)*10*time.Second
		}
		have = append(have, s)
	}
	have = append(have, openflow.FlowStats{Flow: flows.CompileBridge().Flows[0], Packets: 5})
	since := now.Add(-time.Hour)
	want := map[netip.Addr]sighting{four: {since, now.Add(-10 * time.Second)}, six: {since, now.Add(-20 * time.Second)}, other: {since: since}}
	if diff := cmp.Diff(want, sightings(have, now), cmp.AllowUnexported(sighting{}), compareAddr); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestPeerStates(t *testing.T) {
	now := time.Unix(1e9, 0)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	const long, short = 26 * time.Minute, 24 * time.Minute
	for _, c := range []struct {
		s    sighting
		want string
	}{
		{sighting{since: ago(long), last: ago(short)}, PeerUp},
		{sighting{since: ago(long), last: ago(long)}, PeerSilent},
		{sighting{since: ago(long)}, PeerSilent},
		{sighting{since: ago(short)}, PeerNew},
		{sighting{since: ago(short), last: now}, PeerUp},
	} {
		if got := c.s.state(now, 10*time.Minute); got != c.want {
			t.Errorf("%+v: %s, want %s", c.s, got, c.want)
		}
	}
}
