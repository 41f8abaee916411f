#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A reset reaches idle devices besides its target, and none that a domain uses: by the kernel's
# own list of who uses which device, in which the module src/owner makes the entries.
#
# lab: shared pv cpus=2
# tier all: shared pvh

here=$(dirname "$0")
. "$here/lib/pciback.sh"
. "$here/lib/reset.sh"

OWNER=${OWNER:-/tests/owner.ko}
[ -e "$OWNER" ] || skip_all "no module $OWNER"
: "${RESET_DEVICES=$(lab_devices)}"

# owners [DEVICE DOMAIN]...: who uses what from now on.
owners() {
	! grep -q '^owner ' /proc/modules || rmmod owner
	devices=
	domains=
	while [ $# -gt 0 ]; do
		devices="$devices${devices:+,}$1"
		domains="$domains${domains:+,}$2"
		shift 2
	done
	[ -z "$devices" ] || insmod "$OWNER" "device=$devices" "domain=$domains"
}

# blocked TARGET NEIGHBOUR DOMAIN WHAT
blocked() {
	same "$4: the plan" none "$(attr "$1" reset_plan)"
	same "$4: the blocker" "$2 domain $3" "$(attr "$1" reset_blockers)"
	dmesg -c >/dev/null
	leave_mark "$2"
	same "$4: is refused" $EBUSY "$(reset_errno "$1")"
	same "$4: and one line says why" 1 "$(dmesg | grep -c "pciback $1: reset_device: not reset: a $rung reset would reach $2 (domain $3) (-$EBUSY)")"
	check "$4: the neighbour was left alone" bears_mark "$2"
}

# allowed TARGET NEIGHBOUR WHAT
allowed() {
	same "$3: the plan" "$rung" "$(attr "$1" reset_plan)"
	same "$3: no blocker" "" "$(attr "$1" reset_blockers)"
	leave_mark "$1"
	leave_mark "$2"
	same "$3: works" 0 "$(reset_errno "$1")"
	check_fails "$3: the target was reset" bears_mark "$1"
	check_fails "$3: the neighbour was reset" bears_mark "$2"
	same "$3: the target is clean" clean "$(attr "$1" state)"
	same "$3: the neighbour is clean" clean "$(attr "$2" state)"
}

# pair ONE OTHER: two functions that are reset together.
pair() {
	rung=$(rung_of "$1")
	for dev; do
		same "$dev: is claimed" 0 "$(give "$dev")"
	done
	owners "$2" 7
	blocked "$1" "$2" 7 "$1 idle, $2 in use"
	allowed "$2" "$1" "$2 in use, $1 idle"
	owners "$1" 7 "$2" 7
	# The domain may give back one of them, and go on using the other.
	blocked "$1" "$2" 7 "$1 and $2 of one domain"
	blocked "$2" "$1" 7 "$2 and $1 of one domain"
	owners "$1" 7 "$2" 8
	blocked "$1" "$2" 8 "$1 and $2 of two domains"
	blocked "$2" "$1" 7 "$2 and $1 of two domains"
	# To be in domain 0 is to be in use as well.
	owners "$2" 0
	blocked "$1" "$2" 0 "$1 idle, $2 of domain 0"
	# One request for both: what the one may, reaches the other.
	owners "$2" 7
	same "a request for both" 0 "$(reset_errno "$1" "$2")"
	owners "$1" 7 "$2" 8
	same "a request for both, of two domains" $EBUSY "$(reset_errno "$1" "$2")"
	owners
	allowed "$1" "$2" "$1 and $2 idle again"
	for dev; do
		take_back "$dev"
	done
	for dev; do
		check "$dev: works" serves "$dev"
	done
}

for dev in $RESET_DEVICES; do
	[ -z "$(pci_driver "$dev")" ] || serves "$dev" # see ladder.sh
done
check "the module loads" module_load
done=
for dev in $RESET_DEVICES; do
	case $(rung_of "$dev") in
	slot | bus)
		# shellcheck disable=SC2046 # words
		set -- $(reached "$dev" bus)
		case $#:$done in
		2:*"$1"*) ;;
		2:*)
			done="$done $1 $2"
			pair "$1" "$2"
			;;
		esac
		;;
	esac
done
check "there were pairs" test -n "$done"
check "the module unloads" module_unload
finish
