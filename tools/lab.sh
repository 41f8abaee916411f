# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What every tool of the lab shares: where the cache is, how a step reports
# itself, how the tool stops, and how a command runs inside the chroot.
#
# Source it from a script that has `set -euo pipefail`.

LAB_REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
LAB_CACHE=${RUST_PCIBACK_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/rust-pciback}
LAB_ROOT=$LAB_CACHE/root
# The chroot with sid's compilers, which build for sid's kernel and do no more.
# shellcheck disable=SC2034 # for the tools
LAB_SID=$LAB_CACHE/root-sid
LAB_LOGS=$LAB_CACHE/log
# The file that says "this folder is ours": distclean removes nothing without it.
LAB_MARKER=$LAB_CACHE/.rust-pciback-cache

# die TEXT: stop with one line that says what to do.
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# need_root ARGS...: run the calling script again as root when it is not.
#
# The cache path is fixed before sudo, which may change HOME, as is where cargo's
# configuration is; what the package clients take from the environment goes along.
need_root() {
	[ "$(id -u)" -eq 0 ] && return
	command -v sudo >/dev/null ||
		die "needs root: run it as root, or install sudo and allow it for $(id -un)"
	local pass=(RUST_PCIBACK_CACHE="$LAB_CACHE" CARGO_HOME="${CARGO_HOME:-${HOME:-/root}/.cargo}") name
	while read -r name; do
		case $name in
		*_proxy | *_PROXY | PIP_* | TERM | PCIBACK_* | KERNEL | ARCH) pass+=("$name=${!name}") ;;
		CARGO_HTTP_* | CARGO_NET_* | CARGO_REGISTRIES_*_INDEX) pass+=("$name=${!name}") ;;
		esac
	done < <(compgen -e)
	exec sudo -- env "${pass[@]}" "$(readlink -f "$0")" "$@"
}

# open_cache: make the cache folder, and refuse one that is not ours.
open_cache() {
	case $LAB_CACHE in
	/*) ;;
	*) die "the cache path must be absolute, not '$LAB_CACHE': set RUST_PCIBACK_CACHE" ;;
	esac
	[[ $LAB_CACHE != *[[:space:]]* ]] ||
		die "the cache path must hold no blanks ('$LAB_CACHE'): set RUST_PCIBACK_CACHE"
	if [ ! -e "$LAB_MARKER" ]; then
		if [ -d "$LAB_CACHE" ] && [ -n "$(ls -A "$LAB_CACHE")" ]; then
			die "$LAB_CACHE exists and is not a cache of this project: set RUST_PCIBACK_CACHE to another folder"
		fi
		mkdir -p "$LAB_CACHE"
		: >"$LAB_MARKER"
	fi
	mkdir -p "$LAB_LOGS" "$LAB_CACHE/stamp"
}

# step NAME TITLE COMMAND...: run a command quietly, with one line of progress.
#
# The command must be a program, not a function: `set -e` is dead in a function
# that is called as a condition. Its output goes to a log, named on failure.
step() {
	local log=$LAB_LOGS/$1.log title=$2 start=$SECONDS why
	shift 2
	printf '  %-52s ' "$title"
	if "$@" >"$log" 2>&1; then
		printf '%4d s\n' $((SECONDS - start))
		return
	fi
	printf 'failed after %d s\n' $((SECONDS - start))
	# A step that knows its reason said it in its last line, through die.
	why=$(sed -n 's/^lab-stop: //p' "$log" | tail -n 1)
	die "${why:-step \"$title\" failed, the end of its log may say why}: $log"
}

# stop TEXT: the same as die, for use inside a step.
stop() {
	printf 'lab-stop: %s\n' "$*"
	exit 1
}

# The version of LLVM that rustc has (`rustc -vV`): what it counts is read by the same.
# shellcheck disable=SC2034 # for those who read this
LAB_LLVM=19

# Where each kernel other than the usual one can be had; all that the driver is built for.
LAB_KERNELS=(7.3 sid 7.2-arm64 7.3-arm64)
# Of these, those that `make test` builds for: not sid, which moves, and which many a mirror has late
# or not at all; and those that it boots for a smoke test.
# shellcheck disable=SC2034 # for those who read this
LAB_TEST_KERNELS=(7.3 7.2-arm64 7.3-arm64) LAB_SMOKE=(7.3 7.2-arm64)

# lab_variant: the kernel that KERNEL and ARCH ask for, as one word of LAB_KERNELS, or nothing
# for the usual one: the newest of Linux 7.2, for amd64.
lab_variant() {
	local variant
	case ${ARCH:-amd64} in
	amd64 | x86_64 | x86) variant=${KERNEL:-7.2} ;;
	arm64 | aarch64) variant=${KERNEL:-7.2}-arm64 ;;
	*) die "unknown ARCH '$ARCH': use amd64 or arm64" ;;
	esac
	[ "$variant" != 7.2 ] || return 0
	[[ " ${LAB_KERNELS[*]} " == *" $variant "* ]] ||
		die "the lab has no kernel '$variant': use KERNEL=7.2, 7.3 or sid, and ARCH=arm64 with the first two"
	echo "$variant"
}

# lab_kernel [VARIANT]: the release of that kernel, which is in the cache.
lab_kernel() {
	local link=$LAB_CACHE/kernel/${1:-current}
	[ -L "$link" ] || die "no kernel ${1:-7.2} in the cache: run 'make setup', with the same KERNEL and ARCH"
	readlink "$link"
}

# stock_kernels: RELEASE=VERSION of those that are in the cache for packages, the newest last.
stock_kernels() {
	local link
	for link in older current 7.3; do
		link=$LAB_CACHE/kernel/$link
		[ ! -e "$link/version" ] || echo "$(readlink "$link")=$(cat "$link/version")"
	done
}

# in_lab COMMAND...: run a command in the chroot, as the last act of a (sub)shell.
#
# The mounts live in a namespace of their own, so none leaks to the host and no
# `rm -rf` of the cache can follow one; the pid namespace ends with its first
# process, so nothing that was started inside (QEMU) outlives the caller.
# Inside, the repo is /src and the cache is /cache.
in_lab() {
	[ -x "$LAB_ROOT/usr/bin/env" ] || die "no chroot in the cache: run 'make setup'"
	exec unshare --mount --propagation private --pid --fork --kill-child \
		"$LAB_REPO/tools/lab-enter" "$LAB_ROOT" "$LAB_REPO" "$LAB_CACHE" "$@"
}
