# SPDX-License-Identifier: GPL-2.0
"""Recovery from PCI Express errors (AER), which QEMU injects into a card of two functions and into a switch."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from lab.endpoint import E1000E
from lab.guest import Guest
from lab.machine import Dom0
from lab.pciback import FAULTS, load
from lab.toolstack import INITIALISED, PciBackend, assignable, shown, wait_idle, wait_shown, wait_until

IN_BOTH = pytest.mark.dom0("errors", "pvh", "pv", xl=True, seldom="pvh")
EXPECTED = pytest.mark.klog_allow(r"AER:|PCIe Bus Error|error status/mask|\[12\] TLP|PCI Express error")
#: Errors by the words that QEMU and the driver have for them.
KINDS = {"POISON_TLP": "nonfatal", "DLP": "fatal"}
#: How often the driver resets a device that nobody uses for errors that follow one another.
RESETS = 5
#: PHYSDEVOP_pci_device_reset (xen/physdev.h).
DEVICE_RESET = 32
#: The shell library, which is not to look for the devices of the lab: that takes a PVH dom0 seconds.
LIB = "here=/tests FLR_DEVICES= PLAIN_DEVICES=; { . /tests/lib/pciback.sh; . /tests/lib/reset.sh; } >/dev/null;"


@pytest.fixture
def card(dom0: Dom0) -> Iterator[list[str]]:
    """The module with both functions of the card and the neighbour claimed."""
    with assignable(dom0, ("card.0", "card.1", "igb0")) as bdfs:
        yield bdfs


def inject(dom0: Dom0, error: str, name: str = "card.0", outcome: str = "successful") -> None:
    """Have a function report an error; returns when the kernel's recovery is over, which must be soon."""
    mark = dom0.console.mark()
    dom0.qmp.human(f"pcie_aer_inject_error {name} {error}")
    ended = dom0.console.wait_for("AER: device recovery", 15, mark)
    assert ended is not None, "the recovery hangs"
    assert any(f"device recovery {outcome}" in line for line in dom0.console.since(mark))


@pytest.mark.core
@IN_BOTH
@EXPECTED
@pytest.mark.parametrize("error", KINDS)
def test_idle_devices_recover(dom0: Dom0, card: list[str], error: str) -> None:
    """What the error concerns is clean again, reset by the driver itself: after one that isn't fatal the
    function that shows it, else all below the port. All others are left alone."""
    dom0.check(f"{LIB} set -e; for f in {' '.join(card)}; do leave_mark $f; done")
    inject(dom0, error)
    for bdf in card[:2]:
        wait_shown(dom0, bdf, "state", "clean")
    assert shown(dom0, card[2], "state") == ["clean"]
    facts = (
        "bears_mark $f && echo marked; command_has $f $MEMORY && echo decodes; command_has $f $MASTER && echo masters"
    )
    found = dom0.check(f"{LIB} for f in {' '.join(card)}; do {facts}; echo .; done").split(".")
    reset, untouched = ["decodes"], ["marked", "decodes"]
    other = reset if KINDS[error] == "fatal" else untouched
    assert [fact.split() for fact in found] == [reset, other, untouched, []]


@pytest.mark.core
@IN_BOTH
@EXPECTED
@pytest.mark.parametrize("error", KINDS)
def test_a_guest_loses_its_device(dom0: Dom0, card: list[str], error: str) -> None:
    """The toolstack is told in xenstore and by an event, the device is silent and for nobody until it was
    reset. The other function, which another guest uses, goes on unless the link is reset."""
    used, other, neighbour = card
    guest, bystander = PciBackend(dom0, 7), PciBackend(dom0, 8)
    guest.create(used)
    bystander.create(other)
    for backend in (guest, bystander):
        backend.wait("state", INITIALISED)
    # As their drivers in the guests would.
    dom0.check(f"{LIB} for f in {used} {other}; do pci_write_byte $f 4 06; command_has $f $MASTER || exit; done")
    addresses = f"{LIB} for f in {used} {other}; do bars $f; command_has $f $MEMORY && echo decodes; done"
    before = dom0.check(addresses)
    assert before.count("decodes") == 2
    events = "/tests/pbtool uevents sh -c 'touch /root/armed; while [ -e /root/armed ]; do sleep 0.1; done'"
    dom0.check(f"rm -f /root/armed; (exec {events} >/root/events 2>&1 </dev/null) & true")
    wait_until(dom0, "[ -e /root/armed ]")
    inject(dom0, error)
    guest.wait("aerState", "aerfail")
    lost = [used]
    if KINDS[error] == "fatal":
        bystander.wait("aerState", "aerfail")
        lost += [other]
    else:
        assert bystander.read("aerState") is None
        assert shown(dom0, other, "state") == ["used"]
        dom0.check(f"{LIB} command_has {other} $MASTER")
    for bdf in lost:
        assert shown(dom0, bdf, "state") == ["failed"]
        assert not dom0.run(f"{LIB} command_has {bdf} $MASTER").ok
    # A reset of the link has taken them.
    assert dom0.check(addresses) == before
    assert shown(dom0, used, "used_by") == ["7"]
    assert shown(dom0, neighbour, "state") == ["clean"]
    dom0.check("rm /root/armed")
    wait_until(dom0, "grep -q PCIBACK_ERROR /root/events")
    told = dom0.check("cat /root/events")
    assert told.count(f"PCIBACK_ERROR={KINDS[error]}") == len(lost)
    assert "PCIBACK_DOMAIN=7" in told
    assert ("PCIBACK_DOMAIN=8" in told) == (other in lost)
    # Given back, it is reset and well.
    for backend, bdf in ((bystander, other), (guest, used)):
        backend.remove()
        wait_idle(dom0, bdf)
        assert shown(dom0, bdf, "state") == ["clean"]
    next_guest = PciBackend(dom0, 8)
    next_guest.create(used)
    next_guest.wait("state", INITIALISED)
    assert next_guest.read("aerState") is None
    assert next_guest.read("vdev-0") == "0000:00:00.00"
    next_guest.remove()
    wait_idle(dom0, used)


