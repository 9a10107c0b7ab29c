// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"sort"
	"strings"
)

// Option describes one thing that a person can set. The tables of Options are what docs/options.md, the flags
// and the error texts are made of.
type Option struct {
	// Key is ovsnet's name for it: "ovs.bridge.mtu" for Docker's -o and --driver-opt, "mtu" for a setting.
	// It is empty for an option that only has Docker's name.
	Key string
	// Docker is Docker's own key with the same meaning, empty when there is none.
	Docker string
	// Type says what a value looks like: "name", "integer", "duration", "auto | system | netdev", ...
	Type string
	// Default is the text of the default value, empty when nothing is the default.
	Default string
	// Doc says what it does, in units, and what it is good for.
	Doc string
}

// Env gives the environment variable of a daemon setting: OVSNET_ and the key in capitals.
func (o Option) Env() string { return envPrefix + strings.ToUpper(o.Key) }

// Flag gives the command line flag of a daemon setting, without the leading dashes.
func (o Option) Flag() string { return strings.ReplaceAll(o.Key, "_", "-") }

// names gives both spellings, those that exist.
func (o Option) names() []string {
	var names []string
	for _, n := range []string{o.Key, o.Docker} {
		if n != "" {
			names = append(names, n)
		}
	}
	return names
}

// row is an Option and what parsing it does to a T.
type row[T any] struct {
	Option
	set func(into *T, value string) error
}

// dockerPrefix is the name space that belongs to Docker: keys in it that mean nothing here are no mistake.
const dockerPrefix = "com.docker."

// parse reads given by the table. It returns Docker's own keys that no row has, sorted, and all errors joined.
func parse[T any](table []row[T], into *T, given map[string]string) (ignored []string, err error) {
	var (
		errs  []error
		taken = map[string]bool{}
	)
	for _, r := range table {
		var key, value string
		for _, name := range r.names() {
			v, ok := given[name]
			if !ok {
				continue
			}
			taken[name] = true
			if key != "" && v != value {
				errs = append(errs, &KeyError{
					Key: name, Value: v, kind: ErrValue,
					Problem: "differs from " + key + "=" + quoteOdd(value) + ", which means the same",
					WayOut:  "give one of the two",
				})
				key = ""
				break
			}
			key, value = name, v
		}
		if key == "" {
			continue
		}
		if e := r.set(into, value); e != nil {
			errs = append(errs, valueError(key, value, e))
		}
	}
	known := keys(table)
	for name := range given {
		switch {
		case taken[name]:
		case contains(known, name):
			// The second spelling of a pair that has been refused above.
		case strings.HasPrefix(name, dockerPrefix):
			ignored = append(ignored, name)
		default:
			errs = append(errs, unknownKey("", name, known, true))
		}
	}
	sort.Strings(ignored)
	sortErrors(errs)
	return ignored, errors.Join(errs...)
}

// valueError puts the key and the value before what set said of them.
func valueError(key, value string, cause error) *KeyError {
	var w *wrong
	if errors.As(cause, &w) {
		return &KeyError{Key: key, Value: value, Problem: w.problem, WayOut: w.wayOut, kind: ErrValue}
	}
	return &KeyError{Key: key, Value: value, Problem: cause.Error(), kind: ErrValue}
}

// wrong is what a check says of a value, before it is known under which key it was given.
type wrong struct{ problem, wayOut string }

func (w *wrong) Error() string { return w.problem + "; " + w.wayOut }

// keys lists every spelling that the table knows, ovsnet's own first.
func keys[T any](table []row[T]) []string {
	var own, docker []string
	for _, r := range table {
		if r.Key != "" {
			own = append(own, r.Key)
		}
		if r.Docker != "" {
			docker = append(docker, r.Docker)
		}
	}
	return append(own, docker...)
}

// options gives the describing part of a table.
func options[T any](table []row[T]) []Option {
	out := make([]Option, 0, len(table))
	for _, r := range table {
		out = append(out, r.Option)
	}
	return out
}

// contains tells whether list holds s.
func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// sortErrors puts errors that came out of a map in one order, so that a text is the same every time.
func sortErrors(errs []error) {
	sort.SliceStable(errs, func(i, j int) bool { return errs[i].Error() < errs[j].Error() })
}
