// SPDX-License-Identifier: Apache-2.0

package openflow

import "context"

const (
	typeSetConfig = 9  // OFPT_SET_CONFIG (OpenFlow 1.5.1, 7.3.2)
	typeSetAsync  = 28 // OFPT_SET_ASYNC (OpenFlow 1.5.1, 7.3.13)
)

// fragmentsMatch is OFPC_FRAG_NX_MATCH, an extension of Open vSwitch: "nx-match" of ovs-ofctl set-frags.
const fragmentsMatch = 3

// news are the kinds of it that a connection gets, by the properties of
// SET_ASYNC (ofp_async_config_prop_type) for all who are not slaves.
var news = []struct {
	property uint16
	reasons  uint32
}{
	{1, 0},              // OFPACPT_PACKET_IN_MASTER
	{3, 1 << portAdded}, // OFPACPT_PORT_STATUS_MASTER
	{5, 0},              // OFPACPT_FLOW_REMOVED_MASTER
	{7, 0},              // OFPACPT_ROLE_STATUS_MASTER
	{9, 0},              // OFPACPT_TABLE_STATUS_MASTER
	{11, 0},             // OFPACPT_REQUESTFORWARD_MASTER
}

// Configure makes the bridge show the ports and the ICMP type of a fragmented IP
// packet in its first fragment; by default Open vSwitch shows them as zero in
// all. That lasts until ovs-vswitchd ends.
//
// It also has came called for each port that the bridge gets from now on, as soon
// as it has it, until the next call of Configure. The caller is the connection's
// reader, to which no answer comes meanwhile: came must not wait. A nil came is
// told nothing. The error is a [RefusedError] where the switch refuses either.
func (c *Conn) Configure(ctx context.Context, came func(Port)) error {
	var failed error
	what := name("configuration")
	w := c.expect(3, func(i uint32, m message) bool {
		if m.kind == typeError && failed == nil {
			failed = refusal(what, m.body)
		}
		return i == 2 // the barrier's answer: the others have none
	})
	defer c.forget(w)
	c.came.Store(&came)
	b, err := appendConfiguration(nil, w.first)
	if err != nil {
		return err
	}
	if err = c.write(ctx, b); err != nil {
		return err
	}
	if err = c.wait(ctx, w); err != nil {
		return err
	}
	return failed
}

// appendConfiguration writes SET_CONFIG, SET_ASYNC and a barrier.
func appendConfiguration(b []byte, xid uint32) ([]byte, error) {
	start := len(b)
	b = appendHeader(b, typeSetConfig, xid)
	b = be16(be16(b, fragmentsMatch), 0) // no bytes of missed packets for us: we ask for none
	b, err := finish(b, start, name("set config").String)
	if err != nil {
		return nil, err
	}
	start = len(b)
	b = appendHeader(b, typeSetAsync, xid+1)
	for _, n := range news {
		b = be32(be16(be16(b, n.property), 8), n.reasons)
	}
	if b, err = finish(b, start, name("set async").String); err != nil {
		return nil, err
	}
	start = len(b)
	return finish(appendHeader(b, typeBarrierRequest, xid+2), start, name("barrier").String)
}
