# SPDX-License-Identifier: GPL-2.0
"""A real guest, by stock xl: it gets devices, uses them, and what it leaves is clean.

A guest is expensive, so each one's life is walked through with many checks.
"""

import pytest
from lab.endpoint import E1000E, IGB, NVME, Endpoint
from lab.guest import Guest
from lab.machine import Dom0
from lab.stub import RUST, C, Stub, config_space

#: In a PVH dom0 Xen 4.20 cannot give the MSI-X of a device to an HVM guest, whatever the driver.
PVH_GUEST = "pci=nomsi"


def use(guest: Guest, endpoint: Endpoint, identity: str, mode: str) -> None:
    """The guest finds the device, with its native driver, and works with it."""
    slot = endpoint.in_guest(guest)
    assert endpoint.identity(guest, slot) == identity
    assert endpoint.use(guest, slot) > 0, "interrupts arrive"
    assert endpoint.interrupt_mode(guest, slot) == mode


def life(dom0: Dom0, stub: Stub, devices: list[Endpoint], late: Endpoint | None) -> None:
    """Create, use, attach, detach, reboot, use, destroy, give back, use in dom0.

    A boot takes longest in a PVH dom0, and test_guest_crash.py has a restart there: no reboot.
    """
    everything = [*devices, *([late] if late else [])]
    mode = "intx" if dom0.flavour == "pvh" else "msi-x"
    identity = {endpoint: endpoint.in_dom0(dom0) for endpoint in everything}
    bdf = {endpoint: dom0.bdf(endpoint.name) for endpoint in everything}
    stub.load(dom0)
    for endpoint in everything:
        dom0.check(f"xl pci-assignable-add {bdf[endpoint]}")
    before = {endpoint: config_space(dom0, bdf[endpoint]) for endpoint in everything}
    cmdline = PVH_GUEST if dom0.flavour == "pvh" else ""
    guest = Guest(dom0, "one", [bdf[endpoint] for endpoint in devices], cmdline=cmdline).create()
    for endpoint in devices:
        use(guest, endpoint, identity[endpoint], mode)
    if late:
        guest.attach(bdf[late])
        guest.wait(f"grep -q {late.vendor}{late.device} /proc/bus/pci/devices")
        use(guest, late, identity[late], mode)
        guest.detach(bdf[late])
        guest.wait(f"! grep -q {late.vendor}{late.device} /proc/bus/pci/devices")
        stub.wait_idle(dom0, bdf[late])
        stub.check_clean(dom0, bdf[late])
    if dom0.flavour == "pv":
        guest.reboot()
        for endpoint in devices:
            use(guest, endpoint, identity[endpoint], mode)
    guest.destroy()
    for endpoint in everything:
        stub.wait_idle(dom0, bdf[endpoint])
        stub.check_clean(dom0, bdf[endpoint])
        assert config_space(dom0, bdf[endpoint]) == before[endpoint]
    for endpoint in everything:
        dom0.check(f"xl pci-assignable-remove -r {bdf[endpoint]}")
        assert endpoint.in_dom0(dom0) == identity[endpoint]
    stub.unload(dom0)


@pytest.mark.dom0("guest", "pvh", "pv", xl=True)
def test_life(dom0: Dom0) -> None:
    """Two network cards from the start, a disk that comes and goes."""
    life(dom0, RUST, [IGB, E1000E], NVME)


@pytest.mark.klog_allow("unlocked secondary bus reset")
@pytest.mark.dom0("guest", "pv", xl=True)
def test_life_with_the_c_driver(dom0: Dom0) -> None:
    """The same with the C driver, in the dom0 in which it can do it."""
    life(dom0, C, [IGB, E1000E], NVME)


@pytest.mark.klog_allow("unlocked secondary bus reset")
@pytest.mark.dom0("guest", "pvh", xl=True)
def test_life_with_the_c_driver_in_pvh(dom0: Dom0) -> None:
    """The one of these devices that the C driver can claim in a PVH dom0."""
    life(dom0, C, [E1000E], None)
