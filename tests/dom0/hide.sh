#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The other ways to a claim: hide= at load, driver_override, a listed bridge above;
# and who is refused.
#
# lab: main pv
# tier all: main pvh
# mark: core

here=$(dirname "$0")
. "$here/lib/pciback.sh"

all="$FLR_DEVICES $PLAIN_DEVICES"

# hidden HIDE DEVICE...: with that parameter, exactly these (free) devices are claimed.
hidden() {
	param=$1
	shift
	for dev in $all; do
		pci_unbind "$dev"
	done
	check "loads with hide=$param" module_load "hide=$param"
	for dev in $all; do
		wanted=
		for claimed; do
			[ "$claimed" != "$dev" ] || wanted=pciback
		done
		same "hide=$param: $dev" "$wanted" "$(pci_driver "$dev")"
	done
	check "unloads" module_unload
	for dev in $all; do
		same "$dev is free again" "" "$(pci_driver "$dev")"
	done
}

everything=
for dev in $all; do
	everything="$everything($dev)"
done
# shellcheck disable=SC2086 # words
hidden "$everything" $all
# shellcheck disable=SC2086
set -- $all
hidden "($1)" "$1"
hidden "(${1#0000:})" "$1"
hidden "(${1%.*}.*)" "$1"
hidden "(${1%:*}:*.*)" "$1"
hidden ""
hidden "(7f:00.0)"
parent=$(readlink -f "$PCI/$1/..")
case ${parent##*/} in
????:??:??.?)
	# The bridge has its driver and keeps it; what is below it is claimed.
	port_driver=$(pci_driver "${parent##*/}")
	hidden "(${parent##*/})" "$1"
	same "the bridge ${parent##*/} keeps its driver" "$port_driver" "$(pci_driver "${parent##*/}")"
	;;
*) skip "a bridge above is listed" "$1 is on a root bus" ;;
esac

for bad in 03:00.0 '(03:00.0' '()' '(03:00.0)x' '(03:00.8)' '(03:00.0),(04:00.0)' '(g)'; do
	dmesg -c >/dev/null
	check_fails "hide=$bad is refused" module_load "hide=$bad"
	# (Some insmod try twice, so the line may come twice.)
	same "with a line that says why" 1 "$(dmesg | sed -n 's/.*rust_pciback: hide=//p' | sort -u | wc -l)"
	check_fails "and nothing is left" test -e "$DRV"
done

check "loads without hide=" module_load
for dev in $all; do
	same "$dev: driver_override is taken" 0 "$(write_errno "$PCI/$dev/driver_override" pciback)"
	same "$dev: drivers_probe" 0 "$(write_errno /sys/bus/pci/drivers_probe "$dev")"
	same "$dev: is claimed" pciback "$(pci_driver "$dev")"
	same "$dev: and listed nowhere" "" "$(cat "$DRV/slots")"
	sysfs_write "$DRV/unbind" "$dev"
	same "$dev: driver_override is withdrawn" 0 "$(write_errno "$PCI/$dev/driver_override" '\n')"
	same "$dev: is no longer wanted" $ENODEV "$(drv_errno bind "$dev")"
	# As for bind the bus is asked: it offers the device to the driver named there only.
	same "$dev: is listed" 0 "$(drv_errno new_slot "$dev")"
	same "$dev: is meant for another driver" 0 "$(write_errno "$PCI/$dev/driver_override" nobody)"
	same "$dev: so probe leaves it" $ENODEV "$(drv_errno probe "$dev")"
	same "$dev: without a driver" "" "$(pci_driver "$dev")"
	same "$dev: meant for anybody again" 0 "$(write_errno "$PCI/$dev/driver_override" '\n')"
	same "$dev: is no longer listed" 0 "$(drv_errno remove_slot "$dev")"
	sysfs_write /sys/bus/pci/drivers_probe "$dev"
	check "$dev: works" works "$dev"
done
check "unloads" module_unload

# A second driver of that name is refused, and does not harm the first.
if modprobe xen-pciback 2>/dev/null; then
	check_fails "does not load beside the C driver" module_load
	check_fails "and leaves no gsi file" test -e "$PCI/$1/gsi"
	check "which is still there" test -e "$DRV/permissive"
	# Its answer for a stranger is ENODEV; EOPNOTSUPP would say that we took its hook.
	[ -e /dev/xen/privcmd ] || modprobe xen-privcmd
	same "and still answers privcmd" -$ENODEV "$("$PBTOOL" gsi 0000:7f:00.0)"
	rmmod xen-pciback
else
	skip "does not load beside the C driver" "no C driver here"
fi
finish
