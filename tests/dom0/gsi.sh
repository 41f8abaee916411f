#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The GSI in sysfs, from privcmd, and of devices that have none.
#
# lab: main pvh pv
# tier all: nopin pvh
# mark: core

here=$(dirname "$0")
. "$here/lib/pciback.sh"

[ -e /dev/xen/privcmd ] || modprobe xen-privcmd
EOPNOTSUPP=95

gsi_files() {
	for file in "$PCI"/*/gsi; do
		[ ! -e "$file" ] || echo "$file"
	done
}

privcmd() {
	"$PBTOOL" gsi "$1"
}

same "no gsi file before" "" "$(gsi_files)"
check "the module loads" module_load
check "there are gsi files" test -n "$(gsi_files)"

for dev in "$PCI"/*; do
	dev=${dev##*/}
	if [ "$(pci_byte "$dev" 0x3d)" = 00 ]; then
		check_fails "$dev: no pin, no gsi file" test -e "$PCI/$dev/gsi"
	elif [ -e "$PCI/$dev/gsi" ]; then
		check "$dev: gsi is a decimal number" grep -qx '[1-9][0-9]*' "$PCI/$dev/gsi"
		diag "$dev gsi $(cat "$PCI/$dev/gsi") irq $(cat "$PCI/$dev/irq")"
	else
		diag "$dev has a pin without a route"
	fi
	[ "$(pci_driver "$dev")" = pciback ] ||
		same "$dev: privcmd says not ours" -$ENODEV "$(privcmd "$dev")"
done
same "privcmd of an address without a device" -$ENODEV "$(privcmd ffff:ff:1f.7)"

# Devices whose pin is theirs to lose: endpoints without a driver, and those given.
: "${PINLESS_DEVICES=$(pci_find 1b36:0005) $(pci_find 1234:1111) $(pci_find 1b36:0006) $(pci_find 1af4:1110)}"
for dev in $FLR_DEVICES $PLAIN_DEVICES $PINLESS_DEVICES; do
	same "$dev: is claimed" 0 "$(give "$dev")"
	if [ -e "$PCI/$dev/gsi" ]; then
		same "$dev: privcmd and sysfs agree" "$(cat "$PCI/$dev/gsi")" "$(privcmd "$dev")"
	else
		same "$dev: privcmd says no GSI" -$ENOENT "$(privcmd "$dev")"
	fi
	take_back "$dev"
	same "$dev: privcmd says not ours again" -$ENODEV "$(privcmd "$dev")"
done
check "the module unloads" module_unload
same "no gsi file after" "" "$(gsi_files)"
for dev in $PLAIN_DEVICES; do
	same "privcmd has nobody to ask" -$EOPNOTSUPP "$(privcmd "$dev")"
done
finish
