#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# kernel.sh test [REGEXP [FLAG...]] | shell | run COMMAND...: does that on
# Debian's own kernel, with Open vSwitch's datapath in it, in an emulated
# machine (qemu, no KVM unless ACCEL=kvm). The machine has this one's files as
# they are, below a layer in memory that takes what it writes, and no network.
# It ends with the command, after LIMIT (20m), or with this script.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Whoever waits for this may be killed, and so is this then.
[ -n "${OVSNET_TIED:-}" ] || OVSNET_TIED=1 exec setpriv --pdeathsig TERM integration/scripts/kernel.sh "$@"

cache=${XDG_CACHE_HOME:-/var/cache}/ovsnet/kernel
limit=${LIMIT:-20m}
memory=${MEMORY:-4G}
accel=${ACCEL:-tcg,thread=multi,tb-size=1024}
cpu=max
faster=
case $accel in
tcg*)
	# What makes an emulated machine faster: no vector registers to save at each
	# change of task, a clock that is read without leaving the processor, short
	# waits for links that go, and code that is where it was the last time, so
	# that it need not be translated anew.
	cpu=qemu64,-svm,+ssse3,+sse4.1,+sse4.2,+popcnt,+aes,+pclmulqdq,+rdrand
	faster='norandmaps tsc=reliable clocksource=tsc rcupdate.rcu_expedited=1'
	;;
esac
# What the machine needs before it sees this one's files; the rest loads itself.
early='virtio_pci virtio_console 9pnet_virtio 9p overlay'

# depends is the name of the package that has the kernel.
depends() {
	apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p'
}

# fetch has the kernel of Debian's package unpacked in $kernel, which is named
# after it. Without package sources it takes the one that is there.
fetch() {
	package=$(depends) || true
	[ -n "$package" ] || package=$(apt-get update -q >&2 && depends) || true
	if [ -z "$package" ]; then
		package=$(cd "$cache" 2>/dev/null && printf '%s\n' linux-image-*-amd64 | sort -V | tail -n 1)
	fi
	kernel=$cache/$package
	version=${package#linux-image-}
	mkdir -p "$cache"
	exec {lock}>"$cache/lock"
	flock "$lock"
	if [ ! -e "$kernel" ]; then
		echo "fetching $package into $cache"
		rm -rf "$cache/new"
		mkdir "$cache/new"
		(cd "$cache/new" && apt-get -o APT::Sandbox::User=root download -q "$package")
		dpkg-deb -x "$cache"/new/*.deb "$cache/new"
		depmod -b "$cache/new" "$version"
		rm "$cache"/new/*.deb
		mv "$cache/new" "$kernel"
	fi
	exec {lock}>&-
}

# initramfs packs the first file system: busybox, modules in the order of their
# loading, and an init that finds the way to the second.
initramfs() {
	root=$work/initramfs
	mkdir -p "$root"/{bin,dev,proc,modules,lower,layer,root}
	cp "$(command -v busybox)" "$root/bin/busybox"
	number=100
	# shellcheck disable=SC2086 # the words are modules
	modprobe -d "$kernel" -S "$version" --show-depends -a $early | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
		while read -r module; do
			case $module in
			*.xz) xz -dc "$module" >"$root/modules/$number.ko" ;;
			*) cp "$module" "$root/modules/$number.ko" ;;
			esac
			number=$((number + 1))
		done
	cat >"$root/init" <<-'INIT'
		#!/bin/busybox sh
		busybox mount -t devtmpfs dev /dev
		for m in /modules/*.ko; do busybox insmod $m; done
		host=trans=virtio,version=9p2000.L,msize=262144,ro,cache=loose
		busybox mount -t 9p -o $host host /lower
		busybox mount -t tmpfs -o size=80% layer /layer
		busybox mkdir /layer/upper /layer/work
		busybox mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work root /root
		exec busybox switch_root /root "$kernel_init"
	INIT
	chmod +x "$root/init"
	(cd "$root" && find . | cpio -o -H newc --quiet) >"$work/initramfs.cpio"
}

# boot runs $work/out/command in the machine. Its output is ours.
boot() {
	append="console=ttyS0 quiet panic=-1 mitigations=off $faster apparmor=0 audit=0 random.trust_cpu=on"
	append="$append kernel_init=$PWD/integration/scripts/kernel-init.sh kernel_out=$work/out kernel_modules=$kernel/lib/modules"
	timeout --foreground --kill-after=10 "$limit" \
		setpriv --pdeathsig KILL qemu-system-x86_64 \
		-accel "$accel" -cpu "$cpu" -smp 2 -m "$memory" \
		-nodefaults -no-user-config -display none -no-reboot \
		-kernel "$kernel/boot/vmlinuz-$version" -initrd "$work/initramfs.cpio" -append "$append" \
		-serial "file:$work/kernel.log" \
		-device virtio-serial-pci -chardev stdio,id=stdio,signal=off -device virtconsole,chardev=stdio \
		-virtfs "local,path=/,mount_tag=host,security_model=passthrough,readonly=on,multidevs=remap" \
		-virtfs "local,path=$work/out,mount_tag=out,security_model=passthrough" <&0 &
	wait $! || ended=$?
}

# shellcheck disable=SC2317 # for the trap
finish() {
	trap - EXIT
	trap '' INT TERM HUP # whoever is impatient does not keep it from its end
	# Of nothing but this script's own machine, which has no time for an answer.
	jobs -p | xargs -r kill 2>/dev/null || true
	wait
	rm -rf "$work"
}

# programs compiles what the tests would, which takes too long in there, and
# not where tests out here do, who may run at the same time.
programs() {
	export OVSNET_PROGRAMS=$PWD/build/e2e OVSNET_SLOWNESS=6 OVSNET_REQUIRE=all
	mkdir "$work/programs"
	for package in cmd/ovsnet integration/probe; do
		CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$work/programs/" "./$package"
	done
	go test -c -o "$work/programs/integration.test" ./integration
}

if [ "$(uname -m)" != x86_64 ]; then
	echo "$0: the machine shares this one's programs, and is an x86-64; this one is not" >&2
	exit 1
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/ovsnet-kernel.XXXXXX")
trap finish EXIT
trap 'exit 130' INT TERM HUP
mkdir "$work/out"
case ${1:-} in
test)
	programs
	# shellcheck disable=SC2016 # for the inner shell
	command=(sh -c 'mkdir -p build/e2e && mount --bind "$0" build/e2e && cd integration && exec "$@"' "$work/programs"
		"$OVSNET_PROGRAMS/integration.test" -test.v -test.parallel=1 -test.timeout=0 -test.run="${2:-.}" "${@:3}")
	;;
shell)
	read -r -a size < <(stty size 2>/dev/null || echo 24 80)
	command=("$PWD/integration/scripts/kernel-shell.sh" "${size[@]}")
	;;
run) shift && command=("$@") ;;
*)
	echo "usage: $0 test [REGEXP [FLAG...]] | shell | run COMMAND..." >&2
	exit 2
	;;
esac
fetch
initramfs
{
	printf 'cd %q\n' "$PWD"
	export -p | grep -E '^declare -x (PATH|HOME|OVSNET_[A-Z_]*|TERM)=' | grep -v OVSNET_TIED
	printf '%q ' "${command[@]}"
	echo
} >"$work/out/command"
ended=0
boot
if [ ! -e "$work/out/exit" ]; then
	echo "$0: the machine ended (qemu: $ended; 124 is the limit of $limit) without a result; its kernel's last words:" >&2
	tail -n 40 "$work/kernel.log" >&2
	exit 1
fi
exit "$(cat "$work/out/exit")"
