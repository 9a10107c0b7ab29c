#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A private engine, for scripts to source. It has a folder of its own and a
# mount and PID namespace of its own, so that nothing of it outlives it.

engine_pid=

# engine_start DIR alone|host: starts dockerd with everything in DIR and points
# the docker command to it. "alone" gives it a network namespace without any
# network; "host" leaves it in the machine's, with no bridge and no firewall
# rule of its own.
engine_start() {
	engine_dir=$1
	engine_net=
	[ "$2" != alone ] || engine_net=--net
	mkdir -p "$engine_dir"
	echo '{}' >"$engine_dir/daemon.json"
	# shellcheck disable=SC2016 # for the inner shell
	setsid unshare --mount --pid --fork --kill-child $engine_net --propagation private sh -c '
		mount -t proc proc /proc
		dir=$1
		if [ "$2" = alone ]; then
			mount -t tmpfs -o mode=755 tmpfs /run
			ip link set lo up
		fi
		exec dockerd --config-file="$dir/daemon.json" --host="unix://$dir/docker.sock" \
			--data-root="$dir/data" --exec-root="$dir/exec" --pidfile="$dir/docker.pid" \
			--cgroup-parent="/ovsnet-engine-$3" --exec-opt native.cgroupdriver=cgroupfs \
			--bridge=none --iptables=false --ip-forward=false --ip-masq=false
	' sh "$engine_dir" "$2" $$ </dev/null >"$engine_dir/docker.log" 2>&1 &
	engine_pid=$!
	echo "$engine_pid" >"$engine_dir/engine.pid"
	echo "ovsnet-engine-$$" >"$engine_dir/engine.group"
	unset DOCKER_CONTEXT
	export DOCKER_HOST="unix://$engine_dir/docker.sock"
	tries=0
	until docker version >/dev/null 2>&1; do
		tries=$((tries + 1))
		if [ $tries -gt 150 ] || ! kill -0 "$engine_pid" 2>/dev/null; then
			echo "the private engine did not start; the end of $engine_dir/docker.log:" >&2
			tail -n 20 "$engine_dir/docker.log" >&2
			exit 1
		fi
		sleep 0.2
	done
}

# engine_stop ends what engine_start started in this shell, if anything.
engine_stop() {
	[ -z "$engine_pid" ] || engine_end "$engine_dir"
	engine_pid=
}

# engine_end DIR ends the engine that engine_start started for DIR.
engine_end() {
	[ -e "$1/engine.pid" ] || return 0
	pid=$(cat "$1/engine.pid")
	# The number may be another's by now.
	if grep -qs unshare "/proc/$pid/comm"; then
		child=$(cat "/proc/$pid/task/$pid/children")
		# shellcheck disable=SC2086 # one number and a blank
		kill -TERM $child 2>/dev/null || true
		tries=0
		while kill -0 "$pid" 2>/dev/null && [ $tries -lt 100 ]; do
			tries=$((tries + 1))
			sleep 0.1
		done
		kill -KILL "$pid" 2>/dev/null || true
	fi
	group=$(cat "$1/engine.group")
	find /sys/fs/cgroup -depth -type d -path "*/$group*" -exec rmdir {} + 2>/dev/null || true
	rm -f "$1/engine.pid" "$1/engine.group"
}
