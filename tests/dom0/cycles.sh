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
# Until they shrink, free objects that a processor keeps count as used.
memory() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	for slab in /sys/kernel/slab/kmalloc-*; do
		echo 1 >"$slab/shrink"
	done
	awk '/^kmalloc-(8|16|32|64|96|128|192|256|512) / { used += $2 * $4 } END { print int(used / 1024) }' /proc/slabinfo
}

pages() {
	awk '/^(VmallocUsed|Percpu|KernelStack):/ { used += $2 } END { print used }' /proc/meminfo
}

# flat WHAT COMMAND...: it succeeds $CYCLES times, and the same memory is in use afterwards. Others
# change the slab objects by some kB, and the pages with the threads of work queues: what grows
# three times in a row is a leak. 50 leaks of less than 200 bytes may go unnoticed; 1,000, as in
# test_soak.py, are more than 8 kB. A kernel that watches its memory frees late, and says itself
# what has leaked. In a whole system other programs take memory meanwhile (OTHERS_KB); what is seen
# there is a leak of more than a tenth of the module at each load.
flat() {
	what=$1
	shift
	for _ in 1 2 3; do
		slabs=$(memory) pages=$(pages) failed=0
		for n in $(seq "$CYCLES"); do
			"$@" || failed=$n
		done
		same "$what" 0 "$failed"
		if watched; then
			skip "$what: no memory is left" "this kernel looks for leaks itself"
			return
		fi
		# What is freed late has gone when it is looked at again.
		for _ in 1 2 3 4; do
			slabs_now=$(memory) pages_now=$(pages)
			found="slab objects $slabs kB before, $slabs_now kB after; pages $pages kB, $pages_now kB"
			[ $((slabs_now - slabs)) -le "${OTHERS_KB:-8}" ] || continue
			[ $((pages_now - pages)) -le "${OTHERS_KB:-24}" ] || continue
			figure "$what: $found"
			ok "$what: no memory is left"
			return
		done
	done
	not_ok "$what: no memory is left" "$found"
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
modules=$(wc -l </proc/modules)
flat "$CYCLES cycles of load, claim and unload" cycle
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
	flat "$dev: $CYCLES claims and releases" claim_cycle "$dev"
done
check "the module unloads" module_unload
for dev in ${FLR_DEVICES%% *} $PLAIN_DEVICES; do
	sysfs_write /sys/bus/pci/drivers_probe "$dev"
	check "$dev: works" works "$dev"
done
finish
