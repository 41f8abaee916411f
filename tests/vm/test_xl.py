# SPDX-License-Identifier: GPL-2.0
"""Stock xl, from Debian's xen-utils, with this driver under it."""

import pytest
from lab.machine import Dom0
from lab.pciback import load, unload
from lab.stub import driver
from lab.until import until

IN_BOTH = pytest.mark.dom0("main", "pvh", "pv", xl=True)
#: What has a driver in dom0, by which a person would know it.
DEVICES = {"igb0": "igb", "nvme0": "nvme", "e1000e0": "e1000e"}


def assignable(dom0: Dom0) -> list[str]:
    """What xl lists."""
    return sorted(dom0.check("xl pci-assignable-list").split())


@IN_BOTH
def test_add_list_remove(dom0: Dom0) -> None:
    """Each device becomes assignable and comes back to its driver."""
    load(dom0)
    bdfs = {name: dom0.bdf(name) for name in DEVICES}
    for bdf in bdfs.values():
        dom0.check(f"xl pci-assignable-add {bdf[5:]}")
    assert assignable(dom0) == sorted(bdfs.values())
    assert dom0.check("cat /sys/bus/pci/drivers/pciback/slots").split() == sorted(bdfs.values())
    for name, bdf in bdfs.items():
        assert driver(dom0, bdf) == "pciback"
        dom0.check(f"xl pci-assignable-remove -r {bdf[5:]}")
        assert driver(dom0, bdf) == DEVICES[name]
    assert assignable(dom0) == []
    assert dom0.check("cat /sys/bus/pci/drivers/pciback/slots") == ""
    unload(dom0)


@IN_BOTH
def test_add_twice_and_of_nothing(dom0: Dom0) -> None:
    """Adding again is no error; adding what is not there is, and harms nothing."""
    load(dom0)
    bdf = dom0.bdf("e1000e0")
    dom0.check(f"xl pci-assignable-add {bdf}")
    again = dom0.run(f"xl pci-assignable-add {bdf}")
    assert "already assigned to pciback" in again.out
    assert not dom0.run("xl pci-assignable-add 0000:7f:00.0").ok
    assert assignable(dom0) == [bdf]
    dom0.check(f"xl pci-assignable-remove -r {bdf}")
    unload(dom0)


@IN_BOTH
def test_device_works_after_xl(dom0: Dom0) -> None:
    """The disk has its name and the network card its address after the round trip."""
    load(dom0)
    for name, file in (("nvme0", "nvme/nvme*/serial"), ("igb0", "net/*/address")):
        path = f"/sys/bus/pci/devices/{dom0.bdf(name)}/{file}"
        before = dom0.check(f"cat {path}")
        dom0.check(f"xl pci-assignable-add {dom0.bdf(name)}")
        dom0.check(f"xl pci-assignable-remove -r {dom0.bdf(name)}")
        dom0.check(until(f"ls {path} >/dev/null 2>&1", 10))
        assert dom0.check(f"cat {path}") == before
    unload(dom0)


@pytest.mark.dom0("shared", "pvh", "pv", xl=True, seldom="pvh")
def test_two_functions(dom0: Dom0) -> None:
    """Two functions of a card that can be reset together only: libxl's write to do_flr is
    refused while one of them is dom0's, and resets both when they are assignable."""
    load(dom0)
    one, two = dom0.bdf("pair.0"), dom0.bdf("pair.1")
    # As libxl__device_pci_reset() does it: one write of the address, without a newline.
    do_flr = f"printf %s {two} | /tests/pbtool write /sys/bus/pci/drivers/pciback/do_flr"
    dom0.check(f"xl pci-assignable-add {two[5:]}")
    assert dom0.check(do_flr) == "16\n", "EBUSY"
    assert driver(dom0, one) == "e1000e"
    dom0.check(f"xl pci-assignable-add {one[5:]}")
    assert assignable(dom0) == [one, two]
    assert dom0.check(do_flr) == "0\n"
    for bdf in (one, two):
        shown = f"/sys/bus/pci/devices/{bdf}/pciback"
        assert dom0.check(f"cat {shown}/state {shown}/last_reset_method").split() == ["clean", "slot"]
        dom0.check(f"xl pci-assignable-remove -r {bdf[5:]}")
        assert driver(dom0, bdf) == "e1000e"
    unload(dom0)
