// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"pgregory.net/rapid"
)

// write makes a settings file.
func write(t interface {
	Helper()
	Fatal(...any)
}, dir, text string) string {
	t.Helper()
	name := filepath.Join(dir, "ovsnet.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// flags parses a command line.
func flags(t interface {
	Helper()
	Fatal(...any)
}, args ...string) *pflag.FlagSet {
	t.Helper()
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	Flags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	return fs
}

func TestDefault(t *testing.T) {
	t.Parallel()
	d := Default()
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	want := Daemon{
		OVSDB: "unix:/run/openvswitch/db.sock", OVSRunDir: "/run/openvswitch",
		Socket: "/run/docker/plugins/ovs.sock", SocketGroup: "root", StateDir: "/var/lib/ovsnet",
		Scope: "local", Datapath: "auto", MTU: 1500, Owner: "ovsnet", ProcSys: "/proc/sys",
		LogLevel: "info", LogFormat: "text", AuditInterval: 5 * time.Minute, VerbTimeout: 25 * time.Second,
		StatusSocket: "/run/ovsnet/ovsnet.sock", TunnelPort: 14789,
		DockerSocket: "/run/docker.sock", SystemBus: "/run/dbus/system_bus_socket",
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	empty := write(t, t.TempDir(), "")
	if got, err := Load(Source{File: empty, Flags: flags(t)}); err != nil || !cmp.Equal(got, d) {
		t.Errorf("loading nothing: %v\n%s", err, cmp.Diff(d, got))
	}
	if d.Level() != slog.LevelInfo {
		t.Errorf("level %v", d.Level())
	}
}

func TestLoadPrecedence(t *testing.T) {
	t.Parallel()
	file := write(t, t.TempDir(), `
ovsdb: unix:/srv/ovs/db.sock
mtu: 9000
owner: from-file
log_level: debug
audit_interval: 90s
status_socket: ""
peers: [192.0.2.1, host-b]
`)
	got, err := Load(Source{
		File:    file,
		Environ: []string{"OVSNET_OWNER=from-env", "OVSNET_LOG_LEVEL=warn", "OVSNET_SOCKET=none", "OVSNET_SCOPE=", "OVSNET_MTU=1400", "OVSNET_TUNNEL_PORT=4789", "PATH=/bin"},
		Flags:   flags(t, "--log-level=error", "--verb-timeout", "10s", "--mtu=1300"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.OVSDB, want.OVSRunDir = "unix:/srv/ovs/db.sock", "/srv/ovs"
	want.MTU, want.Owner, want.LogLevel = 1300, "from-env", "error"
	want.AuditInterval, want.VerbTimeout = 90*time.Second, 10*time.Second
	want.Socket, want.StatusSocket = "", ""
	want.Peers, want.TunnelPort = []string{"192.0.2.1", "host-b"}, 4789
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestLoadPeers: one list, in each way to write it.
func TestLoadPeers(t *testing.T) {
	t.Parallel()
	want := []string{"192.0.2.1", "fd00::2", "host-c"}
	for name, src := range map[string]Source{
		"file":         {File: write(t, t.TempDir(), "peers: [192.0.2.1, 'fd00::2', host-c]\n")},
		"text in file": {File: write(t, t.TempDir(), "peers: 192.0.2.1,fd00::2, host-c\n")},
		"environment":  {Environ: []string{"OVSNET_PEERS=192.0.2.1, fd00::2,host-c,"}},
		"flag":         {Flags: flags(t, "--peers=192.0.2.1,fd00::2", "--peers=host-c")},
		"flag wins": {
			File: write(t, t.TempDir(), "peers: [192.0.2.9]\n"), Environ: []string{"OVSNET_PEERS=192.0.2.8"},
			Flags: flags(t, "--peers=192.0.2.1,fd00::2,host-c"),
		},
	} {
		if src.File == "" {
			src.File = write(t, t.TempDir(), "")
		}
		if got, err := Load(src); err != nil || !cmp.Equal(got.Peers, want) {
			t.Errorf("%s: %v, %v", name, got.Peers, err)
		}
	}
}

func TestLoadFileFromEnvironment(t *testing.T) {
	t.Parallel()
	file := write(t, t.TempDir(), "mtu: 1400\n")
	if d, err := Load(Source{Environ: []string{"OVSNET_CONFIG=" + file}}); err != nil || d.MTU != 1400 {
		t.Errorf("MTU %d, %v", d.MTU, err)
	}
	missing := filepath.Join(t.TempDir(), "none.yaml")
	if _, err := Load(Source{Environ: []string{"OVSNET_CONFIG=" + missing}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a named file that is missing: error %v", err)
	}
}

func TestLoadErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		env  []string
		args []string
		want []string
	}{
		"unknown key":      {file: "log_levle: info\n", want: []string{"ovsnet.yaml: log_levle: not known", "nearest known key is log_level"}},
		"nested":           {file: "ovs:\n  db: x\n", want: []string{"ovsnet.yaml: ovs: not known", "nearest known key is ovsdb"}},
		"nested known":     {file: "ovsdb:\n  path: x\n", want: []string{"ovsnet.yaml: ovsdb", "not a text"}},
		"unknown variable": {env: []string{"OVSNET_OVS_DB=x"}, want: []string{"OVSNET_OVS_DB: not known", "nearest known key is OVSNET_OVSDB"}},
		"no YAML":          {file: "a: [", want: []string{"not YAML"}},
		"twice":            {file: "mtu: 1500\nmtu: 1400\n", want: []string{"not YAML", "mtu"}},
		"a time without unit": {
			file: "audit_interval: 300\n", want: []string{"ovsnet.yaml: audit_interval=300", "is not a time"},
		},
		"fraction":          {file: "mtu: 1500.5\n", want: []string{"not a whole number"}},
		"truth for number":  {file: "mtu: true\n", want: []string{"not a whole number"}},
		"number for text":   {file: "owner: 7\n", want: []string{"owner=7", "quotes"}},
		"list for text":     {file: "owner: [a]\n", want: []string{"owner", "not a text"}},
		"env number":        {env: []string{"OVSNET_MTU=x"}, want: []string{"OVSNET_MTU=x", "whole number"}},
		"flag out of range": {args: []string{"--mtu=1"}, want: []string{"--mtu=1: ", "68 to 65535"}},
		"endpoint":          {env: []string{"OVSNET_OVSDB=tcp:127.0.0.1:6640"}, want: []string{"OVSNET_OVSDB", "no socket of this host"}},
		"relative":          {env: []string{"OVSNET_OVSDB=unix:db.sock"}, want: []string{"absolute"}},
		"socket too long":   {args: []string{"--socket=/" + strings.Repeat("x", 107)}, want: []string{"--socket", "at most 107"}},
		"one path twice":    {args: []string{"--socket=/run/a", "--status-socket=/run/a"}, want: []string{"--status-socket=/run/a", "also the value of socket"}},
		"words":             {env: []string{"OVSNET_SCOPE=swarm", "OVSNET_DATAPATH=dpdk"}, want: []string{"OVSNET_SCOPE=swarm", "local, global", "OVSNET_DATAPATH=dpdk"}},
		"peers":             {env: []string{"OVSNET_PEERS=10.0.0.1:4789"}, want: []string{"OVSNET_PEERS", "10.0.0.1:4789", "neither an address nor a name"}},
		"peer of numbers":   {file: "peers: [1, 2]\n", want: []string{"peers", "list of texts"}},
		"peer to all":       {args: []string{"--peers=ff02::1"}, want: []string{"--peers", "no address of one host"}},
		"half an address":   {args: []string{"--peers=10.0.0"}, want: []string{"--peers", "neither"}},
		"no port":           {env: []string{"OVSNET_TUNNEL_PORT=65536"}, want: []string{"OVSNET_TUNNEL_PORT=65536", "1 to 65535"}},
		"tunnel prefix":     {env: []string{"OVSNET_TUNNEL_ADDRESS=10.0.0.1/8"}, want: []string{"bits behind", "10.0.0.0/8"}},
		"tunnel link":       {env: []string{"OVSNET_TUNNEL_ADDRESS=a/b/c"}, want: []string{"OVSNET_TUNNEL_ADDRESS", "byte"}},
		"all at once": {
			file: "colour: red\nmtu: much\n", env: []string{"OVSNET_X=1", "OVSNET_VERB_TIMEOUT=soon"},
			want: []string{"colour", "mtu=much", "OVSNET_X", "OVSNET_VERB_TIMEOUT=soon"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(Source{File: write(t, t.TempDir(), c.file), Environ: c.env, Flags: flags(t, c.args...)})
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q is not in %q", w, err)
				}
			}
		})
	}
}

// TestTableMatchesStruct: every field is in the table once, under its tag, and the page says something of each.
func TestTableMatchesStruct(t *testing.T) {
	t.Parallel()
	var d Daemon
	seen := map[any]string{}
	for i, s := range daemonTable {
		p := s.field(&d)
		if other, ok := seen[p]; ok {
			t.Errorf("%s and %s are the same field", s.Key, other)
		}
		seen[p] = s.Key
		file := write(t, t.TempDir(), "")
		text := map[bool]string{true: "/x" + fmt.Sprint(i), false: s.text(ptr(Default()))}[s.Type == "path"]
		switch {
		case text == "" && !s.socket:
			text = "x"
		case text == "":
			text = "/x"
		}
		got, err := Load(Source{File: file, Environ: []string{s.Env() + "=" + text}})
		if err != nil {
			t.Errorf("%s: %v", s.Key, err)
			continue
		}
		if have := s.text(&got); have != text {
			t.Errorf("%s=%s ends up as %q: the field's tag is not the key", s.Env(), text, have)
		}
	}
	for _, list := range [][]Option{DaemonOptions(), NetworkOptions(), EndpointOptions()} {
		for _, o := range list {
			if o.Doc == "" || o.Type == "" || len(o.names()) == 0 {
				t.Errorf("%+v: incomplete", o)
			}
			if !strings.Contains(Page(), cell(o.Doc)) {
				t.Errorf("%v is not on the page", o.names())
			}
		}
	}
}

func ptr[T any](v T) *T { return &v }

// TestLoadLayersProperty: whatever is given where, the highest layer that gives a setting wins.
func TestLoadLayersProperty(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		mtu, owner := rapid.IntRange(MinMTU, MaxMTU), rapid.StringMatching(`[a-z][a-z0-9.]{0,20}[a-z]`)
		want := Default()
		var file, env, args []string
		for layer, give := range []func(key, value string){
			func(k, v string) { file = append(file, fmt.Sprintf("%s: %s", k, v)) },
			func(k, v string) { env = append(env, envPrefix+strings.ToUpper(k)+"="+v) },
			func(k, v string) { args = append(args, "--"+k, v) },
		} {
			if rapid.Bool().Draw(t, fmt.Sprintf("mtu in %d", layer)) {
				want.MTU = mtu.Draw(t, "mtu")
				give("mtu", fmt.Sprint(want.MTU))
			}
			if rapid.Bool().Draw(t, fmt.Sprintf("owner in %d", layer)) {
				want.Owner = owner.Draw(t, "owner")
				give("owner", map[bool]string{true: `"` + want.Owner + `"`, false: want.Owner}[layer == 0])
			}
		}
		want.Socket, want.StatusSocket = "/run/docker/plugins/"+want.ShortDriver()+".sock", "/run/ovsnet/"+want.Owner+".sock"
		got, err := Load(Source{File: write(t, dir, strings.Join(file, "\n")), Environ: env, Flags: flags(t, args...)})
		if err != nil || !cmp.Equal(got, want) {
			t.Fatalf("%v\n%s", err, cmp.Diff(want, got))
		}
	})
}

// TestOwnersAreApart: two owners with the same settings share neither socket nor state; paths that are given stand.
func TestOwnersAreApart(t *testing.T) {
	t.Parallel()
	load := func(args ...string) Daemon {
		d, err := Load(Source{File: write(t, t.TempDir(), ""), Flags: flags(t, args...)})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	one, two := load(), load("--owner=two")
	if one.Socket != "/run/docker/plugins/ovs.sock" || one.StatusSocket != "/run/ovsnet/ovsnet.sock" || one.OwnState() != "/var/lib/ovsnet" {
		t.Errorf("the only one: %+v", one)
	}
	if two.Socket != "/run/docker/plugins/two.sock" || two.StatusSocket != "/run/ovsnet/two.sock" || two.OwnState() != "/var/lib/ovsnet/owner-two" {
		t.Errorf("the second: %+v", two)
	}
	if given := load("--owner=two", "--socket=/run/docker/plugins/ovs.sock", "--status-socket=none"); given.Socket != one.Socket || given.StatusSocket != "" {
		t.Errorf("given: %+v", given)
	}
}

// TestNearestProperty: a known key with one byte lost, doubled or swapped is told from all the others.
func TestNearestProperty(t *testing.T) {
	t.Parallel()
	var known []string
	for _, o := range DaemonOptions() {
		known = append(known, o.Key)
	}
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SampledFrom(known).Draw(t, "key")
		i := rapid.IntRange(1, len(key)-1).Draw(t, "at")
		typo := rapid.SampledFrom([]string{
			key[:i] + key[i+1:], key[:i] + key[i-1:], key[:i-1] + key[i:i+1] + key[i-1:i] + key[i+1:],
		}).Draw(t, "typo")
		if d := distance(typo, key); d > 1 {
			t.Fatalf("distance of %s to %s is %d", typo, key, d)
		}
		if a, b := distance(typo, key), distance(key, typo); a != b {
			t.Fatalf("distance is %d one way and %d the other", a, b)
		}
		if near := nearest(typo, known); distance(typo, near) > 1 {
			t.Fatalf("nearest to %s is %s", typo, near)
		}
	})
}

func FuzzLoad(f *testing.F) {
	f.Add("mtu: 1500\n", "OVSNET_MTU=1400")
	f.Add("ovsdb: unix:/x/y\naudit_interval: 1m\n", "OVSNET_X=y")
	f.Add("a: &a [*a]\n", "OVSNET_SOCKET=none")
	f.Add("? {a: b}\n: c\n1: 2\n", "=")
	f.Add("socket: /run/x\nplugin_socket: /run/x\n", "OVSNET_LOG_LEVEL=debug")
	f.Fuzz(func(t *testing.T, text, variable string) {
		if strings.HasPrefix(variable, EnvFile) {
			return
		}
		d, err := Load(Source{File: write(t, t.TempDir(), text), Environ: []string{variable}})
		if err != nil {
			if !cmp.Equal(d, Daemon{}) {
				t.Errorf("settings beside an error: %+v", d)
			}
			return
		}
		if err := d.Validate(); err != nil {
			t.Errorf("loaded settings are not valid: %v", err)
		}
	})
}
