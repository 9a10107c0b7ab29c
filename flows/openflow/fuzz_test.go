// SPDX-License-Identifier: Apache-2.0

package openflow

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ovsnet/ovsnet/flows"
)

// The committed corpora in testdata/fuzz are what Open vSwitch 3.1 answered to
// the dump requests on a bridge with the flows of oracle_text_test.go.

// decodesAll decodes b entry by entry as multipart does: every step must eat
// something, and every failure must be a DecodeError.
func decodesAll[T any](t *testing.T, b []byte, decode func([]byte) (T, []byte, error), each func(T)) {
	t.Helper()
	for len(b) > 0 {
		e, rest, err := decode(b)
		if err != nil {
			var malformed *DecodeError
			if !errors.As(err, &malformed) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		if len(rest) >= len(b) {
			t.Fatal("no progress")
		}
		each(e)
		b = rest
	}
}

func FuzzFlowDesc(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > maxMessage {
			return
		}
		decodesAll(t, b, decodeFlowDesc, func(s FlowStats) {
			_ = s.String()
			if s.Unknown || s.Validate() != nil {
				return
			}
			// What is valid survives being written and read.
			again := encodeDecode(t, s.Flow)
			if diff := cmp.Diff(s.Flow, again, equalFlows, sameActions); diff != "" {
				t.Fatalf("%v (-read +read again):\n%s", s, diff)
			}
		})
	})
}

// sameActions takes no actions and an empty list for the same.
var sameActions = cmp.Transformer("texts", func(actions []flows.Action) []string {
	texts := []string{}
	for _, a := range actions {
		texts = append(texts, a.String())
	}
	return texts
})

// encodeDecode writes a flow as a flow_mod and reads it from there. Actions
// that belong before an instruction move there, so the second time counts.
func encodeDecode(t *testing.T, f flows.Flow) flows.Flow {
	t.Helper()
	mod, err := appendFlowMod(nil, 1, f)
	if err != nil {
		t.Fatal(err)
	}
	m, unknown, rest, err := decodeMatch(mod[48:])
	if err != nil || unknown {
		t.Fatalf("%v: unknown %v: %v", f, unknown, err)
	}
	f.Match = m
	if f.Actions, err = decodeInstructions(rest); err != nil {
		t.Fatalf("%v: %v", f, err)
	}
	return f
}

func FuzzGroupDesc(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > maxMessage {
			return
		}
		decodesAll(t, b, decodeGroupDesc, func(g flows.GroupDesc) {
			_ = g.String()
			if g.Validate() != nil {
				return
			}
			var tooLarge *TooLargeError
			if _, err := appendGroupMod(nil, 1, GroupMod{Command: GroupAdd, Group: g}); err != nil && !errors.As(err, &tooLarge) {
				t.Fatal(err)
			}
		})
	})
}

func FuzzMeterDesc(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		decodesAll(t, b, decodeMeterDesc, func(m flows.MeterDesc) {
			mod, err := appendMeterMod(nil, 1, MeterMod{MeterAdd, m})
			if err != nil {
				t.Fatal(err)
			}
			// ofp_meter_mod has the bands of a description.
			desc := append(be16(nil, uint16(len(mod)-8)), mod[10:]...)
			if again, _, err := decodeMeterDesc(desc); err != nil || again != m {
				t.Fatalf("%v became %v: %v", m, again, err)
			}
		})
	})
}

func FuzzPort(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		decodesAll(t, b, decodePort, func(p Port) {
			if len(p.Name) > 16 || len(p.MAC) != 6 || slices.Contains([]byte(p.Name), 0) {
				t.Fatalf("%+v", p)
			}
		})
	})
}

func FuzzError(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := refusal(name("x"), b); err == nil || err.Error() == "" {
			t.Fatal("no error")
		}
	})
}

func FuzzHello(f *testing.F) {
	f.Fuzz(func(_ *testing.T, peer byte, b []byte) { speaks15(peer, b) })
}
