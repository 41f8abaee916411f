#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A reset that reports success and resets nothing (by the knob of the test build) is seen:
# the next rung is tried, and where there is none, the device is not called clean.
#
# lab: main pv
# tier all: main pvh
# tier all: many pv

here=$(dirname "$0")
PCIBACK_MODULE=${PCIBACK_FAULTS_MODULE:-/root/faults/rust_pciback.ko}
. "$here/lib/pciback.sh"
. "$here/lib/reset.sh"

grep -q skip_reset "$PCIBACK_MODULE" || skip_all "$PCIBACK_MODULE is not a test build"
: "${RESET_DEVICES=$(lab_devices)}"

# said DEVICE RUNG: how often the log said that such a reset was none.
said() {
	dmesg | grep -c "pciback $1: a $2 reset reported success, but reset nothing"
}

# is_doubted DEVICE RUNG WHAT
is_doubted() {
	same "$3: $1 is unproven" unproven "$(attr "$1" state)"
	same "$3: $1 was not reset, says the mark" disproven "$(attr "$1" last_reset_proof)"
	same "$3: Xen isn't told of $1" none "$(attr "$1" last_reset_xen)"
	same "$3: $1 may be given with a warning" with-warning "$(attr "$1" assignable)"
	same "$3: $2 is doubted" 1 "$(attr "$1" unproven_methods | grep -cw "$2")"
}

# flr_does_nothing DEVICE: what comes of it depends on who else is on the bus.
flr_does_nothing() {
	dev=$1
	dmesg -c >/dev/null
	same "$dev: is claimed, though FLR does nothing" 0 "$(give "$dev")"
	same "$dev: one line says so at the claim" 1 "$(said "$dev" flr)"
	is_doubted "$dev" flr claim
	below_it=$(if has_slot "$dev"; then echo slot; else echo bus; fi)
	check "$dev: takes a mark" leave_mark "$dev"
	dmesg -c >/dev/null
	if [ "$(reached "$dev" bus | wc -l)" = 1 ]; then
		same "$dev: is reset" 0 "$(reset_errno "$dev")"
		same "$dev: by $below_it" "$below_it" "$(attr "$dev" last_reset_method)"
		same "$dev: is clean" clean "$(attr "$dev" state)"
		same "$dev: is proven" proven "$(attr "$dev" last_reset_proof)"
		check_fails "$dev: its hardware was reset" bears_mark "$dev"
		same "$dev: flr is doubted still" flr "$(attr "$dev" unproven_methods)"
	else
		same "$dev: is not reset" $EBUSY "$(reset_errno "$dev")"
		is_doubted "$dev" flr "$dev, with neighbours in use"
		check "$dev: its hardware was not reset" bears_mark "$dev"
		same "$dev: one line names a neighbour" 1 \
			"$(dmesg | grep -c "pciback $dev: reset_device: not reset: a $below_it reset would reach ${dev%.*}\\.")"
	fi
	same "$dev: one line says so" 1 "$(said "$dev" flr)"
	sysfs_write "$DRV/unbind" "$dev"
	sysfs_write "$DRV/remove_slot" "$dev"
}

# slot_does_nothing DEVICE: there is nothing stronger then.
slot_does_nothing() {
	dev=$1
	same "$dev: is claimed" 0 "$(give "$dev")"
	check "$dev: takes a mark" leave_mark "$dev"
	dmesg -c >/dev/null
	same "$dev: slot does nothing" $ENOTTY "$(reset_errno "$dev")"
	check "$dev: its hardware was not reset" bears_mark "$dev"
	is_doubted "$dev" slot "$dev: slot does nothing"
	same "$dev: one line says so" 1 "$(said "$dev" slot)"
	if has_method "$dev" pm; then
		same "$dev: pm was the last" pm "$(attr "$dev" last_reset_method)"
		same "$dev: both are doubted" "slot pm" "$(attr "$dev" unproven_methods)"
	else
		same "$dev: slot was the last" slot "$(attr "$dev" last_reset_method)"
	fi
	sysfs_write "$DRV/unbind" "$dev"
	sysfs_write "$DRV/remove_slot" "$dev"
}

# some: one of each kind: alone and beside others, with FLR and without.
some() {
	kinds=
	for dev in $RESET_DEVICES; do
		[ -n "$(bridge_above "$dev")" ] || continue
		kind=$(cat "$PCI/$dev/device"):$(rung_of "$dev")
		case $kinds in
		*"$kind"*) ;;
		*)
			kinds="$kinds $kind"
			echo "$dev"
			;;
		esac
	done
}

devices=$(some)
for dev in $devices; do
	pci_driver "$dev" >"$tmp/$dev.driver"
done
check "loads with an FLR that does nothing" module_load skip_reset=flr
for dev in $devices; do
	[ "$(rung_of "$dev")" != flr ] || flr_does_nothing "$dev"
done
check "unloads" module_unload
check "loads with a slot reset that does nothing" module_load skip_reset=slot
for dev in $devices; do
	[ "$(rung_of "$dev")" != slot ] || slot_does_nothing "$dev"
done
check "unloads" module_unload
check "loads with nothing of that kind" module_load
for dev in $devices; do
	same "$dev: is claimed" 0 "$(give "$dev")"
	same "$dev: is reset" 0 "$(reset_errno "$dev")"
	same "$dev: is clean" clean "$(attr "$dev" state)"
	same "$dev: nothing is doubted" "" "$(attr "$dev" unproven_methods)"
	take_back "$dev"
	if [ -s "$tmp/$dev.driver" ]; then check "$dev: works" works "$dev"; else check "$dev: answers" answers "$dev"; fi
done
check "unloads" module_unload
finish
