#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Loading and unloading, 50 times (CYCLES), with devices claimed, and as many claims and
# releases, leave nothing behind.
#
# lab: main pv

here=$(dirname "$0")
. "$here/lib/pciback.sh"

# A debug kernel is slow, and looks for leaks itself.
watched() {
	grep -qw lab.watched /proc/cmdline
}

if watched; then CYCLES=${CYCLES:-12}; else CYCLES=${CYCLES:-50}; fi

# What a leak would show in, in kB: slab objects that are in use (slabinfo counts objects of
# all sizes that we allocate), once the caches that free late have done so, and whole pages.
memory() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^kmalloc-(8|16|32|64|96|128|192|256|512) / { used += $2 * $4 } END { print int(used / 1024) }' /proc/slabinfo
}

pages() {
	awk '/^(VmallocUsed|Percpu|KernelStack):/ { used += $2 } END { print used }' /proc/meminfo
}

# flat WHAT FROM TO: the same memory is in use as before. $CYCLES leaks of the smallest
# claimed device (a saved state of 200 bytes and more) would be 10 kB with 50 of them; other
# parts of the kernel move by less than twice that. A kernel that watches its memory frees
# late, and says itself what has leaked. In a whole system other programs take memory meanwhile
# (OTHERS_KB); what is seen there is a leak of more than a tenth of the module at each load.
flat() {
	if watched; then
		skip "$1" "this kernel looks for leaks itself"
	else
		figure "$1: $2 kB before, $3 kB after"
		check "$1: $2 kB before, $3 kB after" test $(($3 - $2)) -le "${OTHERS_KB:-24}"
	fi
}

hide=
for dev in $PLAIN_DEVICES; do
	pci_unbind "$dev"
	hide="$hide($dev)"
done

cycle() {
	module_load "hide=$hide" && for dev in $PLAIN_DEVICES; do
		driver_is "$dev" pciback || return
	done && drv_errno new_slot '7f:*.*' >/dev/null && module_unload
}

# The first ones warm up what the kernel keeps for good.
for _ in 1 2 3; do
	cycle
done
slabs=$(memory)
pages=$(pages)
modules=$(wc -l </proc/modules)
failed=0
for n in $(seq "$CYCLES"); do
	cycle || failed=$n
done
same "$CYCLES cycles of load, claim and unload" 0 "$failed"
flat "slab objects over $CYCLES loads" "$slabs" "$(memory)"
flat "pages over $CYCLES loads" "$pages" "$(pages)"
same "no module is left" "$modules" "$(wc -l </proc/modules)"
check_fails "no driver is left" test -e "$DRV"
same "no gsi file is left" "" "$(ls "$PCI"/*/gsi 2>/dev/null)"

# claim_cycle DEVICE
claim_cycle() {
	[ "$(drv_errno bind "$1")" = 0 ] && [ "$(drv_errno unbind "$1")" = 0 ]
}

check "the module loads" module_load
for dev in ${FLR_DEVICES%% *} $PLAIN_DEVICES; do
	pci_unbind "$dev"
	sysfs_write "$DRV/new_slot" "$dev"
	for _ in 1 2 3; do
		claim_cycle "$dev"
	done
	slabs=$(memory)
	pages=$(pages)
	failed=0
	for n in $(seq "$CYCLES"); do
		claim_cycle "$dev" || failed=$n
	done
	same "$dev: $CYCLES claims and releases" 0 "$failed"
	flat "$dev: slab objects over $CYCLES claims" "$slabs" "$(memory)"
	flat "$dev: pages over $CYCLES claims" "$pages" "$(pages)"
done
check "the module unloads" module_unload
for dev in ${FLR_DEVICES%% *} $PLAIN_DEVICES; do
	sysfs_write /sys/bus/pci/drivers_probe "$dev"
	check "$dev: works" works "$dev"
done
finish
