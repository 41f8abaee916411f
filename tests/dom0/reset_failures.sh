#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Resets that fail (by knobs of the test build): one function that doesn't come back, one of
# which Xen refuses to hear; one whose neighbour is released before its locks are taken. And what
# the toolstack is then told: the GSI ioctl, and the parameter strict_reset.
#
# lab: shared pv cpus=2
# tier all: shared pvh

here=$(dirname "$0")
PCIBACK_MODULE=${PCIBACK_FAULTS_MODULE:-/root/faults/rust_pciback.ko}
. "$here/lib/pciback.sh"
. "$here/lib/reset.sh"

grep -q skip_reset "$PCIBACK_MODULE" || skip_all "$PCIBACK_MODULE is not a test build"
: "${RESET_DEVICES=$(lab_devices)}"
[ -e /dev/xen/privcmd ] || modprobe xen-privcmd

EPERM=1
EAGAIN=11
EDOM=33
ETIMEDOUT=110
STRICT=/sys/module/rust_pciback/parameters/strict_reset

gsi_of() {
	"$PBTOOL" gsi "$1"
}

# warnings DEVICE: that it is given away though it is not clean.
warnings() {
	dmesg | grep -c "$1 is given to a guest without"
}

# has_failed DEVICE ERRNO WHAT
has_failed() {
	same "$3: the state of $1" failed "$(attr "$1" state)"
	same "$3: the error of $1" "-$2" "$(attr "$1" last_reset_error)"
	same "$3: $1 may not be given away" no "$(attr "$1" assignable)"
	dmesg -c >/dev/null
	same "$3: the toolstack is refused $1" "-$EPERM" "$(gsi_of "$1")"
	same "$3: and a line says why" 1 "$(dmesg | grep -c "$1 is not given to a guest")"
}

# is_fine DEVICE WHAT
is_fine() {
	same "$2: the state of $1" clean "$(attr "$1" state)"
	same "$2: $1 may be given away" yes "$(attr "$1" assignable)"
}

# is_given DEVICE WHAT: from then on it counts as being given to a guest, so it comes last.
is_given() {
	gsi=$(cat "$PCI/$1/gsi" 2>/dev/null || echo "-$ENOENT")
	same "$2: the toolstack gets the GSI of $1" "$gsi" "$(gsi_of "$1")"
}

# again DEVICE...: the module anew, with another fault or none.
again() {
	check "the module unloads" module_unload
	check "loads with '$fault'" module_load "$fault"
	for dev; do
		same "$dev: is claimed" 0 "$(give "$dev")"
	done
}

# pair ONE OTHER: two functions that are reset together.
pair() {
	rung=$(rung_of "$1")
	fault="lost=($2)"
	again "$1" "$2"
	leave_mark "$1"
	leave_mark "$2"
	dmesg -c >/dev/null
	same "$fault: a reset of $1 says that not all is well" $ETIMEDOUT "$(reset_errno "$1")"
	same "$fault: one line says so" 1 "$(dmesg | grep -c "pciback $2: reset_device: ready check by $rung failed (-$ETIMEDOUT)")"
	check_fails "$fault: the hardware of $1 was reset" bears_mark "$1"
	is_fine "$1" "$fault"
	has_failed "$2" $ETIMEDOUT "$fault"
	same "$fault: both in one request" $ETIMEDOUT "$(reset_errno "$1" "$2")"
	is_fine "$1" "$fault, both"
	# A domain that has it already keeps it: it must be possible to take it away.
	if [ -e /tests/owner.ko ]; then
		insmod /tests/owner.ko "device=$2" domain=7
		same "$fault: $2 is with a domain" yes "$(attr "$2" assignable)"
		rmmod owner
		same "$fault: $2 is back" no "$(attr "$2" assignable)"
	fi
	is_given "$1" "$fault"

	fault="refused=($2)"
	again "$1" "$2"
	leave_mark "$2"
	same "$fault: a reset of $1" $EDOM "$(reset_errno "$1")"
	has_failed "$2" $EDOM "$fault"
	check_fails "$fault: the hardware of $2 was reset nevertheless" bears_mark "$2"
	same "$fault: it was by $rung" "$rung" "$(attr "$2" last_reset_method)"
	same "$fault: a reset of $2 goes no further down" $EDOM "$(reset_errno "$2")"
	same "$fault: it was by $rung again" "$rung" "$(attr "$2" last_reset_method)"
	is_fine "$1" "$fault"
	is_given "$1" "$fault"

	fault="lost=($1)($2)"
	again "$1" "$2"
	same "$fault: none comes back" $ETIMEDOUT "$(reset_errno "$1")"
	has_failed "$1" $ETIMEDOUT "$fault"
	same "$fault: the other" failed "$(attr "$2" state)"
	# The parameter is read anew at each reset, and can be written in test builds only.
	fault="lost="
	again "$1" "$2"
	same "all is well again" 0 "$(reset_errno "$1")"
	is_fine "$1" "all is well"
	is_fine "$2" "all is well"
	is_given "$1" "all is well"
	is_given "$2" "all is well"
}

planned() {
	dmesg | grep -c 'fault: a reset was planned'
}

is_planned() {
	[ "$(planned)" -gt 0 ]
}

# Long enough for what is looked at meanwhile.
paused=$((SLOWER < 4 ? SLOWER : 4))

