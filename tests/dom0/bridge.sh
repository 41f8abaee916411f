#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A PCI bridge can be claimed; it is never reset and goes on forwarding.
#
# lab: main pv
# tier all: main pvh

here=$(dirname "$0")
. "$here/lib/pciback.sh"

# A root port with nothing below it.
spare() {
	for dev in "$PCI"/*; do
		[ "$(cat "$dev/class")" = 0x060400 ] && ! ls -d "$dev"/????:??:??.? >/dev/null 2>&1 &&
			echo "${dev##*/}" && return
	done
	return 1
}

bridge=${BRIDGE:-$(spare)} || skip_all "no bridge without devices below it"
driver=$(pci_driver "$bridge")

check "the module loads" module_load
pci_unbind "$bridge"
command=$(pci_word "$bridge" 4)
count=$(cat "$PCI/$bridge/enable")
same "$bridge: is claimed" 0 "$(give "$bridge")"
same "$bridge: was not reset" not-reset "$(attr "$bridge" state)"
check "$bridge: goes on decoding" command_has "$bridge" $MEMORY
same "$bridge: has no plan" none "$(attr "$bridge" reset_plan)"
dmesg -c >/dev/null
same "$bridge: reset_device refuses it" $ENOTTY "$(drv_errno reset_device "$bridge")"
same "$bridge: and one line says why" 1 \
	"$(dmesg | grep -c "pciback $bridge: reset_device: bridges are not reset (-$ENOTTY)")"
same "$bridge: its state is what it was" not-reset "$(attr "$bridge" state)"
sysfs_write "$DRV/unbind" "$bridge"
same "$bridge: its Command register is as before" "$command" "$(pci_word "$bridge" 4)"
same "$bridge: its enable count is as before" "$count" "$(cat "$PCI/$bridge/enable")"
sysfs_write "$DRV/remove_slot" "$bridge"
sysfs_write /sys/bus/pci/drivers_probe "$bridge"
same "$bridge: has its native driver" "$driver" "$(pci_driver "$bridge")"
check "the module unloads" module_unload
finish
