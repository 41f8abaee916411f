#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Each call that can fail fails once in a claim, a reset and a release, and where the kernel can
# do so each allocation: the errno is one of those that may be, the device is as it was, and
# can be claimed, reset and used afterwards.
#
# lab: main pv
# tier all: main pvh

here=$(dirname "$0")
PCIBACK_MODULE=${PCIBACK_FAULTS_MODULE:-/root/faults/rust_pciback.ko}
. "$here/lib/pciback.sh"
. "$here/lib/reset.sh"
. "$here/lib/sweep.sh"

# claimable: unbound, listed, as it was in the beginning.
claimable() {
	[ -z "$(pci_driver "$dev")" ] || sysfs_write "$DRV/unbind" "$dev"
	[ -z "$(pci_driver "$dev")" ] && cat "$PCI/$dev/enable" >"$tmp/enable" && pci_config "$dev" "$tmp/before"
}

# claim_undone ERRNO: claimed, or not touched.
claim_undone() {
	if [ "$1" = 0 ]; then
		driver_is "$dev" pciback && [ -e "$PCI/$dev/pciback/state" ]
		return
	fi
	[ -z "$(pci_driver "$dev")" ] || return
	[ "$(drv_errno reset_device "$dev")" = $ENODEV ] || return
	cmp "$PCI/$dev/enable" "$tmp/enable" || return
	pci_config "$dev" "$tmp/after"
	as_before "$tmp/before" "$tmp/after"
}

# claimed: and clean.
claimed() {
	driver_is "$dev" pciback || [ "$(drv_errno bind "$dev")" = 0 ] || return
	[ "$(reset_errno "$dev")" = 0 ] && [ "$(attr "$dev" state)" = clean ] && pci_config "$dev" "$tmp/before"
}

# reset_over ERRNO: a reset that failed says so; the next one makes all good.
reset_over() {
	[ "$1" = 0 ] || [ "$(attr "$dev" state)" != unproven ] || return
	[ "$(reset_errno "$dev")" = 0 ] || return
	[ "$(attr "$dev" state)" = clean ] || return
	pci_config "$dev" "$tmp/after"
	cmp "$tmp/before" "$tmp/after"
}

# released ERRNO: not ours, and fit to be claimed. (The write may fail before it gets to us.)
released() {
	if [ "$1" != 0 ]; then
		sysfs_write "$DRV/unbind" "$dev" || return
	fi
	[ -z "$(pci_driver "$dev")" ] || return
	[ "$(drv_errno reset_device "$dev")" = $ENODEV ] || return
	# Xen was not told to give up the MSI-X table if that is what failed.
	"$PBTOOL" release_msix "$dev" >/dev/null || return
	[ "$(drv_errno bind "$dev")" = 0 ] && [ "$(reset_errno "$dev")" = 0 ] || return
	pci_config "$dev" "$tmp/after"
	cmp "$tmp/before" "$tmp/after"
}

for FAULTS in calls allocations; do
	if ! can_fail; then
		skip "$FAULTS" "neither the module nor the kernel can have them fail"
		continue
	fi
	check "the module loads" module_load
	ours_only
	for dev in ${FLR_DEVICES%% *} $PLAIN_DEVICES; do
		pci_unbind "$dev"
		sysfs_write "$DRV/new_slot" "$dev"
		# Once without a fault, for what is allocated or routed for good.
		same "$dev: is claimed" 0 "$(drv_errno bind "$dev")"
		sweep "$dev: bind" claimable "$DRV/bind" "$dev" claim_undone
		sweep "$dev: reset" claimed "$DRV/reset_device" "$dev" reset_over
		sweep "$dev: unbind" claimed "$DRV/unbind" "$dev" released
		take_back "$dev"
		check "$dev: works" works "$dev"
	done
	check "the module unloads" module_unload
done
finish
