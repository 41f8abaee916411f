# SPDX-License-Identifier: GPL-2.0
"""What the answers to operations mean, by Documentation/ABI/testing/sysfs-driver-pciback."""

from __future__ import annotations

from dataclasses import dataclass
from errno import EAGAIN, EBUSY, EEXIST, EINVAL, EIO, ENODEV, ENOENT, ETIMEDOUT
from itertools import permutations
from typing import Any

from .history import Around, Operation
from .steps import (
    ABSENT,
    COMING,
    EVERY,
    GOING,
    NATIVE,
    NEW,
    NONE,
    NOT_OURS,
    NOTHING,
    OURS,
    Device,
    State,
    Step,
    Test,
    Way,
    at,
    claim,
    detach,
    in_vain,
    listed,
    loaded,
    release,
    reserved,
    unlisted,
    unloaded,
    unreserved,
    unwanted,
    wanted,
)

#: How long a reset waits for others before it gives up, in nanoseconds.
PATIENCE = 10 * 10**9


@dataclass(frozen=True)
class Traits:
    """What is known of a device beforehand."""

    #: States that the file `state` may show.
    words: frozenset[str]
    #: Whether its reset reaches the other one of the couple.
    shared: bool = False


class Rules:
    """Answers within a couple of devices, whose first has place `first`."""

    def __init__(self, first: int, traits: list[Traits], around: Around) -> None:
        self._first, self._traits, self._around = first, traits, around

    def ways(self, operation: Operation) -> list[Way]:
        """How the answer can have come about; none if it is wrong in any case."""
        kind = operation.kind
        whose = [place - self._first for place in operation.devices if 0 <= place - self._first < 2]
        special = getattr(self, f"_{kind}", None)
        if special is not None:
            return special(operation, *whose)
        # What is left are files of the driver, which come and go with the module.
        loading = self._around.loading(operation)
        ways: list[Way] = []
        if not operation.opened:
            if operation.errno == ENOENT:
                ways.append((Step(unloaded),))
            return [*ways, NOTHING] if loading and operation.errno in (ENOENT, ENODEV) else ways
        if loading and operation.errno == ENODEV:
            ways.append(NOTHING)
        if kind.startswith("read_"):
            ways += self._shows(operation)
        elif kind in ("reset", "reset_two", "do_flr"):
            ways += self._resets(operation, whose)
        else:
            ways += getattr(self, f"file_{kind}")(operation, *whose)
        there = {step: step.where(loaded) for way in ways for step in way}
        return [tuple(there[step] for step in way) for way in ways]

    def _near(self, operation: Operation, i: int) -> bool:
        return self._around.moving(operation, self._first + i)

    def _plugging(self, operation: Operation, i: int) -> bool:
        return self._around.plugging(operation, self._first + i)

    # Files of the driver

    def file_new_slot(self, operation: Operation, i: int) -> list[Way]:
        """Listing says nothing about the device."""
        return [(at(i, EVERY, listed=True),)] if operation.errno == 0 else []

    def file_remove_slot(self, operation: Operation, i: int) -> list[Way]:
        """A reservation ends shortly after, unless the slot is listed again by then."""
        if operation.errno == ENOENT:
            return [(at(i, EVERY, unlisted),)]
        ends = [at(i, EVERY, unlisted, reserved=False), at(i, EVERY, listed)]
        off = at(i, EVERY, listed, listed=False)
        return [(off, end) for end in ends] if operation.errno == 0 else []

    def file_bind(self, operation: Operation, i: int) -> list[Way]:
        """Carried out with the device's lock held."""
        refused = [(at(i, {ABSENT, NEW}),), in_vain(i, unwanted)]
        answers = {0: [claim(i)], EBUSY: [(at(i, {NATIVE, OURS}),)], ENODEV: refused, EAGAIN: [(at(i, {NEW}),)]}
        if operation.errno in (EIO, ETIMEDOUT) and self._plugging(operation, i):
            return [in_vain(i, wanted)]
        return answers.get(operation.errno, [])

    def file_unbind(self, operation: Operation, i: int) -> list[Way]:
        """The driver core looks before it has the lock, and not once more."""
        if operation.errno == ENODEV:
            return [(at(i, {NONE, NATIVE, NEW, ABSENT}),)]
        looks = at(i, {OURS, COMING, GOING})
        return [(looks, *way) for way in detach(i)] if operation.errno == 0 else []

    def file_probe(self, operation: Operation, i: int) -> list[Way]:
        """Looks first, without a lock, and then offers the device to the driver."""
        looks = at(i, {NONE, NEW}, listed)
        late = at(i, {NATIVE, OURS})
        answers = {
            0: [(at(i, {OURS}, listed),), (looks, *claim(i, (NONE, NEW))), (looks, late, at(i, {OURS}))],
            EBUSY: [(at(i, {NATIVE, COMING, GOING}, listed),), (looks, late, at(i, NOT_OURS))],
            ENODEV: [
                (at(i, EVERY, unlisted),),
                (at(i, {ABSENT}),),
                (looks, at(i, {ABSENT})),
                (looks, *in_vain(i, unwanted)),
            ],
            EAGAIN: [(at(i, {NEW}, listed),)],
        }
        if operation.errno in (EIO, ETIMEDOUT) and self._plugging(operation, i):
            return [in_vain(i, wanted)]
        return answers.get(operation.errno, [])

    def _setting(self, operation: Operation, i: int, **change: Any) -> list[Way]:
        answers = {0: [(at(i, {OURS}, **change),)], ENODEV: [(at(i, NOT_OURS),)]}
        return answers.get(operation.errno, [])

    def file_permissive(self, operation: Operation, i: int) -> list[Way]:
        """Of a claimed device."""
        return self._setting(operation, i, permissive=True)

    def file_restrictive(self, operation: Operation, i: int) -> list[Way]:
        """The same."""
        return self._setting(operation, i, permissive=False)

    file_interrupt = file_quirk = _setting

    def _resets(self, operation: Operation, whose: list[int]) -> list[Way]:
        """Those of claimed devices; a shared slot is not reset unless both devices in it are."""
        blocked = [(at(i, {OURS}), at(1 - i, NOT_OURS)) for i in whose if self._traits[i].shared]
        restless = any(self._near(operation, i) for i in (0, 1)) or operation.end - operation.begin >= PATIENCE
        answers: dict[int, list[Way]] = {
            0: list(permutations([at(i, {OURS}) for i in whose])),
            ENODEV: [(at(i, NOT_OURS),) for i in whose],
            EBUSY: [way for both in blocked for way in permutations(both)],
            EAGAIN: [(at(i, {OURS}),) for i in whose if restless],
            EIO: [(at(i, {OURS}),) for i in whose if self._plugging(operation, i)],
        }
        answers[ETIMEDOUT] = answers[EIO]
        return answers.get(operation.errno, [])

    def _shows(self, operation: Operation) -> list[Way]:
        """Lists of devices: the slots and the claimed ones are those of one moment."""
        if operation.errno != 0:
            return []
        named = [bool(int(operation.detail, 16) >> self._first + i & 1) for i in (0, 1)]

        def all_are(test: Test) -> Step:
            return Step(lambda state: [test(device) for device in state.devices] == named)

        match operation.kind:
            case "read_slots":
                return [(all_are(listed),)]
            case "read_claimed":
                return [(all_are(lambda device: device.owner == OURS),)]
            case "read_permissive":
                flags = [at(i, EVERY, lambda device, want=named[i]: device.permissive == want) for i in (0, 1)]
                return list(permutations(flags))
        return [NOTHING]

    # Files of devices. The driver core makes and removes them a little before or after.

    def _read_state(self, operation: Operation, i: int) -> list[Way]:
        near = [NOTHING] if self._near(operation, i) else []
        if operation.errno == 0:
            return [(at(i, {OURS}),), *near] if operation.detail in self._traits[i].words else []
        if operation.errno == ENOENT and not operation.opened:
            return [(at(i, NOT_OURS),), *near]
        return near if operation.errno == ENODEV else []

    def _read_link(self, operation: Operation, i: int) -> list[Way]:
        near = [NOTHING] if self._near(operation, i) else []
        owners = {"pciback": {OURS, COMING}, "-": {NONE, GOING, NEW, ABSENT}}.get(operation.detail, {NATIVE})
        return [(at(i, owners),), *near] if operation.errno in (0, ENOENT) else []

    def _take(self, operation: Operation, i: int) -> list[Way]:
        near = [NOTHING] if self._near(operation, i) else []
        if operation.errno == 0:
            return [(at(i, {NATIVE, OURS, COMING, GOING}), *way) for way in detach(i)]
        if operation.errno == ENOENT and not operation.opened:
            return [(at(i, {NONE, NEW, ABSENT}),), *near]
        return near if operation.errno == ENODEV else []

    def _native(self, operation: Operation, i: int) -> list[Way]:
        """Native drivers were there first, so what isn't reserved is theirs, listed or not."""
        free = (at(i, {NONE}, unreserved, owner=NATIVE),)
        ours = (at(i, {NONE}, reserved, owner=COMING), claim(i)[1])
        vain = [in_vain(i, reserved)] if self._plugging(operation, i) else []
        answers = {
            0: [free, ours, (at(i, EVERY - {NONE, ABSENT}),), *vain],
            ENODEV: [(at(i, {ABSENT}),)],
            EINVAL: [(at(i, {NEW}),)],
        }
        return answers.get(operation.errno, [])

    # What concerns all devices. They are judged in parts: see oracle.py.

    def _releasing(self, _: Operation, i: int) -> list[Way]:
        """During rmmod a device may be released, and once more if it was claimed at the last moment."""
        return [NOTHING, release(i), release(i) * 2]

    def _offering(self, _: Operation, i: int) -> list[Way]:
        """During insmod the driver core offers it each device without a driver. Nothing is listed by then."""
        return [NOTHING, in_vain(i, unwanted)]

    def _rmmod(self, operation: Operation) -> list[Way]:
        def free(state: State) -> bool:
            return state.loaded and all(device.owner not in (COMING, OURS, GOING) for device in state.devices)

        def unload(state: State) -> State:
            return State(tuple(Device(device.owner) for device in state.devices), loaded=False)

        ways = {0: (Step(free, unload),), ENOENT: (Step(unloaded),)}
        if self._around.loading(operation):
            ways[EBUSY] = NOTHING
        if self._around.loaded(operation):
            ways[EAGAIN] = NOTHING  # Who loads it has a hold on it until the very end.
        return [ways[operation.errno]] if operation.errno in ways else []

    def _insmod(self, operation: Operation) -> list[Way]:
        """Who loads it while it is being loaded gets the answer of that (kernel/module/main.c)."""
        load = Step(unloaded, lambda state: state._replace(loaded=True))
        answers = {0: [(load,)], EEXIST: [(Step(loaded),)]}
        if operation.errno == 0 and self._around.loaded(operation):
            answers[0].append(NOTHING)
        if self._around.loading(operation):
            answers[EBUSY] = [NOTHING]
        return answers.get(operation.errno, [])

    # What is done to the machine

    def _plug(self, _: Operation, i: int) -> list[Way]:
        """A listed device is reserved when it appears. If it isn't, it is its native driver's."""
        comes = [at(i, {ABSENT}, wish, owner=NEW, reserved=mark) for wish, mark in ((unlisted, False), (listed, True))]
        ready = [at(i, {NEW}, owner=NONE), at(i, EVERY - {NEW})]
        free = at(i, {NONE}, unreserved, owner=NATIVE)
        ends = [free, at(i, EVERY, reserved), at(i, EVERY - {NONE})]
        return [(come, able, end) for come in comes for able in ready for end in ends]

    def _settle(self, _: Operation, i: int) -> list[Way]:
        """Who has reserved it is offered it in a thread of its own, some time later."""
        return [NOTHING, claim(i), in_vain(i, unwanted)]

    def _unplug(self, _: Operation, i: int) -> list[Way]:
        """The driver is taken from the device, and then, whichever it has by then, with the device."""
        gone = at(i, {NONE, NATIVE, OURS, NEW}, owner=ABSENT, reserved=False, permissive=False)
        return [(gone,), (*release(i), gone), (at(i, {NATIVE}, owner=NONE), gone)]
