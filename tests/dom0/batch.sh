#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Many devices in one request: all at the same time, each bus once, and what fails doesn't
# keep the others.
#
# lab: many pv
# lab: shared pv cpus=2
# tier all: shared pvh

here=$(dirname "$0")
. "$here/lib/pciback.sh"
. "$here/lib/reset.sh"

: "${RESET_DEVICES=$(lab_devices)}"

# ms: milliseconds since the machine was started.
ms() {
	read -r now _ </proc/uptime
	echo "$((${now%.*} * 1000 + 1${now#*.} * 10 - 1000))"
}

# request TEXT: of all of it, with the uevents in $tmp/events; prints the errno.
request() {
	# shellcheck disable=SC2059 # the format is what is wanted
	printf "$1" >"$tmp/text"
	# shellcheck disable=SC2016 # for the inner shell
	"$PBTOOL" uevents sh -c '"$0" write "$1" <"$2" >"$3"' "$PBTOOL" "$DRV/reset_device" "$tmp/text" "$tmp/errno" >"$tmp/events"
	cat "$tmp/errno"
}

# events_of DEVICE: how many resets of it have ended.
events_of() {
	grep -c "^change@/devices/.*/$1 " "$tmp/events"
}

mark_all() {
	for dev in $RESET_DEVICES; do
		leave_mark "$dev"
	done
}

# marked: how many bear one.
marked() {
	count=0
	for dev in $RESET_DEVICES; do
		! bears_mark "$dev" || count=$((count + 1))
	done
	echo $count
}

for dev in $RESET_DEVICES; do
	[ -z "$(pci_driver "$dev")" ] || serves "$dev" # see ladder.sh
done
check "the module loads" module_load
# shellcheck disable=SC2086 # words
same "all are claimed" 0 "$(claim_all $RESET_DEVICES)"
resettable=
for dev in $RESET_DEVICES; do
	[ "$(rung_of "$dev")" = none ] || resettable="$resettable $dev"
done
all=$(echo "$resettable" | wc -w)
mark_all
markable=$(marked)
diag "$all devices, $markable bear marks"

# Malformed anywhere, nothing at all.
# shellcheck disable=SC2086 # words
set -- $resettable
for text in "$1 garbage" "$1,$2" "$1 $2x" "garbage $1" "$1 $2 :" "$1 *"; do
	same "'$text' is malformed" $EINVAL "$(request "$text")"
	same "'$text' resets nothing" 0 "$(wc -l <"$tmp/events")"
done
same "the hardware says so, too" "$markable" "$(marked)"

# All, in one request. The longest of them alone is the measure.
longest=0
for dev in $resettable; do
	start=$(ms)
	same "$dev: alone" 0 "$(reset_errno "$dev")"
	took=$(($(ms) - start))
	[ "$took" -le "$longest" ] || longest=$took
done
mark_all
patterns=$(for dev in $resettable; do echo "${dev%:*}:*.*"; done | sort -u | paste -sd' ')
start=$(ms)
errno=$(request "$patterns")
took=$(($(ms) - start))
# A device without a method may be among what the patterns cover.
wanted=0
for dev in $RESET_DEVICES; do
	for pattern in $patterns; do
		[ "${dev%:*}:*.*" != "$pattern" ] || [ "$(rung_of "$dev")" != none ] || wanted=$ENOTTY
	done
done
same "all $all: '$patterns'" "$wanted" "$errno"
diag "the longest alone took $longest ms, all of $all together $took ms"
check "all: $took ms in all, with $longest ms for the longest alone" test "$took" -lt $((4 * longest + 400))
same "all: the hardware was reset" 0 "$(for dev in $resettable; do ! bears_mark "$dev" || echo "$dev"; done | wc -l)"
for dev in $resettable; do
	same "all: $dev is clean" clean "$(attr "$dev" state)"
	same "all: $dev was reset once" 1 "$(events_of "$dev")"
	same "all: $dev as its plan says" "$(rung_of "$dev")" "$(attr "$dev" last_reset_method)"
done
for dev in $resettable; do
	for other in $(reached "$dev" "$(rung_of "$dev")"); do
		is_bridge "$other" ||
			same "all: one reset for $dev and $other" "$(attr "$dev" last_reset_time_us)" "$(attr "$other" last_reset_time_us)"
	done
done

# Each form of a list; what is named twice is reset once.
# shellcheck disable=SC2086 # words
set -- $resettable
for text in "$1 $2" "$1 $1 $2" "$1\\t$2\\n" "  $1 \\n  $2 " "${1#0000:} ${2#0000:}" "$1\\n$2\\n\\0" "${1%.*}.* $1 $2"; do
	leave_mark "$1"
	leave_mark "$2"
	same "'$text' is a list" 0 "$(request "$text")"
	same "'$text': the first was reset once" 1 "$(events_of "$1")"
	same "'$text': the second was reset once" 1 "$(events_of "$2")"
	check_fails "'$text': the first, by its hardware" bears_mark "$1"
	check_fails "'$text': the second, by its hardware" bears_mark "$2"
done

# One that is not ours, or not there, first or last or between: the others are reset.
# shellcheck disable=SC2086 # words
set -- $resettable
alone=
for dev in $resettable; do
	[ "$(reached "$dev" "$(rung_of "$dev")" | wc -l)" != 1 ] || alone="$alone $dev"
done
for missing in 7f:00.0 '7f:*.*'; do
	for text in "$missing $1 $2" "$1 $missing $2" "$1 $2 $missing"; do
		leave_mark "$1"
		leave_mark "$2"
		same "'$text': an error" $ENODEV "$(request "$text")"
		check_fails "'$text': the first was reset" bears_mark "$1"
		check_fails "'$text': the second was reset" bears_mark "$2"
	done
done
# shellcheck disable=SC2086 # words
set -- $alone
if [ $# -ge 3 ]; then
	sysfs_write "$DRV/unbind" "$2"
	leave_mark "$2" # (It decodes on, and still is listed.)
	same "one of three is released" $ENODEV "$(request "$1 $2 $3")"
	same "one of three is released: the first was reset" 1 "$(events_of "$1")"
	same "one of three is released: the third was reset" 1 "$(events_of "$3")"
	same "one of three is released: it was not" 0 "$(events_of "$2")"
	same "a wildcard doesn't mind" 0 "$(request "${1%.*}.*")"
	same "a wildcard: the released one was not reset" 0 "$(events_of "$2")"
	same "one of three is back" 0 "$(drv_errno bind "$2")"
else
	skip "one of three is released" "there are no three that are reset alone"
fi

for dev in $RESET_DEVICES; do
	take_back "$dev"
done
for dev in $RESET_DEVICES; do
	if [ -n "$(pci_driver "$dev")" ]; then
		check "$dev: works" serves "$dev"
	else
		check "$dev: answers" answers "$dev"
	fi
done
check "the module unloads" module_unload
finish
