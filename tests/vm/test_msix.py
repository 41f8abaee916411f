# SPDX-License-Identifier: GPL-2.0
"""MSI-X for guests: what can be had is shown, what holds the table is let go of, and no guest writes the table.

That guests use it is in test_guest.py, with every kind of device.
"""

from __future__ import annotations

import re

import pytest
from lab.endpoint import E1000E, IGB, Endpoint
from lab.guest import Guest
from lab.machine import Dom0
from lab.parts import Parts
from lab.pciback import DEVICES, DRIVER, FAULTS, load, unload, works_by_msix
from lab.script import LIB
from lab.stub import RUST

#: Of nvme with two vectors, of one with one, and of igb with ten.
IN_PVH = {
    "nvme2": "msi-x (not the last of its 2 vectors)",
    "nvme1": "intx (no MSI-X: it has one vector only)",
    "igb0": "msi-x (not the last of its 10 vectors)",
    "e1000e0": "msi-x (not the last of its 5 vectors)",
}
IN_PV = dict.fromkeys(IN_PVH, "msi-x")
OFF = {name: f"{'intx' if 'nvme' in name else 'msi'} (no MSI-X: hold_msix=0)" for name in IN_PVH}
SELDOM = pytest.mark.tier("all")


def shown(dom0: Dom0, bdf: str) -> str:
    """How a guest can get the interrupts of a device."""
    return dom0.check(f"cat {DEVICES}/{bdf}/pciback/guest_interrupts").strip()


def has_msix(dom0: Dom0, bdf: str) -> bool:
    """Whether the driver in dom0 has enabled MSI-X."""
    return dom0.run(f"grep -qx msix {DEVICES}/{bdf}/msi_irqs/*").ok


@pytest.mark.dom0("vectors", "pvh", "pv", seldom="pv")
def test_held_and_let_go(dom0: Dom0, part: Parts) -> None:
    """What guests get is shown at the claim, by table size; afterwards the native driver has MSI-X."""
    expected = IN_PVH if dom0.flavour == "pvh" else IN_PV
    bdfs = {name: dom0.bdf(name) for name in expected}
    for bdf in bdfs.values():
        works_by_msix(dom0, bdf)
    without = OFF if dom0.flavour == "pvh" else expected
    for options, texts in (("", expected), ("hold_msix=0", without)):
        dom0.check("dmesg -c >/dev/null")
        load(dom0, options)
        for name, bdf in bdfs.items():
            dom0.check(f"{LIB} give {bdf}")
            with part(f"{name}, claimed with '{options}'"):
                assert not has_msix(dom0, bdf)
                assert shown(dom0, bdf) == texts[name]
                said = f"guest interrupts: {texts[name]}" in dom0.check(f"dmesg | grep {bdf}")
                assert said == (" " in texts[name])
            for _ in range(2):
                dom0.check(f"echo {bdf} >{DRIVER}/reset_device")
        for name, bdf in bdfs.items():
            dom0.check(f"{LIB} take_back {bdf}")
            with part(f"{name}, released with '{options}'"):
                works_by_msix(dom0, bdf)
        unload(dom0)
        assert not dom0.check("dmesg | grep -i 'not unmapped\\|lost' || true")


@pytest.mark.dom0("main", "pvh")
@pytest.mark.parametrize(
    ("options", "text"),
    [
        pytest.param(
            "fail_errno=28 fail_physdev_op=13",
            "msi (no MSI-X: Xen maps no vector for dom0, error -28)",
            id="no-pirq",
            marks=SELDOM,
        ),
        pytest.param(
            "fail_errno=61 fail_physdev_op=13",
            "msi (no MSI-X: Xen lost its table, remove the device and rescan the bus)",
            id="lost",
        ),
        pytest.param(
            "fail_errno=38 fail_physdev_op=13",
            "msi (no MSI-X: this Xen can't give it)",
            id="old-xen",
            marks=SELDOM,
        ),
        pytest.param(
            "fail_step=hold-msix",
            "msi (no MSI-X: Xen maps no vector for dom0, error -33)",
            id="step",
            marks=SELDOM,
        ),
        pytest.param("hold_msix=0", "msi (no MSI-X: hold_msix=0)", id="wish", marks=SELDOM),
    ],
)
def test_no_hold(dom0: Dom0, options: str, text: str) -> None:
    """Xen seems to refuse it, or nobody wants it: the claim goes on, guests have less, and the log says so."""
    bdf = dom0.bdf("igb0")
    dom0.check("dmesg -c >/dev/null")
    load(dom0, options, module=FAULTS)
    dom0.check(f"{LIB} give {bdf}")
    assert shown(dom0, bdf) == text
    assert f"guest interrupts: {text}" in dom0.check(f"dmesg | grep {bdf}")
    assert dom0.check(f"cat {DEVICES}/{bdf}/pciback/state").strip() == "clean"
    dom0.check(f"{LIB} take_back {bdf}")
    unload(dom0)
    works_by_msix(dom0, bdf)