@pytest.mark.core
@IN_BOTH
@EXPECTED
def test_what_is_below_a_claimed_bridge_goes_on(dom0: Dom0) -> None:
    """A bridge is claimed and dom0 uses what is below it: through errors of either kind it goes on
    forwarding, and mastering the bus."""
    load(dom0)
    bridge, disk, beside = dom0.bdf("sw0"), dom0.bdf("nvme0"), dom0.bdf("beside0")
    dom0.check(f'{LIB} for d in {bridge} {beside}; do [ "$(give $d)" = 0 ] || exit; done')
    # The bridge's own driver took its bus mastering along; a driver below turns it on.
    nvme = "/sys/bus/pci/drivers/nvme"
    dom0.check(f"printf {disk} >{nvme}/unbind; printf {disk} >{nvme}/bind")
    goes_on = f"{LIB} serves {disk} && command_has {bridge} $MASTER && command_has {bridge} $MEMORY"
    dom0.check(goes_on)
    inject(dom0, "POISON_TLP", "sw0")
    dom0.check(goes_on)
    # Xen isn't told that the link of a device with another driver was reset, and keeps a PVH dom0 from
    # giving it its addresses back.
    ours = dom0.flavour == "pvh"
    if ours:
        dom0.check(f'{LIB} [ "$(give {disk})" = 0 ]')
    inject(dom0, "DLP", "sw0")
    if ours:
        wait_shown(dom0, disk, "state", "clean")
        dom0.check(f"{LIB} take_back {disk}")
    dom0.check(goes_on)
    assert shown(dom0, bridge, "state") == ["not-reset"]
    dom0.check(f"{LIB} for d in {bridge} {beside}; do take_back $d; done; rmmod rust_pciback")
    dom0.check(f"{LIB} [ $(pci_driver {bridge}) = pcieport ] && [ $(pci_driver {beside}) = e1000e ]")


@pytest.mark.dom0("errors", "pv", xl=True)
@EXPECTED
def test_a_link_that_another_driver_has_reset(dom0: Dom0) -> None:
    """After an error that isn't fatal, which the guest's device doesn't show, the driver of a device beside
    it (e1000e) wants a reset of the link. That takes the device from its guest after all."""
    with assignable(dom0, ("nvme0",)) as (used,):
        guest = PciBackend(dom0, 7)
        guest.create(used)
        guest.wait("state", INITIALISED)
        inject(dom0, "POISON_TLP", "sw0")
        guest.wait("aerState", "aerfail")
        assert shown(dom0, used, "state") == ["failed"]
        guest.remove()
        wait_idle(dom0, used)
        assert shown(dom0, used, "state") == ["clean"]


@pytest.mark.dom0("errors", "pv", xl=True)
@EXPECTED
def test_a_recovery_that_fails_for_another(dom0: Dom0) -> None:
    """The kernel gives up all functions of a card of which one has no driver. Ours is reset all the same."""
    with assignable(dom0, ("card.0",)) as (ours,):
        beside = dom0.bdf("card.1")
        dom0.check(f"{LIB} pci_unbind {beside}")
        inject(dom0, "POISON_TLP", outcome="failed")
        wait_shown(dom0, ours, "state", "clean")
        dom0.check(f"echo {beside} >/sys/bus/pci/drivers_probe")


@pytest.mark.tier("all")
@pytest.mark.dom0("errors", "pvh", xl=True)
@EXPECTED
@pytest.mark.klog_allow("not restored after the reset of its link", "reset_device: notify by")
def test_one_that_is_not_restored_fails_no_other(dom0: Dom0) -> None:
    """Xen refuses to hear of the reset of a device's link. For the kernel the recovery succeeds all the same."""
    with assignable(dom0, ("nvme0", "beside0"), module=FAULTS) as bdfs:
        refusal = "/sys/module/rust_pciback/parameters/fail_physdev_op"
        dom0.check(f"echo {DEVICE_RESET} >{refusal}")
        inject(dom0, "DLP", "sw0")
        for bdf in bdfs:
            assert shown(dom0, bdf, "state") == ["failed"]
        dom0.check(f"echo 0 >{refusal}")
        for bdf in bdfs:
            wait_until(dom0, f"printf {bdf} >/sys/bus/pci/drivers/pciback/reset_device")
            assert shown(dom0, bdf, "state") == ["clean"]


