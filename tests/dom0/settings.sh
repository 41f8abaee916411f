#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The C driver's attributes for what guests may do: their formats, their errors, and that each
# belongs to one device and one claim.
#
# lab: main pv

here=$(dirname "$0")
. "$here/lib/pciback.sh"

# shellcheck disable=SC2086 # words
set -- $FLR_DEVICES $PLAIN_DEVICES
one=$1
other=$2
[ -n "$other" ] || skip_all "two devices are needed"

check "the module loads" module_load
for file in permissive allow_interrupt_control quirks; do
	same "$file: root reads and writes it, others read" 644 "$(stat -c %a "$DRV/$file")"
done
for file in restrictive irq_handler_state; do
	same "$file: root writes it" 200 "$(stat -c %a "$DRV/$file")"
done
same "irq_handlers: all read it" 444 "$(stat -c %a "$DRV/irq_handlers")"

for file in permissive allow_interrupt_control quirks irq_handlers; do
	same "$file: empty" "" "$(cat "$DRV/$file")"
done
for file in permissive restrictive allow_interrupt_control; do
	same "$file: of a device that is not claimed" $ENODEV "$(drv_errno $file "$one")"
done
same "irq_handler_state: of a device that is not claimed" $ENOENT "$(drv_errno irq_handler_state "$one")"
same "quirks: of a device that is not claimed" $ENODEV "$(drv_errno quirks "$one-40:2:ff")"

driver=$(pci_driver "$one")
other_driver=$(pci_driver "$other")
same "$one is claimed" 0 "$(give "$one")"
same "$other is claimed" 0 "$(give "$other")"
for file in permissive restrictive allow_interrupt_control irq_handler_state quirks; do
	for text in "" " " nonsense "$one x" "$one-" "$one-40:3:ff" "$one-1000:1:0" "-40:1:ff"; do
		[ -n "$text" ] || continue # It doesn't reach the driver.
		same "$file: '$text'" $EINVAL "$(drv_errno $file "$text")"
	done
done

same "permissive: is set" 0 "$(drv_errno permissive "$one")"
same "permissive: for that device" "$one" "$(cat "$DRV/permissive")"
dmesg -c >/dev/null
same "permissive: is set once more" 0 "$(drv_errno permissive " ${one#0000:}
")"
same "permissive: is said once" "" "$(dmesg | grep permissive)"
same "permissive: of another" 0 "$(drv_errno permissive "$other")"
same "permissive: of both, in order" "$(printf '%s\n' "$one" "$other" | sort)" "$(cat "$DRV/permissive")"
same "restrictive: undoes it" 0 "$(drv_errno restrictive "$other")"
same "restrictive: for that device" "$one" "$(cat "$DRV/permissive")"
same "permissive: by parts of any size" "$one" "$(dd if="$DRV/permissive" bs=5 2>/dev/null)"

same "allow_interrupt_control: is set" 0 "$(drv_errno allow_interrupt_control "$other")"
same "allow_interrupt_control: for that device" "$other" "$(cat "$DRV/allow_interrupt_control")"

same "irq_handlers: no handler" "$one:off:not acking:0" "$(grep "$one" "$DRV/irq_handlers")"
same "irq_handler_state: is wanted" 0 "$(drv_errno irq_handler_state "$one")"
same "irq_handlers: one is" "$one:on:acking:0" "$(grep "$one" "$DRV/irq_handlers")"
same "irq_handler_state: is wanted no more" 0 "$(drv_errno irq_handler_state "$one")"
same "irq_handlers: it is off" "$one:off:acking:0" "$(grep "$one" "$DRV/irq_handlers")"

ids() {
	for id in vendor device subsystem_vendor subsystem_device; do
		read -r value <"$PCI/$1/$id"
		printf ':%s' "${value#0x}"
	done
}
tab=$(printf '\t')
of_one=$(ids "$one")
same "quirks: a field" 0 "$(drv_errno quirks "$one-40:2:ff")"
same "quirks: another" 0 "$(drv_errno quirks "${one#0000:}-0fc:4:ffffffff")"
same "quirks: the first again" 0 "$(drv_errno quirks "$one-40:2:ff")"
same "quirks: both, below the device's numbers" \
	"${one#0000:} $tab${of_one#:} $tab${tab}00000040:2:000000ff $tab${tab}000000fc:4:ffffffff" \
	"$(grep -A 3 "^${one#0000:}$" "$DRV/quirks" | paste -sd' ')"

# They end with the claim.
sysfs_write "$DRV/unbind" "$one"
same "$one is claimed anew" 0 "$(drv_errno bind "$one")"
same "permissive: is forgotten" "" "$(cat "$DRV/permissive")"
same "quirks: are forgotten" "" "$(grep "$tab$tab" "$DRV/quirks")"
same "irq_handlers: are forgotten" "$one:off:not acking:0" "$(grep "$one" "$DRV/irq_handlers")"
take_back "$one"
take_back "$other"
same "$one: has its driver" "$driver" "$(pci_driver "$one")"
same "$other: has its driver" "$other_driver" "$(pci_driver "$other")"
check "the module unloads" module_unload
finish
