# SPDX-License-Identifier: GPL-2.0
"""What happened in a storm: operations with the times that they took and their answers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

#: What may give a device another owner, or takes part in that.
MOVES = {"bind", "unbind", "probe", "native", "take", "rmmod", "insmod", "plug", "settle", "unplug"}
#: What the module comes or goes by.
LOADS = {"rmmod", "insmod"}
#: By these the device itself comes or goes.
PLUGS = {"plug", "unplug"}


@dataclass(frozen=True)
class Operation:
    """One line of tests/dom0/src/storm.c, or something that was done to the machine."""

    worker: str
    number: int
    kind: str
    #: Places in the list of devices; none where it concerns all.
    devices: tuple[int, ...]
    begin: int
    end: int
    #: Whether the file could be opened.
    opened: bool = True
    errno: int = 0
    detail: str = "-"

    def __str__(self) -> str:
        what = "did" if self.opened else "could not open"
        times = f"{self.begin / 1e9:.6f}-{self.end / 1e9:.6f}"
        where = ",".join(map(str, self.devices)) or "-"
        return f"{times} {self.worker}.{self.number} {what} {self.kind} {where}: {self.errno} {self.detail}"


def parse(text: str) -> list[Operation]:
    """The operations in a log of storm.c; a line that isn't one is an error."""
    history = []
    for line in text.splitlines():
        try:
            worker, number, kind, devices, begin, end, stage, errno, detail = line.split(" ")
            places = () if devices == "-" else tuple(int(place) for place in devices.split(","))
            opened = {"open": False, "io": True}[stage]
            history.append(
                Operation(worker, int(number), kind, places, int(begin), int(end), opened, int(errno), detail)
            )
        except (ValueError, KeyError):
            raise ValueError(f"no operation: {line!r}") from None
    return history


class Intervals:
    """Times during which something was under way, for asking what overlaps with an operation."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._all = sorted(operations, key=lambda operation: operation.begin)
        self._begins = [operation.begin for operation in self._all]
        #: The latest end of each and those before it.
        self._latest: list[int] = []
        for operation in self._all:
            self._latest.append(max(operation.end, self._latest[-1] if self._latest else 0))

    def overlap(self, asked: Operation) -> bool:
        """Whether any of them, other than itself, was under way at the same time."""
        at = bisect_left(self._begins, asked.end + 1)
        while at > 0 and self._latest[at - 1] >= asked.begin:
            at -= 1
            if self._all[at].end >= asked.begin and self._all[at] is not asked:
                return True
        return False


class Around:
    """What else was under way during an operation, for answers that depend on it."""

    def __init__(self, history: list[Operation], places: tuple[int, ...]) -> None:
        self._loads = Intervals(o for o in history if o.kind in LOADS)
        self._loaded = Intervals(o for o in history if o.kind == "insmod" and o.errno == 0)
        moves = [o for o in history if o.kind in MOVES]
        self._moves = {p: Intervals(o for o in moves if not o.devices or p in o.devices) for p in places}
        self._plugs = {p: Intervals(o for o in moves if o.kind in PLUGS and p in o.devices) for p in places}

    def loading(self, operation: Operation) -> bool:
        """The module was coming or going."""
        return self._loads.overlap(operation)

    def loaded(self, operation: Operation) -> bool:
        """Somebody else loaded the module."""
        return self._loaded.overlap(operation)

    def moving(self, operation: Operation, place: int) -> bool:
        """The device may have been about to change its owner."""
        return self._moves[place].overlap(operation)

    def plugging(self, operation: Operation, place: int) -> bool:
        """The device was coming or going."""
        return self._plugs[place].overlap(operation)
