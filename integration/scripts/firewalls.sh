#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# firewalls.sh DIR: firewalld and ufw for tests, fetched with apt-get and
# unpacked into DIR. They are not installed: this machine's own firewall would
# be theirs. Tests show DIR/usr and DIR/etc to hosts of their own.
set -eu

dir=$1
! [ -e "$dir/usr/sbin/ufw" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
	echo "$0: not a Debian or Ubuntu machine; unpack firewalld and ufw into $dir" >&2
	exit 1
fi
new=$dir.new
rm -rf "$new"
mkdir -p "$new"
(
	cd "$new"
	# Also what is installed already: Python's modules go with their interpreter.
	set -- firewalld python3-firewall python3-nftables python3-dbus python3-gi python3-cap-ng \
		gir1.2-glib-2.0 libgirepository-1.0-1 ufw
	download="apt-get -o APT::Sandbox::User=root download -q"
	$download "$@" || { apt-get update -q && $download "$@"; }
	for package in ./*.deb; do dpkg -x "$package" .; done
	rm ./*.deb
	# Where / and /usr are merged.
	cp -a lib/. usr/lib/ && rm -r lib
	# What ufw's installation would do.
	cp usr/share/ufw/iptables/*.rules usr/share/ufw/*.init usr/share/ufw/ufw.conf etc/ufw/
)
rm -rf "$dir"
mv "$new" "$dir"
