// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"strings"
)

// ErrUnknownKey is in the chain of every error about a key that is in none of the tables.
var ErrUnknownKey = errors.New("not known")

// ErrValue is in the chain of every error about a known key whose value cannot be used.
var ErrValue = errors.New("value not usable")

// KeyError says what is wrong with one key. Its chain holds ErrUnknownKey or ErrValue.
type KeyError struct {
	// Key is the key as it was written: "ovs.bridge.mtu", "OVSNET_MTU", "--mtu", or "mtu" of a file.
	Key string
	// Value is what was given for it; it is left out of the text when empty.
	Value string
	// Where is the file that the key stands in, empty when the key says enough.
	Where string
	// Problem says what is wrong, WayOut what to do about it.
	Problem, WayOut string

	kind error
}

// Error gives "where: key=value: problem; way out".
func (e *KeyError) Error() string {
	var b strings.Builder
	if e.Where != "" {
		b.WriteString(e.Where + ": ")
	}
	b.WriteString(e.Key)
	if e.Value != "" {
		fmt.Fprintf(&b, "=%s", quoteOdd(e.Value))
	}
	b.WriteString(": " + e.Problem)
	if e.WayOut != "" {
		b.WriteString("; " + e.WayOut)
	}
	return b.String()
}

// Unwrap gives ErrUnknownKey or ErrValue.
func (e *KeyError) Unwrap() error { return e.kind }

// quoteOdd quotes a value that would be misread, or would break a log line, if it were printed as it is.
func quoteOdd(s string) string {
	const longest = 128
	cut := s
	if len(cut) > longest {
		cut = cut[:longest] + "..."
	}
	if q := fmt.Sprintf("%q", cut); q != `"`+cut+`"` || strings.ContainsAny(cut, " :;=") {
		return q
	}
	return cut
}

// instead says of keys of Docker's own drivers why no table has them, and what there is instead.
var instead = map[string]wrong{
	"encrypted": {
		"tunnels are not encrypted: Docker gives its keys to no plugin",
		"leave it out, and for secrecy lay IPsec or WireGuard between the hosts and give its address as tunnel_address (OVSNET_TUNNEL_ADDRESS)",
	},
}

// unknownKey builds the error for a key that is in none of the tables. It names the nearest known key and,
// when list is true, all the known ones; of a key of Docker's it says what there is instead.
func unknownKey(where, key string, known []string, list bool) *KeyError {
	if w, ok := instead[key]; ok {
		return &KeyError{Where: where, Key: key, Problem: w.problem, WayOut: w.wayOut, kind: ErrUnknownKey}
	}
	e := &KeyError{Where: where, Key: key, Problem: ErrUnknownKey.Error(), kind: ErrUnknownKey}
	if q := fmt.Sprintf("%.64q", key); q != `"`+key+`"` || key == "" {
		e.Key = q
	}
	if near := nearest(key, known); near != "" {
		e.WayOut = "the nearest known key is " + near
	}
	if list {
		e.WayOut += " (known: " + strings.Join(known, ", ") + ")"
	}
	return e
}
