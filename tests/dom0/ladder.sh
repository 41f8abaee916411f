#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Each kind of reset on each kind of machine: with everything claimed, each device gets the
# reset that the rules say and its plan announces, the hardware shows it, nobody else's
# does, and all are as before when they are given back.
#
# lab: main pvh pv
# lab: shared pvh
# lab: shared pv cpus=2
# lab: busreset pv
# lab: switch pv
# tier all: nopin pvh
# tier all: busreset pvh
# tier all: switch pvh
# tier all: nested pvh
# tier all: many pv
# mark: core

here=$(dirname "$0")
. "$here/lib/pciback.sh"
. "$here/lib/reset.sh"

: "${RESET_DEVICES=$(lab_devices)}"
[ -n "$RESET_DEVICES" ] || skip_all "no device that may be taken"

# family BDF: those of our devices that are below the same root port.
family() {
	path=$(readlink -f "$PCI/$1")
	path=${path#/sys/devices/pci*/}
	port=${path%%/*}
	[ "$port" != "$1" ] || {
		echo "$1"
		return
	}
	for dev in $RESET_DEVICES; do
		case $(readlink -f "$PCI/$dev") in
		*/"$port"/*) echo "$dev" ;;
		esac
	done
}

# was_reset DEVICE RUNG TARGET: what is to hold of each device that a reset reached.
was_reset() {
	same "$3 by $2: $1 is clean" clean "$(attr "$1" state)"
	same "$3 by $2: $1 may be given to a guest" yes "$(attr "$1" assignable)"
	same "$3 by $2: $1 was reset so" "$2" "$(attr "$1" last_reset_method)"
	same "$3 by $2: $1 has the driver's own proof" proven "$(attr "$1" last_reset_proof)"
	same "$3 by $2: $1 has no error" 0 "$(attr "$1" last_reset_error)"
	# The wait is 100 ms (PCIe r6.0 sec 6.6.1, 6.6.2). An emulated processor that was not run
	# for a while sees less of it on its clock.
	check "$3 by $2: $1 was given its time" test "$(attr "$1" last_reset_time_us)" -ge 50000
	if is_pvh; then
		same "$3 by $2: Xen knows of $1" told "$(attr "$1" last_reset_xen)"
	else
		same "$3 by $2: Xen need not know of $1" not-needed "$(attr "$1" last_reset_xen)"
	fi
	same "$3 by $2: $1 has its BARs" "$(cat "$tmp/$1.bars")" "$(bars "$1")"
	check "$3 by $2: $1 decodes as before" cmp "$tmp/$1.resource" "$PCI/$1/resource"
	check "$3 by $2: $1 decodes memory" command_has "$1" $MEMORY
	check_fails "$3 by $2: $1 does not master the bus" command_has "$1" $MASTER
}

# resets TARGET: one reset, and all that it reaches and must not reach.
resets() {
	target=$1
	rung=$(rung_of "$target")
	same "$target: its plan" "$rung" "$(attr "$target" reset_plan)"
	if [ -n "$(bridge_above "$target")" ]; then
		same "$target: nothing blocks" "" "$(attr "$target" reset_blockers)"
	else
		same "$target: no bridge above" "$target root bus" "$(attr "$target" reset_blockers)"
	fi
	relatives=$(family "$target")
	marked=
	for dev in $relatives; do
		leave_mark "$dev" && marked="$marked $dev"
	done
	if [ "$rung" = none ]; then
		same "$target: has no reset" $ENOTTY "$(reset_errno "$target")"
		same "$target: its state says so" not-reset "$(attr "$target" state)"
		same "$target: it may be given with a warning" with-warning "$(attr "$target" assignable)"
		same "$target: none was tried" none "$(attr "$target" last_reset_method)"
		reach=
	else
		same "$target by $rung: works" 0 "$(reset_errno "$target")"
		reach=$(reached "$target" "$rung")
	fi
	time=
	for dev in $relatives; do
		case " $marked " in
		*" $dev "*) has_mark=y ;;
		*) has_mark= ;;
		esac
		if echo "$reach" | grep -qx "$dev"; then
			was_reset "$dev" "$rung" "$target"
			if [ -n "$has_mark" ]; then
				check_fails "$target by $rung: the hardware of $dev was reset" bears_mark "$dev"
			elif markable "$dev"; then
				not_ok "$target by $rung: the hardware of $dev was reset" "it takes no mark"
			else
				skip "$target by $rung: the hardware of $dev was reset" "no register known"
			fi
			: "${time:=$(attr "$dev" last_reset_time_us)}"
			same "$target by $rung: one reset for all, $dev too" "$time" "$(attr "$dev" last_reset_time_us)"
		elif [ -n "$has_mark" ]; then
			check "$target by $rung: the hardware of $dev was left alone" bears_mark "$dev"
		fi
	done
	[ -z "$time" ] || diag "$target by $rung in $((time / 1000)) ms, reaching $(echo "$reach" | paste -sd' ')"
}

for dev in $RESET_DEVICES; do
	pci_driver "$dev" >"$tmp/$dev.driver"
	[ -s "$tmp/$dev.driver" ] || continue
	identity "$dev" >"$tmp/$dev.identity"
	# Also because, in a PVH dom0, Xen 4.20 loses a GSI that is set up for a claim before dom0
	# has ever used it.
	check "$dev: works before" serves "$dev"
done
for dev in $RESET_DEVICES; do
	pci_unbind "$dev"
done
for dev in $RESET_DEVICES; do
	pci_config "$dev" "$tmp/$dev.before"
	bars "$dev" >"$tmp/$dev.bars"
	cat "$PCI/$dev/resource" >"$tmp/$dev.resource"
done
check "the module loads" module_load
# shellcheck disable=SC2086 # words
same "all are claimed" 0 "$(claim_all $RESET_DEVICES)"
for dev in $RESET_DEVICES; do
	if has_function_reset "$dev"; then
		same "$dev: the claim reset it" clean "$(attr "$dev" state)"
	else
		same "$dev: the claim did not reset it" not-reset "$(attr "$dev" state)"
		same "$dev: and says so" none "$(attr "$dev" last_reset_proof)"
	fi
	same "$dev: no method is doubted" "" "$(attr "$dev" unproven_methods)"
done
for dev in $RESET_DEVICES; do
	case $dev in
	*.[2-6]) ;; # As function 1. (All of them are looked at when a neighbour is reset.)
	*) resets "$dev" ;;
	esac
done
for dev in $RESET_DEVICES; do
	for file in "$PCI/$dev"/pciback/*; do
		[ "$(stat -c %a "$file")" = 444 ] || not_ok "$file can be read by all and written by none"
	done
done
for dev in $RESET_DEVICES; do
	sysfs_write "$DRV/unbind" "$dev"
	sysfs_write "$DRV/remove_slot" "$dev"
done
for dev in $RESET_DEVICES; do
	pci_config "$dev" "$tmp/$dev.after"
	check "$dev: config space is as before the claim" as_before "$tmp/$dev.before" "$tmp/$dev.after"
	sysfs_write /sys/bus/pci/drivers_probe "$dev"
done
for dev in $RESET_DEVICES; do
	same "$dev: has its native driver" "$(cat "$tmp/$dev.driver")" "$(pci_driver "$dev")"
	if [ -s "$tmp/$dev.driver" ]; then
		same "$dev: is the same device as before" "$(cat "$tmp/$dev.identity")" "$(identity "$dev")"
		check "$dev: works with its native driver" serves "$dev"
	else
		check "$dev: answers" answers "$dev"
	fi
done
check "the module unloads" module_unload
finish
