# SPDX-License-Identifier: GPL-2.0
"""Functions that break in a reset, and ones whose configuration space lies (lab/faulty_device.py).

Whatever they do, the host goes on, what is said of them is true, and what isn't known to be
clean is not called so.
"""

import os
import random
import threading
from collections.abc import Callable, Iterator

import pytest
from lab.faulty_device import (
    BAR0,
    CACHE_LINE,
    CAPABILITIES,
    COMMAND,
    EXPRESS,
    INTERRUPT_LINE,
    INTERRUPT_PIN,
    MSI_X,
    POWER,
    FaultyDevice,
)
from lab.machine import Dom0
from lab.paths import DEBUG
from lab.pciback import unload
from lab.until import until

XEN_COMPLAINS = pytest.mark.klog_allow(r"DEVICE BUG", r"existing mapping", r"Setup of vPCI failed")
IN_BOTH = pytest.mark.dom0("faulty_devices", "pvh", "pv", seldom="pvh")
DRIVER = "/sys/bus/pci/drivers/pciback"
DEVICES = "/sys/bus/pci/devices"
FINE, EIO, ENXIO, EEXIST, ENODEV, EINVAL, ENOTTY, ETIMEDOUT = "0", "5", "6", "17", "19", "22", "25", "110"
DECODES, MEMORY = 0x03, 0x02
#: In the upper byte of MSI-X's control register.
ENABLE, FUNCTION_MASK = 0x80, 0x40


class Fixture:
    """One of the functions, with the module loaded."""

    def __init__(self, dom0: Dom0, name: str) -> None:
        self.dom0, self.bdf, self.faulty_device = dom0, dom0.bdf(name), dom0.faulty_devices[name]
        #: The kernel has found it as it was then, which may be with capabilities that it hasn't any more.
        self.found_anew = False
        dom0.check("dmesg -c >/dev/null; insmod /root/rust_pciback.ko")
        dom0.check(f"echo {self.bdf} >{DRIVER}/new_slot")

    def write(self, file: str) -> str:
        """The errno of a write of the address."""
        return self.dom0.run(f"printf {self.bdf} | /tests/pbtool write {DRIVER}/{file}", 300).out.strip()

    def shown(self, *names: str) -> list[str]:
        """Words of the attributes."""
        return self.dom0.check("cat " + " ".join(f"{DEVICES}/{self.bdf}/pciback/{name}" for name in names)).split()

    def said(self, text: str) -> bool:
        """Whether the log has it."""
        return text in self.dom0.check("dmesg")

    def find_again(self) -> bool:
        """Have the kernel forget the function and look for it; whether it is found."""
        self.found_anew = True
        port = self.dom0.check(f"readlink -f {DEVICES}/{self.bdf}/..").strip()
        self.dom0.check(f"dmesg -c >/dev/null; echo 1 >{DEVICES}/{self.bdf}/remove; echo 1 >{port}/rescan", 60)
        if not self.dom0.run(f"test -e {DEVICES}/{self.bdf}").ok:
            return False
        # As long as it is listed it is claimed in the background.
        listed = f"grep -q {self.bdf} {DRIVER}/slots 2>/dev/null"
        over = f"[ -e {DEVICES}/{self.bdf}/pciback ] || dmesg | grep -q '{self.bdf}: not claimed'"
        self.dom0.check(f"{listed} || exit 0; " + until(f"{{ {over}; }}", 100), 120)
        return True


@pytest.fixture
def faulty(dom0: Dom0) -> Iterator[Fixture]:
    """A function that is well so far; afterwards it is well again, and nobody's."""
    fixture = Fixture(dom0, "faulty0")
    yield fixture
    unload(dom0)
    fixture.faulty_device.heal()
    if fixture.found_anew:
        fixture.find_again()
    assert dom0.check(f"od -An -tx2 -N4 {DEVICES}/{fixture.bdf}/config").split() == ["1234", "11ae"]


