#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Virtual functions: a PV dom0 can have them claimed. In a PVH dom0 Xen 4.20 refuses
# them, and so must the driver: naming one to Xen in a reset would crash the host.
#
# lab: vfs pvh pv
# klog: Setup of vPCI failed: -19
# klog: DEVICE BUG: .* MSI-X vector table at invalid BAR
# mark: core

here=$(dirname "$0")
. "$here/lib/pciback.sh"

. "$here/lib/reset.sh"

VFS=${VFS:-2}
PFS=${PFS:-$(pci_find 8086:10c9) $(pci_find 1b36:0010)}
[ -n "$PFS" ] || skip_all "no device with virtual functions"

# vfs_of PF: the addresses of its virtual functions.
vfs_of() {
	for link in "$PCI/$1"/virtfn*; do
		vf=$(readlink "$link")
		echo "${vf##*/}"
	done
}

# in_pvh VF: Xen knows no virtual functions there.
in_pvh() {
	dmesg -c >/dev/null
	same "$1: the claim is refused" $ENODEV "$(give "$1")"
	same "$1: one clear line says why" 1 \
		"$(dmesg | grep -c "pciback $1: not claimed: known-to-xen: Xen refused")"
	same "$1: reset_device refuses it" $ENODEV "$(drv_errno reset_device "$1")"
	same "$1: has no driver" "" "$(pci_driver "$1")"
	sysfs_write "$DRV/remove_slot" "$1"
}

# in_pv PF: its virtual functions are claimed, and reset one by one and all at once.
in_pv() {
	vfs=$(vfs_of "$1")
	for vf in $vfs; do
		same "$vf: is claimed" 0 "$(give "$vf")"
		same "$vf: was reset" clean "$(attr "$vf" state)"
		same "$vf: its plan" flr "$(attr "$vf" reset_plan)"
		same "$vf: a reset of the bus would reach others" 1 \
			"$(attr "$vf" reset_blockers | grep -c "^$1 driver $(pci_driver "$1")\$")"
		same "$vf: can be reset" 0 "$(drv_errno reset_device "$vf")"
		same "$vf: by flr" flr "$(attr "$vf" last_reset_method)"
		# It has neither a cache line size nor an interrupt line, but a mask in MSI-X.
		same "$vf: the driver's own proof" proven "$(attr "$vf" last_reset_proof)"
	done
	patterns=$(for vf in $vfs; do echo "${vf%.*}.*"; done | sort -u | paste -sd' ')
	# shellcheck disable=SC2016 # for the inner shell
	"$PBTOOL" uevents sh -c 'printf %s "$1" | "$0" write "$2" >"$3"' \
		"$PBTOOL" "$patterns" "$DRV/reset_device" "$tmp/errno" >"$tmp/events"
	same "all of $1 by '$patterns'" 0 "$(cat "$tmp/errno")"
	for vf in $vfs; do
		same "$vf: was reset once" 1 "$(grep -c "/$vf ACTION=.* PCIBACK_STATE=clean PCIBACK_RESET_METHOD=flr" "$tmp/events")"
	done
	same "nobody else was" "$(echo "$vfs" | wc -l)" "$(wc -l <"$tmp/events")"

	# Their physical function would take them along.
	driver=$(pci_driver "$1")
	dmesg -c >/dev/null
	printf %s "$1" >"$DRV/new_slot"
	for vf in $vfs; do
		sysfs_write "$DRV/unbind" "$vf"
		sysfs_write "$DRV/remove_slot" "$vf"
	done
	sysfs_write "$DRV/remove_slot" "$1"
	same "$1: keeps its driver" "$driver" "$(pci_driver "$1")"
}

# with_given PF VF: its driver goes while a virtual function is being given to a guest, which stays
# claimed, if its physical function leaves it there.
with_given() {
	dmesg -c >/dev/null
	"$PBTOOL" gsi "$2" >/dev/null
	check "$1: its driver goes" pci_unbind "$1"
	if [ -e "$PCI/$2" ]; then
		check "$1: the others are released" wait_for 20 claimed_are 1
		same "$2: is being given to a guest, so it stays" pciback "$(pci_driver "$2")"
		same "$2: a line says so" 1 "$(dmesg | grep -c "pciback $2: its physical function is unbound .* given to a guest")"
		sysfs_write "$DRV/unbind" "$2"
	fi
}

# claimed_now: how many of the virtual functions are claimed.
claimed_now() {
	count=0
	for vf in $vfs; do
		[ "$(pci_driver "$vf" 2>/dev/null)" != pciback ] || count=$((count + 1))
	done
	echo $count
}

# claimed_are COUNT
claimed_are() {
	[ "$(claimed_now)" = "$1" ]
}

# logged: how many releases the log names.
logged() {
	dmesg | grep -c 'pciback .*: released'
}

# all_logged COUNT: a line comes after the device has no driver.
all_logged() {
	[ "$(logged)" -ge "$1" ]
}

