// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/docker/go-plugins-helpers/network"
)

// requestError is a fault of the request, as against one of the driver.
type requestError struct {
	field string // where in the body; empty for the body itself
	err   error
}

func (e *requestError) Error() string {
	if e.field == "" {
		return e.err.Error()
	}
	return e.field + ": " + e.err.Error()
}

func (e *requestError) Unwrap() error { return e.err }

// unmarshal decodes one JSON object into a wire type. Unknown fields are
// newer engines' and ignored; whatever follows the object is an error.
func unmarshal(body []byte, wire any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		// The engine's retry after a broken connection sends an empty body.
		return &requestError{err: errors.New("the body is empty, want a JSON object")}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(wire); err != nil {
		return badJSON(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return &requestError{err: errors.New("the body goes on after the JSON object")}
	}
	return nil
}

func badJSON(err error) error {
	if te := (*json.UnmarshalTypeError)(nil); errors.As(err, &te) {
		field := te.Field
		if field == "" {
			field = "body"
		}
		return &requestError{field, plain(err)}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &requestError{err: errors.New("the body ends in the middle of its JSON")}
	}
	return &requestError{err: fmt.Errorf("the body is not JSON: %w", err)}
}

// plain takes Go's own words for types out of a JSON error.
func plain(err error) error {
	if te := (*json.UnmarshalTypeError)(nil); errors.As(err, &te) {
		return fmt.Errorf("a JSON %s cannot be a %s", te.Value, te.Type.Kind())
	}
	return err
}

// checker turns the texts of a wire type into values and keeps the first
// fault. It remembers the ids for the log, also of a request that it refuses.
type checker struct {
	network, endpoint string
	err               error
}

func (c *checker) fail(field string, err error) {
	if err != nil && c.err == nil {
		c.err = &requestError{field, err}
	}
}

// maxID is twice what engines use.
const maxID = 128

// id checks an identifier. Drivers make names of files, links and rows of it,
// so nothing may be in it that means something there.
func (c *checker) id(field, s string) string {
	ok := len(s) > 0 && len(s) <= maxID && s[0] != '.' && s[0] != '-'
	for i := 0; ok && i < len(s); i++ {
		b := s[i]
		ok = b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '-' || b == '_' || b == '.'
	}
	if !ok {
		c.fail(field, fmt.Errorf("%.40q is not an identifier of 1 to %d letters, digits, '-', '_' and '.'", s, maxID))
		return ""
	}
	return s
}

func (c *checker) networkID(s string) string {
	c.network = c.id("NetworkID", s)
	return c.network
}

func (c *checker) endpointID(s string) string {
	c.endpoint = c.id("EndpointID", s)
	return c.endpoint
}

// Families that prefix checks for.
const (
	ipv4 = 4
	ipv6 = 6
)

// prefix parses an address with a length, or an address alone; the zero Prefix for empty text.
func (c *checker) prefix(field, s string, family int) netip.Prefix {
	if s == "" {
		return netip.Prefix{}
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, aerr := netip.ParseAddr(s)
		if aerr != nil || a.Zone() != "" {
			c.fail(field, fmt.Errorf("%q is not an IP address with a prefix length", s))
			return netip.Prefix{}
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if a := p.Addr(); a.Is4In6() || a.Is4() != (family == ipv4) {
		c.fail(field, fmt.Errorf("%q is not IPv%d", s, family))
		return netip.Prefix{}
	}
	return p
}

// addr parses an address; the zero Addr for empty text.
func (c *checker) addr(field, s string) netip.Addr {
	a, err := address(s)
	c.fail(field, err)
	return a
}

// mac parses an Ethernet address; nil for empty text.
func (c *checker) mac(field, s string) net.HardwareAddr {
	if s == "" {
		return nil
	}
	m, err := net.ParseMAC(s)
	if err != nil || len(m) != 6 {
		c.fail(field, fmt.Errorf("%q is not a MAC address of 6 bytes", s))
		return nil
	}
	return m
}

// pools converts IPAM data.
func (c *checker) pools(field string, family int, in []*network.IPAMData) []IPAMData {
	var out []IPAMData
	for i, w := range in {
		if w == nil {
			continue
		}
		at := fmt.Sprintf("%s[%d].", field, i)
		d := IPAMData{
			AddressSpace: w.AddressSpace,
			Pool:         c.prefix(at+"Pool", w.Pool, family).Masked(),
			Gateway:      c.prefix(at+"Gateway", w.Gateway, family),
		}
		for name, v := range w.AuxAddresses {
			s, ok := v.(string)
			if !ok {
				c.fail(at+"AuxAddresses."+name, fmt.Errorf("want a string, got %s", kind(v)))
				continue
			}
			if d.AuxAddresses == nil {
				d.AuxAddresses = map[string]netip.Prefix{}
			}
			d.AuxAddresses[name] = c.prefix(at+"AuxAddresses."+name, s, family)
		}
		out = append(out, d)
	}
	return out
}

// networkOptions checks what Options' methods will read from a network's options.
func (c *checker) networkOptions(in map[string]any) Options {
	o := Options(in)
	_, err := o.generic()
	c.fail("Options."+KeyGeneric, err)
	for _, key := range []string{KeyEnableIPv4, KeyEnableIPv6, KeyInternal} {
		_, err := o.boolean(key, false)
		c.fail("Options."+key, err)
	}
	return o
}

// ports reads the ports of an endpoint's or a sandbox's options.
func (c *checker) ports(o Options) ([]PortBinding, []ExposedPort) {
	bindings, err := o.portBindings()
	c.fail("Options."+KeyPortMap, err)
	exposed, err := o.exposedPorts()
	c.fail("Options."+KeyExposedPorts, err)
	return bindings, exposed
}
