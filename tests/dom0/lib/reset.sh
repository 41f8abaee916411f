# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # $DRV and others are from pciback.sh, which is sourced before
#
# Resets for shell tests: what should happen, worked out from sysfs alone; proof in
# hardware that it did, independent of the driver's own; and use of a device afterwards.
#
# On a real machine: RESET_DEVICES names the devices that may be taken and reset in any
# way, all functions of a card or none.

# lab_devices: the endpoints of the lab that may be taken.
lab_devices() {
	for pci_dev in "$PCI"/*; do
		read -r lab_vendor <"$pci_dev/vendor"
		read -r lab_device <"$pci_dev/device"
		case $lab_vendor:$lab_device in
		0x8086:0x2922) # The chipset has such a one, too.
			[ -z "$(bridge_above "${pci_dev##*/}")" ] || echo "${pci_dev##*/}"
			;;
		0x8086:0x10c9 | 0x8086:0x10d3 | 0x8086:0x100e | 0x1b36:0x0010 | 0x1b36:0x000d | 0x10ec:0x8139 | \
			0x15ad:0x07b0 | 0x1af4:0x1041 | 0x1234:0x11e8 | 0x1b36:0x0005 | 0x1234:0x1111)
			echo "${pci_dev##*/}"
			;;
		esac
	done
}

# bridge_above BDF: the address of the bridge above it, empty on a root bus.
bridge_above() {
	pci_above=$(readlink -f "$PCI/$1/..")
	case ${pci_above##*/} in
	????:??:??.?) echo "${pci_above##*/}" ;;
	esac
}

# below BRIDGE: all functions below it, nested buses included.
below() {
	for pci_dev in "$PCI"/*; do
		case $(readlink -f "$pci_dev") in
		*/"$1"/*) echo "${pci_dev##*/}" ;;
		esac
	done
}

is_bridge() {
	[ "$(cat "$PCI/$1/class")" = 0x060400 ]
}

# has_method BDF WORD: among those that the kernel lists.
has_method() {
	grep -qw "$2" "$PCI/$1/reset_method" 2>/dev/null
}

# set_methods BDF WORDS: the administrator's choice; `default` undoes it.
set_methods() {
	write_errno "$PCI/$1/reset_method" "${2:-\n}"
}

# consents BDF: its reset_method is not empty, and `bus` was not taken out of it. (The kernel
# offers that to a device that is alone on its bus, and to no other.)
consents() {
	[ ! -e "$PCI/$1/reset_method" ] || [ -n "$(cat "$PCI/$1/reset_method")" ] || return
	has_method "$1" bus || ! is_alone "$1"
}

