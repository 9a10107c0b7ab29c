#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# packages.sh plugin|demo|test|kernel: installs, by name and with apt-get, what the
# target needs and the machine lacks.
set -eu

missing=

# want PACKAGE PROGRAM: the package is missing when the program is.
want() {
	command -v "$2" >/dev/null 2>&1 || missing="$missing $1"
}

# The images of tests and demos hold nothing but busybox, so it must be static.
want_busybox() {
	busybox=$(command -v busybox) || busybox=
	if [ -z "$busybox" ] || ldd "$busybox" >/dev/null 2>&1; then
		missing="$missing busybox-static"
	fi
}

want_engine() {
	docker version >/dev/null 2>&1 || { want docker.io dockerd; want debootstrap debootstrap; }
	want docker.io docker
}

case ${1:-} in
plugin)
	want_busybox
	want_engine
	;;
demo)
	want_busybox
	want_engine
	want openvswitch-switch ovs-vswitchd
	want nftables nft
	want iproute2 ip
	;;
test)
	want_busybox
	want docker.io dockerd
	want docker.io docker
	want debootstrap debootstrap
	want nftables nft
	want openvswitch-switch ovs-vswitchd
	want iproute2 ip
	want iptables iptables-save
	want iputils-ping ping
	want procps ps
	want python3 python3 # firewalld's and ufw's
	want dbus-daemon dbus-daemon
	want ethtool ethtool
	want gcc gcc # the race detector's
	want libc6-dev gcc
	want shellcheck shellcheck
	;;
kernel)
	want_busybox
	want docker.io dockerd
	want docker.io docker
	want nftables nft
	want openvswitch-switch ovs-vswitchd
	want iproute2 ip
	want iptables iptables-save
	want iputils-ping ping
	want procps ps
	want ethtool ethtool
	want iperf3 iperf3 # the benchmarks'
	want qemu-system-x86 qemu-system-x86_64
	want cpio cpio
	want kmod modprobe
	;;
*)
	echo "usage: $0 plugin|demo|test|kernel" >&2
	exit 2
	;;
esac

[ -n "$missing" ] || exit 0
# shellcheck disable=SC2046,SC2086 # the words are packages
set -- $(printf '%s\n' $missing | sort -u)
if ! command -v apt-get >/dev/null 2>&1; then
	echo "$0: not a Debian or Ubuntu machine; install what Debian calls: $*" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "$0: needs root to install; run: sudo apt-get install $*" >&2
	exit 1
fi
echo "installing: $*"
export DEBIAN_FRONTEND=noninteractive
apt-get install -y -q --no-install-recommends "$@" || {
	apt-get update -q
	apt-get install -y -q --no-install-recommends "$@"
}