# planned_reset ONE OTHER: both are claimed anew, and a reset of one is planned, and waits.
planned_reset() {
	# Others wait up to 10 s (PATIENCE in device/reservation.rs).
	fault="pause_planned=$((2000 + 1200 * paused))"
	again "$1" "$2"
	dmesg -c >/dev/null
	reset_errno "$1" >"$tmp/errno" &
	check "$fault: a reset of $1 is planned" wait_for 10 is_planned
}

# together ONE OTHER: the reset of both is asked for twice, once for each.
together() {
	planned_reset "$1" "$2"
	same "$fault: the toolstack is to ask for $1 again" "-$EAGAIN" "$(gsi_of "$1")"
	same "$fault: and for $2" "-$EAGAIN" "$(gsi_of "$2")"
	same "$fault: so is a reset of $2, which waits" 0 "$(reset_errno "$2")"
	wait
	same "$fault: the reset of $1" 0 "$(cat "$tmp/errno")"
	same "$fault: one reset was both" 1 "$(planned)"
	is_fine "$1" "$fault"
	is_fine "$2" "$fault"
}

# released_meanwhile ONE OTHER: once the reset of one is planned, the other is released.
released_meanwhile() {
	planned_reset "$1" "$2"
	sysfs_write "$DRV/unbind" "$2"
	check "$fault: $2 takes a mark" leave_mark "$2"
	check "$fault: the reset of $1 goes on" test ! -s "$tmp/errno"
	wait
	same "$fault: a reset of $1 would reach $2 now" $EBUSY "$(cat "$tmp/errno")"
	check "$fault: the hardware of $2 was left alone" bears_mark "$2"
}

claim_pauses() {
	dmesg | grep -q 'fault: a claim pauses'
}

# claimed_meanwhile ONE OTHER: a reset of one is asked for while the other is being claimed: it has
# this driver then, but isn't claimed yet.
claimed_meanwhile() {
	fault="pause_claim=$((1000 + 500 * paused))"
	again "$1" "$2"
	sysfs_write "$DRV/unbind" "$2"
	dmesg -c >/dev/null
	drv_errno bind "$2" >"$tmp/errno" &
	check "$fault: $2 is being claimed" wait_for 10 claim_pauses
	same "$fault: a reset of $1 waits for that" 0 "$(reset_errno "$1")"
	wait
	same "$fault: $2 is claimed" 0 "$(cat "$tmp/errno")"
	is_fine "$1" "$fault"
	is_fine "$2" "$fault"
}

# strict ONE OTHER: devices that were not reset since they were claimed.
strict() {
	fault="strict_reset=0"
	again "$1" "$2"
	gsi=$(cat "$PCI/$1/gsi" 2>/dev/null || echo "-$ENOENT")
	same "strict_reset is off" N "$(cat $STRICT)"
	same "not reset: may be given with a warning" with-warning "$(attr "$1" assignable)"
	dmesg -c >/dev/null
	for _ in 1 2 3; do
		same "not reset: is given" "$gsi" "$(gsi_of "$1")"
	done
	same "not reset: with one warning" 1 "$(warnings "$1")"
	again "$1" "$2"
	same "strict_reset is set" 0 "$(write_errno $STRICT 1)"
	same "strict_reset is on" Y "$(cat $STRICT)"
	same "strict: may not be given" no "$(attr "$1" assignable)"
	same "strict: is not given" "-$EPERM" "$(gsi_of "$1")"
	same "strict: is reset" 0 "$(reset_errno "$1")"
	is_fine "$1" "strict, after a reset"
	is_fine "$2" "strict, after a reset of the other"
	# A power-state reset is no reset to it.
	if has_method "$2" pm && ! has_method "$2" bus; then
		sysfs_write "$DRV/unbind" "$1"
		same "strict: $2 cannot be reset now" $EBUSY "$(reset_errno "$2")"
		is_fine "$2" "strict: a refusal takes nothing away"
		same "$1 is claimed again" 0 "$(drv_errno bind "$1")"
	fi
	same "strict_reset is taken back" 0 "$(write_errno $STRICT 0)"
	dmesg -c >/dev/null
	same "no longer strict: is given" "$gsi" "$(gsi_of "$1")"
	fault="strict_reset=1"
	again "$1" "$2"
	same "strict from the beginning: may not be given" no "$(attr "$1" assignable)"
	same "strict from the beginning: is not given" "-$EPERM" "$(gsi_of "$1")"
	same "strict from the beginning: is reset" 0 "$(reset_errno "$1")"
	is_fine "$1" "strict from the beginning"
	is_given "$1" "strict from the beginning"
}

for dev in $RESET_DEVICES; do
	[ -z "$(pci_driver "$dev")" ] || serves "$dev" # see ladder.sh
done
check "the module loads" module_load
done=
for first in $RESET_DEVICES; do
	case $(rung_of "$first"):$done in
	slot:)
		# shellcheck disable=SC2046 # words
		set -- $(reached "$first" bus)
		[ $# = 2 ] || continue
		done=y
		pair "$@"
		together "$@"
		released_meanwhile "$@"
		claimed_meanwhile "$@"
		strict "$@"
		for dev; do
			take_back "$dev"
		done
		for dev; do
			check "$dev: works" serves "$dev"
		done
		;;
	esac
done
check "there was a pair" test -n "$done"
check "the module unloads" module_unload
finish