@IN_BOTH
def test_a_good_one(faulty: Fixture) -> None:
    """What the others are measured by: claimed, reset by its own method, which is proven."""
    address = faulty.faulty_device.register(BAR0)
    assert address != 0
    assert faulty.write("bind") == FINE
    assert faulty.shown("state", "last_reset_method", "last_reset_proof") == ["clean", "flr", "proven"]
    resets = faulty.faulty_device.resets
    assert faulty.write("reset_device") == FINE
    assert faulty.faulty_device.resets == resets + 1
    assert faulty.faulty_device.register(BAR0) == address
    assert faulty.faulty_device.config[COMMAND] & DECODES


@IN_BOTH
def test_late_after_its_reset(faulty: Fixture) -> None:
    """All ones for three seconds after the reset: it is waited for."""
    assert faulty.write("bind") == FINE

    def dies_for_a_while(function: FaultyDevice) -> None:
        function.dead = True
        threading.Timer(3, function.revive).start()

    faulty.faulty_device.after_flr = dies_for_a_while
    assert faulty.write("reset_device") == FINE
    assert faulty.shown("state", "last_reset_method") == ["clean", "flr"]


@pytest.mark.tier("all")  # The kernel waits for a minute.
@IN_BOTH
@pytest.mark.parametrize("by", ["driver", "kernel"])
def test_dead_after_its_reset(faulty: Fixture, by: str) -> None:
    """All ones from its reset on: after a minute it has failed, nobody gets it, and nothing hangs."""
    assert faulty.write("bind") == FINE
    faulty.faulty_device.after_flr = FaultyDevice.die
    if by == "driver":
        assert faulty.write("reset_device") in (EIO, ETIMEDOUT)
    else:
        # In a PVH dom0 Xen answers for the Command register, so the kernel takes the device for ready.
        said = faulty.dom0.run(f"echo 1 >{DEVICES}/{faulty.bdf}/reset", 300)
        assert said.ok == (faulty.dom0.flavour == "pvh")
        assert faulty.shown("last_reset_error") == [f"-{ETIMEDOUT}"]
    assert faulty.shown("state", "assignable") == ["failed", "no"]
    assert faulty.dom0.check(f"/tests/pbtool gsi {faulty.bdf}").strip() == "-1", "EPERM"
    faulty.faulty_device.heal()
    assert faulty.write("reset_device") == FINE
    assert faulty.shown("state", "assignable") == ["clean", "yes"]


@IN_BOTH
def test_bars_that_stay_lost(faulty: Fixture) -> None:
    """A reset clears the address register for good: the device has failed, and decodes nothing."""
    assert faulty.write("bind") == FINE
    faulty.faulty_device.stuck = set(range(BAR0, BAR0 + 4))
    assert faulty.write("reset_device") == EIO
    assert faulty.shown("state", "assignable") == ["failed", "no"]
    assert faulty.faulty_device.register(BAR0) == 0
    assert not faulty.faulty_device.config[COMMAND] & DECODES, "it would answer at address 0"
    # Nor after its release, and nor does another claim turn that on.
    assert faulty.write("unbind") == FINE
    assert not faulty.faulty_device.config[COMMAND] & DECODES
    assert faulty.write("bind") == EIO
    assert faulty.said("not claimed: enable: ")
    assert not faulty.faulty_device.config[COMMAND] & DECODES
    # Whoever finds it anew gives it addresses.
    faulty.faulty_device.heal()
    assert faulty.find_again()
    faulty.dom0.wait_path(f"{DEVICES}/{faulty.bdf}/pciback")
    assert faulty.shown("state") == ["clean"]


