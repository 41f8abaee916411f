#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A slot or bus reset that would reach a device of somebody else is refused, which the
# neighbour doesn't notice: not in its registers, and not in its traffic.
#
# lab: shared pv cpus=2
# lab: nested pv
# tier all: shared pvh
# tier all: nested pvh
# mark: core

here=$(dirname "$0")
. "$here/lib/pciback.sh"
. "$here/lib/reset.sh"

: "${RESET_DEVICES=$(lab_devices)}"

# lines DEVICE: our log lines about a request for it since the last dmesg -c.
lines() {
	dmesg | sed -n "s/.*pciback $1: reset_device: //p"
}

# said: a line says why, or says so when asked again. Those about requests come ten in five
# seconds (kapi/log.rs), and a fast machine is refused more often.
said() {
	[ -n "$(lines "$target")" ] && return
	reset_errno "$target"
	[ -n "$(lines "$target")" ]
}

# refused WHAT: the target's reset is, with one line that says what is in $blockers.
refused() {
	same "$1: the plan says none" none "$(attr "$target" reset_plan)"
	same "$1: what blocks is listed" "$blockers" "$(attr "$target" reset_blockers)"
	before=$(attr "$target" state)
	dmesg -c >/dev/null
	same "$1: the reset is refused" $EBUSY "$(reset_errno "$target")"
	names=$(echo "$blockers" | sed 's/ / (/; s/$/)/' | head -n 4 | paste -sd, | sed 's/,/, /g')
	more=$(echo "$blockers" | tail -n +5 | wc -l)
	[ "$more" = 0 ] || names="$names and $more more"
	check "$1: the log says why" wait_for 6 said
	same "$1: one line says why" "not reset: a $rung reset would reach $names (-$EBUSY)" "$(lines "$target")"
	same "$1: the state is what it was" "$before" "$(attr "$target" state)"
}

# blockers_now: the lines that the file should have, from the state of the neighbours.
blockers_now() {
	for dev in $others; do
		case $(pci_driver "$dev") in
		'') echo "$dev no driver" ;;
		pciback) ;;
		*) echo "$dev driver $(pci_driver "$dev")" ;;
		esac
	done
}

# traffic_begin DEVICE: something that its driver does without a pause: reads of a disk, or
# pings to another device (of those that are not in the way) on the same network.
traffic_begin() {
	case $(pci_driver "$1") in
	nvme)
		disk=/dev/$(basename "$(ls -d "$PCI/$1"/nvme/nvme*/nvme*n*)")
		: >"$tmp/go"
		(while [ -e "$tmp/go" ]; do
			dd if="$disk" of=/dev/null bs=65536 count=16 iflag=direct || echo failed >>"$tmp/traffic"
			echo read >>"$tmp/traffic"
		done) 2>/dev/null &
		traffic=$!
		;;
	e1000 | e1000e)
		partner=
		for peer in $RESET_DEVICES; do
			case $peer:$(pci_driver "$peer") in
			"$1":* | *.[1-7]:e1000e) ;;
			*:e1000 | *:e1000e) partner="$partner $(netif_of "$peer")" ;;
			esac
		done
		mine=$(netif_of "$1")
		# In a network namespace of its own, or the kernel would talk to itself.
		unshare -n sleep 600 &
		space=$!
		usleep 200000
		ip link set "$mine" netns $space && nsenter -t $space -n ip addr add 10.9.0.1/24 dev "$mine" &&
			nsenter -t $space -n ip link set "$mine" up || return
		n=2
		for netif in $partner; do
			ip addr add 10.9.0.$n/32 dev "$netif"
			ip link set "$netif" up
			ip route replace 10.9.0.1 dev "$netif"
			nsenter -t $space -n ping -q -c 1 -w 4 10.9.0.$n >/dev/null && break
			ip link set "$netif" down
			ip addr flush dev "$netif"
			netif=
			n=$((n + 1))
		done
		[ -n "$netif" ] || {
			echo "no partner for $1"
			return 1
		}
		# It runs on until it is interrupted, and then prints its count.
		nsenter -t $space -n ping -q -i 0.1 10.9.0.$n >"$tmp/traffic" &
		traffic=$!
		;;
	esac
}

# traffic_end DEVICE: true if nothing was lost.
traffic_end() {
	case $(pci_driver "$1") in
	nvme)
		rm "$tmp/go"
		wait "$traffic"
		grep -q read "$tmp/traffic" && ! grep failed "$tmp/traffic"
		;;
	*)
		kill -INT "$traffic"
		wait "$traffic"
		kill "$space"
		wait "$space" 2>/dev/null
		wait_for 5 test -d "$PCI/$1/net"
		ip link set "$netif" down
		ip addr flush dev "$netif"
		cat "$tmp/traffic"
		# The last may be on its way still.
		awk '/packets transmitted/ { lost = $1 - $4; n = $4 } END { exit !(n >= 5 && lost <= 1) }' "$tmp/traffic"
		;;
	esac
}

