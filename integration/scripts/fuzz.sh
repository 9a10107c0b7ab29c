#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# fuzz.sh TIME: runs every fuzz target of the module for a time such as 10s.
set -eu
cd "$(dirname "$0")/../.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# fuzz DIR TARGET TIME: now and then the fuzzing engine takes the end of its own time for a failure, and says no more
# than that. A real one names the input.
fuzz() {
	go test -run='^$' -fuzz="^$2\$" -fuzztime="$3" "$1" </dev/null >"$log" 2>&1 && return
	! grep -Eq 'Failing input|failure while testing|panic|build failed' "$log" &&
		grep -q '^    context deadline exceeded$' "$log"
}

for dir in $(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$dir"/*_test.go | while read -r target; do
		echo "$dir $target"
		if fuzz "$dir" "$target" "$1"; then
			grep 'elapsed' "$log" | tail -n1
		else
			cat "$log"
			exit 1
		fi
	done
done
