# SPDX-License-Identifier: GPL-2.0
"""Functions that break in a reset, and ones whose configuration space lies (lab/liar.py).

Whatever they do, the host goes on, what is said of them is true, and what isn't known to be
clean is not called so.
"""

import os
import random
import threading
from collections.abc import Callable, Iterator

import pytest
from lab.liar import BAR0, CACHE_LINE, CAPABILITIES, COMMAND, EXPRESS, INTERRUPT_LINE, INTERRUPT_PIN, MSI_X, POWER, Liar
from lab.machine import Dom0
from lab.paths import DEBUG
from lab.until import until

XEN_COMPLAINS = pytest.mark.klog_allow(r"DEVICE BUG", r"existing mapping", r"Setup of vPCI failed")
IN_BOTH = pytest.mark.dom0("liars", "pvh", "pv")
DRIVER = "/sys/bus/pci/drivers/pciback"
DEVICES = "/sys/bus/pci/devices"
FINE, EIO, ENXIO, EEXIST, ENODEV, EINVAL, ENOTTY, ETIMEDOUT = "0", "5", "6", "17", "19", "22", "25", "110"
DECODES, MEMORY = 0x03, 0x02


class Fixture:
    """One of the functions, with the module loaded."""

    def __init__(self, dom0: Dom0, name: str) -> None:
        self.dom0, self.bdf, self.liar = dom0, dom0.bdf(name), dom0.liars[name]
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
def liar(dom0: Dom0) -> Iterator[Fixture]:
    """A function that is well so far; afterwards it is well again, and nobody's."""
    fixture = Fixture(dom0, "liar0")
    before = bytes(fixture.liar.config)
    yield fixture
    dom0.check("rmmod rust_pciback")
    fixture.liar.heal()
    if bytes(fixture.liar.config[CAPABILITIES + 1 :]) != before[CAPABILITIES + 1 :]:
        fixture.find_again()
    assert dom0.check(f"od -An -tx2 -N4 {DEVICES}/{fixture.bdf}/config").split() == ["1234", "11ae"]


@IN_BOTH
def test_a_good_one(liar: Fixture) -> None:
    """What the others are measured by: claimed, reset by its own method, which is proven."""
    address = liar.liar.register(BAR0)
    assert address != 0
    assert liar.write("bind") == FINE
    assert liar.shown("state", "last_reset_method", "last_reset_proof") == ["clean", "flr", "proven"]
    resets = liar.liar.resets
    assert liar.write("reset_device") == FINE
    assert liar.liar.resets == resets + 1
    assert liar.liar.register(BAR0) == address
    assert liar.liar.config[COMMAND] & DECODES


@IN_BOTH
def test_late_after_its_reset(liar: Fixture) -> None:
    """All ones for three seconds after the reset: it is waited for."""
    assert liar.write("bind") == FINE

    def dies_for_a_while(function: Liar) -> None:
        function.dead = True
        threading.Timer(3, function.revive).start()

    liar.liar.after_flr = dies_for_a_while
    assert liar.write("reset_device") == FINE
    assert liar.shown("state", "last_reset_method") == ["clean", "flr"]


@pytest.mark.tier("all")  # The kernel waits for a minute.
@IN_BOTH
@pytest.mark.parametrize("by", ["driver", "kernel"])
def test_dead_after_its_reset(liar: Fixture, by: str) -> None:
    """All ones from its reset on: after a minute it has failed, nobody gets it, and nothing hangs."""
    assert liar.write("bind") == FINE
    liar.liar.after_flr = Liar.die
    if by == "driver":
        assert liar.write("reset_device") in (EIO, ETIMEDOUT)
    else:
        assert not liar.dom0.run(f"echo 1 >{DEVICES}/{liar.bdf}/reset", 300).ok
        assert liar.shown("last_reset_error") == [f"-{ETIMEDOUT}"]
    assert liar.shown("state", "assignable") == ["failed", "no"]
    assert liar.dom0.check(f"/tests/pbtool gsi {liar.bdf}").strip() == "-1", "EPERM"
    liar.liar.heal()
    assert liar.write("reset_device") == FINE
    assert liar.shown("state", "assignable") == ["clean", "yes"]


