# SPDX-License-Identifier: GPL-2.0
"""PV guests with the stock frontend (xen-pcifront): what they see of their devices, and that these work."""

import re

import pytest
from lab.endpoint import E1000E, IGB, NVME, Endpoint
from lab.guest import Guest
from lab.machine import Dom0
from lab.pciback import DEVICES, DRIVER, give_back, works_by_msix
from lab.stub import RUST, C, Stub, config_space
from lab.until import until

#: In which the C driver can serve a PV guest. (In a PVH dom0 such a guest takes it down to a BUG.)
C_IN = ("guest", "pv")


def appear(guest: Guest, endpoint: Endpoint) -> str:
    """Wait until the guest has the device and its driver; returns its address there."""
    guest.wait(f"grep -q {endpoint.vendor}{endpoint.device} /proc/bus/pci/devices")
    return endpoint.in_guest(guest)


def go(guest: Guest, endpoint: Endpoint) -> None:
    """Wait until the guest has it no more."""
    guest.wait(f"! grep -q {endpoint.vendor}{endpoint.device} /proc/bus/pci/devices")


def use(guest: Guest, endpoint: Endpoint, identity: str, mode: str) -> None:
    """The guest finds the device, with its native driver, and works with it."""
    slot = appear(guest, endpoint)
    assert endpoint.identity(guest, slot) == identity
    assert endpoint.use(guest, slot) > 0, "interrupts arrive"
    assert interrupt_mode(guest, endpoint, slot) == mode


def interrupt_mode(guest: Guest, endpoint: Endpoint, slot: str) -> str:
    """How its interrupts are delivered, by its configuration space and by the guest's own count."""
    mode = endpoint.interrupt_mode(guest, slot)
    kind = {"msi-x": "xen-pirq.*-msi-x", "msi": "xen-pirq.*-msi", "intx": "xen-pirq.*-pcifront"}[mode]
    name = guest.check(f"basename $(ls -d /sys/bus/pci/devices/{slot}/*/{'nvme' if endpoint.is_disk else 'eth'}*)")
    assert guest.run(f"grep -E '{kind}.*{name.strip()}' /proc/interrupts").ok, guest.check("cat /proc/interrupts")
    return mode


def life(dom0: Dom0, stub: Stub, first: Endpoint, late: list[Endpoint], cmdline: str = "", mode: str = "msi-x") -> None:
    """Create, use, attach, use, detach, attach again, use, destroy, give back, use in dom0."""
    everything = [first, *late]
    identity = {endpoint: endpoint.in_dom0(dom0) for endpoint in everything}
    bdf = {endpoint: dom0.bdf(endpoint.name) for endpoint in everything}
    stub.load(dom0)
    for endpoint in everything:
        dom0.check(f"xl pci-assignable-add {bdf[endpoint]}")
    before = {endpoint: config_space(dom0, bdf[endpoint]) for endpoint in everything}
    guest = Guest(dom0, "pv", [bdf[first]], cmdline=cmdline, kind="pv").create()
    # With the C driver nvme can't turn MSI-X on a second time, and goes on with its pin.
    use(guest, first, identity[first], "intx" if stub is C and first is NVME else mode)
    for times, endpoint in enumerate([*late, *late]):
        guest.attach(bdf[endpoint])
        use(guest, endpoint, identity[endpoint], mode)
        if times < len(late):
            guest.detach(bdf[endpoint])
            go(guest, endpoint)
            stub.wait_idle(dom0, bdf[endpoint])
            stub.check_clean(dom0, bdf[endpoint])
    assert guest.run("! dmesg | grep 'pciback not responding'").ok
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
    """A disk from the start, and network cards that come and go: all by MSI-X."""
    life(dom0, RUST, NVME, [E1000E, IGB])


@pytest.mark.dom0("guest", "pvh", "pv", xl=True)
def test_life_without_messages(dom0: Dom0) -> None:
    """The same by the pin."""
    life(dom0, RUST, NVME, [E1000E], "pci=nomsi", "intx")