@pytest.mark.tier("all")  # ASSIGNED_FOR of pure/device_state.rs
@pytest.mark.dom0("errors", "pv", xl=True)
@EXPECTED
@pytest.mark.klog_allow("is not given to a guest")
def test_an_error_before_the_toolstack_lists_it(dom0: Dom0, card: list[str]) -> None:
    """A device fails between a toolstack's question for its GSI and the list, which never comes: it is refused
    from then on, and reset when the toolstack has had its time."""
    ours = card[0]
    ask = f"/tests/pbtool gsi {ours}"
    assert int(dom0.check(ask)) >= 0
    inject(dom0, "POISON_TLP")
    assert shown(dom0, ours, "state") == ["failed"]
    assert dom0.check(ask).strip() == "-1", "EPERM"
    wait_until(dom0, f"grep -qx clean /sys/bus/pci/devices/{ours}/pciback/state", 60)
    assert int(dom0.check(ask)) >= 0


@pytest.mark.dom0("errors", "pv", xl=True)
@EXPECTED
def test_resets_for_errors_have_an_end(dom0: Dom0, card: list[str]) -> None:
    """A device that has an error after each reset is left failed, with one line, until somebody resets it;
    then it is as any other."""
    erring = card[0]
    dom0.check("dmesg -c >/dev/null")
    for _ in range(RESETS):
        inject(dom0, "POISON_TLP")
        wait_shown(dom0, erring, "state", "clean")
    for _ in range(2):
        inject(dom0, "POISON_TLP")
        assert shown(dom0, erring, "state", "last_reset_error") == ["failed", "-5"]
    said = dom0.check(
        f"dmesg | grep -E 'pciback {erring}: (PCI Express error|errors go on|.*reset_device)'"
    ).splitlines()
    assert len(said) == RESETS + 2 + 1
    assert f"errors go on after {RESETS} resets" in said[-2]
    dom0.check(f"printf {erring} >/sys/bus/pci/drivers/pciback/reset_device")
    assert shown(dom0, erring, "state") == ["clean"]
    inject(dom0, "POISON_TLP")
    wait_shown(dom0, erring, "state", "clean")


@IN_BOTH
@EXPECTED
@pytest.mark.klog_allow("is not exported")
def test_a_failed_device_is_withheld(dom0: Dom0, card: list[str]) -> None:
    """A device that a guest has lost is refused by the GSI ioctl; exported all the same, it counts as
    used, but the frontend is not told of it."""
    used = card[0]
    dom0.check(f"echo '' >/sys/bus/pci/devices/{used}/reset_method")
    guest = PciBackend(dom0, 7)
    guest.create(used)
    guest.wait("state", INITIALISED)
    inject(dom0, "POISON_TLP")
    guest.wait("aerState", "aerfail")
    guest.remove()  # Nothing can reset it.
    wait_idle(dom0, used)
    assert shown(dom0, used, "assignable") == ["no"]
    assert dom0.check(f"/tests/pbtool gsi {used}").strip() == "-1", "EPERM"
    guest = PciBackend(dom0, 8)
    guest.create(used)
    guest.wait("state", INITIALISED)
    guest.wait("state-0", 6)
    assert "pciback/state" in guest.error()
    assert guest.read("vdev-0") is None
    assert shown(dom0, used, "used_by") == ["8"]
    dom0.check(f"echo default >/sys/bus/pci/devices/{used}/reset_method")
    guest.remove()
    wait_idle(dom0, used)
    assert shown(dom0, used, "state") == ["clean"]


@pytest.mark.tier("all")  # Three minutes.
@pytest.mark.dom0("errors", "pvh", xl=True)
@EXPECTED
def test_the_next_guest_has_msix(dom0: Dom0) -> None:
    """A real guest loses its device to a fatal error, and with it the link is reset. The next one has the
    device, and its MSI-X."""
    card = replace(E1000E, name="beside0")
    with assignable(dom0, ("beside0", "nvme0")) as (bdf, _):
        for error in ("DLP", None):
            guest = Guest(dom0, "one", [bdf]).create()
            slot = card.in_guest(guest)
            assert card.use(guest, slot) > 0
            assert card.interrupt_mode(guest, slot) == "msi-x"
            if error:
                inject(dom0, error, "sw0")
                assert shown(dom0, bdf, "state") == ["failed"]
                assert (
                    dom0.check(f"xenstore-read /local/domain/0/backend/pci/{guest.domid}/0/aerState").strip()
                    == "aerfail"
                )
            guest.destroy()
            wait_idle(dom0, bdf)
            assert shown(dom0, bdf, "state") == ["clean"]