@IN_BOTH
def test_bars_lost_in_the_kernels_own_reset(faulty: Fixture) -> None:
    """The same when somebody writes to the device's file `reset`, who is told that all is well."""
    assert faulty.write("bind") == FINE
    faulty.faulty_device.stuck = set(range(BAR0, BAR0 + 4))
    faulty.dom0.check(f"echo 1 >{DEVICES}/{faulty.bdf}/reset")
    facts = ("state", "assignable", "last_reset_method", "last_reset_error")
    assert faulty.shown(*facts) == ["failed", "no", "flr", f"-{EIO}"]
    assert not faulty.faulty_device.config[COMMAND] & DECODES, "it would answer at address 0"
    faulty.faulty_device.heal()
    assert faulty.write("reset_device") == FINE
    assert faulty.shown("state") == ["clean"]


@IN_BOTH
def test_bars_lost_in_a_claim(faulty: Fixture) -> None:
    """The same in the reset of the claim, which fails."""
    faulty.faulty_device.stuck = set(range(BAR0, BAR0 + 4))
    assert faulty.write("bind") == EIO
    assert faulty.said("not claimed: reset: ")
    assert not faulty.faulty_device.config[COMMAND] & DECODES
    faulty.faulty_device.heal()
    assert faulty.find_again()
    faulty.dom0.wait_path(f"{DEVICES}/{faulty.bdf}/pciback")


@IN_BOTH
def test_a_reset_that_is_none(faulty: Fixture) -> None:
    """It offers a reset and does nothing: seen at the claim, and the next rung is used."""
    faulty.faulty_device.ignores_flr = True
    assert faulty.write("bind") == FINE
    assert faulty.shown("state") == ["unproven"]
    assert faulty.write("reset_device") == FINE
    assert faulty.shown("state", "last_reset_method", "last_reset_proof") == ["clean", "slot", "proven"]


@IN_BOTH
@pytest.mark.parametrize(
    "offset",
    # The kernel waits a minute for a device that doesn't seem to decode.
    [pytest.param(COMMAND, marks=pytest.mark.tier("all")), CACHE_LINE, INTERRUPT_LINE],
)
def test_registers_that_lie(faulty: Fixture, offset: int) -> None:
    """Registers that always read as one value, whatever is written."""
    assert faulty.write("bind") == FINE
    for value in (0x00, 0x5A, 0xFF):
        faulty.faulty_device.lies = {offset: value, offset + 1: value}
        answer = faulty.write("reset_device")
        state = faulty.shown("state")[0]
        if offset != COMMAND:
            # There is another register that takes a mark.
            assert (answer, state) == (FINE, "clean")
        elif value & DECODES != MEMORY:
            # It can't be seen to decode again.
            assert answer in (EIO, ETIMEDOUT)
            assert state == "failed"
        else:
            # Xen, in PVH, lets nobody write the addresses of a device that seems to decode.
            assert (answer, state) in ((FINE, "clean"), (EIO, "failed"))
        faulty.faulty_device.heal()
        assert faulty.write("reset_device") == FINE
        assert faulty.shown("state") == ["clean"]


def with_msix(faulty: FaultyDevice) -> None:
    """MSI-X with two vectors, whose tables are in the BAR."""
    faulty.capability(MSI_X, 0x11, 0x00)
    faulty.config[MSI_X + 2 : MSI_X + 12] = bytes.fromhex("0100 00000000 00080000".replace(" ", ""))
    show_msix(faulty)


def show_msix(faulty: FaultyDevice) -> None:
    """MSI-X is in the list of capabilities."""
    faulty.capability(EXPRESS, 0x10, MSI_X)


def hide_msix(faulty: FaultyDevice) -> None:
    """As Xen 4.21.0 does it: the list goes past MSI-X, which is still there."""
    faulty.capability(EXPRESS, 0x10, 0x00)


