#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Claims and releases of many devices overlap: at load, on request, when virtual functions
# appear, when the module or their physical function goes. The log is in order all the same.
# Listed devices that appear are nobody else's first.
#
# lab: vfs pvh pv
# klog: Setup of vPCI failed: -19
# klog: DEVICE BUG: .* MSI-X vector table at invalid BAR

here=$(dirname "$0")
. "$here/lib/pciback.sh"

STOPWATCH=${STOPWATCH:-/tests/stopwatch}
VFS=${VFS:-32}
PF=${PF:-$(pci_find 1b36:0010 | head -n 1)}
IGB=${IGB:-$(pci_find 8086:10c9 | head -n 1)}

vfs_of() {
	for link in "$PCI/$1"/virtfn*; do
		vf=$(readlink "$link")
		echo "${vf##*/}"
	done | sort
}

# timed COMMAND...: of the stopwatch; the milliseconds and the errno, in $ms and $errno.
timed() {
	"$STOPWATCH" "$@" >"$tmp/time"
	ms=$(($(sed 's/.*"wall_us": \([0-9]*\).*/\1/' "$tmp/time") / 1000))
	errno=$(sed 's/.*"errno": \([0-9]*\).*/\1/' "$tmp/time")
}

# said WORD: the devices of whom that was said, as the log has them.
said() {
	dmesg | sed -n "s/.*pciback \(....:..:..\..\): $1.*/\1/p"
}

# count_driver NAME DEVICE...: how many of them have it.
count_driver() {
	name=$1 count=0
	shift
	for dev; do
		[ "$(pci_driver "$dev")" != "$name" ] || count=$((count + 1))
	done
	echo $count
}

# shellcheck disable=SC2317 # called by wait_for
all_claimed() {
	# shellcheck disable=SC2046 # words
	[ "$(count_driver pciback $(vfs_of "$1"))" = "$2" ]
}

override() {
	cat "$PCI/$1/driver_override"
}

# in_order WHAT WORD: the lines of all are there, in the order of the addresses.
in_order() {
	same "$1: a line for each, in order" "$(echo "$vfs" | paste -sd' ')" "$(said "$2" | paste -sd' ')"
}

# measure: $LIMIT, what resets of all would take at least, one after the other. On a slow machine
# there is more to it than the 100 ms of an FLR (PCIe r6.0 sec 6.6.2).
measure() {
	first=$(echo "$vfs" | head -n 1) least=
	check "loads" module_load "hide=($first)"
	for _ in 1 2 3; do
		timed write "$first" "$DRV/reset_device"
		same "$first: reset alone" 0 "$errno"
		[ -n "$least" ] && [ "$least" -le "$ms" ] || least=$ms
	done
	check "unloads" module_unload
	LIMIT=$((VFS * least))
	diag "a reset takes $least ms: all must be done in $LIMIT ms"
}

at_load() {
	hide=$(for vf in $vfs; do printf '(%s)' "$vf"; done)
	for round in 1 2; do
		dmesg -c >/dev/null
		timed load "$PCIBACK_MODULE" "hide=$hide"
		same "load $round: succeeds" 0 "$errno"
		# shellcheck disable=SC2086 # words
		same "load $round: all are claimed when it returns" "$VFS" "$(count_driver pciback $vfs)"
		check "load $round: $VFS in $ms ms" test "$ms" -lt "$LIMIT"
		in_order "load $round" "claimed: reset by flr"
		dmesg -c >/dev/null
		timed unload rust_pciback
		same "unload $round: succeeds" 0 "$errno"
		# shellcheck disable=SC2086
		same "unload $round: none has a driver" "$VFS" "$(count_driver "" $vfs)"
		check "unload $round: $VFS in $ms ms" test "$ms" -lt "$LIMIT"
		in_order "unload $round" released
	done
}

on_request() {
	check "loads" module_load
	dmesg -c >/dev/null
	same "a list of slots with an error lists none" $EINVAL \
		"$(printf '%s x' "$vfs" | "$PBTOOL" write "$DRV/new_slot")"
	same "none is listed" "" "$(cat "$DRV/slots")"
	same "probe of what isn't listed" $ENODEV "$(printf %s "$vfs" | "$PBTOOL" write "$DRV/probe")"
	same "a list of slots" 0 "$(printf %s "$vfs" | "$PBTOOL" write "$DRV/new_slot")"
	same "all are listed" "$vfs" "$(cat "$DRV/slots")"
	# shellcheck disable=SC2086
	same "none is claimed by that" 0 "$(count_driver pciback $vfs)"
	first=$(echo "$vfs" | head -n 1)
	same "probe of no address" $EINVAL "$(drv_errno probe "$first x")"
	same "probe of one" 0 "$(drv_errno probe "$first")"
	dmesg -c >/dev/null
	timed write "$(for vf in $vfs; do printf '%s.*\n' "${vf%.*}"; done | sort -u)" "$DRV/probe"
	same "probe by wildcards: succeeds" 0 "$errno"
	# shellcheck disable=SC2086
	same "probe by wildcards: all are claimed" "$VFS" "$(count_driver pciback $vfs)"
	check "probe by wildcards: in $ms ms" test "$ms" -lt "$LIMIT"
	vfs=$(echo "$vfs" | tail -n +2) in_order "probe by wildcards" "claimed: reset by flr"
	same "probe once more: nothing to do" 0 "$(printf %s "$vfs" | "$PBTOOL" write "$DRV/probe")"
	same "an address among others that isn't there" $ENODEV "$(drv_errno probe "7f:00.0 $first")"
	printf %s "$PF" >"$DRV/new_slot"
	same "probe of one with another driver" $EBUSY "$(drv_errno probe "$PF")"
	same "remove_slot of a list" 0 "$(printf '%s' "$vfs $PF" | "$PBTOOL" write "$DRV/remove_slot")"
	same "none is listed any more" "" "$(cat "$DRV/slots")"
}

