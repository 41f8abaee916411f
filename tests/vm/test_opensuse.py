# SPDX-License-Identifier: GPL-2.0
"""What openSUSE's openQA asks of virtual functions of a network card.

os-autoinst/os-autoinst-distri-opensuse, tests/virt_autotest/sriov_network_card_pci_passthrough.pm, commit
14c3446d4bf0: 7 of them are made, three taken from dom0; one is plugged into a running domain and unplugged, the
others plugged; the domain reboots, and they still work. virsh is told the same. What differs:

- The domain is an HVM one; there, PV ones have them, too. What is left out: its checks of host and guest before.
- The three are chosen, not drawn.
- The domain has no other network, so it is talked to by its console, and reboots by `reboot -f`.
- `ifup` is `ip link set up` and DHCP, `ifdown` is `ip link set down`.
- That a function works must be: there the ping may fail.
"""

import re

import pytest
from lab.endpoint import IGB, IGBVF
from lab.guest import ramdisk_with_programs
from lab.libvirt import VIRSH, LibvirtGuest, libvirtd, node_device
from lab.machine import Dom0
from lab.pciback import DEVICES
from lab.stub import RUST, driver
from lab.until import until

#: Asked of DHCP, with its address and the gateway.
LEASE = """#!/bin/sh
case $1 in
deconfig) ip addr flush dev $interface ;;
bound) ip addr add $ip/$mask dev $interface; ip route replace ${router%% *} dev $interface ;;
esac
"""


class Persistent(LibvirtGuest):
    """Domains there are defined, then started."""

    persistent = True


class VirtualFunction:
    """One of the card's, taken from its driver in dom0."""

    def __init__(self, guest: LibvirtGuest, bdf: str) -> None:
        self._guest, self.dom0, self.bdf, self.name = guest, guest.dom0, bdf, node_device(bdf)
        self._element = self._mac = ""
        self.dom0.check(f"{VIRSH} nodedev-detach {self.name}")
        assert driver(self.dom0, bdf) == "pciback"

    def plug(self) -> None:
        """Attach it as a network interface, and wait for it in the guest."""
        described = self.dom0.check(f"{VIRSH} nodedev-dumpxml {self.name}")
        numbers = [
            re.findall(rf"<{part}>(\w+)</{part}>", described)[0] for part in ("domain", "bus", "slot", "function")
        ]
        address = "<address type='pci' domain='{}' bus='{}' slot='{}' function='{}'/>".format(*numbers)
        self._guest.plug(f"<interface type='hostdev'>\n<source>\n{address}\n</source>\n</interface>", "--persistent")
        # Its MAC address is libvirt's choice.
        domain, bus, slot, function = re.split("[:.]", self.bdf)
        where = f"domain='0x{domain}' bus='0x{bus}' slot='0x{slot}' function='0x{function}'"
        interfaces = re.findall(r"<interface type='hostdev'.*?</interface>", self._guest.xml("--inactive"), re.DOTALL)
        (self._element,) = [element for element in interfaces if where in element]
        self._mac = re.findall(r"<mac address='(.*)'/>", self._element)[0]
        self._guest.wait(f"grep -q '{self._mac}' /sys/class/net/*/address", 90)
        self._guest.check(f"lspci -vvv -s $(basename $(readlink /sys/class/net/{self.interface()}/device))")

    def interface(self) -> str:
        """Its name in the guest."""
        return self._guest.check(f"grep '{self._mac}' /sys/class/net/*/address | cut -d'/' -f5 | head -n1").strip()

    def works(self) -> None:
        """It gets an address, and the gateway answers."""
        interface = self.interface()
        self._guest.check(f"ip link set {interface} up && udhcpc -q -n -t 10 -i {interface}", 120)
        assert self._guest.check(f"ip -o -4 addr list {interface}").strip()
        self._guest.check(f"ip route replace 10.0.2.2 dev {interface} && ping -I {interface} -c 3 10.0.2.2", 60)
        slot = self._guest.check(f"basename $(readlink /sys/class/net/{interface}/device)").strip()
        assert IGBVF.interrupt_mode(self._guest, slot) == "msi-x"

    def unplug(self) -> None:
        """Take it from the guest, and give it back to its driver in dom0."""
        interface = self.interface()
        self._guest.check(f"ip link set {interface} down")
        self._guest.unplug(self._element, "--persistent")
        self._guest.wait(f"! ip link show {interface} 2>/dev/null")
        RUST.wait_idle(self.dom0, self.bdf)
        RUST.check_clean(self.dom0, self.bdf)
        self.dom0.check(f"{VIRSH} nodedev-reattach {self.name}")
        self.dom0.check(until(f"[ $(basename $(readlink {DEVICES}/{self.bdf}/driver)) = {IGBVF.driver} ]", 30))


@pytest.mark.tier("all")  # Minutes: two boots of an HVM guest.
@pytest.mark.dom0("network", "pv", xl=True)
def test_virtual_functions(dom0: Dom0) -> None:
    """The sequence."""
    IGB.in_dom0(dom0)
    pf = f"{DEVICES}/{dom0.bdf(IGB.name)}"
    dom0.check(f"modprobe igbvf; ip link set $(ls {pf}/net) up; echo 7 >{pf}/sriov_numvfs")
    functions = dom0.check(f"for n in 0 3 6; do basename $(readlink {pf}/virtfn$n); done").split()
    for bdf in functions:
        dom0.check(until(f"[ -e {DEVICES}/{bdf}/driver ]", 30))
    RUST.load(dom0)
    ramdisk = ramdisk_with_programs(dom0, "suse", ["lspci"], {"/etc/udhcpc/default.script": LEASE})
    with libvirtd(dom0):
        guest = Persistent(dom0, "suse", ramdisk=ramdisk).create()
        first, *others = [VirtualFunction(guest, bdf) for bdf in functions]
        first.plug()
        first.works()
        first.unplug()
        for function in others:
            function.plug()
        guest.reboot()
        for function in others:
            function.works()
        for function in others:
            function.unplug()
        guest.destroy()
    dom0.check(f"echo 0 >{pf}/sriov_numvfs; rmmod igbvf; ip link set $(ls {pf}/net) down; rm -r {ramdisk} /root/suse")
    RUST.unload(dom0)
