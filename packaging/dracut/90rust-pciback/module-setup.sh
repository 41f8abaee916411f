#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# dracut: put the module, the program that claims, and what it reads into the initramfs.
# Fails nothing: a system without the module boots with the native drivers.

check() {
	# shellcheck disable=SC2154 # kernel: of dracut
	modinfo -k "$kernel" rust_pciback &>/dev/null && return 0
	# Nobody misses it where nothing is to be claimed.
	! /usr/libexec/rust-pciback/pciback-boot wanted ||
		dwarn "rust-pciback: no module for $kernel, devices will not be claimed: install rust-pciback-modules-$kernel"
	return 1
}

depends() {
	return 0
}

installkernel() {
	# Whether this kernel runs it now or not.
	hostonly='' instmods rust_pciback
}

install() {
	local file
	inst_multiple modprobe /usr/libexec/rust-pciback/pciback-boot
	# shellcheck disable=SC2154 # moddir: of dracut
	inst_hook pre-udev 10 "$moddir/claim.sh"
	inst_dir /etc/rust-pciback/devices.d
	for file in /etc/rust-pciback/devices.d/*.conf /etc/modprobe.d/*.conf /usr/lib/modprobe.d/rust-pciback.conf; do
		[[ ! -e $file ]] || inst_simple "$file"
	done
	# shellcheck disable=SC2154 # initdir: of dracut
	/usr/libexec/rust-pciback/pciback-boot in-use >"$initdir/etc/rust-pciback/in-use"
}
