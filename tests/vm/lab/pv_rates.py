# SPDX-License-Identifier: GPL-2.0
"""How much a PV guest gets done with its devices in a second."""

from __future__ import annotations

from .endpoint import E1000E, NVME
from .guest import Guest
from .machine import Dom0
from .stub import Stub


def seen_by_guest(dom0: Dom0, stub: Stub) -> tuple[dict[str, float], dict[str, bytes]]:
    """How many of each a guest gets done in a second: words of the configuration space that it reads through
    the ring, and interrupts of its disk. And what it reads of both devices, while their drivers use them."""
    bdf = {endpoint: dom0.bdf(endpoint.name) for endpoint in (NVME, E1000E)}
    stub.load(dom0)
    for endpoint in bdf:
        dom0.check(f"xl pci-assignable-add {bdf[endpoint]}")
    guest = Guest(dom0, "pv", [bdf[NVME], bdf[E1000E]], kind="pv", cold=False).create()
    card, disk = E1000E.in_guest(guest), NVME.in_guest(guest)
    name = guest.check(f"basename $(ls -d /sys/bus/pci/devices/{disk}/nvme/nvme*/nvme*n1)").strip()
    config = f"dd if=/sys/bus/pci/devices/{card}/config bs=4096 count=1"
    done: dict[str, float] = {}
    for what, count, command in (
        ("words", 20 * 1024, f"i=0; while [ $i -lt 20 ]; do {config}; i=$((i + 1)); done"),
        ("interrupts", 2000, f"dd if=/dev/{name} bs=512 count=2000 iflag=direct"),
    ):
        before = NVME.interrupts(guest, disk)
        timed = f"a=$(cat /proc/uptime); {{ {command}; }} >/dev/null 2>&1; echo $a; cat /proc/uptime"
        uptime = guest.check(timed, 300).split()
        done[what] = count / (float(uptime[2]) - float(uptime[0]))
        assert what == "words" or NVME.interrupts(guest, disk) - before >= count
    read = {NVME.name: guest.config_space(disk), E1000E.name: guest.config_space(card)}
    guest.destroy()
    for endpoint in bdf:
        stub.wait_idle(dom0, bdf[endpoint])
        dom0.check(f"xl pci-assignable-remove -r {bdf[endpoint]}")
    stub.unload(dom0)
    return done, read
