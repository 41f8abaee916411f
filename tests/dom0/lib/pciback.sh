# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # constants for, and $here from, whoever sources this
#
# The driver under test, for shell tests, with the rest of this library. Whoever
# sources it has its own directory in $here, and may use the directory $tmp.
#
# On a real machine (see ../run): PCIBACK_MODULE names the module, PBTOOL the tool built from
# src/pbtool.c, and FLR_DEVICES, PLAIN_DEVICES the addresses of devices with and
# without a function-level reset that may be taken from their drivers. ANY_DRIVER: they may have
# drivers that are not known here.

# shellcheck source=ktap.sh
. "$here/lib/ktap.sh"
# shellcheck source=pci.sh
. "$here/lib/pci.sh"

DRV=/sys/bus/pci/drivers/pciback
PCIBACK_MODULE=${PCIBACK_MODULE:-/root/rust_pciback.ko}
PBTOOL=${PBTOOL:-/tests/pbtool}

# Values of errno.h
ENOENT=2
EBUSY=16
ENODEV=19
EINVAL=22
ENOTTY=25

# The devices of the lab.
: "${FLR_DEVICES=$(pci_find 8086:10c9) $(pci_find 1b36:0010)}"
: "${PLAIN_DEVICES=$(pci_find 8086:10d3)}"

[ "$(id -u)" = 0 ] || skip_all "must be run as root"
[ -e "$PCIBACK_MODULE" ] || skip_all "no module $PCIBACK_MODULE"
[ -x "$PBTOOL" ] || skip_all "no tool $PBTOOL"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# module_load [PARAM=VALUE...]
module_load() {
	insmod "$PCIBACK_MODULE" "$@"
}

# module_unload: until a next load can make the drivers' directories (see lab/machine_spec.py).
module_unload() {
	rmmod rust_pciback && wait_for 10 module_has_gone
}

module_has_gone() {
	[ ! -e "$DRV" ] && [ ! -e /sys/bus/xen-backend/drivers/pciback ]
}

is_pvh() {
	[ "$(cat /sys/hypervisor/guest_type)" = PVH ]
}

# write_errno FILE TEXT: the errno of one write, 0 for success. TEXT is a printf
# format, so that it can hold any byte.
write_errno() {
	# shellcheck disable=SC2059 # the format is what is wanted
	printf -- "$2" | "$PBTOOL" write "$1"
}

# drv_errno ATTRIBUTE TEXT: the same for an attribute of the driver.
drv_errno() {
	write_errno "$DRV/$1" "$2"
}

# give BDF: the device to pciback, as the toolstacks do it; prints the errno of bind.
give() {
	pci_unbind "$1"
	sysfs_write "$DRV/new_slot" "$1" || return
	drv_errno bind "$1"
}

# take_back BDF: the device to its native driver.
take_back() {
	sysfs_write "$DRV/unbind" "$1"
	sysfs_write "$DRV/remove_slot" "$1"
	sysfs_write /sys/bus/pci/drivers_probe "$1"
}

# has_function_reset BDF: what the kernel lists as methods decides.
has_function_reset() {
	grep -qwE 'device_specific|acpi|flr|af_flr' "$PCI/$1/reset_method" 2>/dev/null
}

# attr BDF NAME: an attribute of the claimed device.
attr() {
	cat "$PCI/$1/pciback/$2"
}

# answers BDF: for devices whose native driver is not known here, or that have none.
answers() {
	[ "0x$(pci_word "$1" 0)" = "$(cat "$PCI/$1/vendor")" ]
}

# works BDF: use the device through its native driver, whichever that is.
works() {
	case $(pci_driver "$1") in
	nvme)
		wait_for 20 grep -q live "$PCI/$1"/nvme/nvme*/state &&
			[ -n "$(tr -d ' ' <"$(echo "$PCI/$1"/nvme/nvme*/serial)")" ]
		;;
	igb | e1000e | e1000 | 8139cp | vmxnet3)
		wait_for 20 mac_of "$1" && settle && mac_of "$1" | grep -q '^..:..:..:..:..:..$' &&
			! mac_of "$1" | grep -q '^00:00:00:00:00:00$'
		;;
	virtio-pci) wait_for 20 features_of_virtio "$1" ;;
	xhci_hcd) wait_for 20 hubs_of_xhci "$1" ;;
	ahci) wait_for 20 ports_of_ahci "$1" ;;
	*)
		# That it answers is all that can be said of any device.
		[ -n "${ANY_DRIVER:-}" ] && answers "$1" || {
			echo "$1 has driver '$(pci_driver "$1")', which this test cannot use"
			return 1
		}
		;;
	esac
}

# (A function, so that the pattern is expanded anew each time.)
ports_of_ahci() {
	ls -d "$PCI/$1"/ata*/host*/scsi_host/host*
}

features_of_virtio() {
	cat "$PCI/$1"/virtio*/features
}

hubs_of_xhci() {
	cat "$PCI/$1"/usb*/speed
}

# settle: until udev, where there is one, has given network interfaces their names.
settle() {
	! command -v udevadm >/dev/null || udevadm settle --timeout=60
}

mac_of() {
	cat "$PCI/$1"/net/*/address
}

# identity BDF: what its native driver read from it.
identity() {
	case $(pci_driver "$1") in
	nvme) wait_for 20 grep -q live "$PCI/$1"/nvme/nvme*/state && cat "$PCI/$1"/nvme/nvme*/serial ;;
	igb | e1000e | e1000 | 8139cp | vmxnet3) wait_for 20 mac_of "$1" && settle && mac_of "$1" ;;
	virtio-pci) wait_for 20 features_of_virtio "$1" && features_of_virtio "$1" ;;
	*) pci_driver "$1" ;;
	esac
}

# bars BDF: its six BARs, as the device has them now.
bars() {
	od -An -v -tx4 -j 16 -N 24 "$PCI/$1/config" | tr -s ' \n' ' '
}

# command_has BDF BIT: of the Command register.
command_has() {
	[ $((0x$(pci_word "$1" 4) & $2)) -ne 0 ]
}

MEMORY=0x2
MASTER=0x4