@IN_BOTH
def test_bars_that_stay_lost(liar: Fixture) -> None:
    """A reset clears the address register for good: the device has failed, and decodes nothing."""
    assert liar.write("bind") == FINE
    liar.liar.stuck = set(range(BAR0, BAR0 + 4))
    assert liar.write("reset_device") == EIO
    assert liar.shown("state", "assignable") == ["failed", "no"]
    assert liar.liar.register(BAR0) == 0
    assert not liar.liar.config[COMMAND] & DECODES, "it would answer at address 0"
    # Nor after its release, and nor does another claim turn that on.
    assert liar.write("unbind") == FINE
    assert not liar.liar.config[COMMAND] & DECODES
    assert liar.write("bind") == EIO
    assert liar.said("not claimed: enable: ")
    assert not liar.liar.config[COMMAND] & DECODES
    # Whoever finds it anew gives it addresses.
    liar.liar.heal()
    assert liar.find_again()
    liar.dom0.wait_path(f"{DEVICES}/{liar.bdf}/pciback")
    assert liar.shown("state") == ["clean"]


@IN_BOTH
def test_bars_lost_in_the_kernels_own_reset(liar: Fixture) -> None:
    """The same when somebody writes to the device's file `reset`, who is told that all is well."""
    assert liar.write("bind") == FINE
    liar.liar.stuck = set(range(BAR0, BAR0 + 4))
    liar.dom0.check(f"echo 1 >{DEVICES}/{liar.bdf}/reset")
    facts = ("state", "assignable", "last_reset_method", "last_reset_error")
    assert liar.shown(*facts) == ["failed", "no", "flr", f"-{EIO}"]
    assert not liar.liar.config[COMMAND] & DECODES, "it would answer at address 0"
    liar.liar.heal()
    assert liar.write("reset_device") == FINE
    assert liar.shown("state") == ["clean"]


@IN_BOTH
def test_bars_lost_in_a_claim(liar: Fixture) -> None:
    """The same in the reset of the claim, which fails."""
    liar.liar.stuck = set(range(BAR0, BAR0 + 4))
    assert liar.write("bind") == EIO
    assert liar.said("not claimed: reset: ")
    assert not liar.liar.config[COMMAND] & DECODES
    liar.liar.heal()
    assert liar.find_again()
    liar.dom0.wait_path(f"{DEVICES}/{liar.bdf}/pciback")


@IN_BOTH
def test_a_reset_that_is_none(liar: Fixture) -> None:
    """It offers a reset and does nothing: seen at the claim, and the next rung is used."""
    liar.liar.ignores_flr = True
    assert liar.write("bind") == FINE
    assert liar.shown("state") == ["unproven"]
    assert liar.write("reset_device") == FINE
    assert liar.shown("state", "last_reset_method", "last_reset_proof") == ["clean", "slot", "proven"]


@IN_BOTH
@pytest.mark.parametrize("offset", [COMMAND, CACHE_LINE, INTERRUPT_LINE])
def test_registers_that_lie(liar: Fixture, offset: int) -> None:
    """Registers that always read as one value, whatever is written."""
    assert liar.write("bind") == FINE
    for value in (0x00, 0x5A, 0xFF):
        liar.liar.lies = {offset: value, offset + 1: value}
        answer = liar.write("reset_device")
        state = liar.shown("state")[0]
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
        liar.liar.heal()
        assert liar.write("reset_device") == FINE
        assert liar.shown("state") == ["clean"]


def self_loop(liar: Liar) -> None:
    """A list whose first element comes after itself."""
    liar.capability(POWER, 0x01, POWER)


def loop_of_two(liar: Liar) -> None:
    """A list of two that never ends."""
    liar.capability(EXPRESS, 0x10, POWER)


def in_the_header(liar: Liar) -> None:
    """A list that goes on in the header."""
    liar.capability(POWER, 0x01, BAR0)


def at_the_end(liar: Liar) -> None:
    """A capability of which only the head is inside."""
    liar.capability(POWER, 0x01, 0xFC)
    liar.capability(0xFC, 0x10, 0x00)


def crooked(liar: Liar) -> None:
    """Pointers that are no multiple of four."""
    liar.capability(POWER, 0x01, EXPRESS + 3)
    liar.config[CAPABILITIES] = POWER + 2