# one TARGET: all about one that has neighbours.
one() {
	target=$1
	rung=$(rung_of "$target")
	others=
	all=
	for dev in $(reached "$target" "$rung"); do
		is_bridge "$dev" || all="$all $dev"
		is_bridge "$dev" || [ "$dev" = "$target" ] || others="$others $dev"
	done
	for dev in $others; do
		check "$dev works" serves "$dev"
		identity "$dev" >"$tmp/$dev.identity"
	done
	same "$target: is claimed" 0 "$(give "$target")"

	blockers=$(blockers_now)
	refused "$target, neighbours in use"
	for dev in $others; do
		# In the lab functions other than 0 have no DMA, see topology.py.
		case $dev in
		*.[1-7]) continue ;;
		esac
		rm -f "$tmp/traffic"
		pci_config "$dev" "$tmp/before"
		if ! traffic_begin "$dev"; then
			skip "$target: $dev doesn't notice in its traffic" "it has none"
			kill "$space"
			continue
		fi
		usleep 500000
		for _ in 1 2 3; do
			same "$target: refused while $dev is at work" $EBUSY "$(reset_errno "$target")"
		done
		usleep 500000
		pci_config "$dev" "$tmp/after"
		check "$target: $dev loses nothing" traffic_end "$dev"
		check "$target: $dev keeps its registers" cmp "$tmp/before" "$tmp/after"
	done
	for dev in $others; do
		check "$target: $dev works on" works "$dev"
		same "$target: $dev is the same" "$(cat "$tmp/$dev.identity")" "$(identity "$dev")"
	done

	# Without a driver it is still not ours.
	for dev in $others; do
		pci_driver "$dev" >"$tmp/$dev.driver"
		pci_unbind "$dev"
		leave_mark "$dev"
	done
	blockers=$(blockers_now)
	refused "$target, neighbours without a driver"

	# One by one they become ours.
	for dev in $others; do
		refused "$target, $(echo "$blockers" | wc -l) in the way"
		same "$dev: is claimed" 0 "$(give "$dev")"
		blockers=$(blockers_now)
	done

	# The administrator's word holds for neighbours, too.
	for dev in $others; do
		can_restore "$dev" || continue
		methods=$(cat "$PCI/$dev/reset_method")
		same "$dev: its reset_method is emptied" 0 "$(set_methods "$dev" '')"
		blockers="$dev reset_method"
		refused "$target, $dev without methods"
		same "$dev: and restored" 0 "$(set_methods "$dev" "$methods")"
		case " $methods " in
		*' bus '*)
			without=$(echo "$methods" | tr ' ' '\n' | grep -vx bus | paste -sd' ')
			[ -n "$without" ] || continue
			same "$dev: bus is taken out" 0 "$(set_methods "$dev" "$without")"
			if consents "$dev"; then
				blockers=
				same "$target: does not mind" "$rung" "$(attr "$target" reset_plan)"
			else
				refused "$target, $dev without bus"
			fi
			same "$dev: and restored" 0 "$(set_methods "$dev" "$methods")"
			;;
		esac
	done
	for dev in $all; do
		leave_mark "$dev"
	done
	events=$(reset_with_events "$target")
	same "$target: with all of them ours the reset works" "errno 0" "$(echo "$events" | tail -n 1)"
	for dev in $all; do
		same "$target: and $dev is clean" clean "$(attr "$dev" state)"
		check_fails "$target: and its hardware was reset: $dev" bears_mark "$dev"
		same "$target: one event tells of $dev" 1 \
			"$(echo "$events" | grep -c "^change@/devices/.*/$dev .*PCIBACK_STATE=clean PCIBACK_RESET_METHOD=$rung PCIBACK_RESET_ERROR=0")"
	done
	same "$target: and no other event" "$(echo "$all" | wc -w)" "$(echo "$events" | grep -c PCIBACK_)"
	for dev in $all; do
		take_back "$dev"
	done
	for dev in $others; do
		check "$dev: works with its native driver" serves "$dev"
		same "$dev: is the same" "$(cat "$tmp/$dev.identity")" "$(identity "$dev")"
	done
}

# can_restore BDF: its reset_method. The kernel takes `bus` back only where nothing else is on
# the bus, whatever was there before.
can_restore() {
	[ -e "$PCI/$1/reset_method" ] || return
	is_alone "$1" || ! has_method "$1" bus
}

# reset_with_events TARGET: the uevents of a reset, then its errno.
reset_with_events() {
	printf %s "$1" >"$tmp/target"
	# shellcheck disable=SC2016 # for the inner shell
	"$PBTOOL" uevents sh -c '"$0" write "$1" <"$2" >"$3"' "$PBTOOL" "$DRV/reset_device" "$tmp/target" "$tmp/errno"
	echo "errno $(cat "$tmp/errno")"
}

check "the module loads" module_load
# One device below each bridge: the last, so that the first, which can have traffic, is its
# neighbour.
bridges=
for dev in $(echo "$RESET_DEVICES" | tr ' ' '\n' | sort -r); do
	bridge=$(bridge_above "$dev")
	case $(rung_of "$dev"):$bridges in
	*"$bridge"*) ;;
	slot:* | bus:*)
		[ "$(reached "$dev" bus | wc -l)" -gt 1 ] || continue
		bridges="$bridges $bridge"
		one "$dev"
		;;
	esac
done
check "there were devices with neighbours" test -n "$bridges"
check "the module unloads" module_unload
finish
