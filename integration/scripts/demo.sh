#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# demo.sh up|down: shows ovsnet at work. "up" uses the engine and the Open
# vSwitch that run, and starts private ones, in folders of their own, for those
# that do not; installs the plugin from build/plugin; makes a network with two
# containers; and prints what Docker and Open vSwitch say of it. "down" removes
# all that "up" made, and nothing else.
set -eu
cd "$(dirname "$0")/../.."
run=/run/ovsnet-demo      # sockets, and what must not outlive a reboot
lib=/var/lib/ovsnet-demo  # the private engine's images and containers
ovs=$run/openvswitch      # the private Open vSwitch
net=ovsnet-demo
image=ovsnet-demo
plugin=ovsnet
folder=${OVSNET_PLUGIN:-build/plugin}

. integration/scripts/engine.sh

say() { printf '\n== %s\n' "$*"; }

# show prints a command and runs it.
show() {
	printf '\n$ %s\n' "$*"
	"$@"
}

ovs_runs() { ovs-appctl --timeout=5 -t ovs-vswitchd version >/dev/null 2>&1; }

start_ovs() {
	say "Open vSwitch does not run here; starting a private one in $ovs"
	mkdir -p "$ovs"
	modprobe openvswitch 2>/dev/null || true
	export OVS_RUNDIR="$ovs" OVS_LOGDIR="$ovs" OVS_DBDIR="$ovs"
	[ -e "$ovs/conf.db" ] || ovsdb-tool create "$ovs/conf.db" /usr/share/openvswitch/vswitch.ovsschema
	ovsdb-server "$ovs/conf.db" --remote="punix:$ovs/db.sock" --pidfile="$ovs/ovsdb-server.pid" \
		--unixctl="$ovs/ovsdb-server.ctl" --log-file="$ovs/ovsdb-server.log" -vconsole:off --detach
	ovs-vsctl --db="unix:$ovs/db.sock" --no-wait init
	ovs-vswitchd "unix:$ovs/db.sock" --pidfile="$ovs/ovs-vswitchd.pid" \
		--unixctl="$ovs/ovs-vswitchd.ctl" --log-file="$ovs/ovs-vswitchd.log" -vconsole:off --detach
}

stop_ovs() {
	[ -d "$ovs" ] || return 0
	for daemon in ovs-vswitchd ovsdb-server; do
		ovs-appctl --timeout=10 -t "$ovs/$daemon.ctl" exit >/dev/null 2>&1 || true
		tries=0
		while [ -e "$ovs/$daemon.pid" ] && [ $tries -lt 50 ]; do
			tries=$((tries + 1))
			sleep 0.1
		done
	done
}

# private_engine points the docker command to the demo's own engine, if it runs.
private_engine() {
	[ -S "$lib/docker.sock" ] || return 1
	export DOCKER_HOST="unix://$lib/docker.sock"
	unset DOCKER_CONTEXT
	docker version >/dev/null 2>&1
}

import_image() {
	root=$(mktemp -d)
	mkdir -p "$root/bin" "$root/etc"
	cp "$(command -v busybox)" "$root/bin/busybox"
	for applet in sh sleep ping ip nc; do ln -s busybox "$root/bin/$applet"; done
	tar -C "$root" -c . | docker import - "$image" >/dev/null
	rm -rf "$root"
}

up() {
	down quietly
	mkdir -p "$run"
	note_run
	if ! docker version >/dev/null 2>&1; then
		say "no Docker engine runs here; starting a private one in $lib"
		echo "(it leaves the machine's forwarding as it is; its warnings of that are no matter here)"
		engine_start "$lib" host
	fi
	db=unix:/host/run/openvswitch/db.sock
	if ! ovs_runs; then
		start_ovs
		db=unix:/host$ovs/db.sock
	fi
	if docker plugin inspect "$plugin" >/dev/null 2>&1; then
		say "the plugin $plugin is installed here; using it"
	else
		say "installing the plugin"
		touch "$run/plugin"
		show docker plugin create "$plugin" "$folder"
		show docker plugin set "$plugin" "OVSNET_OVSDB=$db"
	fi
	if [ "$(docker plugin inspect -f '{{.Enabled}}' "$plugin")" != true ]; then
		show docker plugin enable "$plugin"
	fi
	docker plugin ls
	import_image

	say "a network and two containers"
	show docker network create --driver ovs "$net"
	show docker run -d --name $net-a --network "$net" "$image" sleep 86400
	show docker run -d --name $net-b --network "$net" "$image" sleep 86400
	show docker exec $net-a ping -c 3 $net-b
	show docker exec $net-b ping -c 3 $net-a

	say "what Docker says"
	show docker network inspect "$net"
	say "what Open vSwitch says"
	if [ -S "$ovs/db.sock" ]; then
		export OVS_RUNDIR="$ovs"
	fi
	show ovs-vsctl show
	bridge=$(ovs-vsctl --bare --columns=name find Bridge \
		"external_ids:ovsnet-network=$(docker network inspect -f '{{.Id}}' "$net")")
	show ovs-ofctl -O OpenFlow15 dump-flows "$bridge"

	say "the demo works; look around"
	[ -z "${DOCKER_HOST:-}" ] || echo "  export DOCKER_HOST=$DOCKER_HOST"
	[ -z "${OVS_RUNDIR:-}" ] || echo "  export OVS_RUNDIR=$OVS_RUNDIR"
	echo "  docker exec -it $net-a sh"
	echo "and remove it with: sudo make demo-down"
}

# note_run writes down which folders of /run the engine and the plugin will make.
note_run() {
	for dir in /run/ovsnet /run/docker/plugins /run/docker /run/containerd/s /run/containerd; do
		[ -e $dir ] || echo $dir >>"$run/made"
	done
}

down() {
	if private_engine || docker version >/dev/null 2>&1; then
		docker rm -f $net-a $net-b >/dev/null 2>&1 || true
		docker network rm "$net" >/dev/null 2>&1 || true
		docker image rm -f "$image" >/dev/null 2>&1 || true
		if [ -e "$run/plugin" ]; then
			docker plugin rm -f "$plugin" >/dev/null 2>&1 || true
		fi
	fi
	engine_end "$lib"
	unset DOCKER_HOST
	stop_ovs
	if [ -e "$run/made" ]; then
		while read -r dir; do rmdir "$dir" 2>/dev/null || true; done <"$run/made"
	fi
	rm -rf "$run" "$lib"
	[ "${1:-}" = quietly ] || echo "the demo is gone"
}

if [ "$(id -u)" != 0 ]; then
	echo "$0: needs root; run it with sudo" >&2
	exit 1
fi
case ${1:-} in
up) up ;;
down) down ;;
*)
	echo "usage: $0 up|down" >&2
	exit 2
	;;
esac