def table(dom0: Dom0, address: int) -> str:
    """The first two entries of an MSI-X table, as the hardware has them: Xen and dom0 aren't asked."""
    return dom0.qmp.human(f"xp /8xw {address:#x}")


def vectors(dom0: Dom0) -> int:
    """How many MSI-X vectors Xen has mapped, by its debug key M."""
    said = dom0.check("xl dmesg -c >/dev/null; xl debug-keys M; xl dmesg")
    return len(re.findall(r"MSI-X +\d+ vec=", said))


def bar_of_table(dom0: Dom0, bdf: str) -> int:
    """The machine address of an MSI-X table: all devices here have it at the beginning of BAR 3."""
    line = dom0.check(f"sed -n 4p {DEVICES}/{bdf}/resource")
    return int(line.split()[0], 16)


@pytest.mark.tier("all")  # Four minutes.
@pytest.mark.dom0("guest", "pvh", xl=True)
def test_a_guest_that_uses_msi_and_writes_the_table(dom0: Dom0, part: Parts) -> None:
    """Its writes don't reach the table of another device of its own, and the device on which it used MSI
    works with MSI-X afterwards, in dom0 and in the next guest.

    (With MSI in use Xen takes the hold for the guest's MSI-X and gives it up.)
    """
    identity = {endpoint: endpoint.in_dom0(dom0) for endpoint in (IGB, E1000E)}
    bdf = {endpoint: dom0.bdf(endpoint.name) for endpoint in (IGB, E1000E)}
    RUST.load(dom0)
    for endpoint in bdf:
        dom0.check(f"xl pci-assignable-add {bdf[endpoint]}")
    guest = Guest(dom0, "first", bdf.values(), cmdline="e1000e.IntMode=1 iomem=relaxed").create()
    for endpoint in bdf:
        with part(f"{endpoint.name} in the first guest"):
            slot = endpoint.in_guest(guest)
            assert endpoint.use(guest, slot) > 0
            assert (endpoint.interrupt_mode(guest, slot) == "msi-x") == (endpoint is IGB)
    with part("Xen gives the hold up"):
        assert dom0.console.wait_for(f"MSI-X already in use on {bdf[E1000E]}", 10)

    slot = IGB.in_guest(guest)
    seen = int(guest.check(f"sed -n 4p /sys/bus/pci/devices/{slot}/resource").split()[0], 16)
    real = bar_of_table(dom0, bdf[IGB])
    before = table(dom0, real)
    assert "0xfee0" in before, "messages of Xen's"
    assert "0xfee01234" not in before
    # Without a driver nobody else writes.
    guest.check(f"echo {slot} >/sys/bus/pci/drivers/igb/unbind; echo 1 >/sys/bus/pci/devices/{slot}/enable")
    before = table(dom0, real)
    guest.check(f"for at in 0 4 8 12; do devmem $(({seen} + at)) 32 0x0; devmem $(({seen} + at)) 32 0xfee01234; done")
    with part("what the guest writes to the table"):
        assert table(dom0, real) == before
    guest.destroy()

    for endpoint in bdf:
        RUST.wait_idle(dom0, bdf[endpoint])
        with part(f"{endpoint.name} after the first guest"):
            RUST.check_clean(dom0, bdf[endpoint])
    with part("nothing is recorded anew before the release"):
        assert "is recorded anew" not in dom0.check("dmesg")
    for endpoint in bdf:
        dom0.check(f"xl pci-assignable-remove -r {bdf[endpoint]}")
        with part(f"{endpoint.name} in dom0 again"):
            assert endpoint.in_dom0(dom0) == identity[endpoint]
            works_by_msix(dom0, bdf[endpoint])
    with part("what is recorded anew"):
        anew = dom0.check("dmesg | grep 'is recorded anew'")
        assert bdf[E1000E] in anew
        assert bdf[IGB] not in anew

    dom0.check(f"xl pci-assignable-add {bdf[E1000E]}")
    with part("what the next guest is to get"):
        assert shown(dom0, bdf[E1000E]) == "msi-x (not the last of its 5 vectors)"
    guest = Guest(dom0, "second", [bdf[E1000E]]).create()
    with part("what it gets"):
        slot = E1000E.in_guest(guest)
        assert E1000E.use(guest, slot) > 0
        assert E1000E.interrupt_mode(guest, slot) == "msi-x"
    guest.destroy()
    RUST.wait_idle(dom0, bdf[E1000E])
    held = vectors(dom0)
    dom0.check(f"xl pci-assignable-remove {bdf[E1000E]}")
    with part("the vector that was the hold"):
        assert vectors(dom0) == held - 1, "Xen has it, and has it no more"
    dom0.check(f"echo {bdf[E1000E]} >/sys/bus/pci/drivers_probe")
    works_by_msix(dom0, bdf[E1000E])
    RUST.unload(dom0)


