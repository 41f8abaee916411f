#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Each call that can fail fails once while the module is loaded, with a device that it is to
# claim: the module is there, or nothing of it is.
#
# lab: main pv
# tier all: main pvh

here=$(dirname "$0")
PCIBACK_MODULE=${PCIBACK_FAULTS_MODULE:-/root/faults/rust_pciback.ko}
. "$here/lib/pciback.sh"
. "$here/lib/sweep.sh"

FAULTS=calls
can_fail || skip_all "the module has no calls fail"
dev=${FLR_DEVICES%% *}

gsi_files() {
	find "$PCI"/*/ -maxdepth 1 -name gsi | wc -l
}

module_is_there() {
	grep -q '^rust_pciback ' /proc/modules
}

pci_unbind "$dev"
check "the module loads" module_load "hide=($dev)"
files=$(gsi_files)
check "there are gsi files" test "$files" -gt 0
check "$dev is claimed" driver_is "$dev" pciback
check "the module unloads" module_unload

refused=0
for n in $(seq $MOST); do
	dmesg -c >/dev/null
	if module_load "hide=($dev)" fail_call="$n" 2>/dev/null; then
		left=$(cat $PARAMETERS/fail_call)
		check "call $n$(failed_call): loaded, it unloads" module_unload
		[ "$left" = 0 ] || break
	else
		refused=$((refused + 1))
		check_fails "call $n$(failed_call): not loaded" module_is_there
		check "call $n: no driver is left" wait_for 10 module_has_gone
	fi
	same "call $n: no gsi file is left" 0 "$(gsi_files)"
	same "call $n: $dev has no driver" "" "$(pci_driver "$dev")"
done
figure "load: $((n - 1)) calls failed, $refused times with it"
check "some of $((n - 1)) calls are necessary: $refused" test "$refused" -gt 0
check "and not all" test "$refused" -lt $((n - 1))

check "the module loads again" module_load "hide=($dev)"
same "with as many gsi files" "$files" "$(gsi_files)"
check "$dev is claimed again" driver_is "$dev" pciback
check "the module unloads again" module_unload
sysfs_write /sys/bus/pci/drivers_probe "$dev"
check "$dev works" works "$dev"
finish
