# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What an initramfs of the lab is made of; for the steps that make one, in the chroot.
# They set `stock` and `release`: where the kernel's modules are, and its name.
#
# shellcheck disable=SC2154 # those two

# initrd_root ROOT [BUSYBOX]: the folders, and busybox with all of its applets; one for another
# machine has the same.
initrd_root() {
	local r=$1 busybox=${2:-/bin/busybox} applet
	mkdir -p "$r"/{bin,sbin,usr/bin,usr/sbin,dev,proc,sys,run,tmp,root,etc,lib/modules}
	cp "$busybox" "$r/bin/busybox"
	for applet in $(busybox --list); do
		[ -e "$r/bin/$applet" ] || ln -s busybox "$r/bin/$applet"
	done
}

# initrd_programs ROOT NAME...: with the libraries they are linked to.
initrd_programs() {
	local r=$1 p lib
	shift
	for p; do
		p=$(command -v "$p")
		rm -f "$r/bin/${p##*/}"
		cp -L "$p" "$r/bin/"
		for lib in $(ldd "$p" | grep -oE '/[^ ]+'); do
			[ -e "$r$lib" ] || install -D "$(readlink -f "$lib")" "$r$lib"
		done
	done
}

# initrd_modules ROOT LIST: the modules that a file lists, with what they depend on.
# Unpacked: xz is slow in there.
initrd_modules() {
	local r=$1 list=$2 module ko rel
	grep -v '^#' "$list" | while read -r module; do
		modprobe -d "$stock" -S "$release" --show-depends "$module" ||
			stop "the kernel $release has no module $module: edit ${list#"$LAB_REPO"/}"
	done | sed -n 's/^insmod //p' | sort -u | while read -r ko; do
		rel=${ko#"$stock"/}
		rel=lib/${rel#*lib/}
		mkdir -p "$r/${rel%/*}"
		case $ko in
		*.xz) xz -dc "$ko" >"$r/${rel%.xz}" ;;
		*) cp "$ko" "$r/$rel" ;;
		esac
	done
	mkdir -p "$r/lib/modules/$release"
	cp "$stock/lib/modules/$release"/modules.{order,builtin,builtin.modinfo} "$r/lib/modules/$release/"
	depmod -b "$r" "$release"
}

# initrd_pack ROOT FILE
initrd_pack() {
	(cd "$1" && find . | cpio --quiet -o -H newc) >"$2"
}

# initrd_dom0_arm64 FILE BUSYBOX: the smaller dom0 for arm64.
initrd_dom0_arm64() {
	local r image=$LAB_REPO/tests/vm/image
	r=$(mktemp -d)
	initrd_root "$r" "$2"
	install -m 755 "$image/init" "$r/init"
	install -m 755 "$image/agent" "$r/bin/"
	initrd_modules "$r" "$image/modules-arm64.list"
	initrd_pack "$r" "$1"
	rm -rf "$r"
}

# initrd_dom0 FILE: the small dom0.
initrd_dom0() {
	local r applet image=$LAB_REPO/tests/vm/image
	r=$(mktemp -d)
	initrd_root "$r"
	install -m 755 "$image/init" "$r/init"
	install -m 755 "$image/agent" "$image/xl-init" "$r/bin/"
	initrd_programs "$r" lspci setpci kmod
	for applet in insmod rmmod modprobe lsmod modinfo depmod; do
		ln -sf kmod "$r/bin/$applet"
	done
	initrd_modules "$r" "$image/modules.list"
	initrd_pack "$r" "$1"
	rm -rf "$r"
}
