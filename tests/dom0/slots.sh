#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The list of slots has no limit of one page, is ordered, and reads the same in any
# chunks; slots alone claim nothing, and forgetting one releases nothing.
#
# lab: main pv

here=$(dirname "$0")
. "$here/lib/pciback.sh"

check "the module loads" module_load
for bus in $(seq 15 -1 0); do
	printf '%x:*.*' $((bus + 0x80)) >"$DRV/new_slot"
done
for bus in $(seq 0 15); do
	for devfn in $(seq 0 255); do
		printf '0000:%02x:%02x.%d\n' $((bus + 0x80)) $((devfn / 8)) $((devfn % 8))
	done
done >"$tmp/expected"
cat "$DRV/slots" >"$tmp/slots"
check "4096 slots are listed in order" cmp "$tmp/expected" "$tmp/slots"
for size in 7 13 100 4096 65536; do
	dd if="$DRV/slots" of="$tmp/slots" bs=$size 2>/dev/null
	check "and so in reads of $size bytes" cmp "$tmp/expected" "$tmp/slots"
done
# As libxl reads it.
while IFS=:. read -r domain bus slot func; do
	printf '%04x:%02x:%02x.%d\n' 0x"$domain" 0x"$bus" 0x"$slot" "$func"
done <"$DRV/slots" >"$tmp/slots"
check "every line parses as an address" cmp "$tmp/expected" "$tmp/slots"
for bus in $(seq 0 15); do
	printf '%x:*.*' $((bus + 0x80)) >"$DRV/remove_slot"
done
same "all can be forgotten" "" "$(cat "$DRV/slots")"

for dev in $PLAIN_DEVICES; do
	driver=$(pci_driver "$dev")
	same "$dev: may be listed while in use" 0 "$(drv_errno new_slot "$dev")"
	same "$dev: keeps its driver" "$driver" "$(pci_driver "$dev")"
	same "$dev: is claimed" 0 "$(give "$dev")"
	same "$dev: may be listed twice" 0 "$(drv_errno new_slot "$dev")"
	same "$dev: is listed once" 1 "$(grep -c "$dev" "$DRV/slots")"
	same "$dev: is forgotten" 0 "$(drv_errno remove_slot "$dev")"
	same "$dev: is still claimed" pciback "$(pci_driver "$dev")"
	sysfs_write "$DRV/unbind" "$dev"
	same "$dev: bind of what is not listed" $ENODEV "$(drv_errno bind "$dev")"
	sysfs_write /sys/bus/pci/drivers_probe "$dev"
	check "$dev: works" works "$dev"
done
check "the module unloads" module_unload
finish
