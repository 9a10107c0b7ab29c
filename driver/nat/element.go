// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/knftables"
)

// element names one element of a set or map: its fields joined by " . ", ports and protocols as numbers.
type element struct{ set, key string }

// elements are elements and, for those of maps, their values.
type elements map[element]string

// fields gives the parts of a key or a value.
func fields(s string) []string { return strings.Split(s, " . ") }

func join(parts ...string) string { return strings.Join(parts, " . ") }

// setByName finds the declaration of a set.
var setByName = func() map[string]setDef {
	m := map[string]setDef{}
	for _, d := range setDefs {
		m[d.name] = d
	}
	return m
}()

// quoted gives a key's parts as nft reads them: names of links in quotes.
func (d setDef) quoted(key string) []string {
	parts := fields(key)
	for i, t := range fields(d.key) {
		if t == "ifname" && i < len(parts) {
			parts[i] = strconv.Quote(parts[i])
		}
	}
	return parts
}

// knft gives the element as knftables takes it.
func (e element) knft(value string) *knftables.Element {
	d := setByName[e.set]
	out := &knftables.Element{Key: d.quoted(e.key)}
	if d.value == "" {
		out.Set = e.set
		return out
	}
	out.Map = e.set
	if value != "" {
		out.Value = fields(value)
	}
	return out
}

// add puts elements in; what is in already stays as it is.
func (e elements) add(more elements) { maps.Copy(e, more) }

// put puts one element of a set in.
func (e elements) put(set string, parts ...string) { e[element{set, join(parts...)}] = "" }

// without gives what is in e and not in other.
func (e elements) without(other elements) []element {
	var out []element
	for k := range e {
		if _, in := other[k]; !in {
			out = append(out, k)
		}
	}
	return out
}

// sorted gives the keys in a fixed order, so that two runs write the same.
func (e elements) sorted() []element {
	return slices.SortedFunc(maps.Keys(e), func(a, b element) int {
		if c := strings.Compare(a.set, b.set); c != 0 {
			return c
		}
		return strings.Compare(a.key, b.key)
	})
}

// suffix is the 4 or 6 at the end of a set's name.
func suffix(a netip.Addr) string {
	if a.Is4() {
		return "4"
	}
	return "6"
}

// nfproto is the first field of a key that tells families apart.
func nfproto(v6 bool) string {
	if v6 {
		return "ipv6"
	}
	return "ipv4"
}

// prefixText gives a prefix as nft lists it: a single address without a length.
func prefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// widest gives the prefixes that are in no other of them, each once. The sets of subnets take no overlaps.
func widest(ps []netip.Prefix) []netip.Prefix {
	var out []netip.Prefix
	slices.SortFunc(ps, func(a, b netip.Prefix) int { return a.Bits() - b.Bits() })
	for _, p := range ps {
		if p.IsValid() && !slices.ContainsFunc(out, func(w netip.Prefix) bool { return w.Overlaps(p) }) {
			out = append(out, p)
		}
	}
	return out
}

// dropOverlaps leaves in the sets of subnets what is in no other element of them.
func (e elements) dropOverlaps() {
	for _, d := range setDefs {
		if !d.interval {
			continue
		}
		var all []netip.Prefix
		for k := range e {
			if k.set == d.name {
				all = append(all, prefixOf(k.key))
				delete(e, k)
			}
		}
		for _, p := range widest(all) {
			e.put(d.name, prefixText(p))
		}
	}
}

// prefixOf reads what prefixText wrote; what is not one gives the zero prefix.
func prefixOf(s string) netip.Prefix {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(a, a.BitLen())
}
