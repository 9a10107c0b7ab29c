// SPDX-License-Identifier: Apache-2.0

package openflow

import "github.com/ovsnet/ovsnet/flows"

// Commands and special numbers of a flow_mod (OpenFlow 1.5.1, 7.3.4.2).
const (
	flowAdd          = 0
	flowDeleteStrict = 4

	noBuffer = 0xffffffff
	groupAny = 0xffffffff
)

// appendFlowMod appends a flow_mod that adds f, replacing the flow with its key.
func appendFlowMod(b []byte, xid uint32, f flows.Flow) ([]byte, error) {
	start := len(b)
	b = appendFlowModHead(b, xid, f, flowAdd, f.Cookie, 0)
	b, err := appendInstructions(b, f.Actions)
	if err != nil {
		return b[:start], err
	}
	return finish(b, start, f.String)
}

// appendFlowDelete appends a flow_mod that deletes exactly the flow with f's
// key, if its cookie says that it is ovsnet's.
func appendFlowDelete(b []byte, xid uint32, f flows.Flow) ([]byte, error) {
	start := len(b)
	f.IdleTimeout, f.HardTimeout = 0, 0
	b = appendFlowModHead(b, xid, f, flowDeleteStrict, flows.CookieOwnerValue, flows.CookieOwnerMask)
	return finish(b, start, f.String)
}

func appendFlowModHead(b []byte, xid uint32, f flows.Flow, command byte, cookie, mask uint64) []byte {
	b = appendHeader(b, typeFlowMod, xid)
	b = be64(be64(b, cookie), mask)
	b = append(b, f.Table, command)
	b = be16(be16(be16(b, f.IdleTimeout), f.HardTimeout), f.Priority)
	b = be32(be32(be32(b, noBuffer), flows.PortAny), groupAny)
	b = be32(b, 0) // flags, importance
	return appendMatch(b, f.Match)
}
