// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"time"
)

const (
	envPrefix  = "OVSNET_"
	unixPrefix = "unix:"
	// maxOwner keeps the mark short enough for links' aliases, where it stands beside two ids (256 bytes in all).
	maxOwner = 32
)

// setting is one row of the daemon's table.
type setting struct {
	Option
	// field gives the field's address: a *string, *int, *time.Duration or *[]string.
	field func(*Daemon) any
	// value is the default, of the field's type.
	value any
	// socket marks the paths of sockets that ovsnet makes, and Docker's: "none" stands for no socket, and no two may be
	// the same.
	socket bool
	check  func(*Daemon) error
}

// text gives the setting's value as a person would write it.
func (s setting) text(d *Daemon) string {
	switch p := s.field(d).(type) {
	case *string:
		return *p
	case *int:
		return fmt.Sprint(*p)
	case *time.Duration:
		return durationText(*p)
	case *[]string:
		return strings.Join(*p, ",")
	}
	return ""
}

// setDefault puts the setting's default into d.
func setDefault(s setting, d *Daemon) {
	switch p := s.field(d).(type) {
	case *string:
		*p, _ = s.value.(string)
	case *int:
		*p, _ = s.value.(int)
	case *time.Duration:
		*p, _ = s.value.(time.Duration)
	case *[]string:
		*p, _ = s.value.([]string)
	}
}

// durationText writes a duration without the zero parts that time.Duration puts behind it.
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// daemonTable is the one table of the daemon's settings.
var daemonTable = []setting{
	{
		Option: Option{Key: "ovsdb", Type: "endpoint", Doc: "The host's Open vSwitch database: unix: and the path of its socket."},
		field:  func(d *Daemon) any { return &d.OVSDB }, value: "unix:/run/openvswitch/db.sock",
		check: func(d *Daemon) error { return checkEndpoint(d.OVSDB) },
	},
	{
		Option: Option{Key: "ovs_run_dir", Type: "path", Doc: "Folder with Open vSwitch's sockets, <bridge>.mgmt among them. Empty: the folder of the database's socket."},
		field:  func(d *Daemon) any { return &d.OVSRunDir }, value: "",
		check: func(d *Daemon) error {
			if d.OVSRunDir == "" {
				return nil
			}
			return checkPath(d.OVSRunDir)
		},
	},
	{
		Option: Option{Key: "socket", Type: "path | none", Doc: "The door that Docker finds as --driver ovs; the file's name without .sock is the driver's name. {driver} stands for ovs, and for the owner where that is not ovsnet. none: that door stays shut."},
		field:  func(d *Daemon) any { return &d.Socket }, value: "/run/docker/plugins/{driver}.sock", socket: true,
		check: func(d *Daemon) error { return checkSocket(d.Socket) },
	},
	{
		Option: Option{Key: "socket_group", Type: "group", Doc: "Name or number of the group that may use the sockets; their mode is 0660."},
		field:  func(d *Daemon) any { return &d.SocketGroup }, value: "root",
		check: func(d *Daemon) error { return checkNameBytes(d.SocketGroup, maxOwner) },
	},
	{
		Option: Option{Key: "plugin_socket", Type: "path | none", Doc: "The door of the managed plugin, which Docker finds as --driver ovsnet:latest. The plugin sets it itself; leave it out on a host."},
		field:  func(d *Daemon) any { return &d.PluginSocket }, value: "", socket: true,
		check: func(d *Daemon) error { return checkSocket(d.PluginSocket) },
	},
	{
		Option: Option{Key: "state_dir", Type: "path", Doc: "Folder of the journal: one small file per network. It must outlive reboots. Each owner but ovsnet has a folder of its own in it."},
		field:  func(d *Daemon) any { return &d.StateDir }, value: "/var/lib/ovsnet",
		check: func(d *Daemon) error { return checkPath(d.StateDir) },
	},
	{
		Option: Option{Key: "scope", Type: "local | global", Doc: "Scope of the managed plugin's networks. Swarm takes global, from a managed plugin on every node; --driver ovs is local whatever stands here."},
		field:  func(d *Daemon) any { return &d.Scope }, value: ScopeLocal,
		check: func(d *Daemon) error { return checkOneOf(d.Scope, ScopeLocal, ScopeGlobal) },
	},
	{
		Option: Option{Key: "datapath", Type: "auto | system | netdev", Doc: "Datapath of networks that do not choose: the kernel's (system), userspace (netdev), or the kernel's where the host has it (auto)."},
		field:  func(d *Daemon) any { return &d.Datapath }, value: DatapathAuto,
		check: func(d *Daemon) error {
			return checkOneOf(d.Datapath, DatapathAuto, DatapathSystem, DatapathNetdev)
		},
	},
	{
		Option: Option{Key: "mtu", Type: "bytes", Doc: "Largest packet on networks that do not choose, 68 to 65535 bytes. Networks with IPv6 need 1280."},
		field:  func(d *Daemon) any { return &d.MTU }, value: 1500,
		check: func(d *Daemon) error { return checkMTU(d.MTU) },
	},
	{
		Option: Option{Key: "owner", Type: "name", Doc: "The mark in external_ids by which bridges and ports are ovsnet's. Two daemons on one Open vSwitch need two: neither touches the other's rows, links and firewall tables, and sockets and state are apart."},
		field:  func(d *Daemon) any { return &d.Owner }, value: "ovsnet",
		check: func(d *Daemon) error { return checkNameBytes(d.Owner, maxOwner) },
	},
	{
		Option: Option{Key: "proc_sys", Type: "path", Doc: "Where the host's /proc/sys can be written. The managed plugin sets it; leave it out on a host."},
		field:  func(d *Daemon) any { return &d.ProcSys }, value: "/proc/sys",
		check: func(d *Daemon) error { return checkPath(d.ProcSys) },
	},
	{
		Option: Option{Key: "docker_socket", Type: "path | none", Doc: "Docker's API, which is asked for the names of networks where ovs.bridge.peers has one, and for what Docker no longer knows. none: never."},
		field:  func(d *Daemon) any { return &d.DockerSocket }, value: "/run/docker.sock", socket: true,
		check: func(d *Daemon) error { return checkSocket(d.DockerSocket) },
	},
	{
		Option: Option{Key: "system_bus", Type: "path", Doc: "The host's system bus (D-Bus), where firewalld is asked to let bridges pass."},
		field:  func(d *Daemon) any { return &d.SystemBus }, value: "/run/dbus/system_bus_socket",
		check: func(d *Daemon) error { return checkPath(d.SystemBus) },
	},
	{
		Option: Option{Key: "log_level", Type: "debug | info | warn | error", Doc: "The least important lines that are logged. debug logs every call of Docker's."},
		field:  func(d *Daemon) any { return &d.LogLevel }, value: "info",
		check: func(d *Daemon) error { return checkOneOf(d.LogLevel, "debug", "info", "warn", "error") },
	},
	{
		Option: Option{Key: "log_format", Type: "text | json", Doc: "How log lines are written to standard error."},
		field:  func(d *Daemon) any { return &d.LogFormat }, value: "text",
		check: func(d *Daemon) error { return checkOneOf(d.LogFormat, "text", "json") },
	},
	{
		Option: Option{Key: "audit_interval", Type: "duration", Doc: "Time between two comparisons of everything wanted with everything there, 1s to 24h."},
		field:  func(d *Daemon) any { return &d.AuditInterval }, value: 5 * time.Minute,
		check: func(d *Daemon) error { return checkDuration(d.AuditInterval, time.Second, 24*time.Hour) },
	},
	{
		Option: Option{Key: "verb_timeout", Type: "duration", Doc: "Longest that a call of Docker's may take, 1s to 10m. Docker gives up on a managed plugin after 30s."},
		field:  func(d *Daemon) any { return &d.VerbTimeout }, value: 25 * time.Second,
		check: func(d *Daemon) error { return checkDuration(d.VerbTimeout, time.Second, 10*time.Minute) },
	},
	{
		Option: Option{Key: "status_socket", Type: "path | none", Doc: "Where ovsnet status asks the daemon. {owner} stands for the owner. none: nowhere."},
		field:  func(d *Daemon) any { return &d.StatusSocket }, value: "/run/ovsnet/{owner}.sock", socket: true,
		check: func(d *Daemon) error { return checkSocket(d.StatusSocket) },
	},
	{
		Option: Option{Key: "peers", Type: "host,...", Doc: "The other hosts that every network with ovs.tunnel.type reaches, addresses or names; a list in the file. This host's own addresses in it are left out, so that all hosts can have the same. Swarm's nodes come by themselves."},
		field:  func(d *Daemon) any { return &d.Peers }, value: []string(nil),
		check: func(d *Daemon) error { return checkPeers(d.Peers) },
	},
	{
		Option: Option{Key: "tunnel_port", Type: "port", Doc: "UDP port of VXLAN and Geneve tunnels, the same on every host. VXLAN's own, 4789, belongs to Docker's overlay networks and Swarm's ingress on the kernel's datapath, and both can't have it: this one is assigned to nobody and below the range of ephemeral ports."},
		field:  func(d *Daemon) any { return &d.TunnelPort }, value: 14789,
		check: func(d *Daemon) error { return checkPort(d.TunnelPort) },
	},
	{
		Option: Option{Key: "tunnel_address", Type: "address | CIDR | interface", Doc: "Which of this host's addresses tunnels use: itself, a prefix that holds it, or the interface that has it. Empty: the one that Swarm advertises, else what the routes to the peers say."},
		field:  func(d *Daemon) any { return &d.TunnelAddress }, value: "",
		check: func(d *Daemon) error { return checkTunnelAddress(d.TunnelAddress) },
	},
}

