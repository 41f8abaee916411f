# SPDX-License-Identifier: GPL-2.0
"""A PV guest whose frontend keeps no rule (tests/dom0/src/hostile): dom0 and other guests go on."""

import pytest
from lab.endpoint import E1000E, NVME, Endpoint
from lab.guest import Guest, ramdisk_with
from lab.machine import Dom0
from lab.paths import GUEST_HELPERS
from lab.stub import RUST, config_space

#: What it does, how often, and whether it can be served afterwards.
DEEDS = {
    "invalid": (1, True),
    "refusals": (1, True),
    "orders": (3000, True),
    "flip": (3000, True),
    "storm": (1, True),
    "leave": (20, True),
    "states": (500, True),
    "rings": (200, False),
}

#: What all of that may have dom0 log: for each device a line when it gets it and when it gives it back, and
#: what `log_limited!` lets through, which is 10 lines in 5 s for each place.
MOST_LINES = 400


def lines(dom0: Dom0) -> int:
    """How many lines dom0's log has that a guest can have caused."""
    return int(dom0.check("dmesg | grep -cE 'pciback|xen-pciback|pci-|xenbus' || true"))


def do(guest: Guest, what: str) -> None:
    """Have the guest's frontend do that."""
    count, serves = DEEDS[what]
    # (In a PVH dom0 the driver holds the MSI-X table.)
    held = int(guest.dom0.flavour == "pvh")
    guest.check(f"insmod /hostile.ko what={what} count={count} seed=7 held={held}", 400)
    if serves:
        guest.check("echo pci-0 >/sys/bus/xen/drivers/hostile/unbind && rmmod hostile")


def misuse(dom0: Dom0, endpoint: Endpoint, deeds: list[str]) -> None:
    """One guest works with a disk, while another misuses its device; then each gives back what it has."""
    identity = {one: one.in_dom0(dom0) for one in (NVME, endpoint)}
    bdf = {one: dom0.bdf(one.name) for one in identity}
    RUST.load(dom0)
    for one in identity:
        dom0.check(f"xl pci-assignable-add {bdf[one]}")
    before = {one: config_space(dom0, bdf[one]) for one in identity}
    dom0.put(GUEST_HELPERS / "hostile.ko", "/root/hostile.ko")
    ramdisk = ramdisk_with(dom0, "/root/hostile.ko")
    good = Guest(dom0, "good", [bdf[NVME]], kind="pv", cold=False).create()
    slot = NVME.in_guest(good)
    evil = Guest(dom0, "evil", [bdf[endpoint]], kind="pv", ramdisk=ramdisk, cold=False).create()
    endpoint.in_guest(evil)
    evil.unload_frontend()
    for what in deeds:
        said = lines(dom0)
        do(evil, what)
        assert lines(dom0) - said < MOST_LINES, what
        assert NVME.use(good, slot) > 0, "the other guest's disk works"
        command = int(dom0.check(f"setpci -s {bdf[endpoint]} COMMAND"), 16)
        assert command & 0x2, "the device decodes, whatever its guest wrote (XSA-120)"
    evil.destroy()
    RUST.wait_idle(dom0, bdf[endpoint])
    assert NVME.use(good, slot) > 0
    good.destroy()
    RUST.wait_idle(dom0, bdf[NVME])
    for one in identity:
        assert config_space(dom0, bdf[one]) == before[one]
        dom0.check(f"xl pci-assignable-remove -r {bdf[one]}")
        assert one.in_dom0(dom0) == identity[one]
    RUST.unload(dom0)


@pytest.mark.tier("all")
@pytest.mark.dom0("guest", "pvh", "pv", xl=True)
def test_a_frontend_that_asks_what_it_likes(dom0: Dom0) -> None:
    """Requests with impossible fields, in impossible orders, that change while they are looked at; event storms."""
    misuse(dom0, E1000E, ["invalid", "refusals", "orders", "flip", "storm"])


@pytest.mark.tier("all")
@pytest.mark.dom0("guest", "pvh", "pv", xl=True)
def test_a_frontend_that_comes_and_goes(dom0: Dom0) -> None:
    """It leaves in the middle of requests, with states, pages and event channels of any kind."""
    misuse(dom0, E1000E, ["leave", "states", "rings"])
