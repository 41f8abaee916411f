# SPDX-License-Identifier: GPL-2.0
"""A real guest, by stock xl: it gets devices, uses them, and what it leaves is clean.

A guest is expensive, so each one's life is walked through with many checks.
"""

import pytest
from lab.endpoint import E1000E, IGB, NVME, Endpoint
from lab.guest import Guest
from lab.machine import Dom0
from lab.stub import RUST, C, Stub, config_space

#: With the C driver Xen 4.20 gives guests of a PVH dom0 no MSI-X.
C_IN_PVH = "pci=nomsi"


def use(guest: Guest, endpoint: Endpoint, identity: str, mode: str) -> None:
    """The guest finds the device, with its native driver, and works with it."""
    slot = endpoint.in_guest(guest)
    assert endpoint.identity(guest, slot) == identity
    assert endpoint.use(guest, slot) > 0, "interrupts arrive"
    assert endpoint.interrupt_mode(guest, slot) == mode


def attach(guest: Guest, endpoint: Endpoint, bdf: str) -> None:
    """Plug a device into the running guest."""
    guest.attach(bdf)
    guest.wait(f"grep -q {endpoint.vendor}{endpoint.device} /proc/bus/pci/devices")


def life(dom0: Dom0, stub: Stub, first: Endpoint, late: list[Endpoint]) -> None:
    """Create, use, attach, use, detach, attach two, use, reboot, use, destroy, give back, use in dom0.

    A boot takes longest in a PVH dom0, and test_guest_crash.py has a restart there: no reboot. The C
    driver's guest was seen to reboot.
    """
    everything = [first, *late]
    cmdline = C_IN_PVH if stub is C and dom0.flavour == "pvh" else ""
    mode = "intx" if cmdline else "msi-x"
    identity = {endpoint: endpoint.in_dom0(dom0) for endpoint in everything}
    bdf = {endpoint: dom0.bdf(endpoint.name) for endpoint in everything}
    stub.load(dom0)
    for endpoint in everything:
        dom0.check(f"xl pci-assignable-add {bdf[endpoint]}")
    before = {endpoint: config_space(dom0, bdf[endpoint]) for endpoint in everything}
    guest = Guest(dom0, "one", [bdf[first]], cmdline=cmdline).create()
    use(guest, first, identity[first], mode)
    if late:
        once = late[0]
        attach(guest, once, bdf[once])
        use(guest, once, identity[once], mode)
        guest.detach(bdf[once])
        guest.wait(f"! grep -q {once.vendor}{once.device} /proc/bus/pci/devices")
        stub.wait_idle(dom0, bdf[once])
        stub.check_clean(dom0, bdf[once])
    for endpoint in late:
        attach(guest, endpoint, bdf[endpoint])
    for endpoint in late:
        use(guest, endpoint, identity[endpoint], mode)
    if dom0.flavour == "pv" and stub is RUST:
        guest.reboot()
        for endpoint in everything:
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
    """A network card from the start, a disk that comes and goes and comes again with another card."""
    life(dom0, RUST, IGB, [NVME, E1000E])


@pytest.mark.c_driver
@pytest.mark.klog_allow("unlocked secondary bus reset")
@pytest.mark.dom0("guest", "pv", xl=True)
def test_life_with_the_c_driver(dom0: Dom0) -> None:
    """The same with the C driver, in the dom0 in which it can do it."""
    life(dom0, C, IGB, [NVME, E1000E])


@pytest.mark.c_driver
@pytest.mark.klog_allow("unlocked secondary bus reset")
@pytest.mark.dom0("guest", "pvh", xl=True)
def test_life_with_the_c_driver_in_pvh(dom0: Dom0) -> None:
    """The one of these devices that the C driver can claim in a PVH dom0."""
    life(dom0, C, E1000E, [])
