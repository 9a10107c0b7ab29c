// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"encoding/binary"
	"fmt"
)

// version is OpenFlow 1.5's number on the wire; headerLen that of ofp_header.
const (
	version    = 6
	headerLen  = 8
	maxMessage = 1<<16 - 1
)

// Message types (OpenFlow 1.5.1, 7.1.1 ofp_type).
const (
	typeHello            = 0
	typeError            = 1
	typeEchoRequest      = 2
	typeEchoReply        = 3
	typePacketOut        = 13
	typeFlowMod          = 14
	typeGroupMod         = 15
	typeMultipartRequest = 18
	typeMultipartReply   = 19
	typeBarrierRequest   = 20
	typeBarrierReply     = 21
	typeMeterMod         = 29
	typeBundleControl    = 33
	typeBundleAdd        = 34
)

// experimenter ids.
const niciraID = 0x00002320

// DecodeError is what the decoder says of bytes that are not what OpenFlow
// 1.5.1 or Open vSwitch's extensions define.
type DecodeError struct {
	What   string // the structure, such as "flow description"
	Reason string
}

// Error is "openflow: <what>: <reason>".
func (e *DecodeError) Error() string { return "openflow: " + e.What + ": " + e.Reason }

func malformed(what, format string, args ...any) error {
	return &DecodeError{What: what, Reason: fmt.Sprintf(format, args...)}
}

// message is one received frame. Its body is valid only until the next one is
// read.
type message struct {
	kind byte
	xid  uint32
	body []byte
}

// name describes a message that has no arguments.
type name string

// String is the name.
func (n name) String() string { return string(n) }

// The encoder appends to a byte slice. begin leaves room for a header whose
// length end fills in.

func appendHeader(b []byte, kind byte, xid uint32) []byte {
	b = append(b, version, kind, 0, 0)
	return be32(b, xid)
}

func be16(b []byte, v uint16) []byte { return binary.BigEndian.AppendUint16(b, v) }
func be32(b []byte, v uint32) []byte { return binary.BigEndian.AppendUint32(b, v) }
func be64(b []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(b, v) }

func get16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }
func get32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }
func get64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

var zeros [64]byte

func pad(b []byte, n int) []byte { return append(b, zeros[:n]...) }

// padTo8 pads what was appended since start to a multiple of 8 bytes.
func padTo8(b []byte, start int) []byte { return pad(b, roundUp8(len(b)-start)-(len(b)-start)) }

func roundUp8(n int) int { return (n + 7) &^ 7 }

// setLen writes the length of everything since start at offset at. Callers
// check the length of the whole message, which bounds every part.
func setLen(b []byte, start, at int) {
	binary.BigEndian.PutUint16(b[at:], uint16(len(b)-start)) //nolint:gosec // checked by finish
}

// finish sets the length of the message that starts at start.
func finish(b []byte, start int, what func() string) ([]byte, error) {
	if n := len(b) - start; n > maxMessage {
		return b[:start], &TooLargeError{Message: what(), Bytes: n}
	}
	setLen(b, start, start+2)
	return b, nil
}

// tlv splits the first structure off b, whose length stands in 16 bits at
// offset at; it is at least least bytes long.
func tlv(what string, b []byte, at, least int) (first, rest []byte, err error) {
	if len(b) < least {
		return nil, nil, malformed(what, "%d bytes where %d are needed", len(b), least)
	}
	n := int(get16(b[at:]))
	if n < least || n > len(b) {
		return nil, nil, malformed(what, "length %d with %d bytes left, at least %d needed", n, len(b), least)
	}
	return b[:n], b[n:], nil
}