@pytest.mark.tier("all")  # Five minutes.
@pytest.mark.dom0("vectors", "pvh", xl=True)
@pytest.mark.usefixtures("discard")
@pytest.mark.klog_allow("existing mapping", "Setup of vPCI failed: -17")
def test_msix_after_each_kind_of_reset(dom0: Dom0, part: Parts) -> None:
    """What happens to a device while its table is held takes nothing from the guest that gets it next: FLR and
    bus resets, a loss of power, and that it is pulled out and another put in, by the slot's button and without."""
    bdf = {endpoint: dom0.bdf(endpoint.name) for endpoint in (IGB, E1000E)}
    port = f"rp-{IGB.name}"
    files = {endpoint: f"{DEVICES}/{bdf[endpoint]}/pciback" for endpoint in bdf}
    RUST.load(dom0)
    # As a driver may leave a device: all vectors masked.
    dom0.check(f"echo {bdf[E1000E]} >{DEVICES}/{bdf[E1000E]}/driver/unbind")
    dom0.check(f"setpci -s {bdf[E1000E]} CAP_MSIX+2.w=4000:4000")
    for endpoint in bdf:
        dom0.check(f"xl pci-assignable-add {bdf[endpoint]}")
    # Without a device from the start it must be said that there will be some.
    guest = Guest(dom0, "one", config='passthrough = "enabled"').create()

    def use(endpoint: Endpoint, after: str) -> None:
        guest.attach(bdf[endpoint])
        guest.wait(f"grep -q {endpoint.vendor}{endpoint.device} /proc/bus/pci/devices")
        with part(f"{endpoint.name} in the guest after {after}"):
            slot = endpoint.in_guest(guest)
            assert endpoint.use(guest, slot) > 0
            assert endpoint.interrupt_mode(guest, slot) == "msi-x"
        guest.detach(bdf[endpoint])
        RUST.wait_idle(dom0, bdf[endpoint])
        with part(f"{endpoint.name}, detached after {after}"):
            RUST.check_clean(dom0, bdf[endpoint])

    def reset(endpoint: Endpoint, method: str) -> None:
        dom0.check(f"echo {bdf[endpoint]} >{DRIVER}/reset_device")
        with part(f"{endpoint.name} is reset by {method}"):
            assert dom0.check(f"cat {files[endpoint]}/last_reset_method").strip() == method

    reset(E1000E, "bus")
    use(E1000E, "a bus reset")
    reset(IGB, "flr")
    use(IGB, "an FLR")
    use(E1000E, "its use")

    dom0.slot_power(port, on=False)
    dom0.slot_power(port, on=True)
    reset(IGB, "flr")
    use(IGB, "a loss of power")

    for surprise in (False, True):
        how = "pulled out without the button" if surprise else "pulled out by the button"
        if surprise:
            # QEMU takes a device at once from a slot without power, and its port tells nobody. With the next
            # one dom0 hears that something has changed, and turns the power on.
            dom0.slot_power(port, on=False)
            dom0.unplug(IGB.name, seconds=10)
            dom0.check(f"echo 1 >{DEVICES}/{bdf[IGB]}/remove")
        else:
            dom0.unplug(IGB.name)
        dom0.wait_path(f"{DEVICES}/{bdf[IGB]}", there=False)
        dom0.plug("igb", IGB.name, port, romfile="")
        dom0.wait_path(f"{files[IGB]}/state")
        with part(f"what is shown of the next card, {how}"):
            assert shown(dom0, bdf[IGB]) == IN_PVH[IGB.name]
        dom0.check(f"xl pci-assignable-add {bdf[IGB]}")
        use(IGB, how)
    guest.destroy()
