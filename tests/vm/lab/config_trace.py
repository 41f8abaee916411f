# SPDX-License-Identifier: GPL-2.0
"""Accesses to a device's configuration space, as the emulator traces them: all there are, whoever makes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from .machine import Dom0
from .pciback import DEVICES, DRIVER, give_back
from .stub import RUST, C, Stub

EVENTS = "pci_cfg_*"
LINE = re.compile(r"pci_cfg_(read|write) \S+ ([0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) @0x([0-9a-f]+) (?:->|<-) 0x([0-9a-f]+)")

COMMAND, BARS = 0x04, range(0x10, 0x28, 4)
QUIET = 0x400
EXPRESS = 0x10
#: In the PCI Express capability: Device Control with the bit that begins an FLR, and Device Status.
DEVICE_CONTROL, DEVICE_STATUS, INITIATE_FLR = 0x08, 0x0A, 0x8000
EXTENDED = 0x100


@dataclass(frozen=True)
class Access:
    """One access."""

    write: bool
    offset: int
    value: int


@dataclass
class Trace:
    """What was done to one device; complete once the block of `traced` is left."""

    accesses: list[Access] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.accesses)

    def proof(self, express: int) -> int:
        """How many of them are only there to prove an FLR: canaries that are planted, looked for and removed.

        `express`: where the capability is that begins the FLR. What is planted comes between the write that
        makes the device quiet and the look at its pending transactions; and what is looked for after the look
        at the Command register, which is needed anyway, and before the restore, which begins with the extended
        capabilities or with this one.
        """
        control, status = express + DEVICE_CONTROL, express + DEVICE_STATUS
        quiet = self._find(lambda a: a.write and (a.offset, a.value) == (COMMAND, QUIET), 0)
        pending = self._find(lambda a: not a.write and a.offset == status, quiet)
        flr = self._find(lambda a: a.write and a.offset == control and a.value & INITIATE_FLR != 0, pending)
        # By the first read the kernel has waited until it answered.
        waited = self._find(lambda a: not a.write, flr + 1)
        looked = self._find(lambda a: not a.write and a.offset == COMMAND, waited + 1)
        restore = self._find(lambda a: a.offset >= EXTENDED or (a.write and a.offset == control), looked)
        return (pending - quiet - 1) + (restore - looked - 1)

    def _find(self, test: Callable[[Access], bool], start: int) -> int:
        for index, access in enumerate(self.accesses[start:], start):
            if test(access):
                return index
        raise AssertionError(f"not in the trace from {start} on: {self.accesses}")


@contextmanager
def traced(dom0: Dom0, bdf: str) -> Iterator[Trace]:
    """Trace the accesses to a device."""
    trace = Trace()
    begin = dom0.emulator_log.stat().st_size
    dom0.qmp.command("trace-event-set-state", name=EVENTS, enable=True)
    try:
        yield trace
    finally:
        dom0.qmp.command("trace-event-set-state", name=EVENTS, enable=False)
        with dom0.emulator_log.open(errors="replace") as log:
            log.seek(begin)
            for kind, address, offset, value in LINE.findall(log.read()):
                if address == bdf.removeprefix("0000:"):
                    trace.accesses.append(Access(kind == "write", int(offset, 16), int(value, 16)))


def capability(config: bytes, wanted: int) -> int:
    """Where a capability is in a configuration space; 0 if it isn't there."""
    at = config[0x34]
    while at and config[at] != wanted:
        at = config[at + 1]
    return at


def registers(config: bytes) -> int:
    """How many Base Address Registers are in use."""
    return sum(1 for bar in BARS if any(config[bar : bar + 4]) or is_upper_half(config, bar))


def is_upper_half(config: bytes, bar: int) -> bool:
    """Whether a register is the second of a pair for a 64-bit address."""
    return bar > BARS.start and config[bar - 4] & 0x7 == 0x4


@dataclass
class Counts:
    """What a driver does to a device."""

    bind: Trace
    reset: Trace
    unbind: Trace


def life(dom0: Dom0, stub: Stub, bdf: str) -> Counts:
    """A claim, a reset (by pci's attribute where the driver has none) and a release."""
    reset_by = (bdf, f"{DRIVER}/reset_device") if stub is RUST else ("1", f"{DEVICES}/{bdf}/reset")
    with traced(dom0, bdf) as bind:
        _write(dom0, bdf, f"{DRIVER}/bind")
    with traced(dom0, bdf) as reset:
        _write(dom0, *reset_by)
    with traced(dom0, bdf) as unbind:
        _write(dom0, bdf, f"{DRIVER}/unbind")
    return Counts(bind, reset, unbind)


def lives(dom0: Dom0, stub: Stub, names: Sequence[str]) -> dict[str, Counts]:
    """Lives of devices by a driver. The first of each isn't counted: another driver had it before."""
    stub.load(dom0)
    counts = {}
    for name in names:
        bdf = dom0.bdf(name)
        _write(dom0, bdf, f"{DRIVER}/new_slot")
        life(dom0, stub, bdf)
        counts[name] = life(dom0, stub, bdf)
        _write(dom0, bdf, f"{DRIVER}/remove_slot")
    stub.unload(dom0)
    return counts


@contextmanager
def without_drivers(dom0: Dom0, names: Sequence[str]) -> Iterator[dict[str, bytes]]:
    """Take devices from their drivers, which get them back afterwards; gives their configuration spaces."""
    bdfs = {name: dom0.bdf(name) for name in names}
    configs = {}
    for name, bdf in bdfs.items():
        dom0.check(f"d={DEVICES}/{bdf}/driver; [ ! -e $d ] || echo {bdf} >$d/unbind")
        text = dom0.check(f"od -An -v -tx1 -N256 {DEVICES}/{bdf}/config")
        configs[name] = bytes.fromhex("".join(text.split()))
    try:
        yield configs
    finally:
        for stub in (RUST, C):
            dom0.run(f"rmmod {stub.module}")  # unless it was unloaded
        give_back(dom0, *bdfs.values())


def _write(dom0: Dom0, text: str, file: str) -> None:
    errno = dom0.check(f"printf {text} | /tests/pbtool write {file}").strip()
    assert errno == "0", f"errno {errno} of {text} to {file}"