def all_ones(liar: Liar) -> None:
    """A list that ends in 0xff."""
    liar.capability(POWER, 0x01, 0xFC)
    liar.capability(0xFC, 0xFF, 0xFF)


def table_nowhere(liar: Liar) -> None:
    """MSI-X with tables in a BAR that there isn't."""
    liar.capability(EXPRESS, 0x10, MSI_X)
    liar.capability(MSI_X, 0x11, 0x00)
    liar.config[MSI_X + 2 : MSI_X + 12] = bytes.fromhex("ff07 05f0ffff 05f8ffff".replace(" ", ""))


def table_outside(liar: Liar) -> None:
    """MSI-X with more entries than the BAR has room for."""
    liar.capability(EXPRESS, 0x10, MSI_X)
    liar.capability(MSI_X, 0x11, 0x00)
    liar.config[MSI_X + 2 : MSI_X + 12] = bytes.fromhex("ff07 000f0000 00000000".replace(" ", ""))


def many(liar: Liar) -> None:
    """As many capabilities as there is room for, each of them Express."""
    liar.config[CAPABILITIES] = 0x40
    for offset in range(0x40, 0x100, 4):
        liar.capability(offset, 0x10, (offset + 4) & 0xFF)


def no_pin_of_that_name(liar: Liar) -> None:
    """An interrupt pin beyond INTD."""
    liar.config[INTERRUPT_PIN] = 7


LISTS = [self_loop, loop_of_two, in_the_header, at_the_end, crooked, all_ones, table_nowhere, table_outside, many]
#: What a claim of such a function may end with.
CLAIMS = {FINE, EIO, ENXIO, EEXIST, ENODEV, EINVAL, ETIMEDOUT}
RESETS = {FINE, EIO, ENODEV, EEXIST, EINVAL, ENOTTY, ETIMEDOUT}


def go_through(liar: Fixture) -> None:
    """Find, claim, reset and release it, whatever comes of that."""
    if not liar.find_again():
        pytest.fail("the kernel does not find it any more")
    answer = FINE if liar.dom0.run(f"test -e {DEVICES}/{liar.bdf}/pciback").ok else liar.write("bind")
    assert answer in CLAIMS
    if answer == FINE:
        answer = liar.write("reset_device")
        assert answer in RESETS
        clean, states = "clean", liar.shown("state")
        assert (answer == FINE) == (states == [clean]), (answer, states)
        assert liar.write("unbind") == FINE
    assert not liar.dom0.run(f"test -e {DEVICES}/{liar.bdf}/driver").ok


@IN_BOTH
@XEN_COMPLAINS
@pytest.mark.parametrize("lie", [*LISTS, no_pin_of_that_name])
def test_capabilities_that_lie(liar: Fixture, lie: Callable[[Liar], None]) -> None:
    """Capability lists that loop, leave the configuration space, or promise what isn't there."""
    lie(liar.liar)
    go_through(liar)


@pytest.mark.tier("all")
@IN_BOTH
@XEN_COMPLAINS
def test_capabilities_at_random(liar: Fixture, figure: Callable[[str], None]) -> None:
    """Any bytes where capabilities are."""
    seed = int(os.environ.get("PCIBACK_LIAR_SEED", "1"))
    chance = random.Random(seed)
    count = int(os.environ.get("PCIBACK_LIARS", "10" if DEBUG else "50"))
    for number in range(count):
        liar.liar.heal()
        # Numbers of capabilities that the kernel looks into, and pointers, oftener than others.
        likely = [0x01, 0x03, 0x05, 0x0D, 0x10, 0x11, 0x13, 0x40, 0x50, 0x60, 0x70, 0x80, 0xF0, 0xFC, 0x00, 0xFF]
        for offset in range(0x40, 0x100):
            liar.liar.config[offset] = chance.choice(likely) if chance.random() < 0.7 else chance.randrange(256)
        liar.liar.config[CAPABILITIES] = chance.choice([0x40, 0x44, 0x50, 0xFC])
        try:
            go_through(liar)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, number {number}: {error}") from error
    figure(f"seed {seed}: {count} lists")
