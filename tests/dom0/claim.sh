#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Claim, reset and release: each device is claimed, reset as its kind allows, given
# back, and works with its native driver afterwards.
#
# mark: smoke

here=$(dirname "$0")
. "$here/lib/pciback.sh"
. "$here/lib/reset.sh"

# one DEVICE: the whole life of one device.
one() {
	dev=$1
	before=$(identity "$dev")
	pci_unbind "$dev"
	bars_before=$(bars "$dev")
	pci_config "$dev" "$tmp/before"

	same "$dev: is claimed" 0 "$(give "$dev")"
	check "$dev: has the driver pciback" driver_is "$dev" pciback
	check "$dev: decodes memory while claimed" command_has "$dev" $MEMORY
	check_fails "$dev: does not master the bus while claimed" command_has "$dev" $MASTER
	same "$dev: BARs are as before the claim" "$bars_before" "$(bars "$dev")"

	if has_function_reset "$dev"; then
		same "$dev: the claim reset it" clean "$(attr "$dev" state)"
	else
		same "$dev: the claim says that it was not reset" not-reset "$(attr "$dev" state)"
		same "$dev: and by no method" none "$(attr "$dev" last_reset_method)"
	fi
	if [ "$(rung_of "$dev")" != none ]; then
		can_reset "$dev"
	else
		same "$dev: reset_device refuses it" $ENOTTY "$(drv_errno reset_device "$dev")"
		same "$dev: do_flr refuses it" $ENOTTY "$(drv_errno do_flr "$dev")"
		check "$dev: is still claimed" driver_is "$dev" pciback
	fi

	sysfs_write "$DRV/unbind" "$dev"
	same "$dev: once released it cannot be reset" $ENODEV "$(drv_errno reset_device "$dev")"
	same "$dev: but claimed again" 0 "$(drv_errno bind "$dev")"
	take_back "$dev"
	check "$dev: works with its native driver" works "$dev"
	same "$dev: is the same device as before" "$before" "$(identity "$dev")"

	pci_unbind "$dev"
	pci_config "$dev" "$tmp/after"
	check "$dev: config space is as before the claim" cmp "$tmp/before" "$tmp/after"
	sysfs_write /sys/bus/pci/drivers_probe "$dev"
	check "$dev: works again" works "$dev"
}

# can_reset DEVICE: the part for those that can be reset, and are alone where others would be
# reset with them.
can_reset() {
	for file in reset_device do_flr; do
		marked=
		if mark_of "$1" >/dev/null; then
			check "$1: takes a mark" leave_mark "$1"
			marked=y
		fi
		same "$1: $file resets it" 0 "$(drv_errno $file "$1")"
		same "$1: by the method of its plan" "$(rung_of "$1")" "$(attr "$1" last_reset_method)"
		if [ -n "$marked" ]; then
			check_fails "$1: the mark is gone" bears_mark "$1"
		else
			skip "$1: the mark is gone" "no register known that only a reset clears"
		fi
		same "$1: is clean" clean "$(attr "$1" state)"
		# The wait is 100 ms (PCIe r6.0 sec 6.6.2). An emulated processor that was not run for
		# a while sees less of it on its clock.
		check "$1: took its time" test "$(attr "$1" last_reset_time_us)" -ge 50000
		same "$1: without an error" 0 "$(attr "$1" last_reset_error)"
		if is_pvh; then
			same "$1: Xen knows" told "$(attr "$1" last_reset_xen)"
		else
			same "$1: Xen need not know" not-needed "$(attr "$1" last_reset_xen)"
		fi
		same "$1: BARs are as before the reset" "$bars_before" "$(bars "$1")"
		check "$1: decodes memory after the reset" command_has "$1" $MEMORY
		check_fails "$1: does not master the bus after the reset" command_has "$1" $MASTER
	done
}

check "the module loads" module_load
for dev in $FLR_DEVICES $PLAIN_DEVICES; do
	one "$dev"
done
check "the module unloads" module_unload
finish