# is_alone BDF: on its bus.
is_alone() {
	set -- "$PCI/${1%:*}":*
	[ $# = 1 ]
}

# has_slot BDF: it is in a slot of native PCI Express hot-plug, which can be reset.
has_slot() {
	[ "$(pci_driver "$(bridge_above "$1")")" = pcieport ] &&
		grep -qx "${1%.*}" /sys/bus/pci/slots/*/address 2>/dev/null
}

# rung_of BDF: the reset that it should get if all around it is ours and idle.
rung_of() {
	! is_bridge "$1" || {
		echo none
		return
	}
	listed=$(cat "$PCI/$1/reset_method" 2>/dev/null)
	for method in $listed; do
		case $method in
		device_specific | acpi | flr | af_flr)
			echo "$method"
			return
			;;
		esac
	done
	if [ -n "$(bridge_above "$1")" ] && consents "$1"; then
		if has_slot "$1"; then echo slot; else echo bus; fi
	elif has_method "$1" pm; then
		echo pm
	else
		echo none
	fi
}

# reached BDF RUNG: the functions that such a reset of it reaches, VFs excepted.
reached() {
	case $2 in
	slot | bus) below "$(bridge_above "$1")" ;;
	*) echo "$1" ;;
	esac
}

# reset_errno BDF...: of one request for all of them.
reset_errno() {
	drv_errno reset_device "$*"
}

# mark_of BDF: a register that nothing saves and only a true reset clears, as `BAR OFFSET
# VALUE`; false if none is known (vmxnet3, as QEMU has it, keeps nothing but its MAC address,
# and that over resets). It does nothing in a device that is not in use.
mark_of() {
	case $(cat "$PCI/$1/vendor"):$(cat "$PCI/$1/device") in
	0x1b36:0x0010) echo 0 0x14 0x00060000 ;;   # nvme: controller configuration
	0x8086:0x10c9) echo 0 0x0e00 0x00000a0a ;; # igb, e1000e, e1000: LED control
	0x8086:0x10d3) echo 0 0x0e00 0x00000a0a ;;
	0x8086:0x100e) echo 0 0x0e00 0x00000a0a ;;
	0x1b36:0x000d) echo 0 0x0054 0x0000a5a5 ;; # xhci: notification control
	0x8086:0x2922) echo 5 0x0114 0x00000041 ;; # ahci: interrupt enable of port 0
	0x1af4:0x1041) echo 4 0x0020 0x12345000 ;; # virtio: descriptors of queue 0
	*) return 1 ;;
	esac
}

markable() {
	mark_of "$1" >/dev/null
}

# leave_mark BDF: false if it does not take one, or none is known.
leave_mark() {
	mark=$(mark_of "$1") || return
	# Twice: nvme's register takes it only when the controller is off, which the first does.
	# shellcheck disable=SC2086 # three words
	"$PBTOOL" mmio "$1" $mark >/dev/null && [ "$("$PBTOOL" mmio "$1" $mark)" = "${mark##* }" ]
}

# bears_mark BDF
bears_mark() {
	mark=$(mark_of "$1") || return
	# shellcheck disable=SC2086 # two words
	[ "$("$PBTOOL" mmio "$1" ${mark% *})" = "${mark##* }" ]
}

# claim_all BDF...: prints the first errno that is not 0.
claim_all() {
	for claim_dev; do
		claim_errno=$(give "$claim_dev")
		[ "$claim_errno" = 0 ] || {
			echo "$claim_dev: $claim_errno"
			return
		}
	done
	echo 0
}

# file_byte FILE OFFSET: one byte of a file, as a number.
file_byte() {
	od -An -v -tu1 -j "$(($2))" -N 1 "$1" | tr -d ' \n'
}

# msi_message FILE: in a copy of a config space, the offsets from and up to the message of MSI
# where MSI is off; nothing where there is none.
msi_message() {
	at=$(file_byte "$1" 0x34)
	for _ in $(seq 48); do
		[ "$at" != 0 ] || return
		if [ "$(file_byte "$1" "$at")" = 5 ]; then
			flags=$(file_byte "$1" $((at + 2)))
			[ $((flags & 1)) = 1 ] || echo $((at + 4)) $((at + (flags & 0x80 ? 14 : 10)))
			return
		fi
		at=$(file_byte "$1" $((at + 1)))
	done
}

# as_before BEFORE AFTER: two copies of a config space are equal. Bus mastering may be off now:
# a release leaves it so, for the native driver to turn on. The message that a native driver's
# MSI left behind, when it turned it off, does not outlive a reset: it is nobody's state.
as_before() {
	cmp -l "$1" "$2" >"$tmp/differences" && return
	message=$(msi_message "$1")
	while read -r place old new; do
		[ "$place" != 5 ] || [ "$((0$old & ~MASTER))" != "$((0$new))" ] || continue
		[ -z "$message" ] || [ $((place - 1)) -lt "${message% *}" ] || [ $((place - 1)) -ge "${message#* }" ] || continue
		echo "byte $((place - 1)) was 0$old and is 0$new"
		return 1
	done <"$tmp/differences"
}

# netif_of BDF: its network interface.
netif_of() {
	for netif in "$PCI/$1"/net/*; do
		[ ! -d "$netif" ] || echo "${netif##*/}"
	done
}

has_carrier() {
	[ "$(cat /sys/class/net/"$1"/carrier)" = 1 ]
}

# serves BDF: it does DMA and raises interrupts for its native driver, as far as there is one.
# (In the lab only functions 0 can, see topology.py.)
serves() {
	works "$1" || return
	case $1 in
	*.0) ;;
	*) return 0 ;;
	esac
	case $(pci_driver "$1") in
	nvme)
		for disk in "$PCI/$1"/nvme/nvme*/nvme*n*; do
			[ ! -d "$disk" ] || dd if=/dev/"${disk##*/}" of=/dev/null bs=4096 count=8 iflag=direct || return
		done
		;;
	igb | e1000e | e1000 | 8139cp | vmxnet3)
		netif=$(netif_of "$1")
		ip link set "$netif" up && wait_for 20 has_carrier "$netif"
		serves_status=$?
		ip link set "$netif" down
		return $serves_status
		;;
	esac
}
