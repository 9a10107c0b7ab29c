// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

const (
	// EnvFile names the settings file, as the flag --config does.
	EnvFile = "OVSNET_CONFIG"
	// none stands for "no socket" where an empty text means "not set".
	none = "none"
	// maxFile bounds the settings file, in bytes.
	maxFile = 1 << 20
)

// Source is where Load reads from.
type Source struct {
	// File is the settings file; it must exist. Empty: the one that OVSNET_CONFIG names, which must exist, else
	// DefaultFile, which need not.
	File string
	// Environ is the environment as os.Environ gives it. Empty values count as not set, as Docker writes a plugin's
	// settings that were not set.
	Environ []string
	// Flags holds the flags that Flags made, parsed; nil: no flags.
	Flags *pflag.FlagSet
}

// Flags adds a flag for every setting of the daemon.
func Flags(fs *pflag.FlagSet) {
	for _, s := range daemonTable {
		switch v := s.value.(type) {
		case string:
			fs.String(s.Flag(), v, s.Doc)
		case int:
			fs.Int(s.Flag(), v, s.Doc)
		case time.Duration:
			fs.Duration(s.Flag(), v, s.Doc)
		case []string:
			fs.StringSlice(s.Flag(), v, s.Doc)
		}
	}
}

// Load gives the daemon's settings: defaults, then the file, then the environment, then the flags. It returns
// every error that there is, joined: a file that cannot be read, keys that are not known (each with the nearest
// known one), values of the wrong type or out of range, each named as it was given.
func Load(src Source) (Daemon, error) {
	l := loader{
		v:   viper.NewWithOptions(viper.KeyDelimiter("::")),
		src: src,
		env: map[string]string{},
	}
	for _, s := range daemonTable {
		l.v.SetDefault(s.Key, s.value)
	}
	l.readEnviron()
	l.readFile()
	l.bind()
	l.checkTypes()
	if len(l.errs) > 0 {
		return Daemon{}, errors.Join(l.errs...)
	}
	var d Daemon
	if err := l.v.UnmarshalExact(&d); err != nil {
		return Daemon{}, fmt.Errorf("settings: %w", err)
	}
	d.closeNone()
	d.fill()
	if err := d.validate(l.origin); err != nil {
		return Daemon{}, err
	}
	return d, nil
}

// loader is one run of Load.
type loader struct {
	v    *viper.Viper
	src  Source
	env  map[string]string // key of a setting to its value
	file string            // as opened, empty when none was
	errs []error
}

// readEnviron picks our variables out of the environment.
func (l *loader) readEnviron() {
	byName := map[string]string{}
	var known []string
	for _, s := range daemonTable {
		byName[s.Env()] = s.Key
		known = append(known, s.Env())
	}
	var errs []error
	for _, kv := range l.src.Environ {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, envPrefix) || value == "" {
			continue
		}
		switch key, ok := byName[name]; {
		case name == EnvFile:
			if l.src.File == "" {
				l.src.File = value
			}
		case ok:
			l.env[key] = value
		default:
			errs = append(errs, unknownKey("environment", name, known, false))
		}
	}
	sortErrors(errs)
	l.errs = append(l.errs, errs...)
}

// readFile reads the settings file into viper and looks for keys that no setting has.
func (l *loader) readFile() {
	name, required := l.src.File, true
	if name == "" {
		name, required = DefaultFile, false
	}
	text, err := readSmall(name)
	if !required && errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		l.errs = append(l.errs, fmt.Errorf("settings file: %w; make it readable, or name another with --config or %s", err, EnvFile))
		return
	}
	l.v.SetConfigType("yaml")
	if err := l.v.ReadConfig(bytes.NewReader(text)); err != nil {
		l.errs = append(l.errs, fmt.Errorf("settings file: %s: not YAML: %w; write one \"key: value\" a line", name, err))
		return
	}
	l.file = name
	known := make([]string, 0, len(daemonTable))
	for _, s := range daemonTable {
		known = append(known, s.Key)
	}
	var errs []error
	for key := range l.v.AllSettings() {
		if !contains(known, key) {
			errs = append(errs, unknownKey(name, key, known, false))
		}
	}
	sortErrors(errs)
	l.errs = append(l.errs, errs...)
}

// readSmall reads a file of bounded size.
func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	text, readErr := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err := errors.Join(readErr, f.Close()); err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, maxFile)
	}
	return text, nil
}

// bind lays the environment and the flags over the file.
func (l *loader) bind() {
	for _, s := range daemonTable {
		if f := l.flag(s); f != nil {
			if err := l.v.BindPFlag(s.Key, f); err != nil {
				l.errs = append(l.errs, fmt.Errorf("flag --%s: %w", s.Flag(), err))
			}
		} else if v, ok := l.env[s.Key]; ok {
			l.v.Set(s.Key, v)
		}
	}
}

// flag gives the setting's flag if it was given.
func (l *loader) flag(s setting) *pflag.Flag {
	if l.src.Flags == nil {
		return nil
	}
	if f := l.src.Flags.Lookup(s.Flag()); f != nil && f.Changed {
		return f
	}
	return nil
}

// origin says how a setting was given, for error texts.
func (l *loader) origin(s setting) (where, key string) {
	switch _, inEnv := l.env[s.Key]; {
	case l.flag(s) != nil:
		return "", "--" + s.Flag()
	case inEnv:
		return "", s.Env()
	case l.file != "" && l.v.InConfig(s.Key):
		return l.file, s.Key
	}
	return "", s.Key
}

// checkTypes refuses values that decoding would bend into the field's type: 300 for a time, true for a number.
func (l *loader) checkTypes() {
	for _, s := range daemonTable {
		raw := l.v.Get(s.Key)
		if raw == nil {
			continue
		}
		if err := fits(s, raw); err != nil {
			e := valueError("", fmt.Sprint(raw), err)
			e.Where, e.Key = l.origin(s)
			l.errs = append(l.errs, e)
		}
	}
}

// fits tells whether a value that a file, the environment or a flag gave is one for the setting's field.
func fits(s setting, raw any) error {
	text, isText := raw.(string)
	switch s.value.(type) {
	case string:
		if !isText {
			return &wrong{"is not a text", "put it in quotes"}
		}
	case int:
		_, isInt := raw.(int)
		if n, err := strconv.Atoi(text); isText && (err != nil || strconv.Itoa(n) != text) || !isText && !isInt {
			return &wrong{"is not a whole number", "give one as in 1500"}
		}
	case time.Duration:
		if _, ok := raw.(time.Duration); ok {
			return nil
		}
		if _, err := time.ParseDuration(text); err != nil {
			return &wrong{"is not a time", "give a number and its unit, as in 25s or 5m"}
		}
	case []string:
		list, isList := raw.([]any)
		_, isTexts := raw.([]string)
		if !isText && !isTexts && (!isList || slices.ContainsFunc(list, func(v any) bool { _, ok := v.(string); return !ok })) {
			return &wrong{"is not a list of texts", "give as in [host-a, host-b]"}
		}
	}
	return nil
}

// closeNone turns the word for "no socket" into the empty path.
func (d *Daemon) closeNone() {
	for _, s := range daemonTable {
		if p, ok := s.field(d).(*string); ok && s.socket && *p == none {
			*p = ""
		}
	}
}
