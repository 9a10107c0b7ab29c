// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"bytes"

	"github.com/ovsnet/ovsnet/flows"
)

// matchTypeOXM is OFPMT_OXM, the only match type there is.
const matchTypeOXM = 1

// appendMatch appends an ofp_match with its padding (OpenFlow 1.5.1, 7.2.3).
func appendMatch(b []byte, m flows.Match) []byte {
	start := len(b)
	b = be16(b, matchTypeOXM)
	b = be16(b, 0)
	tagged := false
	for _, fm := range m {
		tagged = tagged || fm.Field == flows.FieldVLANVID
		if fm.Field == flows.FieldVLANPCP && !tagged {
			b = be32(b, uint32(oxmVLANVID.withMask()))
			b = append(b, vlanPresent>>8, 0, vlanPresent>>8, 0)
		}
		b = appendOxm(b, fm)
	}
	setLen(b, start, start+2)
	return padTo8(b, start)
}

// decodeMatch splits an ofp_match with its padding off b. unknown says that it
// has fields beyond those of package flows, which are left out.
func decodeMatch(b []byte) (m flows.Match, unknown bool, rest []byte, err error) {
	const what = "match"
	body, _, err := tlv(what, b, 2, 4)
	if err != nil {
		return nil, false, nil, err
	}
	if kind := get16(body); kind != matchTypeOXM {
		return nil, false, nil, malformed(what, "type %d", kind)
	}
	padded := roundUp8(len(body))
	if padded > len(b) {
		return nil, false, nil, malformed(what, "no padding")
	}
	d := matchDecoder{fields: make([]flows.FieldMatch, 0, len(body)/8)}
	for fields := body[4:]; len(fields) > 0; {
		var h oxm
		var value, mask []byte
		if h, value, mask, fields, err = oxmTLV(what, fields); err != nil {
			return nil, false, nil, err
		}
		d.add(h, value, mask)
	}
	return d.match(), d.unknown, b[padded:], nil
}

type matchDecoder struct {
	fields  []flows.FieldMatch
	unknown bool
	// pcp and tagged: a priority implies a tag, which OpenFlow spells out.
	pcp, tagged bool
}

func (d *matchDecoder) add(h oxm, value, mask []byte) {
	switch {
	case h.isXReg():
		d.addPair(h, value, mask)
		return
	case h.vlanVID() && len(value) == 2:
		d.addVLAN(value, mask)
		return
	case h.inPortNXM() && len(value) == 2 && mask == nil:
		d.fields = append(d.fields, flows.U(flows.FieldInPort, widenPort(get16(value))))
		return
	}
	f, ok := fieldOf[h.unmasked()]
	if !ok || len(value) != f.Bytes() || f == flows.FieldVLANTCI || (mask != nil && !f.Maskable()) {
		d.unknown = true
		return
	}
	d.pcp = d.pcp || f == flows.FieldVLANPCP
	d.fields = append(d.fields, flows.Bytes(f, value, mask))
}

// addPair splits a 64-bit register into the two that it is made of.
func (d *matchDecoder) addPair(h oxm, value, mask []byte) {
	high := flows.FieldReg0 + flows.Field(2*h.field()) //nolint:gosec // field is below 8
	for i, f := range []flows.Field{high, high + 1} {
		var part []byte
		if mask != nil {
			part = mask[4*i : 4*i+4]
			if bytes.Equal(part, zeros[:4]) {
				continue
			}
		}
		d.fields = append(d.fields, flows.Bytes(f, value[4*i:4*i+4], part))
	}
}

// addVLAN tells one VLAN id from the other things that vlan_vid can say.
func (d *matchDecoder) addVLAN(value, mask []byte) {
	v, m := uint64(get16(value)), uint64(0x1fff)
	if mask != nil {
		m = uint64(get16(mask)) & 0x1fff
	}
	switch {
	case m == 0x1fff && v&vlanPresent != 0:
		d.fields = append(d.fields, flows.U(flows.FieldVLANVID, v&0xfff))
	case m == vlanPresent && v&vlanPresent != 0:
		d.tagged = true
	default:
		d.fields = append(d.fields, flows.UMask(flows.FieldVLANTCI, v, m))
	}
}

func (d *matchDecoder) match() flows.Match {
	if d.tagged && !d.pcp {
		d.fields = append(d.fields, flows.UMask(flows.FieldVLANTCI, vlanPresent, vlanPresent))
	}
	if len(d.fields) == 0 {
		return nil
	}
	return flows.NewMatch(d.fields...)
}

// widenPort turns a port number of 16 bits into one of 32 (ofputil's rule).
func widenPort(p uint16) uint64 {
	const short = uint64(flows.PortInPort & 0xffff)
	if wide := uint64(p); wide < short {
		return wide
	}
	return uint64(p) | 0xffff0000
}