# Their physical function goes.
with_their_pf() {
	driver=$(pci_driver "$PF")
	dmesg -c >/dev/null
	timed write "$PF" "$PCI/$PF/driver/unbind"
	check "$PF goes" test ! -e "$PCI/$PF/driver"
	check "$PF: no virtual function is claimed any more" wait_for 20 all_claimed "$PF" 0
	check "$PF: $VFS are released in $ms ms" test "$ms" -lt "$LIMIT"
	in_order "$PF goes" released
	sysfs_write "/sys/bus/pci/drivers/$driver/bind" "$PF"
	sysfs_write "$PCI/$PF/sriov_numvfs" 0
}

# appear PF COUNT TEXT: virtual functions of a physical one that is listed, or which are.
appear() {
	dmesg -c >/dev/null
	printf %s "$3" >"$DRV/new_slot"
	timed write "$2" "$PCI/$1/sriov_numvfs"
	same "$1 ($3 is listed): makes $2 virtual functions" 0 "$errno"
	check "$1 ($3 is listed): they are claimed" wait_for 20 all_claimed "$1" "$2"
	vfs=$(vfs_of "$1") in_order "$1 ($3 is listed)" "claimed: reset by flr"
	for vf in $(vfs_of "$1"); do
		same "$vf: any driver may have it afterwards" "(null)" "$(override "$vf")"
	done
	check "$1: takes them away" sysfs_write "$PCI/$1/sriov_numvfs" 0
	printf %s "$3" >"$DRV/remove_slot"
}

# What cannot be claimed is nobody else's either while it is listed.
refused() {
	printf %s "$IGB" >"$DRV/new_slot"
	check "$IGB makes 2 virtual functions" sysfs_write "$PCI/$IGB/sriov_numvfs" 2
	refused=$(vfs_of "$IGB")
	for vf in $refused; do
		check "$vf: the claim is refused" wait_for 20 sh -c "dmesg | grep -q 'pciback $vf: not claimed'"
		same "$vf: it has no driver" "" "$(pci_driver "$vf")"
		same "$vf: no other driver gets it" pciback "$(override "$vf")"
		same "$vf: not even by force" $ENODEV "$(write_errno "/sys/bus/pci/drivers/igbvf/bind" "$vf")"
	done
	# The administrator sets the same for one, which then isn't the driver's to take away.
	first=$(echo "$refused" | head -n 1)
	sysfs_write "$PCI/$first/driver_override" pciback
	printf %s "$IGB" >"$DRV/remove_slot"
	same "$first: what the administrator set stays" pciback "$(override "$first")"
	printf '\n' >"$PCI/$first/driver_override"
	for vf in $refused; do
		same "$vf: not listed any more, any driver may have it" "(null)" "$(override "$vf")"
		same "$vf: such as its own" 0 "$(write_errno "/sys/bus/pci/drivers/igbvf/bind" "$vf")"
	done
	check "$IGB takes them away" sysfs_write "$PCI/$IGB/sriov_numvfs" 0
}

[ -n "$PF" ] && [ -n "$IGB" ] || skip_all "no device with virtual functions"
# It would take them first: it was there before this driver, and is asked before.
modprobe igbvf
if is_pvh; then
	check "$IGB makes a virtual function" sysfs_write "$PCI/$IGB/sriov_numvfs" 1
	vf=$(vfs_of "$IGB")
	pci_unbind "$vf"
	dmesg -c >/dev/null
	timed load "$PCIBACK_MODULE" "hide=($vf)($PF)"
	same "loads, though a claim fails" 0 "$errno"
	same "and has said which, when it returns" "$vf" "$(said "not claimed")"
	check "unloads" module_unload
	check "$IGB takes it away" sysfs_write "$PCI/$IGB/sriov_numvfs" 0
	check "loads" module_load
	refused
	# A reservation ends with the module, too.
	printf %s "$IGB" >"$DRV/new_slot"
	check "$IGB makes a virtual function" sysfs_write "$PCI/$IGB/sriov_numvfs" 1
	vf=$(vfs_of "$IGB")
	check "$vf: the claim is refused" wait_for 20 sh -c "dmesg | grep -q 'pciback $vf: not claimed'"
	check "unloads" module_unload
	same "$vf: any driver may have it" "(null)" "$(override "$vf")"
	check "$IGB takes it away" sysfs_write "$PCI/$IGB/sriov_numvfs" 0
else
	# The native driver would try each of them for a while.
	sysfs_write "$PCI/$PF/sriov_drivers_autoprobe" 0
	check "$PF makes $VFS virtual functions" sysfs_write "$PCI/$PF/sriov_numvfs" "$VFS"
	sysfs_write "$PCI/$PF/sriov_drivers_autoprobe" 1
	vfs=$(vfs_of "$PF")
	measure
	at_load
	on_request
	with_their_pf
	appear "$PF" "$VFS" "$PF"
	appear "$IGB" 7 "$IGB"
	vf=$(readlink -f "$PCI/$IGB")
	appear "$IGB" 2 "$(basename "$(dirname "$vf")")"
	check "unloads" module_unload
fi
check "$IGB works" works "$IGB"
check "$PF works" works "$PF"
finish
