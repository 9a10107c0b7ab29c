#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# engines.sh VERSION...: builds Docker's engine (dockerd and docker-proxy) in
# these versions from the Go modules that its authors publish, each once, and
# prints the folders, which OVSNET_ENGINE takes. "29" is the engine's module as
# it is called since then; it has no release under its own number.
set -euo pipefail

cache=${XDG_CACHE_HOME:-/var/cache}/ovsnet/engines
export CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOWORK=off

# build VERSION FOLDER: the programs, in the folder. Storage drivers that want C libraries are left out.
build() {
	local module=github.com/docker/docker source=$2/source
	mkdir -p "$source"
	case $1 in
	29*)
		module=github.com/moby/moby/v2
		cd "$source"
		go mod init engine
		go get "$module/cmd/dockerd@v2.0.0-beta.4" "$module/cmd/docker-proxy@v2.0.0-beta.4"
		;;
	*)
		# Released before the engine was a module of its own: its list of modules has another name.
		cp -rT "$(go mod download -json "$module@v$1+incompatible" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')" "$source"
		chmod -R u+w "$source"
		cd "$source"
		mv vendor.mod go.mod
		mv vendor.sum go.sum
		;;
	esac
	go build -mod=mod -trimpath -tags 'exclude_graphdriver_btrfs exclude_graphdriver_devicemapper no_systemd' \
		-ldflags "-s -w -X $module/dockerversion.Version=$1" -o "$2/" "$module/cmd/dockerd" "$module/cmd/docker-proxy"
	cd "$cache"
	rm -rf "$source"
}

mkdir -p "$cache"
for version in "$@"; do
	if [ ! -x "$cache/$version/dockerd" ]; then
		rm -rf "$cache/new-$version"
		mkdir "$cache/new-$version"
		(build "$version" "$cache/new-$version") >&2
		mv -T "$cache/new-$version" "$cache/$version"
	fi
	echo "$cache/$version"
done
