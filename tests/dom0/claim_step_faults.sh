#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Each step of a claim fails once (by the knob of the test build): the bind fails,
# one line says why, and the device is as it was, byte for byte.
#
# lab: main pv
# tier all: main pvh

here=$(dirname "$0")
PCIBACK_MODULE=${PCIBACK_FAULTS_MODULE:-/root/faults/rust_pciback.ko}
. "$here/lib/pciback.sh"

EDOM=33

modinfo "$PCIBACK_MODULE" | grep -q fail_step || skip_all "$PCIBACK_MODULE is not a test build"

enabled() {
	cat "$PCI/$1/enable"
}

# let_master BDF: as firmware or a driver may leave it.
let_master() {
	pci_write_byte "$1" 4 "$(printf %02x $((0x$(pci_word "$1" 4) & 0xff | MASTER)))"
}

for step in header backend known-to-xen enable prepare-msix save reset notify setup-gsi record; do
	check "loads with fail_step=$step" module_load "fail_step=$step"
	for dev in $FLR_DEVICES $PLAIN_DEVICES; do
		pci_unbind "$dev"
		let_master "$dev"
		pci_config "$dev" "$tmp/before"
		count=$(enabled "$dev")
		dmesg -c >/dev/null
		same "$step: claim of $dev fails" $EDOM "$(give "$dev")"
		dmesg >"$tmp/log"
		check "$step: one line says so" test "$(grep -c "$dev: not claimed: $step: " "$tmp/log")" = 1
		# (The driver core adds a line of its own.)
		same "$step: and it is our only one" 1 \
			"$(grep -v 'probe with driver' "$tmp/log" | grep -c "pciback $dev")"
		pci_config "$dev" "$tmp/after"
		check "$step: config space of $dev is as before" cmp "$tmp/before" "$tmp/after"
		same "$step: and its enable count" "$count" "$(enabled "$dev")"
		same "$step: it is not among the claimed" $ENODEV "$(drv_errno reset_device "$dev")"
		sysfs_write "$DRV/remove_slot" "$dev"
		sysfs_write /sys/bus/pci/drivers_probe "$dev"
		check "$step: $dev works with its native driver" works "$dev"
	done
	check "unloads" module_unload
done

check "loads without a fault" module_load
for dev in $FLR_DEVICES $PLAIN_DEVICES; do
	pci_unbind "$dev"
	let_master "$dev"
	check "$dev: masters the bus" command_has "$dev" $MASTER
	same "$dev: can be claimed after all that" 0 "$(give "$dev")"
	sysfs_write "$DRV/unbind" "$dev"
	check_fails "$dev: once released it doesn't master the bus" command_has "$dev" $MASTER
	sysfs_write "$DRV/remove_slot" "$dev"
	sysfs_write /sys/bus/pci/drivers_probe "$dev"
	check "$dev: works" works "$dev"
done
check "unloads" module_unload
finish
