#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# kernel-shell.sh [ROWS COLUMNS]: run by kernel.sh inside of its machine, starts
# Open vSwitch and an engine with the plugin from build/plugin, and a shell.
set -eu
stty sane rows "${1:-24}" cols "${2:-80}"
# What runs or ran on the machine outside is not this one's.
rm -rf /etc/openvswitch/conf.db /etc/docker/daemon.json
for dir in /var/lib/docker /var/lib/containerd /var/lib/ovsnet /var/log/openvswitch; do
	mkdir -p $dir
	mount -t tmpfs -o mode=755 tmpfs $dir
done
echo "Open vSwitch and Docker start; they take their time in an emulated machine"
/usr/share/openvswitch/scripts/ovs-ctl start --system-id=random --no-monitor >/run/ovs-ctl.log 2>&1
unset DOCKER_HOST DOCKER_CONTEXT
export DOCKER_HOST=unix:///run/docker.sock
tries=3 # an engine gives its containerd 15 s, and gives up
engine=
until docker version >/dev/null 2>&1; do
	if [ -z "$engine" ] || ! kill -0 "$engine" 2>/dev/null; then
		if [ $((tries -= 1)) -lt 0 ]; then
			tail -n 20 /run/dockerd.log
			exit 1
		fi
		dockerd --host="$DOCKER_HOST" --storage-driver=overlay2 >/run/dockerd.log 2>&1 </dev/null &
		engine=$!
	fi
	sleep 0.5
done
docker plugin create ovsnet build/plugin
docker plugin enable ovsnet
ovs-vsctl show
docker plugin ls
echo "this machine ends with the shell; try: docker network create --driver ovs n1 && ovs-vsctl show"
exec bash -i
