#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# plugin.sh [VERSION]: builds the managed plugin from the Dockerfile into
# build/plugin, the folder that "docker plugin create" takes. It uses the
# engine that runs, or a private one that lives as long as this script, in a
# folder and in namespaces of its own.
set -eu
cd "$(dirname "$0")/../.."
version=${1:-}
bases=$(sed -n 's/^FROM \([^ ]*:[^ ]*\).*/\1/p' Dockerfile)
work=$PWD/build/engine
target=$PWD/build/plugin
image=ovsnet-rootfs:build
made_bases=
container=

. integration/scripts/engine.sh

finish() {
	[ -z "$container" ] || docker rm -f "$container" >/dev/null || true
	docker image rm -f "$image" >/dev/null 2>&1 || true
	# A stand-in under an official name must not stay in somebody's engine.
	# shellcheck disable=SC2086 # names
	[ -z "$made_bases" ] || docker image rm -f $made_bases >/dev/null || true
	engine_stop
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# own_base NAME makes a stand-in for an image that cannot be pulled: Debian as
# this machine's package sources have it, and with it this machine's Go where
# the name is Go's.
own_base() {
	echo "making a local $1 of this machine's package sources"
	root=$work/base
	if [ ! -e "$root/etc/debian_version" ]; then
		if ! command -v debootstrap >/dev/null; then
			echo "$0: neither can $1 be pulled nor is there debootstrap to make it; install debootstrap" >&2
			exit 1
		fi
		debootstrap --variant=minbase bookworm "$root" >"$work/debootstrap.log" 2>&1 || {
			tail -n 20 "$work/debootstrap.log" >&2
			exit 1
		}
		rm -rf "$root/var/cache/apt/archives" "$root/var/lib/apt/lists"
	fi
	case $1 in
	golang:*)
		goroot=$(go env GOROOT)
		tar -C "$root" -c . -C "$(dirname "$goroot")" \
			--exclude="*/test" --exclude="*/doc" --exclude="*/api" \
			--transform="s,^$(basename "$goroot"),usr/local/go," "$(basename "$goroot")"
		;;
	*) tar -C "$root" -c . ;;
	esac | docker import --change 'ENV PATH=/usr/local/go/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
		--change 'ENV GOTOOLCHAIN=local' - "$1" >/dev/null
	made_bases="$made_bases $1"
}

mkdir -p "$work"
if ! docker version >/dev/null 2>&1; then
	echo "no engine runs; starting a private one for the build"
	engine_start "$work" host
	for base in $bases; do own_base "$base"; done
else
	for base in $bases; do
		docker image inspect "$base" >/dev/null 2>&1 || timeout 300 docker pull -q "$base" || own_base "$base"
	done
fi

# The context has the modules in it; the network is for Debian's packages.
context=$work/context
rm -rf "$context"
mkdir -p "$context"
cp -R cmd config driver flows ovsdb go.mod go.sum Dockerfile .dockerignore "$context"
go mod vendor -o "$context/vendor"

DOCKER_BUILDKIT=0 docker build -q --network=host --build-arg "VERSION=$version" -t "$image" "$context"
container=$(docker create "$image")
rm -rf "$target.new"
mkdir -p "$target.new/rootfs"
docker export "$container" | tar -x -C "$target.new/rootfs" --exclude=dev --exclude=proc --exclude=sys --exclude=etc --exclude=.dockerenv
cp cmd/ovsnet/plugin/config.json "$target.new"
rm -rf "$target"
mv "$target.new" "$target"
touch "$target/config.json"
echo "the plugin is in build/plugin; install it with: docker plugin create ovsnet build/plugin"
