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
base=$(sed -n 's/^FROM \(golang[^ ]*\).*/\1/p' Dockerfile)
work=$PWD/build/engine
target=$PWD/build/plugin
image=ovsnet-rootfs:build
made_base=
container=

. integration/scripts/engine.sh

finish() {
	[ -z "$container" ] || docker rm -f "$container" >/dev/null || true
	docker image rm -f "$image" >/dev/null 2>&1 || true
	# A stand-in under an official name must not stay in somebody's engine.
	[ -z "$made_base" ] || docker image rm -f "$base" >/dev/null || true
	engine_stop
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# own_base makes a stand-in for the Go image where it cannot be pulled: this
# machine's Go, and busybox for a shell.
own_base() {
	echo "making a local $base of this machine's Go"
	root=$work/base
	rm -rf "$root"
	mkdir -p "$root/bin" "$root/usr/local" "$root/tmp" "$root/root"
	cp "$(command -v busybox)" "$root/bin/busybox"
	for applet in sh mkdir; do ln -s busybox "$root/bin/$applet"; done
	goroot=$(go env GOROOT)
	tar -C "$root" -c . -C "$(dirname "$goroot")" \
		--exclude="*/test" --exclude="*/doc" --exclude="*/api" \
		--transform="s,^$(basename "$goroot"),usr/local/go," "$(basename "$goroot")" |
		docker import --change 'ENV PATH=/usr/local/go/bin:/bin' --change 'ENV GOTOOLCHAIN=local' - "$base" >/dev/null
	made_base=yes
}

mkdir -p "$work"
if ! docker version >/dev/null 2>&1; then
	echo "no engine runs; starting a private one for the build"
	engine_start "$work" alone
	own_base
elif ! docker image inspect "$base" >/dev/null 2>&1; then
	timeout 300 docker pull -q "$base" || own_base
fi

# The context has the modules in it, so that the build needs no network.
context=$work/context
rm -rf "$context"
mkdir -p "$context"
cp -R cmd config driver flows ovsdb go.mod go.sum Dockerfile .dockerignore "$context"
go mod vendor -o "$context/vendor"

DOCKER_BUILDKIT=0 docker build -q --network=none --build-arg "VERSION=$version" -t "$image" "$context"
container=$(docker create "$image")
rm -rf "$target.new"
mkdir -p "$target.new/rootfs"
docker export "$container" | tar -x -C "$target.new/rootfs" ovsnet host run/docker var
cp cmd/ovsnet/plugin/config.json "$target.new"
rm -rf "$target"
mv "$target.new" "$target"
touch "$target/config.json"
echo "the plugin is in build/plugin; install it with: docker plugin create ovsnet build/plugin"
