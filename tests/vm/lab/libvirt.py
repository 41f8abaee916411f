# SPDX-License-Identifier: GPL-2.0
"""libvirtd of the dom0 with the toolstack, what virsh calls devices, and guests by libvirt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from .guest import CMDLINE, Guest
from .machine import CommandError, Dom0
from .until import until

VIRSH = "virsh --connect xen:///system"
#: libvirtd does not start unless some CPU model that it knows has no feature which the host lacks. QEMU
#: emulates no VME, and Xen uses no SEP on AMD processors; that leaves none but this, without its VME.
CPU_MODEL = "/usr/share/libvirt/cpu_map/x86_486.xml"


@contextmanager
def libvirtd(dom0: Dom0) -> Iterator[None]:
    """The monolithic daemon. It needs no configuration, D-Bus, polkit or udevd when root talks to it.

    Without udevd it knows the devices that there are when it starts.
    """
    dom0.check(f"sed -i \"/'vme'/d\" {CPU_MODEL}; libvirtd --daemon")
    # The first answer comes when all of its drivers are up, or have failed.
    dom0.check(f"{VIRSH} version")
    yield
    if dom0.alive:
        dom0.check(f"pid=$(cat /run/libvirtd.pid); kill $pid; {until('[ ! -d /proc/$pid ]', 30)}", 90)


def node_device(bdf: str) -> str:
    """What virsh calls a device of the host."""
    return "pci_" + re.sub("[:.]", "_", bdf)


def hostdev(bdf: str, managed: bool) -> str:
    """The element for a device of a domain."""
    address = "<address domain='0x{}' bus='0x{}' slot='0x{}' function='0x{}'/>".format(*re.split("[:.]", bdf))
    kind = f"mode='subsystem' type='pci' managed='{'yes' if managed else 'no'}'"
    return f"<hostdev {kind}><source>{address}</source></hostdev>"


class LibvirtGuest(Guest):
    """An HVM guest by libvirt, with managed devices; the stub driver is loaded, no device is bound to it.

    A persistent one is defined, then started.
    """

    persistent = False

    def _make(self) -> None:
        hostdevs = "".join(hostdev(device, managed=True) for device in self._devices)
        # Without <acpi/> libxl tells the device model -no-acpi, which QEMU 10 does not know.
        config = f"""
            <domain type='xen'>
              <name>{self.name}</name>
              <memory unit='MiB'>256</memory>
              <vcpu>1</vcpu>
              <os>
                <type arch='x86_64'>hvm</type>
                <kernel>/guest/vmlinuz</kernel>
                <initrd>{self._ramdisk}</initrd>
                <cmdline>{CMDLINE} {self._cmdline}</cmdline>
              </os>
              <features><acpi/><apic/><xen><passthrough state='on'/></xen></features>
              <on_crash>{self._on_crash}</on_crash>
              <devices>{hostdevs}<console type='pty'><target type='xen'/></console></devices>
            </domain>
        """
        path = f"/root/{self.name}.xml"
        self.dom0.write(path, config.encode())
        make = f"define {path} && {VIRSH} start {self.name}" if self.persistent else f"create {path}"
        result = self.dom0.run(f"{VIRSH} {make}", 120)
        if not result.ok:
            raise CommandError(f"virsh {make}: status {result.status}\n{result.out}\n{self.emulator_log()}")

    def destroy(self) -> None:
        """End it; libvirt then gives managed devices back to their drivers."""
        self.dom0.check(f"{VIRSH} destroy {self.name}", 120)
        self.wait_gone()
        if self.persistent:
            self.dom0.check(f"{VIRSH} undefine {self.name}")

    def plug(self, element: str, options: str = "") -> None:
        """`virsh attach-device`."""
        self._change("attach", element, options)

    def unplug(self, element: str, options: str = "") -> None:
        """`virsh detach-device`."""
        self._change("detach", element, options)

    def _change(self, how: str, element: str, options: str) -> None:
        path = f"/root/{self.name}-device.xml"
        self.dom0.write(path, element.encode())
        result = self.dom0.run(f"{VIRSH} {how}-device {self.name} {path} {options}", 120)
        if not result.ok:
            why = self.dom0.run("tail -20 /var/log/libvirt/libxl/libxl-driver.log").out
            raise CommandError(f"virsh {how}-device: status {result.status}\n{result.out}\n{why}")

    def xml(self, options: str = "") -> str:
        """`virsh dumpxml`."""
        return self.dom0.check(f"{VIRSH} dumpxml {self.name} {options}")
