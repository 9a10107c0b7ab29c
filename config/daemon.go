// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"time"
)

// Daemon is what ovsnet serve runs by. Default gives a value that works on a single host.
type Daemon struct {
	// OVSDB is the endpoint of the host's Open_vSwitch database: "unix:" and an absolute path.
	OVSDB string `mapstructure:"ovsdb"`
	// OVSRunDir is the folder with Open vSwitch's sockets, <bridge>.mgmt among them. Load fills it in with the
	// folder of the database's socket when nothing was said.
	OVSRunDir string `mapstructure:"ovs_run_dir"`
	// Socket is the door that Docker finds as the driver ovs; empty: that door stays shut.
	Socket string `mapstructure:"socket"`
	// SocketGroup is the name or number of the group that may use the doors; the mode is 0660.
	SocketGroup string `mapstructure:"socket_group"`
	// PluginSocket is the door of the managed plugin; empty outside of one.
	PluginSocket string `mapstructure:"plugin_socket"`
	// StateDir is the folder of the journals of all owners; OwnState is one's own.
	StateDir string `mapstructure:"state_dir"`
	// Scope is what the managed plugin's door answers to GetCapabilities: "local" or "global". The other door is
	// always local.
	Scope string `mapstructure:"scope"`
	// Datapath is the datapath of networks that do not choose: "auto", "system" or "netdev".
	Datapath string `mapstructure:"datapath"`
	// MTU is the largest packet, in bytes, on networks that do not choose.
	MTU int `mapstructure:"mtu"`
	// Owner is the mark in external_ids by which rows of the database are ours. Two daemons on one Open vSwitch
	// need two, and then have sockets and state of their own.
	Owner string `mapstructure:"owner"`
	// ProcSys is where the host's /proc/sys can be written.
	ProcSys string `mapstructure:"proc_sys"`
	// DockerSocket is where Docker's API is asked for networks and their endpoints; empty: nowhere.
	DockerSocket string `mapstructure:"docker_socket"`
	// SystemBus is the host's system bus, where firewalld is.
	SystemBus string `mapstructure:"system_bus"`
	// LogLevel is "debug", "info", "warn" or "error".
	LogLevel string `mapstructure:"log_level"`
	// LogFormat is "text" or "json".
	LogFormat string `mapstructure:"log_format"`
	// AuditInterval is the time between two comparisons of everything wanted with everything there. Shorter finds
	// drift sooner, longer costs less.
	AuditInterval time.Duration `mapstructure:"audit_interval"`
	// VerbTimeout is the longest that a call of Docker's may take. Docker itself gives up on a managed plugin after
	// 30 s, so a shorter time leaves room to say why.
	VerbTimeout time.Duration `mapstructure:"verb_timeout"`
	// StatusSocket is where ovsnet status asks; empty: nowhere.
	StatusSocket string `mapstructure:"status_socket"`
	// Peers are the other hosts, addresses or names, that every network across hosts reaches.
	Peers []string `mapstructure:"peers"`
	// TunnelPort is the UDP port of VXLAN and Geneve tunnels.
	TunnelPort int `mapstructure:"tunnel_port"`
	// TunnelAddress says which of this host's addresses tunnels use: an address, a prefix that holds it, or the name of
	// the interface that has it; empty: what Swarm tells, else what the routes to the peers say.
	TunnelAddress string `mapstructure:"tunnel_address"`
}

// DefaultFile is the settings file that is read when it exists and no other is named.
const DefaultFile = "/etc/ovsnet/ovsnet.yaml"

// Default gives the value that holds when nothing is set: one host, Debian's Open vSwitch, the driver ovs.
func Default() Daemon {
	var d Daemon
	for _, s := range daemonTable {
		setDefault(s, &d)
	}
	d.fill()
	return d
}

// fill works out what follows from other settings.
func (d *Daemon) fill() {
	if path, ok := strings.CutPrefix(d.OVSDB, unixPrefix); ok && d.OVSRunDir == "" {
		d.OVSRunDir = filepath.Dir(path)
	}
	d.Socket = strings.ReplaceAll(d.Socket, driverWord, d.ShortDriver())
	d.StatusSocket = strings.ReplaceAll(d.StatusSocket, ownerWord, d.Owner)
	var peers []string
	for _, p := range d.Peers {
		if p = strings.TrimSpace(p); p != "" {
			peers = append(peers, p)
		}
	}
	d.Peers = peers
}

// DefaultOwner is the owner of an installation that is the only one on its host.
const DefaultOwner = "ovsnet"

// Words in paths of sockets, so that installations with different owners have different ones.
const (
	driverWord = "{driver}"
	ownerWord  = "{owner}"
)

// ShortDriver is the name of the driver that Docker finds by its socket: ovs, or the owner's where that is not the
// default.
func (d Daemon) ShortDriver() string {
	if d.Owner == DefaultOwner {
		return "ovs"
	}
	return d.Owner
}

// OwnState is the owner's part of StateDir: all of it for the default owner, a folder in it for others.
func (d Daemon) OwnState() string {
	if d.Owner == DefaultOwner {
		return d.StateDir
	}
	return filepath.Join(d.StateDir, "owner-"+d.Owner)
}

// Validate holds every setting to what it may be, and the settings against each other. Every error is a
// *KeyError; all are joined.
func (d Daemon) Validate() error {
	return d.validate(func(s setting) (where, key string) { return "", s.Key })
}

// validate checks the settings and names each as origin says.
func (d Daemon) validate(origin func(setting) (where, key string)) error {
	var errs []error
	at := map[string]string{}
	for _, s := range daemonTable {
		err := s.check(&d)
		if p, ok := s.field(&d).(*string); ok && err == nil && s.socket && *p != "" {
			if other, ok := at[*p]; ok {
				err = &wrong{"is also the value of " + other, "give each socket a path of its own"}
			}
			at[*p] = s.Key
		}
		if err != nil {
			e := valueError("", s.text(&d), err)
			e.Where, e.Key = origin(s)
			errs = append(errs, e)
		}
	}
	return errors.Join(errs...)
}

// Level gives LogLevel as slog has it. A value that Validate would refuse gives slog.LevelInfo.
func (d Daemon) Level() slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(d.LogLevel)); err != nil {
		return slog.LevelInfo
	}
	return l
}
