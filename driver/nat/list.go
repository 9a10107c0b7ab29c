// SPDX-License-Identifier: Apache-2.0

package nat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"sigs.k8s.io/knftables"
)

// runNFT runs nft and gives what it printed. The error has what it complained of.
func runNFT(ctx context.Context, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, "nft", args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		text, _, _ := strings.Cut(strings.TrimSpace(string(exit.Stderr)), "\n")
		err = fmt.Errorf("nft: %s: %w", text, err)
	}
	return out, err
}

// listing gives the table as nft prints it, without elements and counters.
func (t *table) listing(ctx context.Context) (string, error) {
	out, err := t.list(ctx, "-s", "-t")
	return string(out), err
}

// errNoTable says that our table does not stand.
var errNoTable = errors.New("no such table")

func (t *table) list(ctx context.Context, flags ...string) ([]byte, error) {
	out, err := runNFT(ctx, append(flags, "list", "table", string(knftables.InetFamily), t.name)...)
	if err != nil && strings.Contains(err.Error(), "No such file or directory") {
		return nil, errNoTable
	}
	if err != nil {
		return nil, fmt.Errorf("nftables table inet %s: %w", t.name, err)
	}
	return out, nil
}

// read gives the elements in the kernel. A table that is missing has none.
func (t *table) read(ctx context.Context) (elements, error) {
	out, err := t.list(ctx, "-j")
	if errors.Is(err, errNoTable) {
		return elements{}, nil
	}
	if err != nil {
		return nil, err
	}
	return parseElements(out)
}

// parseElements reads the elements out of nft's JSON (libnftables-json(5)). Sets that are not ours are passed over.
func parseElements(text []byte) (elements, error) {
	type set struct {
		Name string
		Elem []json.RawMessage
	}
	var doc struct {
		Nftables []struct{ Set, Map *set }
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("reading nft's listing: %w", err)
	}
	out := elements{}
	for _, o := range doc.Nftables {
		s := o.Set
		if s == nil {
			s = o.Map
		}
		if s == nil {
			continue
		}
		d, ours := setByName[s.Name]
		if !ours || (d.value != "") != (o.Map != nil) {
			continue
		}
		for _, raw := range s.Elem {
			key, value, err := d.parse(raw)
			if err != nil {
				return nil, fmt.Errorf("reading nft's listing: set %s: %w", s.Name, err)
			}
			out[element{s.Name, key}] = value
		}
	}
	return out, nil
}

// parse reads one element: a key, or a key and a value.
func (d setDef) parse(raw json.RawMessage) (key, value string, err error) {
	if d.value == "" {
		key, err = scalar(raw, fields(d.key))
		return key, "", err
	}
	var pair [2]json.RawMessage
	if err = json.Unmarshal(raw, &pair); err != nil {
		return "", "", err
	}
	if key, err = scalar(pair[0], fields(d.key)); err != nil {
		return "", "", err
	}
	value, err = scalar(pair[1], fields(d.value))
	return key, value, err
}

// scalar reads a key or a value: a word, a number, a prefix, a concatenation of them, or one of these with more
// around it.
func scalar(raw json.RawMessage, types []string) (string, error) {
	var v struct {
		Concat []json.RawMessage
		Prefix *struct {
			Addr string
			Len  int
		}
		Elem *struct{ Val json.RawMessage }
	}
	var word string
	var number uint64
	switch {
	case json.Unmarshal(raw, &number) == nil:
		return strconv.FormatUint(number, 10), nil
	case json.Unmarshal(raw, &word) == nil:
		if len(types) == 1 && types[0] == "inet_proto" {
			return protoNumber(word), nil
		}
		return word, nil
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return "", fmt.Errorf("%s: %w", raw, err)
	}
	switch {
	case v.Elem != nil:
		return scalar(v.Elem.Val, types)
	case v.Prefix != nil:
		return fmt.Sprintf("%s/%d", v.Prefix.Addr, v.Prefix.Len), nil
	case len(v.Concat) == len(types):
		parts := make([]string, len(types))
		for i, c := range v.Concat {
			var err error
			if parts[i], err = scalar(c, types[i:i+1]); err != nil {
				return "", err
			}
		}
		return join(parts...), nil
	}
	return "", fmt.Errorf("%s: unknown form", raw)
}

// protoNumber gives a protocol as we write it: by number.
func protoNumber(name string) string {
	for _, p := range []uint8{TCP, UDP, SCTP} {
		if protoName(p) == name {
			return strconv.Itoa(int(p))
		}
	}
	return name
}
