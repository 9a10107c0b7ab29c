#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# kernel-init.sh is the first process of the machine that kernel.sh starts. The
# kernel's command line says in kernel_out where the folder is that the outside
# sees, with the command in it, and in kernel_modules where the modules are.

export LC_ALL=C
: "${kernel_out:?}" "${kernel_modules:?}"

# off ends the machine, whatever happened.
off() {
	sync
	echo o >/proc/sysrq-trigger
	sleep 60
}

work() {
	set -e
	mount -t proc proc /proc
	mount -t sysfs sys /sys
	mount -t devtmpfs dev /dev
	mkdir -p /dev/pts /dev/shm
	mount -t devpts -o mode=600,ptmxmode=000 devpts /dev/pts
	mount -t tmpfs shm /dev/shm
	mount -t tmpfs -o mode=755 run /run
	mkdir -p /lib/modules "$kernel_out"
	mount --bind "$kernel_modules" /lib/modules
	modprobe tun # makes /dev/net/tun, for the bridges of the userspace datapath; elsewhere systemd makes it at boot
	mount -t 9p -o trans=virtio,version=9p2000.L,cache=none out "$kernel_out"
	mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
	for c in cpu cpuacct cpuset memory devices freezer blkio pids; do
		mkdir /sys/fs/cgroup/$c
		mount -t cgroup -o $c cgroup /sys/fs/cgroup/$c
	done
	mkdir /sys/fs/cgroup/systemd /sys/fs/cgroup/unified
	mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
	mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified
	ip link set lo up
	hostname kernel
	ulimit -n 65536
	set +e
	# Engines give their parts seconds to start, which is too little when those come over 9p for the first time.
	cat /usr/bin/docker* /usr/sbin/dockerd /usr/bin/containerd* /usr/sbin/runc /usr/bin/runc >/dev/null 2>&1
	# A session of its own on the console, so that Ctrl-C works in a shell.
	setsid --ctty --wait bash "$kernel_out/command" </dev/hvc0 >/dev/hvc0 2>&1
	echo $? >"$kernel_out/exit"
}

trap off EXIT
work
