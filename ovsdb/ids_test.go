// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func someText(label string) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string { return rapid.StringN(0, 20, 60).Draw(t, label) })
}

func somePrefix() *rapid.Generator[netip.Prefix] {
	return rapid.Custom(func(t *rapid.T) netip.Prefix {
		size := rapid.SampledFrom([]int{4, 16}).Draw(t, "size")
		addr, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "address"))
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, rapid.IntRange(0, addr.BitLen()).Draw(t, "bits"))
	})
}

func TestPortIDsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := PortIDs{
			Owner:    someText("owner").Draw(t, "owner"),
			Network:  someText("network").Draw(t, "network"),
			Endpoint: someText("endpoint").Draw(t, "endpoint"),
			Peer:     someText("peer").Draw(t, "peer"),
			Version:  rapid.Int().Draw(t, "version"),
		}
		if rapid.Bool().Draw(t, "with MAC") {
			ids.MAC = net.HardwareAddr(rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "MAC"))
		}
		ids.Addresses = rapid.SliceOfN(somePrefix(), 0, 4).Draw(t, "addresses")
		ids.Options = rapid.MapOfN(someText("key"), someText("value"), 0, 4).Draw(t, "options")
		m, err := ids.encode()
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range m {
			if value == "" {
				t.Errorf("%s is written though it is empty", key)
			}
		}
		got, err := decodePortIDs(m)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ids, got, cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("-written +read:\n%s", diff)
		}
		if got.Endpoint != m[keyIfaceID] {
			t.Errorf("iface-id %q, endpoint %q", m[keyIfaceID], got.Endpoint)
		}
	})
}

func TestBridgeIDsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := BridgeIDs{
			Owner:   someText("owner").Draw(t, "owner"),
			Network: someText("network").Draw(t, "network"),
			Spec:    someText("spec").Draw(t, "spec"),
			Version: rapid.Int().Draw(t, "version"),
		}
		got, err := decodeBridgeIDs(ids.encode())
		if err != nil || got != ids {
			t.Errorf("wrote %+v, read %+v, %v", ids, got, err)
		}
	})
}

func TestDamagedIDs(t *testing.T) {
	ids, err := decodePortIDs(map[string]string{
		keyOwner: "ovsnet", keyMAC: "0a:00:00:00:00:00:00:01", keyAddresses: "10.0.0.2/24,x,10.0.0.3", keyOptions: "[]", keyVersion: "one",
	})
	const want = `attached-mac "0a:00:00:00:00:00:00:01": not a MAC address
ovsnet-addresses: netip.ParsePrefix("x"): no '/'
ovsnet-addresses: netip.ParsePrefix("10.0.0.3"): no '/'
ovsnet-options: json: cannot unmarshal array into Go value of type map[string]string
ovsnet-version "one": not a number`
	if fmt.Sprint(err) != want {
		t.Errorf("error:\n%v\nwant:\n%s", err, want)
	}
	if ids.Owner != "ovsnet" || len(ids.Addresses) != 1 || ids.MAC != nil || ids.Options != nil {
		t.Errorf("read %+v", ids)
	}
}

func TestIDsThatCannotBeWritten(t *testing.T) {
	for name, ids := range map[string]PortIDs{
		"MAC":     {MAC: net.HardwareAddr{1, 2, 3}},
		"address": {Addresses: []netip.Prefix{{}}},
	} {
		if m, err := ids.encode(); err == nil {
			t.Errorf("%s: %v", name, m)
		}
	}
}

// FuzzDecodeIDs decodes whatever an operator may have written, and what is read
// of it survives being written and read again.
func FuzzDecodeIDs(f *testing.F) {
	f.Add(`{"ovsnet-owner":"ovsnet","attached-mac":"0a:00:00:00:00:01","ovsnet-addresses":"10.0.0.2/24,fd00::2/64","ovsnet-options":"{\"a\":\"b\"}","ovsnet-version":"1"}`)
	f.Add(`{"attached-mac":"0a-00-00-00-00-01","ovsnet-addresses":",,","ovsnet-options":"null","ovsnet-version":"-0"}`)
	f.Add(fmt.Sprintf(`{"ovsnet-version":"%d0","ovsnet-addresses":"::ffff:1.2.3.4/120"}`, math.MaxInt64))
	f.Fuzz(func(t *testing.T, text string) {
		var m map[string]string
		if json.Unmarshal([]byte(text), &m) != nil {
			return
		}
		bridge, _ := decodeBridgeIDs(m)
		if again, err := decodeBridgeIDs(bridge.encode()); err != nil || again != bridge {
			t.Errorf("bridge: %+v became %+v, %v", bridge, again, err)
		}
		port, _ := decodePortIDs(m)
		written, err := port.encode()
		if err != nil {
			t.Fatalf("what was read can't be written: %v", err)
		}
		again, err := decodePortIDs(written)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(port, again, cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
			t.Errorf("-read +again:\n%s", diff)
		}
	})
}
