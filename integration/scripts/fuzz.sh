#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# fuzz.sh TIME: runs every fuzz target of the module for a time such as 10s.
set -eu
cd "$(dirname "$0")/../.."
for dir in $(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$dir"/*_test.go | while read -r target; do
		echo "$dir $target"
		go test -run='^$' -fuzz="^$target\$" -fuzztime="$1" "$dir" </dev/null
	done
done
