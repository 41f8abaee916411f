# SPDX-License-Identifier: GPL-2.0
"""The devices that guests get: how to know each, and how to see that it works."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .guest import Guest, msi_enabled, msix_enabled
from .machine import Dom0
from .topology import NVME_TEXT
from .until import until


@dataclass(frozen=True)
class Endpoint:
    """A kind of device: its name in topologies, its IDs, its native driver."""

    name: str
    vendor: str
    device: str
    driver: str

    @property
    def is_disk(self) -> bool:
        """Whether it is one; else it is a network card."""
        return self.driver == "nvme"

    def _read(self, bdf: str) -> str:
        """Shell words that print what tells this device from all others."""
        folder = f"/sys/bus/pci/devices/{bdf}"
        if self.is_disk:
            block = f"$(basename $(ls -d {folder}/nvme/nvme*/nvme*n1))"
            return f"dd if=/dev/{block} bs=512 count=1 iflag=direct 2>/dev/null | xxd -p | tr -d '\\n'"
        return f"cat {folder}/net/*/address"

    def _there(self, bdf: str) -> str:
        """A shell condition: its driver has made what `_read` reads."""
        folder = f"/sys/bus/pci/devices/{bdf}"
        return f"ls -d {folder}/nvme/nvme*/nvme*n1" if self.is_disk else f"cat {folder}/net/*/address"

    def in_dom0(self, dom0: Dom0) -> str:
        """Wait for it in dom0, with its own driver; returns what tells it from others."""
        bdf = dom0.bdf(self.name)
        there = f"{self._there(bdf)} >/dev/null 2>&1"
        dom0.check(until(there, 30), 90)
        return dom0.check(f"export PATH=$PATH:/run/lab; {_busybox(self._read(bdf))}").strip()

    def in_guest(self, guest: Guest) -> str:
        """Wait for it in a guest; returns its address there."""
        guest.wait(f"grep -q {self.vendor}{self.device} /proc/bus/pci/devices")
        slot = guest.slot(self.vendor, self.device)
        guest.wait_driver(slot, self.driver)
        guest.wait(f"{self._there(slot)} >/dev/null 2>&1", 90)
        return slot

    def identity(self, guest: Guest, slot: str) -> str:
        """What tells it from others, as the guest sees it."""
        return guest.check(self._read(slot)).strip()

    def irq_name(self, guest: Guest, slot: str) -> str:
        """What the names of its interrupts begin with in the guest's /proc/interrupts."""
        kind = "nvme" if self.is_disk else "eth"
        return guest.check(f"basename $(ls -d /sys/bus/pci/devices/{slot}/*/{kind}*)").strip()

    def interrupts(self, guest: Guest, slot: str) -> int:
        """How many of its interrupts the guest has counted."""
        name = self.irq_name(guest, slot)
        lines = re.findall(rf"^ *\d+: +(\d+) .*\b{name}", guest.check("cat /proc/interrupts"), re.MULTILINE)
        return sum(map(int, lines))

    def use(self, guest: Guest, slot: str) -> int:
        """Make it work; returns how many interrupts that took."""
        before = self.interrupts(guest, slot)
        if self.is_disk:
            text = self.identity(guest, slot)
            assert bytes.fromhex(text) == NVME_TEXT, "the guest reads what the test wrote"
        else:
            name = f"$(ls /sys/bus/pci/devices/{slot}/net)"
            guest.check(f"ip link set {name} down; ip link set {name} up")
            guest.wait(f'[ "$(cat /sys/class/net/{name}/carrier)" = 1 ]')
            # A neighbour solicitation or so goes out: its DMA works when the card says it was sent.
            sent = f"cat /sys/class/net/{name}/statistics/tx_packets"
            until_now = int(guest.check(sent))
            guest.check(f"ping6 -c 1 -W 1 ff02::1%{name}; true")
            guest.wait(f"[ $({sent}) -gt {until_now} ]")
            # Of dev_watchdog() in net/sched/sch_generic.c; clocksources have a watchdog, too.
            late = guest.check("dmesg | grep 'NETDEV WATCHDOG'; true")
            assert not late, late + guest.check("dmesg | tail -40; cat /proc/interrupts")
        return self.interrupts(guest, slot) - before

    def interrupt_mode(self, guest: Guest, slot: str) -> str:
        """How its interrupts are delivered, by its configuration space in the guest."""
        config = guest.config_space(slot)
        if msix_enabled(config):
            return "msi-x"
        return "msi" if not self.is_disk and msi_enabled(config) else "intx"


def _busybox(words: str) -> str:
    """The large dom0 has no xxd of its own."""
    return words.replace("xxd ", "busybox xxd ")


IGB = Endpoint("igb0", "8086", "10c9", "igb")
E1000E = Endpoint("e1000e0", "8086", "10d3", "e1000e")
IGBVF = Endpoint("a VF of igb0", "8086", "10ca", "igbvf")
NVME = Endpoint("nvme0", "1b36", "0010", "nvme")