// The values that the scope key takes; Docker's own words for how far a network reaches.
const (
	// ScopeLocal is a network of one host.
	ScopeLocal = "local"
	// ScopeGlobal is a network that Swarm makes on every node.
	ScopeGlobal = "global"
)

// DaemonOptions gives the table of the daemon's settings.
func DaemonOptions() []Option {
	out := make([]Option, 0, len(daemonTable))
	none := Daemon{}
	for _, s := range daemonTable {
		o, d := s.Option, none
		setDefault(s, &d)
		o.Default = s.text(&d)
		out = append(out, o)
	}
	return out
}

// checkEndpoint holds the database's address to a socket of this host: the bridges' OpenFlow sockets are beside
// it, and a relative path would silently become the library's own default.
func checkEndpoint(s string) error {
	path, ok := strings.CutPrefix(s, unixPrefix)
	if !ok {
		return &wrong{"is no socket of this host", "give unix: and the path, as in unix:/run/openvswitch/db.sock"}
	}
	if path == "" {
		return &wrong{"has no path", "give unix: and the path, as in unix:/run/openvswitch/db.sock"}
	}
	return checkSocket(path)
}

// checkDuration holds a time to a range.
func checkDuration(d, least, most time.Duration) error {
	if d >= least && d <= most {
		return nil
	}
	return &wrong{"is out of range", "give " + durationText(least) + " to " + durationText(most)}
}