# goes PF: its driver goes, and with it what is claimed of its virtual functions.
goes() {
	vfs=$(vfs_of "$1")
	many=$(echo "$vfs" | wc -l)
	driver=$(pci_driver "$1")
	for vf in $vfs; do
		give "$vf" >/dev/null
	done
	same "$1: its virtual functions are claimed" "$many" "$(claimed_now)"
	with_given "$1" "$(echo "$vfs" | head -n 1)"
	check "$1: none is claimed any more" wait_for 20 claimed_are 0
	wait_for 20 all_logged "$many"
	same "$1: a line for each" "$many" "$(logged)"
	for vf in $vfs; do
		sysfs_write "$DRV/remove_slot" "$vf"
	done
	check "$1: its driver comes back" sysfs_write "/sys/bus/pci/drivers/$driver/bind" "$1"
	[ -e "$PCI/$1/virtfn0" ] || sysfs_write "$PCI/$1/sriov_numvfs" "$VFS"
	for vf in $(vfs_of "$1"); do
		pci_unbind "$vf"
	done
}

# without_flr PF: with an FLR that does nothing (in the test build), its virtual functions are
# unproven, and there is nothing stronger that is allowed.
without_flr() {
	vf=$(vfs_of "$1" | head -n 1)
	same "$vf: is claimed, though FLR does nothing" 0 "$(give "$vf")"
	same "$vf: is unproven" unproven "$(attr "$vf" state)"
	same "$vf: its mark was still there" disproven "$(attr "$vf" last_reset_proof)"
	same "$vf: cannot be reset" $EBUSY "$(drv_errno reset_device "$vf")"
	same "$vf: is unproven" unproven "$(attr "$vf" state)"
	same "$vf: flr is doubted" flr "$(attr "$vf" unproven_methods)"
	sysfs_write "$DRV/unbind" "$vf"
	sysfs_write "$DRV/remove_slot" "$vf"
}

# accepted PF: with a Xen that accepts virtual functions (in the test build), they are devices like
# any in a PVH dom0.
accepted() {
	for vf in $(vfs_of "$1"); do
		same "$vf: is claimed, as Xen accepts it" 0 "$(give "$vf")"
		same "$vf: was reset" clean "$(attr "$vf" state)"
		same "$vf: can be reset" 0 "$(drv_errno reset_device "$vf")"
		same "$vf: by flr" flr "$(attr "$vf" last_reset_method)"
		same "$vf: Xen was told" told "$(attr "$vf" last_reset_xen)"
		same "$vf: has no GSI" "" "$(cat "$PCI/$vf/gsi" 2>/dev/null)"
		sysfs_write "$DRV/unbind" "$vf"
		sysfs_write "$DRV/remove_slot" "$vf"
		same "$vf: is released" "" "$(pci_driver "$vf")"
	done
}

check "the module loads" module_load
for pf in $PFS; do
	identity "$pf" >"$tmp/$pf.identity"
	check "$pf makes $VFS virtual functions" sysfs_write "$PCI/$pf/sriov_numvfs" "$VFS"
	for vf in $(vfs_of "$pf"); do
		check_fails "$vf: has no pin, so no gsi file" test -e "$PCI/$vf/gsi"
		pci_unbind "$vf"
		! is_pvh || in_pvh "$vf"
	done
	if ! is_pvh; then
		in_pv "$pf"
		goes "$pf"
	fi
	check "the host is alive: $pf works" works "$pf"
done
check "the module unloads" module_unload
PCIBACK_MODULE=${PCIBACK_FAULTS_MODULE:-/root/faults/rust_pciback.ko}
if ! is_pvh && grep -q skip_reset "$PCIBACK_MODULE"; then
	check "loads with an FLR that does nothing" module_load skip_reset=flr
	for pf in $PFS; do
		without_flr "$pf"
	done
	check "unloads" module_unload
fi
if is_pvh && grep -q xen_accepts "$PCIBACK_MODULE"; then
	check "loads with a Xen that accepts all" module_load xen_accepts=1
	for pf in $PFS; do
		accepted "$pf"
	done
	check "unloads" module_unload
fi
# A physical function with virtual ones cannot be claimed: its driver makes them vanish when it
# goes, or they keep it from being reset.
check "the module loads" module_load
for pf in $PFS; do
	claimed=$(give "$pf")
	if [ -e "$PCI/$pf/virtfn0" ]; then
		same "$pf: is not claimed with its virtual functions" $EBUSY "$claimed"
	else
		same "$pf: is claimed without its virtual functions" 0 "$claimed"
	fi
	take_back "$pf" 2>/dev/null
	check "$pf drops its virtual functions" sysfs_write "$PCI/$pf/sriov_numvfs" 0
	check "$pf works" works "$pf"
	same "$pf: is the same" "$(cat "$tmp/$pf.identity")" "$(identity "$pf")"
done
check "the module unloads" module_unload
finish
