// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
)

// Keys that engines use in options (moby, daemon/libnetwork/netlabel).
const (
	// KeyGeneric holds the "-o" options of a network.
	KeyGeneric = "com.docker.network.generic"
	// KeyEnableIPv4 is false when the network was created with "--ipv4=false". Since 28.0.
	KeyEnableIPv4 = "com.docker.network.enable_ipv4"
	// KeyEnableIPv6 is true when the network was created with "--ipv6".
	KeyEnableIPv6 = "com.docker.network.enable_ipv6"
	// KeyInternal is true when the network was created with "--internal".
	KeyInternal = "com.docker.network.internal"
	// KeyPortMap holds the ports to publish.
	KeyPortMap = "com.docker.network.portmap"
	// KeyExposedPorts holds the ports that a container offers.
	KeyExposedPorts = "com.docker.network.endpoint.exposedports"
	// KeyNoProxy6To4 belongs to ProgramExternalConnectivity. Since 28.0.
	KeyNoProxy6To4 = "com.docker.network.driver.private.no_proxy_6to4"
)

// Options are the options of a request as the engine sent them: JSON values
// (nil, string, bool, json.Number, []any, map[string]any) by key. Those that
// the methods read were checked when the request was decoded.
type Options map[string]any

// Generic returns the "-o key=value" options of a network; never nil.
func (o Options) Generic() map[string]string {
	m, err := o.generic()
	if err != nil {
		return map[string]string{}
	}
	return m
}

// EnableIPv4 tells whether the network carries IPv4: true unless the engine says otherwise.
func (o Options) EnableIPv4() bool { return o.is(KeyEnableIPv4, true) }

// EnableIPv6 tells whether the network was created with "--ipv6".
func (o Options) EnableIPv6() bool { return o.is(KeyEnableIPv6, false) }

// Internal tells whether the network was created with "--internal".
func (o Options) Internal() bool { return o.is(KeyInternal, false) }

// DriverOpts returns the options that are strings at the top level, which is
// where an endpoint's "--driver-opt" arrive; never nil. Docker's own options
// that are strings are among them.
func (o Options) DriverOpts() map[string]string {
	m := make(map[string]string, len(o))
	for k, v := range o {
		if s, ok := v.(string); ok {
			m[k] = s
		}
	}
	return m
}

func (o Options) is(key string, absent bool) bool {
	b, err := o.boolean(key, absent)
	if err != nil {
		return absent
	}
	return b
}

// boolean reads a flag, which some clients of the engine send as text.
func (o Options) boolean(key string, absent bool) (bool, error) {
	switch v := o[key].(type) {
	case nil:
		return absent, nil
	case bool:
		return v, nil
	case string:
		b, err := strconv.ParseBool(v)
		if err != nil {
			return absent, fmt.Errorf("%q is neither true nor false", v)
		}
		return b, nil
	default:
		return absent, fmt.Errorf("want true or false, got %s", kind(v))
	}
}

// generic reads the "-o" options. The engine sends strings; numbers and flags
// of a client that speaks its API directly are taken as their text.
func (o Options) generic() (map[string]string, error) {
	out := map[string]string{}
	v, ok := o[KeyGeneric]
	if !ok || v == nil {
		return out, nil
	}
	in, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("want an object of strings, got %s", kind(v))
	}
	for _, k := range slices.Sorted(maps.Keys(in)) {
		switch v := in[k].(type) {
		case string:
			out[k] = v
		case bool:
			out[k] = strconv.FormatBool(v)
		case json.Number:
			out[k] = v.String()
		case nil:
			out[k] = ""
		default:
			return nil, fmt.Errorf("%s: want a string, got %s", k, kind(v))
		}
	}
	return out, nil
}

// ports reads the list of objects under key into out, a pointer to a slice of
// a wire type. The value went through the decoder once, so it encodes again.
func (o Options) ports(key string, out any) error {
	v, ok := o[key]
	if !ok || v == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return plain(json.Unmarshal(b, out))
}

// portBindings reads the ports to publish (libnetwork types.PortBinding).
func (o Options) portBindings() ([]PortBinding, error) {
	var wire []struct {
		Proto                       uint8
		IP, HostIP                  string
		Port, HostPort, HostPortEnd uint16
	}
	if err := o.ports(KeyPortMap, &wire); err != nil {
		return nil, err
	}
	var out []PortBinding
	for i, w := range wire {
		b := PortBinding{Proto: w.Proto, Port: w.Port, HostPort: w.HostPort, HostPortEnd: w.HostPortEnd}
		var err error
		if b.IP, err = address(w.IP); err != nil {
			return nil, fmt.Errorf("[%d].IP: %w", i, err)
		}
		if b.HostIP, err = address(w.HostIP); err != nil {
			return nil, fmt.Errorf("[%d].HostIP: %w", i, err)
		}
		if b.HostPortEnd == 0 {
			b.HostPortEnd = b.HostPort
		}
		if b.HostPortEnd < b.HostPort {
			return nil, fmt.Errorf("[%d].HostPortEnd: %d is less than HostPort %d", i, b.HostPortEnd, b.HostPort)
		}
		out = append(out, b)
	}
	return out, nil
}

// exposedPorts reads the ports that a container offers (libnetwork types.TransportPort).
func (o Options) exposedPorts() ([]ExposedPort, error) {
	var out []ExposedPort
	err := o.ports(KeyExposedPorts, &out)
	return out, err
}

// address parses an address; the zero Addr for empty text. An IPv4 address in
// IPv6's notation becomes the IPv4 address, as it is to the engine.
func address(s string) (netip.Addr, error) {
	if s == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%q is not an IP address", s)
	}
	return a.Unmap(), nil
}

// kind names a JSON value's type for an error.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	default:
		return fmt.Sprintf("%T", v)
	}
}
