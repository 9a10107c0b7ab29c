// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"time"

	"github.com/ovsnet/ovsnet/flows"
)

// FlowStats is a flow as it stands in the switch.
type FlowStats struct {
	flows.Flow
	// Unknown says that the flow matches on more than package flows has fields
	// for: Match holds the rest, and the flow's Key is not the switch's.
	Unknown  bool
	Packets  uint64
	Bytes    uint64
	Duration time.Duration // since the flow was added
	Idle     time.Duration // since its last packet, or since it was added; whole seconds
}

// OXS fields (OpenFlow 1.5.1, 7.2.4.2).
const (
	statDuration = 0
	statIdle     = 1
	statPackets  = 4
	statBytes    = 5
)

// appendFlowRequest appends the body of an OFPMP_FLOW_DESC request.
func appendFlowRequest(b []byte, cookie, mask uint64) []byte {
	b = append(b, flows.TableAny, 0, 0, 0)
	b = pad(be32(be32(b, flows.PortAny), groupAny), 4)
	return appendMatch(be64(be64(b, cookie), mask), nil)
}

// decodeFlowDesc splits one ofp_flow_desc (OpenFlow 1.5.1, 7.3.5.2) off b.
func decodeFlowDesc(b []byte) (FlowStats, []byte, error) {
	const what = "flow description"
	entry, rest, err := tlv(what, b, 0, 32)
	if err != nil {
		return FlowStats{}, nil, err
	}
	s := FlowStats{Flow: flows.Flow{
		Table: entry[4], Priority: get16(entry[6:]), IdleTimeout: get16(entry[8:]), HardTimeout: get16(entry[10:]),
		Cookie: get64(entry[16:]),
	}}
	var body []byte
	if s.Match, s.Unknown, body, err = decodeMatch(entry[24:]); err != nil {
		return FlowStats{}, nil, err
	}
	if body, err = s.decodeStats(body); err != nil {
		return FlowStats{}, nil, err
	}
	if s.Actions, err = decodeInstructions(body); err != nil {
		return FlowStats{}, nil, err
	}
	return s, rest, nil
}

// decodeStats splits an ofp_stats with its padding off b.
func (s *FlowStats) decodeStats(b []byte) ([]byte, error) {
	const what = "flow statistics"
	stats, _, err := tlv(what, b, 2, 4)
	if err != nil {
		return nil, err
	}
	padded := roundUp8(len(stats))
	if padded > len(b) {
		return nil, malformed(what, "no padding")
	}
	for fields := stats[4:]; len(fields) > 0; {
		var h oxm
		var value []byte
		if h, value, _, fields, err = oxmTLV(what, fields); err != nil {
			return nil, err
		}
		if h.class() != classStats || len(value) != 8 {
			continue
		}
		switch h.field() {
		case statDuration:
			s.Duration = time.Duration(get32(value))*time.Second + time.Duration(get32(value[4:]))
		case statIdle:
			s.Idle = time.Duration(get32(value))*time.Second + time.Duration(get32(value[4:]))
		case statPackets:
			s.Packets = get64(value)
		case statBytes:
			s.Bytes = get64(value)
		}
	}
	return b[padded:], nil
}
