// SPDX-License-Identifier: Apache-2.0

package openflow

import "context"

// typeSetConfig is OFPT_SET_CONFIG (OpenFlow 1.5.1, 7.3.2).
const typeSetConfig = 9

// fragmentsMatch is OFPC_FRAG_NX_MATCH, an extension of Open vSwitch: "nx-match" of ovs-ofctl set-frags.
const fragmentsMatch = 3

// ShowFirstFragments makes the bridge show the ports and the ICMP type of a
// fragmented IP packet in its first fragment; by default Open vSwitch shows
// them as zero in all. The setting lasts until ovs-vswitchd ends.
func (c *Conn) ShowFirstFragments(ctx context.Context) error {
	var failed error
	what := name("set config")
	w := c.expect(2, func(i uint32, m message) bool {
		if m.kind == typeError && failed == nil {
			failed = refusal(what, m.body)
		}
		return i == 1 // the barrier's answer: SET_CONFIG itself has none
	})
	defer c.forget(w)
	b := appendHeader(nil, typeSetConfig, w.first)
	b = be16(be16(b, fragmentsMatch), 0) // no bytes of missed packets for us: we ask for none
	b, err := finish(b, 0, what.String)
	if err != nil {
		return err
	}
	start := len(b)
	if b, err = finish(appendHeader(b, typeBarrierRequest, w.first+1), start, what.String); err != nil {
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
