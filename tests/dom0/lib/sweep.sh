# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # $DRV and others are from pciback.sh, which is sourced before
#
# Operations in which one thing fails: the first, then the second, until none is left.
#
# What fails is FAULTS: `calls` into the kernel and Xen (by the test build's parameter
# fail_call), or `allocations` (by fail-nth, in a kernel that has it).

PARAMETERS=/sys/module/rust_pciback/parameters
EIO=5
ENOMEM=12
EEXIST=17
EDOM=33
ETIMEDOUT=110

# The most that any operation here has; a sweep that doesn't end is a failure.
MOST=600

can_fail() {
	case $FAULTS in
	calls) modinfo "$PCIBACK_MODULE" | grep -q fail_call ;;
	allocations) [ -e /proc/self/fail-nth ] ;;
	esac
}

# ours_only: of allocations those that fail are below functions of the module. (What the driver
# core and sysfs allocate around them is the kernel's own to get right.) Its addresses are above
# the kernel's; where they end is beyond the arithmetic of some shells. Those of the ACPI
# interpreter don't fail: it may have lost _PRT until the next boot after one of its own did
# (AE_NO_MEMORY, and from then on AE_AML_UNINITIALIZED_NODE).
ours_only() {
	fail_start=$(awk '$1 == "rust_pciback" { print $6 }' /proc/modules)
	# shellcheck disable=SC2046 # where the interpreter (drivers/acpi/acpica) begins and ends
	set -- $(awk '$3 == "_etext" { exit }
		$3 ~ /^acpi_(ds|ut)_[a-z0-9_]*$/ { if (!start) start = $1; inside = 1; next }
		inside { end = $1; inside = 0 }
		END { print "0x" start, "0x" end }' /proc/kallsyms)
	for fail_dir in /sys/kernel/debug/failslab /sys/kernel/debug/fail_page_alloc; do
		[ -d $fail_dir ] || continue
		echo "$fail_start" >$fail_dir/require-start
		echo 0xffffffffffffffff >$fail_dir/require-end
		echo "$1" >$fail_dir/reject-start
		echo "$2" >$fail_dir/reject-end
		echo 32 >$fail_dir/stacktrace-depth
		echo N >$fail_dir/ignore-gfp-wait # else none that may sleep
		echo 0 >$fail_dir/verbose
	done
}

# fail_write N FILE TEXT: one write with the Nth fault; prints its errno and what is left of N.
fail_write() {
	case $FAULTS in
	calls)
		echo "$1" >$PARAMETERS/fail_call
		fail_errno=$(write_errno "$2" "$3")
		echo "$fail_errno $(cat $PARAMETERS/fail_call)"
		echo 0 >$PARAMETERS/fail_call
		;;
	allocations)
		# shellcheck disable=SC2059 # the format is what is wanted
		printf "$3" | "$PBTOOL" failnth "$1" "$2"
		;;
	esac
}

# failed_call: the name of the call that failed.
failed_call() {
	[ "$FAULTS" = allocations ] || dmesg -c | sed -n 's/.*rust_pciback: fault: \(.*\)/ (\1)/p' | tail -n 1
}

# may_be ERRNO: an operation in which a call or an allocation failed may end so.
may_be() {
	case $FAULTS in
	# The errno that was asked for, or a device that doesn't answer (any more).
	calls) may_errnos="0 $EDOM $EIO $ETIMEDOUT" ;;
	# The second is pci_enable_device()'s, where the kernel had no memory for a GSI.
	allocations) may_errnos="0 $ENOMEM $EEXIST" ;;
	esac
	case " $may_errnos " in
	*" $1 "*) ;;
	*) return 1 ;;
	esac
}

# sweep WHAT PREPARE FILE TEXT VERIFY: for N = 1, 2, ...: prepare; write TEXT to FILE with the
# Nth fault; `VERIFY ERRNO` says whether all is well, and puts it right again.
sweep() {
	sweep_failed=0
	for sweep_n in $(seq $MOST); do
		sweep_name="$1, ${FAULTS%s} $sweep_n"
		check "$sweep_name: prepared" "$2" || return
		sweep_result=$(fail_write "$sweep_n" "$3" "$4")
		sweep_errno=${sweep_result% *}
		if [ "${sweep_result#* }" != 0 ]; then
			same "$1: with no fault left it succeeds" 0 "$sweep_errno"
			check "$1: and all is well" "$5" 0
			check "$1: there were faults" test "$sweep_n" -gt 1
			figure "$1: $((sweep_n - 1)) $FAULTS failed, $sweep_failed times with it"
			return
		fi
		[ "$sweep_errno" = 0 ] || sweep_failed=$((sweep_failed + 1))
		check "$sweep_name: errno $sweep_errno" may_be "$sweep_errno"
		check "$sweep_name: and all is well$(failed_call)" "$5" "$sweep_errno"
	done
	not_ok "$1: there are more than $MOST faults"
}