@pytest.mark.c_driver
@pytest.mark.klog_allow("unlocked secondary bus reset")
@pytest.mark.dom0(*C_IN, xl=True)
def test_life_with_the_c_driver(dom0: Dom0) -> None:
    """The control."""
    life(dom0, C, NVME, [E1000E])


@pytest.mark.dom0("guest", "pvh", "pv", xl=True)
def test_a_frontend_that_leaves(dom0: Dom0) -> None:
    """The frontend's module goes and comes again; the guest crashes; each time the device works for the next."""
    identity, bdf = NVME.in_dom0(dom0), dom0.bdf(NVME.name)
    RUST.load(dom0)
    dom0.check(f"xl pci-assignable-add {bdf}")
    guest = Guest(dom0, "pv", [bdf], kind="pv").create()
    use(guest, NVME, identity, "msi-x")
    for _ in range(2):
        guest.check("rmmod xen-pcifront")
        go(guest, NVME)
        state = f"/local/domain/0/backend/pci/{guest.domid}/0/state"
        dom0.check(until(f'[ "$(xenstore-read {state})" = 3 ]', 20), 40)
        guest.check("modprobe xen-pcifront")
        use(guest, NVME, identity, "msi-x")
    guest.crash()
    RUST.wait_idle(dom0, bdf)
    RUST.check_clean(dom0, bdf)
    guest = Guest(dom0, "pv", [bdf], kind="pv").create()
    use(guest, NVME, identity, "msi-x")
    guest.destroy()
    RUST.wait_idle(dom0, bdf)
    dom0.check(f"xl pci-assignable-remove -r {bdf}")
    assert NVME.in_dom0(dom0) == identity
    RUST.unload(dom0)


@pytest.mark.parametrize("end", ["unbind", "remove"])
@pytest.mark.dom0("guest", "pvh", "pv", xl=True)
def test_a_device_that_dom0_takes_from_its_guest(dom0: Dom0, end: str) -> None:
    """A guest has bound a device's MSI-X when dom0 unbinds or removes the device. Then Xen has none of it mapped
    any more, so the guest's end doesn't upset Xen, and the native driver has MSI-X.

    (Xen frees the interrupts of a device that is removed, and panics at the end of a guest that has them.)
    """
    E1000E.in_dom0(dom0)
    bdf = dom0.bdf(E1000E.name)
    RUST.load(dom0)
    dom0.check(f"xl pci-assignable-add {bdf}")
    guest = Guest(dom0, "pv", [bdf], kind="pv").create()
    slot = appear(guest, E1000E)
    assert E1000E.use(guest, slot) > 0
    assert interrupt_mode(guest, E1000E, slot) == "msi-x"
    assert bound_by(dom0, guest) >= 3, "e1000e uses three vectors"
    mark = dom0.console.mark()
    dom0.check({"unbind": f"echo {bdf} >{DRIVER}/unbind", "remove": f"echo 1 >{DEVICES}/{bdf}/remove"}[end])
    assert dom0.console.wait_for(f"pciback {bdf}: released while domain {guest.domid} uses it", 10, mark)
    assert bound_by(dom0, guest) == 0
    assert guest.run("true").ok, "the guest goes on"
    dom0.run("xl destroy pv", 120)  # It says that the device can't be reset.
    guest.wait_gone()
    assert dom0.alive
    if end == "remove":
        # Its slot is still listed.
        dom0.check("echo 1 >/sys/bus/pci/rescan")
        dom0.check(until(f"[ {DRIVER} -ef {DEVICES}/{bdf}/driver ]", 30))
    else:
        dom0.check(f"xl pci-assignable-remove {bdf}")  # Xen gives it back to dom0.
    give_back(dom0, bdf)
    works_by_msix(dom0, bdf)
    RUST.unload(dom0)


def bound_by(dom0: Dom0, guest: Guest) -> int:
    """How many interrupts of devices a guest has bound, by Xen's debug key i."""
    said = dom0.check("xl dmesg -c >/dev/null; xl debug-keys i; xl dmesg")
    return len(re.findall(rf"in-flight=.*\bd{guest.domid}: *\d+\(", said))
