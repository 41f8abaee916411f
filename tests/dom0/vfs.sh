#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Virtual functions: a PV dom0 can have them claimed. In a PVH dom0 Xen 4.20 refuses
# them, and so must the driver: naming one to Xen in a reset would crash the host.
#
# lab: vfs pvh pv
# klog: Setup of vPCI failed: -19
# klog: DEVICE BUG: .* MSI-X vector table at invalid BAR

here=$(dirname "$0")
. "$here/lib/pciback.sh"

VFS=${VFS:-2}
PF=${PF:-$(pci_find 8086:10c9)}
[ -n "$PF" ] || skip_all "no device with virtual functions"

check "the module loads" module_load
check "$PF makes $VFS virtual functions" sysfs_write "$PCI/$PF/sriov_numvfs" "$VFS"
for link in "$PCI/$PF"/virtfn*; do
	vf=$(readlink "$link")
	vf=${vf##*/}
	check_fails "$vf: has no pin, so no gsi file" test -e "$PCI/$vf/gsi"
	pci_unbind "$vf"
	dmesg -c >/dev/null
	bound=$(give "$vf")
	if is_pvh; then
		same "$vf: the claim is refused" $ENODEV "$bound"
		same "$vf: one clear line says why" 1 \
			"$(dmesg | grep -c "pciback $vf: not claimed: known-to-xen: Xen refused")"
		same "$vf: reset_device refuses it" $ENODEV "$(drv_errno reset_device "$vf")"
		same "$vf: has no driver" "" "$(pci_driver "$vf")"
	else
		same "$vf: is claimed" 0 "$bound"
		same "$vf: was reset" clean "$(attr "$vf" state)"
		same "$vf: can be reset" 0 "$(drv_errno reset_device "$vf")"
		sysfs_write "$DRV/unbind" "$vf"
	fi
	sysfs_write "$DRV/remove_slot" "$vf"
done
check "the host is alive: $PF works" works "$PF"
check "$PF drops its virtual functions" sysfs_write "$PCI/$PF/sriov_numvfs" 0
check "$PF works" works "$PF"
check "the module unloads" module_unload
finish
