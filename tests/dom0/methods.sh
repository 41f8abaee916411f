#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What the administrator writes to reset_method is obeyed: a weaker method in place of FLR,
# a power-state reset alone, none at all.
#
# lab: main pv
# lab: busreset pv
# lab: switch pv
# tier all: main pvh
# tier all: busreset pvh
# mark: core

here=$(dirname "$0")
. "$here/lib/pciback.sh"
. "$here/lib/reset.sh"

: "${RESET_DEVICES=$(lab_devices)}"

# one DEVICE: it is alone below its port, so the kernel takes back what it had listed.
one() {
	dev=$1
	methods=$(cat "$PCI/$dev/reset_method")
	same "$dev: is claimed" 0 "$(give "$dev")"

	same "$dev: bus alone" 0 "$(set_methods "$dev" bus)"
	rung=$(rung_of "$dev")
	same "$dev: bus alone: the plan" "$rung" "$(attr "$dev" reset_plan)"
	! markable "$dev" || check "$dev: takes a mark" leave_mark "$dev"
	same "$dev: bus alone: works" 0 "$(reset_errno "$dev")"
	same "$dev: bus alone: by $rung" "$rung" "$(attr "$dev" last_reset_method)"
	check_fails "$dev: bus alone: the hardware was reset" bears_mark "$dev"
	same "$dev: bus alone: clean" clean "$(attr "$dev" state)"
	[ "$rung" = slot ] || [ "$rung" = bus ] || not_ok "$dev: bus alone" "but $rung"

	same "$dev: nothing" 0 "$(set_methods "$dev" '')"
	refuses "no method"
	same "$dev: no method: the state is what it was" clean "$(attr "$dev" state)"

	case " $methods " in
	*' pm '*)
		same "$dev: pm alone" 0 "$(set_methods "$dev" pm)"
		same "$dev: pm alone: the plan" pm "$(attr "$dev" reset_plan)"
		same "$dev: pm alone: is blocked on the bus" "$dev reset_method" "$(attr "$dev" reset_blockers)"
		check "$dev: takes a mark" leave_mark "$dev"
		dmesg -c >/dev/null
		same "$dev: pm alone: is tried, and is not enough" $ENOTTY "$(reset_errno "$dev")"
		same "$dev: pm alone: is what was tried" pm "$(attr "$dev" last_reset_method)"
		same "$dev: pm alone: may be given with a warning" with-warning "$(attr "$dev" assignable)"
		# QEMU's devices keep all they have. Others may lose something.
		if bears_mark "$dev"; then
			same "$dev: pm alone: reset nothing" unproven "$(attr "$dev" state)"
			same "$dev: pm alone: the driver saw it" disproven "$(attr "$dev" last_reset_proof)"
			same "$dev: pm alone: and remembers" pm "$(attr "$dev" unproven_methods)"
			same "$dev: pm alone: two lines say so" 2 "$(dmesg | grep -c "pciback $dev: .*\\(a pm reset reported success\\|no other reset method\\)")"
		else
			same "$dev: pm alone: is weak" weak "$(attr "$dev" state)"
			same "$dev: pm alone: a line says so" 1 "$(dmesg | grep -c "pciback $dev: .*is weak")"
		fi
		check "$dev: pm alone: BARs are there" test "$bars" = "$(bars "$dev")"
		;;
	esac
	case " $methods " in
	*' flr '*)
		same "$dev: flr after bus" 0 "$(set_methods "$dev" 'bus flr')"
		leave_mark "$dev"
		same "$dev: flr after bus: is the gentlest still" flr "$(attr "$dev" reset_plan)"
		same "$dev: flr after bus: works" 0 "$(reset_errno "$dev")"
		same "$dev: flr after bus: by flr" flr "$(attr "$dev" last_reset_method)"
		check_fails "$dev: flr after bus: the hardware was reset" bears_mark "$dev"
		;;
	esac

	# At a claim and at a release, too.
	same "$dev: nothing" 0 "$(set_methods "$dev" '')"
	sysfs_write "$DRV/unbind" "$dev"
	same "$dev: is claimed without a method" 0 "$(drv_errno bind "$dev")"
	same "$dev: and was not reset" not-reset "$(attr "$dev" state)"
	refuses "no method at the claim"
	same "$dev: restored" 0 "$(set_methods "$dev" default)"
	same "$dev: lists what it had" "$methods" "$(cat "$PCI/$dev/reset_method")"
	same "$dev: can be reset again" 0 "$(reset_errno "$dev")"
	same "$dev: clean" clean "$(attr "$dev" state)"
	take_back "$dev"
}

# refuses WHAT: there is nothing to be tried.
refuses() {
	same "$dev: $1: the plan" none "$(attr "$dev" reset_plan)"
	same "$dev: $1: the blocker" "$dev reset_method" "$(attr "$dev" reset_blockers)"
	leave_mark "$dev"
	dmesg -c >/dev/null
	same "$dev: $1: refused" $ENOTTY "$(reset_errno "$dev")"
	same "$dev: $1: one line says why" 1 "$(dmesg | grep -c "pciback $dev: reset_device: no .*reset method (-$ENOTTY)")"
	! markable "$dev" || check "$dev: $1: the hardware was left alone" bears_mark "$dev"
}

check "the module loads" module_load
found=
for dev in $RESET_DEVICES; do
	[ "$(reached "$dev" bus | wc -l)" = 1 ] && has_method "$dev" bus || continue
	found=y
	driver=$(pci_driver "$dev")
	[ -z "$driver" ] || identity "$dev" >"$tmp/identity"
	pci_unbind "$dev"
	bars=$(bars "$dev")
	one "$dev"
	if [ -n "$driver" ]; then
		check "$dev: works" serves "$dev"
		same "$dev: is the same" "$(cat "$tmp/identity")" "$(identity "$dev")"
	else
		check "$dev: answers" answers "$dev"
	fi
done
# On a real machine there may be none.
if [ -z "$found" ] && [ -n "${ANY_DRIVER:-}" ]; then
	skip "there were devices alone on a bus" "none was named"
else
	check "there were devices alone on a bus" test -n "$found"
fi
check "the module unloads" module_unload
finish
