# SPDX-License-Identifier: GPL-2.0
"""A real guest, by stock xl: it gets devices, uses them, and what it leaves is clean.

A guest is expensive, so each one's life is walked through with many checks, in parts (lab/parts.py).
"""

import pytest
from lab.endpoint import E1000E, IGB, NVME, Endpoint
from lab.guest import Guest
from lab.machine import Dom0
from lab.parts import Parts
from lab.stub import RUST, C, Stub, config_space, masters
from lab.until import until

#: With the C driver Xen 4.20 gives guests of a PVH dom0 no MSI-X.
C_IN_PVH = "pci=nomsi"


def use(guest: Guest, endpoint: Endpoint, identity: str, mode: str) -> None:
    """The guest finds the device, with its native driver, and works with it."""
    slot = endpoint.in_guest(guest)
    assert endpoint.identity(guest, slot) == identity
    assert endpoint.use(guest, slot) > 0, "interrupts arrive"
    assert endpoint.interrupt_mode(guest, slot) == mode


def life(dom0: Dom0, part: Parts, stub: Stub, first: Endpoint, late: list[Endpoint]) -> None:
    """Create, use, attach, use, detach, attach two, use, reboot, use, destroy, give back, use in dom0.

    A boot takes longest in a PVH dom0, and test_guest_crash.py has a restart there: no reboot. No reboot with
    the C driver either: libxl then lists all devices anew, and the driver enters them. It doesn't enter one that
    is attached to a running guest: libxl sets `state` to 7, which it answers to a frontend only.
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
    with part(f"{first.name} from the start"):
        use(guest, first, identity[first], mode)
    if late:
        once = late[0]
        guest.attach(bdf[once])
        with part(f"{once.name}, attached"):
            use(guest, once, identity[once], mode)
        guest.detach(bdf[once])
        guest.wait(f"! grep -q {once.vendor}{once.device} /proc/bus/pci/devices")
        stub.wait_idle(dom0, bdf[once])
        with part(f"{once.name}, detached"):
            stub.check_clean(dom0, bdf[once])
    for endpoint in late:
        guest.attach(bdf[endpoint])
    for endpoint in late:
        with part(f"{endpoint.name}, attached with others"):
            use(guest, endpoint, identity[endpoint], mode)
    if dom0.flavour == "pv" and stub is RUST:
        guest.reboot()
        for endpoint in everything:
            with part(f"{endpoint.name} after a reboot"):
                use(guest, endpoint, identity[endpoint], mode)
    guest.destroy()
    for endpoint in everything:
        stub.wait_idle(dom0, bdf[endpoint])
        with part(f"{endpoint.name} after the guest"):
            if stub is C and endpoint in late:
                assert masters(dom0, bdf[endpoint]), "nobody cleans what isn't entered as the guest's"
                continue
            stub.check_clean(dom0, bdf[endpoint])
            assert config_space(dom0, bdf[endpoint]) == before[endpoint]
    for endpoint in everything:
        dom0.check(f"xl pci-assignable-remove -r {bdf[endpoint]}")
        with part(f"{endpoint.name} in dom0 again"):
            assert endpoint.in_dom0(dom0) == identity[endpoint]
    stub.unload(dom0)


@pytest.mark.core
@pytest.mark.tier("all")  # An HVM guest in an emulated PVH dom0 takes a quarter of an hour on a slow machine.
@pytest.mark.dom0("guest", "pvh", "pv", xl=True)
def test_life(dom0: Dom0, part: Parts) -> None:
    """A network card from the start, a disk that comes and goes and comes again with another card."""
    life(dom0, part, RUST, IGB, [NVME, E1000E])


@pytest.mark.c_driver
@pytest.mark.klog_allow("unlocked secondary bus reset")
@pytest.mark.dom0("guest", "pv", xl=True)
def test_life_with_the_c_driver(dom0: Dom0, part: Parts) -> None:
    """The same with the C driver, in the dom0 in which it can do it."""
    life(dom0, part, C, IGB, [NVME, E1000E])


@pytest.mark.c_driver
@pytest.mark.klog_allow("unlocked secondary bus reset")
@pytest.mark.dom0("guest", "pvh", xl=True)
def test_life_with_the_c_driver_in_pvh(dom0: Dom0, part: Parts) -> None:
    """The one of these devices that the C driver can claim in a PVH dom0."""
    life(dom0, part, C, E1000E, [])


@pytest.mark.tier("all")  # Three minutes.
@pytest.mark.dom0("shared", "pv", xl=True)
def test_one_function_goes(dom0: Dom0, part: Parts) -> None:
    """A guest with both functions of a card gives one back. The other goes on sending, without a reset of any
    kind; when it goes as well, both are reset.

    (In a PVH dom0 libxl 4.20 can't end a guest then: it unmaps the GSI that both have when the first goes.)
    """
    one, two = (dom0.bdf(f"pair.{function}") for function in range(2))
    address = {bdf: dom0.check(f"cat /sys/bus/pci/devices/{bdf}/net/*/address").strip() for bdf in (one, two)}
    RUST.load(dom0)
    for bdf in (one, two):
        dom0.check(f"xl pci-assignable-add {bdf}")
    guest = Guest(dom0, "one", [one, two]).create()
    slots = guest.check("cd /sys/bus/pci/drivers/e1000e; ls -d 0000:*").split()
    found = {guest.check(f"cat /sys/bus/pci/devices/{slot}/net/*/address").strip(): slot for slot in slots}
    assert set(found) == set(address.values())
    kept = found[address[one]]
    name = guest.check(f"ls /sys/bus/pci/devices/{kept}/net").strip()
    guest.check(f"ip link set {name} up")
    guest.wait(f'[ "$(cat /sys/class/net/{name}/carrier)" = 1 ]')

    # A loop, for a ping ends at once where the address isn't its own yet. Nobody answers, and sent is sent.
    ping = f"ping6 -c 1 -W 1 ff02::1%{name}"
    guest.check(f"dmesg -c >/dev/null; (while :; do {ping} || usleep 100000; done) </dev/null >/dev/null 2>&1 & true")
    sent = f"cat /sys/class/net/{name}/statistics/tx_packets"
    guest.wait(f"[ $({sent}) -gt 20 ]")
    config = guest.config_space(kept)
    guest.detach(two)
    guest.wait(f"[ ! -e /sys/bus/pci/devices/{found[address[two]]} ]")
    dom0.check(until(f"grep -qx none /sys/bus/pci/devices/{two}/pciback/used_by", 60), 90)
    with part("the function that went"):
        assert dom0.check(f"cat /sys/bus/pci/devices/{two}/pciback/state").strip() == "used"
    with part("the other goes on sending"):
        before = int(guest.check(sent))
        guest.wait(f"[ $({sent}) -gt {before + 5} ]")
    with part("and was not reset"):
        assert guest.config_space(kept) == config
        assert guest.check(f"cat /sys/class/net/{name}/address").strip() == address[one]
        assert not guest.check(f"dmesg | grep -iE '{kept}|{name}' || true")

    guest.destroy()
    for bdf in (one, two):
        RUST.wait_idle(dom0, bdf)
        with part(f"{bdf} after the guest"):
            RUST.check_clean(dom0, bdf)
            assert dom0.check(f"cat /sys/bus/pci/devices/{bdf}/pciback/last_reset_method").strip() == "slot"
        dom0.check(f"xl pci-assignable-remove -r {bdf}")
    RUST.unload(dom0)
