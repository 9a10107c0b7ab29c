// SPDX-License-Identifier: Apache-2.0

package ovsdb

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Keys of external_ids. iface-id and attached-mac are those of Open vSwitch's
// integration guide, which other tools read too; the others are ours.
const (
	keyOwner     = "ovsnet-owner"
	keyNetwork   = "ovsnet-network"
	keySpec      = "ovsnet-spec"
	keyVersion   = "ovsnet-version"
	keyEndpoint  = "ovsnet-endpoint"
	keyAddresses = "ovsnet-addresses"
	keyOptions   = "ovsnet-options"
	keyPeer      = "ovsnet-peer"
	keyBridge    = "ovsnet-bridge" // on Port and Flow_Table: the bridge it was made on
	keyTable     = "ovsnet-table"  // on Flow_Table: its number on that bridge
	keyIfaceID   = "iface-id"
	keyMAC       = "attached-mac"
)

var (
	bridgeKeys = []string{keyOwner, keyNetwork, keySpec, keyVersion}
	localKeys  = []string{keyOwner, keyNetwork} // on the LOCAL port's rows
	portKeys   = []string{keyOwner, keyNetwork, keyEndpoint, keyBridge}
	ifaceKeys  = []string{keyOwner, keyNetwork, keyEndpoint, keyIfaceID, keyMAC, keyAddresses, keyOptions, keyPeer, keyVersion}
)

// BridgeIDs is the identity of a bridge, kept in its external_ids.
type BridgeIDs struct {
	Owner   string // ovsnet-owner; empty in a change: the client's owner
	Network string // ovsnet-network, the id of the network that made the bridge
	Spec    string // ovsnet-spec, the driver's own text, not looked at here
	Version int    // ovsnet-version, the version of what Spec means
}

// PortIDs is the identity of an endpoint's port, kept in the external_ids of its
// Interface; owner, network and endpoint are also on its Port.
type PortIDs struct {
	Owner     string            // ovsnet-owner; empty in a change: the client's owner
	Network   string            // ovsnet-network
	Endpoint  string            // ovsnet-endpoint and iface-id
	MAC       net.HardwareAddr  // attached-mac, 6 bytes or none
	Addresses []netip.Prefix    // ovsnet-addresses, separated by commas
	Options   map[string]string // ovsnet-options, a JSON object
	Peer      string            // ovsnet-peer, the name of the link's other end
	Version   int               // ovsnet-version
}

// put sets a key unless the value is empty.
func put(m map[string]string, key, value string) {
	if value != "" {
		m[key] = value
	}
}

func putInt(m map[string]string, key string, value int) {
	if value != 0 {
		m[key] = strconv.Itoa(value)
	}
}

func (ids BridgeIDs) encode() map[string]string {
	m := map[string]string{}
	put(m, keyOwner, ids.Owner)
	put(m, keyNetwork, ids.Network)
	put(m, keySpec, ids.Spec)
	putInt(m, keyVersion, ids.Version)
	return m
}

// decodeBridgeIDs reads what encode wrote. Of a damaged map it returns what can
// be read, and an error that names the rest.
func decodeBridgeIDs(m map[string]string) (BridgeIDs, error) {
	version, err := decodeVersion(m)
	return BridgeIDs{Owner: m[keyOwner], Network: m[keyNetwork], Spec: m[keySpec], Version: version}, err
}

// encode gives the Interface's external_ids.
func (ids PortIDs) encode() (map[string]string, error) {
	m := map[string]string{}
	put(m, keyOwner, ids.Owner)
	put(m, keyNetwork, ids.Network)
	put(m, keyEndpoint, ids.Endpoint)
	put(m, keyIfaceID, ids.Endpoint)
	put(m, keyPeer, ids.Peer)
	putInt(m, keyVersion, ids.Version)
	if n := len(ids.MAC); n != 0 && n != 6 {
		return nil, fmt.Errorf("%w MAC address %s: it must have 6 bytes", ErrInvalid, ids.MAC)
	}
	put(m, keyMAC, ids.MAC.String())
	texts := make([]string, len(ids.Addresses))
	for i, a := range ids.Addresses {
		if !a.IsValid() {
			return nil, fmt.Errorf("%w address: prefix number %d is the zero value", ErrInvalid, i+1)
		}
		texts[i] = a.String()
	}
	put(m, keyAddresses, strings.Join(texts, ","))
	if len(ids.Options) > 0 {
		text, err := json.Marshal(ids.Options)
		if err != nil {
			return nil, fmt.Errorf("%w options: %w", ErrInvalid, err)
		}
		m[keyOptions] = string(text)
	}
	return m, nil
}

// encodePort gives the Port's external_ids.
func (ids PortIDs) encodePort(bridge string) map[string]string {
	m := map[string]string{}
	put(m, keyOwner, ids.Owner)
	put(m, keyNetwork, ids.Network)
	put(m, keyEndpoint, ids.Endpoint)
	put(m, keyBridge, bridge)
	return m
}

// decodePortIDs reads an Interface's external_ids. Of a damaged map it returns
// what can be read, and an error that names the rest.
func decodePortIDs(m map[string]string) (PortIDs, error) {
	ids := PortIDs{Owner: m[keyOwner], Network: m[keyNetwork], Endpoint: m[keyEndpoint], Peer: m[keyPeer]}
	var errs []error
	if text := m[keyMAC]; text != "" {
		mac, err := net.ParseMAC(text)
		if err != nil || len(mac) != 6 {
			errs = append(errs, fmt.Errorf("%s %q: not a MAC address", keyMAC, text))
		} else {
			ids.MAC = mac
		}
	}
	if text := m[keyAddresses]; text != "" {
		for part := range strings.SplitSeq(text, ",") {
			prefix, err := netip.ParsePrefix(part)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", keyAddresses, err))
				continue
			}
			ids.Addresses = append(ids.Addresses, prefix)
		}
	}
	if text := m[keyOptions]; text != "" {
		var options map[string]string
		if err := json.Unmarshal([]byte(text), &options); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", keyOptions, err))
		} else if len(options) > 0 {
			ids.Options = options
		}
	}
	version, err := decodeVersion(m)
	ids.Version = version
	return ids, errors.Join(append(errs, err)...)
}

func decodeVersion(m map[string]string) (int, error) {
	text := m[keyVersion]
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%s %q: not a number", keyVersion, text)
	}
	return n, nil
}

// idsDiffer says whether a row's external_ids lack what they should hold. Keys
// that are not ours make no difference.
func idsDiffer(row, want map[string]string, keys []string) bool {
	for _, key := range keys {
		have, inRow := row[key]
		wanted, inWant := want[key]
		if inRow != inWant || have != wanted {
			return true
		}
	}
	return false
}

// clone copies what PortIDs refers to.
func (ids PortIDs) clone() PortIDs {
	ids.MAC = append(net.HardwareAddr(nil), ids.MAC...)
	ids.Addresses = append([]netip.Prefix(nil), ids.Addresses...)
	ids.Options = maps.Clone(ids.Options)
	return ids
}
