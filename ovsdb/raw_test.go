// SPDX-License-Identifier: Apache-2.0

package ovsdb_test

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/ovsnet/ovsnet/integration/ovstest"
)

// raw is the least that a client of ovsdb-server can be: one socket, the JSON-RPC
// of RFC 7047, no cache, no checks. It is what ovsdb is measured against.
type raw struct {
	conn net.Conn
	in   *json.Decoder
	id   int
	// ofport is what the monitor said last of each interface.
	ofport map[string]float64
}

type message struct {
	ID     *int              `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
	Result json.RawMessage   `json:"result"`
	Error  any               `json:"error"`
}

type tableUpdates map[string]map[string]struct {
	New *struct {
		Name   string `json:"name"`
		OFPort any    `json:"ofport"`
	} `json:"new"`
}

func dialRaw(tb testing.TB, s *ovstest.Switch) *raw {
	tb.Helper()
	conn, err := net.Dial("unix", strings.TrimPrefix(s.DB, "unix:"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	r := &raw{conn: conn, in: json.NewDecoder(conn), ofport: map[string]float64{}}
	reply := r.call(tb, "monitor", `"Open_vSwitch", null, {"Interface": {"columns": ["name", "ofport"]}}`)
	r.take(tb, reply)
	return r
}

// call sends a request and reads until its answer.
func (r *raw) call(tb testing.TB, method, params string) json.RawMessage {
	tb.Helper()
	r.id++
	if _, err := fmt.Fprintf(r.conn, `{"id":%d,"method":%q,"params":[%s]}`, r.id, method, params); err != nil {
		tb.Fatal(err)
	}
	for {
		if m := r.read(tb); m.Method == "" && m.ID != nil && *m.ID == r.id {
			if m.Error != nil || strings.Contains(string(m.Result), `"error"`) {
				tb.Fatalf("%s: %v %s", method, m.Error, m.Result)
			}
			return m.Result
		}
	}
}

func (r *raw) read(tb testing.TB) message {
	tb.Helper()
	var m message
	if err := r.in.Decode(&m); err != nil {
		tb.Fatal(err)
	}
	if m.Method == "update" && len(m.Params) == 2 {
		r.take(tb, m.Params[1])
	}
	return m
}

func (r *raw) take(tb testing.TB, text json.RawMessage) {
	tb.Helper()
	var updates tableUpdates
	if err := json.Unmarshal(text, &updates); err != nil {
		tb.Fatal(err)
	}
	for _, row := range updates["Interface"] {
		if row.New == nil {
			continue
		}
		if n, ok := row.New.OFPort.(float64); ok {
			r.ofport[row.New.Name] = n
		} else {
			delete(r.ofport, row.New.Name)
		}
	}
}

// addPort adds a port with a transaction of three operations, and returns when its
// OpenFlow port number appears.
func (r *raw) addPort(tb testing.TB, bridge, name string) {
	tb.Helper()
	delete(r.ofport, name)
	r.call(tb, "transact", fmt.Sprintf(`"Open_vSwitch",
		{"op":"insert","table":"Interface","uuid-name":"i","row":{"name":%q}},
		{"op":"insert","table":"Port","uuid-name":"p","row":{"name":%q,"interfaces":["named-uuid","i"]}},
		{"op":"mutate","table":"Bridge","where":[["name","==",%q]],"mutations":[["ports","insert",["named-uuid","p"]]]}`,
		name, name, bridge))
	for r.ofport[name] <= 0 {
		r.read(tb)
	}
}
