# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# PCI devices for shell tests, through sysfs. POSIX sh, busybox included.
# A device is named by its address, dddd:bb:ss.f.

PCI=/sys/bus/pci/devices

# pci_find VENDOR:DEVICE: addresses of the devices with these ids (hex, 4 digits
# each), one a line; false when there is none.
pci_find() {
	pci_found=1
	for pci_dev in "$PCI"/*; do
		if [ "$(cat "$pci_dev/vendor"):$(cat "$pci_dev/device")" = "0x${1%:*}:0x${1#*:}" ]; then
			echo "${pci_dev##*/}"
			pci_found=0
		fi
	done
	return "$pci_found"
}

# ids_of BDF: vendor and device, as VVVV:DDDD.
ids_of() {
	read -r pci_vendor <"$PCI/$1/vendor"
	read -r pci_device <"$PCI/$1/device"
	echo "${pci_vendor#0x}:${pci_device#0x}"
}

# pci_driver BDF: the name of the driver bound to it, empty when there is none.
pci_driver() {
	[ -L "$PCI/$1/driver" ] || return 0
	pci_link=$(readlink "$PCI/$1/driver")
	echo "${pci_link##*/}"
}

# pci_config BDF FILE: its whole config space, as bytes, into a file.
pci_config() {
	dd if="$PCI/$1/config" of="$2" bs=4096 count=1 2>/dev/null
}

# pci_byte BDF OFFSET: one byte of its config space, as two hex digits.
pci_byte() {
	od -An -v -tx1 -j "$(($2))" -N 1 "$PCI/$1/config" | tr -d ' \n'
}

# pci_word BDF OFFSET: two bytes, as four hex digits (little-endian in there).
pci_word() {
	od -An -v -tx2 -j "$(($2))" -N 2 "$PCI/$1/config" | tr -d ' \n'
}

# pci_write_byte BDF OFFSET HEX: write one byte of its config space.
pci_write_byte() {
	# shellcheck disable=SC2059 # the escape is what is wanted
	printf "\\$(printf '%03o' "0x$3")" | dd of="$PCI/$1/config" bs=1 seek="$(($2))" conv=notrunc 2>/dev/null
}

# pci_unbind BDF: take its driver away, if it has one.
pci_unbind() {
	[ ! -L "$PCI/$1/driver" ] || echo "$1" >"$PCI/$1/driver/unbind"
}

# sysfs_write FILE TEXT: write as the toolstacks do, in one write without a newline.
# Prints why it failed, in the words of the C library.
sysfs_write() {
	printf '%s' "$2" >"$1"
}

# By what limits of time are multiplied: for a slow machine, or a debug kernel.
SLOWER=$(sed -n 's/.*lab.slower=\([0-9]*\).*/\1/p' /proc/cmdline)
SLOWER=${SLOWER:-1}

# wait_for SECONDS COMMAND...: until the command succeeds; false when it has not in
# that time. sysfs has no events to wait for.
wait_for() {
	pci_tries=$(($1 * 10 * SLOWER))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ "$pci_tries" -gt 0 ] || return 1
		pci_tries=$((pci_tries - 1))
		usleep 100000 2>/dev/null || sleep 0.1
	done
}

# driver_is BDF NAME: for wait_for and check.
driver_is() {
	[ "$(pci_driver "$1")" = "$2" ]
}