@pytest.mark.tier("all")
@pytest.mark.dom0("faulty_devices", "pvh")
@XEN_COMPLAINS
@pytest.mark.klog_allow("probe with driver pciback failed")
def test_msix_hidden_after_a_reset(faulty: Fixture) -> None:
    """Xen 4.21.0 may say that all is well and hide MSI-X from dom0: what the others call EEXIST."""
    with_msix(faulty.faulty_device)
    assert faulty.find_again()
    if not faulty.dom0.run(f"test -e {DEVICES}/{faulty.bdf}/pciback").ok:
        assert faulty.write("bind") == FINE
    assert faulty.shown("state") == ["clean"]
    faulty.faulty_device.after_flr = hide_msix
    assert faulty.write("reset_device") == EEXIST
    facts = ("state", "assignable", "last_reset_method", "last_reset_error")
    assert faulty.shown(*facts) == ["failed", "no", "flr", f"-{EEXIST}"]
    assert faulty.said("Xen hides its MSI-X")
    # So does the kernel's own reset.
    faulty.faulty_device.after_flr = show_msix
    assert faulty.write("reset_device") == FINE
    assert faulty.shown("state", "assignable") == ["clean", "yes"]
    faulty.faulty_device.after_flr = hide_msix
    faulty.dom0.check(f"echo 1 >{DEVICES}/{faulty.bdf}/reset")
    assert faulty.shown(*facts) == ["failed", "no", "flr", f"-{EEXIST}"]
    faulty.faulty_device.after_flr = show_msix
    assert faulty.write("reset_device") == FINE
    # And a claim fails for it.
    assert faulty.write("unbind") == FINE
    faulty.faulty_device.after_flr = hide_msix
    assert faulty.write("bind") == EEXIST
    assert faulty.said("not claimed: notify: ")
    show_msix(faulty.faulty_device)
    faulty.faulty_device.after_flr = None
    assert faulty.write("bind") == FINE
    assert faulty.shown("state") == ["clean"]


@pytest.mark.dom0("faulty_devices", "pv")
def test_a_mark_in_msix(faulty: Fixture) -> None:
    """Of its registers only that of MSI-X takes a mark, as of a real virtual function. It doesn't stay there."""
    device = faulty.faulty_device
    with_msix(device)
    device.writable[MSI_X + 3] = ENABLE | FUNCTION_MASK
    assert faulty.find_again()
    device.stuck = {COMMAND + 1, CACHE_LINE, INTERRUPT_LINE}
    if not faulty.dom0.run(f"test -e {DEVICES}/{faulty.bdf}/pciback").ok:
        assert faulty.write("bind") == FINE
    assert faulty.shown("state", "last_reset_method", "last_reset_proof") == ["clean", "flr", "proven"]
    # Nothing stronger.
    faulty.dom0.check(f"echo flr >{DEVICES}/{faulty.bdf}/reset_method")
    device.ignores_flr = True
    assert faulty.write("reset_device") != FINE
    assert faulty.shown("state", "last_reset_proof") == ["unproven", "disproven"]
    assert not device.config[MSI_X + 3] & FUNCTION_MASK
    device.writable[MSI_X + 3] = 0


def self_loop(faulty: FaultyDevice) -> None:
    """A list whose first element comes after itself."""
    faulty.capability(POWER, 0x01, POWER)


def loop_of_two(faulty: FaultyDevice) -> None:
    """A list of two that never ends."""
    faulty.capability(EXPRESS, 0x10, POWER)


def in_the_header(faulty: FaultyDevice) -> None:
    """A list that goes on in the header."""
    faulty.capability(POWER, 0x01, BAR0)


def at_the_end(faulty: FaultyDevice) -> None:
    """A capability of which only the head is inside."""
    faulty.capability(POWER, 0x01, 0xFC)
    faulty.capability(0xFC, 0x10, 0x00)


def crooked(faulty: FaultyDevice) -> None:
    """Pointers that are no multiple of four."""
    faulty.capability(POWER, 0x01, EXPRESS + 3)
    faulty.config[CAPABILITIES] = POWER + 2


def all_ones(faulty: FaultyDevice) -> None:
    """A list that ends in 0xff."""
    faulty.capability(POWER, 0x01, 0xFC)
    faulty.capability(0xFC, 0xFF, 0xFF)


