# SPDX-License-Identifier: GPL-2.0
"""What guests and those who make them wait for, with both drivers in turn."""

from __future__ import annotations

import time

from lab import stub
from lab.guest import Guest
from lab.machine import Dom0
from lab.pv_rates import seen_by_guest
from lab.topology import Topology
from lab.until import until
from measure import PCI, Bench
from samples import Samples

#: How many devices a guest has.
SOME = (1, 8)
KINDS = ("hvm", "pv")
USED = "{} guest with {}: seconds from xl create to their use"
CLEAN = "{} guest with {}: seconds from xl destroy until they are clean"
PV_RATE = "a PV guest's {} in a second"
STUBS = {"C": stub.C, "Rust": stub.RUST}


def controllers() -> Topology:
    """Controllers with FLR, each on a port of its own. dom0's driver would only take time."""
    t = Topology("bench-guests", kernel="lab.drivers=n")
    for number in range(max(SOME)):
        t.nvme_on_port(f"nvme{number}")
    return t


def lives(bench: Bench) -> None:
    """From `xl create` to the use of all devices, and from `xl destroy` until all are there for the next guest."""
    dom0, samples = bench.dom0, bench.samples
    bench.prepare()
    bdfs = [dom0.bdf(f"nvme{number}") for number in range(max(SOME))]
    for driver in bench.drivers:
        for kind in KINDS:
            for count in SOME:
                given = bdfs[:count]
                bench.load(driver, given)
                began = time.monotonic()
                guest = Guest(dom0, "bench", given, kind=kind).create()
                guest.wait(f"[ $(ls -d {PCI}/*/nvme/nvme*/nvme*n1 2>/dev/null | wc -l) = {count} ]", 120)
                samples.note(USED.format(kind.upper(), count), driver.name, since(began))
                samples.note(CLEAN.format(kind.upper(), count), driver.name, end(guest, given))
                guest.wait_gone()
                bench.unload(driver)


def since(began: float) -> float:
    """Seconds, by the clock of the machine that emulates: a guest's boot is long."""
    return time.monotonic() - began


def end(guest: Guest, given: list[str]) -> float:
    """Destroy it; returns how many seconds of dom0's clock passed until its backend was gone, and its devices reset."""
    dom0 = guest.dom0
    # Its place on the bus goes before the driver has let go of it.
    backend = dom0.check(f"readlink -f /sys/bus/xen-backend/devices/pci-{guest.domid}-0").strip()
    gone = f"[ ! -e {backend} ]"
    # The C driver resets them before it lets go of its end of the connection, and says nothing of it.
    states = [f"{PCI}/{bdf}/pciback/state" for bdf in given]
    clean = " && ".join(f"{{ [ ! -e {state} ] || grep -qx clean {state}; }}" for state in states)
    destroy = f"xl destroy {guest.name} >/dev/null 2>&1"
    dom0.write("/root/end", f"{destroy}\n{until(f'{gone} && {clean}', 60, 0.005)}\n".encode(), 0o755)
    clock = "awk '{print $1}' /proc/uptime"
    began, ended = dom0.check(f"{clock}; sh /root/end && {clock}", 150).split()
    return float(ended) - float(began)


def in_pv_guest(bench: Bench) -> None:
    """What a PV guest gets done through its frontend."""
    bench.prepare()
    for driver in bench.drivers:
        done, _ = seen_by_guest(bench.dom0, STUBS[driver.name])
        for what, number in done.items():
            bench.samples.note(PV_RATE.format(what), driver.name, number)


def measure(count: int, samples: Samples) -> None:
    """Boot a dom0 with the toolstack for each kind of guest, that many times."""
    for number in range(count):
        for topology, one in ((controllers(), lives), ("guest", in_pv_guest)):
            began = time.monotonic()
            with Dom0(topology, "pv", xl=True, name="bench") as dom0:
                one(Bench(dom0, samples, swapped=number % 2 == 1))
            print(f"  guests, round {number + 1} of {count}: {since(began):.0f} s", flush=True)
