#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What may be written, and what each wrong writing answers.
#
# lab: main pv

here=$(dirname "$0")
. "$here/lib/pciback.sh"

check "the module loads" module_load

# lists WRITTEN EXPECTED: what new_slot makes of a form; then it is taken off again.
lists() {
	same "new_slot takes '$1'" 0 "$(drv_errno new_slot "$1")"
	same "slots shows it" "$2" "$(paste -sd' ' "$DRV/slots")"
	same "remove_slot takes '$1'" 0 "$(drv_errno remove_slot "$1")"
	same "slots is empty again" "" "$(cat "$DRV/slots")"
}

lists 0000:7f:00.0 0000:7f:00.0
lists 7f:00.0 0000:7f:00.0
lists 12:7f:1f.7 0012:7f:1f.7
lists 'ABCD:Ef:0a.3' abcd:ef:0a.3
lists ' \t7f:00.0 \n' 0000:7f:00.0
lists '7f:00.0\n' 0000:7f:00.0
lists '7f:00.0\0' 0000:7f:00.0
functions=$(for f in 0 1 2 3 4 5 6 7; do echo "0000:7f:03.$f"; done | paste -sd' ')
lists '7f:03.*' "$functions"
lists '0000:7f:03.*' "$functions"
lists '7f:00.0 7f:00.1' '0000:7f:00.0 0000:7f:00.1'
lists ' 7f:00.1\n7f:00.0\t7e:01.0 7f:00.1\n' '0000:7e:01.0 0000:7f:00.0 0000:7f:00.1'
same "new_slot takes two" 0 "$(drv_errno new_slot '7f:00.0 7f:00.2')"
same "remove_slot of three, of which one isn't listed" $ENOENT \
	"$(drv_errno remove_slot '7f:00.0 7f:00.1 7f:00.2')"
same "takes off the others" "" "$(cat "$DRV/slots")"
same "new_slot takes a whole bus" 0 "$(drv_errno new_slot '7f:*.*')"
same "slots shows all 256 functions" 256 "$(wc -l <"$DRV/slots")"
same "one can be taken out" 0 "$(drv_errno remove_slot '7f:10.2')"
same "255 are left" 255 "$(wc -l <"$DRV/slots")"
check_fails "and it is not among them" grep -q 7f:10.2 "$DRV/slots"
same "the rest goes at once" 0 "$(drv_errno remove_slot '7f:*.*')"
same "remove_slot of what is not listed" $ENOENT "$(drv_errno remove_slot 7f:00.0)"

long=$(printf '%4000s' '' | tr ' ' 1)
for attribute in new_slot remove_slot reset_device do_flr probe; do
	for text in garbage 7f '7f:' '7f:00' '7f:00.' '7f:00.8' '7f:20.0' '100:00.0' \
		'10000:7f:00.0' '7f:00.0x' '7f:*.0' '*:00.0' '7f:00.0 7f:00' '7f:00.0 garbage 7f:00.1' \
		'0x7f:00.0' '-1:00.0' '0000: 7f:00.0' '7f:00.0,' '7f:00.0,7f:00.1' '\377\376\375' '7f:00.0\0x' \
		"$long" "$long:00.0" '(7f:00.0)' '%%n%%s%%p'; do
		name=$(printf '%.20s' "$text")
		same "$attribute: '$name' is malformed" $EINVAL "$(drv_errno $attribute "$text")"
	done
	# sysfs hands on nothing for a write of no bytes.
	same "$attribute: nothing is nothing" 0 "$(drv_errno $attribute '')"
done
for attribute in new_slot remove_slot probe; do
	for text in ' ' '\n'; do
		same "$attribute: '$text' is no address" $EINVAL "$(drv_errno $attribute "$text")"
	done
done
for attribute in reset_device do_flr probe; do
	for text in 7f:00.0 '7f:*.*' '7f:00.*' '7f:00.0 7f:00.1' ' 7f:00.0\n7f:01.*\t7f:00.1 \n'; do
		same "$attribute: '$text' is not there" $ENODEV "$(drv_errno $attribute "$text")"
	done
done
for dev in $FLR_DEVICES $PLAIN_DEVICES; do
	same "reset_device: $dev is not claimed" $ENODEV "$(drv_errno reset_device "$dev")"
	check "$dev keeps its driver" works "$dev"
done
same "slots is empty" "" "$(cat "$DRV/slots")"

# The log is bounded however often one asks: 10 lines in 5 seconds for each file.
# (What was written above may have used up these 5 seconds' share.)
early=$(dmesg -c | grep -c 'rust_pciback: reset_device')
start=$(date +%s)
same "10000 times garbage" $EINVAL "$(printf garbage | "$PBTOOL" write "$DRV/reset_device" 10000)"
same "10000 times a stranger" $ENODEV "$(printf 7f:00.0 | "$PBTOOL" write "$DRV/reset_device" 10000)"
spans=$((($(date +%s) - start) / 5 + 2))
lines=$(dmesg | grep -c 'rust_pciback: reset_device')
check "leave $lines lines in the log, at most $((spans * 20))" test "$lines" -le $((spans * 20))
check "but some" test $((early + lines)) -ge 2

check "the module unloads" module_unload
finish