def table_nowhere(faulty: FaultyDevice) -> None:
    """MSI-X with tables in a BAR that there isn't."""
    faulty.capability(EXPRESS, 0x10, MSI_X)
    faulty.capability(MSI_X, 0x11, 0x00)
    faulty.config[MSI_X + 2 : MSI_X + 12] = bytes.fromhex("ff07 05f0ffff 05f8ffff".replace(" ", ""))


def table_outside(faulty: FaultyDevice) -> None:
    """MSI-X with more entries than the BAR has room for."""
    faulty.capability(EXPRESS, 0x10, MSI_X)
    faulty.capability(MSI_X, 0x11, 0x00)
    faulty.config[MSI_X + 2 : MSI_X + 12] = bytes.fromhex("ff07 000f0000 00000000".replace(" ", ""))


def many(faulty: FaultyDevice) -> None:
    """As many capabilities as there is room for, each of them Express."""
    faulty.config[CAPABILITIES] = 0x40
    for offset in range(0x40, 0x100, 4):
        faulty.capability(offset, 0x10, (offset + 4) & 0xFF)


def no_pin_of_that_name(faulty: FaultyDevice) -> None:
    """An interrupt pin beyond INTD."""
    faulty.config[INTERRUPT_PIN] = 7


LISTS = [self_loop, loop_of_two, in_the_header, at_the_end, crooked, all_ones, table_nowhere, table_outside, many]
#: What a claim of such a function may end with.
CLAIMS = {FINE, EIO, ENXIO, EEXIST, ENODEV, EINVAL, ETIMEDOUT}
RESETS = {FINE, EIO, ENODEV, EEXIST, EINVAL, ENOTTY, ETIMEDOUT}


def go_through(faulty: Fixture) -> None:
    """Find, claim, reset and release it, whatever comes of that."""
    if not faulty.find_again():
        pytest.fail("the kernel does not find it any more")
    answer = FINE if faulty.dom0.run(f"test -e {DEVICES}/{faulty.bdf}/pciback").ok else faulty.write("bind")
    assert answer in CLAIMS
    if answer == FINE:
        answer = faulty.write("reset_device")
        assert answer in RESETS
        clean, states = "clean", faulty.shown("state")
        assert (answer == FINE) == (states == [clean]), (answer, states)
        assert faulty.write("unbind") == FINE
    assert not faulty.dom0.run(f"test -e {DEVICES}/{faulty.bdf}/driver").ok


@IN_BOTH
@XEN_COMPLAINS
@pytest.mark.parametrize("lie", [*LISTS, no_pin_of_that_name])
def test_capabilities_that_lie(faulty: Fixture, lie: Callable[[FaultyDevice], None]) -> None:
    """Capability lists that loop, leave the configuration space, or promise what isn't there."""
    lie(faulty.faulty_device)
    go_through(faulty)


@pytest.mark.tier("all")
@IN_BOTH
@XEN_COMPLAINS
def test_capabilities_at_random(faulty: Fixture, figure: Callable[[str], None]) -> None:
    """Any bytes where capabilities are."""
    seed = int(os.environ.get("PCIBACK_CAPABILITY_SEED", "1"))
    chance = random.Random(seed)
    count = int(os.environ.get("PCIBACK_CAPABILITY_LISTS", "10" if DEBUG else "50"))
    for number in range(count):
        faulty.faulty_device.heal()
        # Numbers of capabilities that the kernel looks into, and pointers, oftener than others.
        likely = [0x01, 0x03, 0x05, 0x0D, 0x10, 0x11, 0x13, 0x40, 0x50, 0x60, 0x70, 0x80, 0xF0, 0xFC, 0x00, 0xFF]
        for offset in range(0x40, 0x100):
            faulty.faulty_device.config[offset] = (
                chance.choice(likely) if chance.random() < 0.7 else chance.randrange(256)
            )
        faulty.faulty_device.config[CAPABILITIES] = chance.choice([0x40, 0x44, 0x50, 0xFC])
        try:
            go_through(faulty)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, number {number}: {error}") from error
    figure(f"seed {seed}: {count} lists")
