# SPDX-License-Identifier: GPL-2.0
"""What can be the case with a couple of devices, and what can happen to them from one moment to the next.

An answer can come about in one or several ways. A way is a sequence of steps, each of which happens
at one moment, is possible in some states, and leads from one state to another. For instance bind
looks whether the device is wanted, and some time later it is claimed; both happen while its lock is
held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

# Who has a device. COMING and GOING: the driver has taken hold of it, but it isn't in the driver's
# registry yet, or no longer; its lock is held. NEW: it is there, but drivers may not have it yet.
NONE, NATIVE, COMING, OURS, GOING, NEW, ABSENT = "none", "native", "coming", "ours", "going", "new", "absent"
EVERY = frozenset((NONE, NATIVE, COMING, OURS, GOING, NEW, ABSENT))
NOT_OURS = EVERY - {OURS}


class Device(NamedTuple):
    """What the driver and the kernel know of a device."""

    owner: str = NATIVE
    listed: bool = False
    #: Its driver_override names the driver, since it appeared while it was listed.
    reserved: bool = False
    permissive: bool = False

    @property
    def wanted(self) -> bool:
        """Whether the driver takes it when it is offered."""
        return self.listed or self.reserved


class State(NamedTuple):
    """Of a couple of devices, which can be judged without the others."""

    devices: tuple[Device, Device] = (Device(), Device())
    loaded: bool = True


class Step(NamedTuple):
    """What happens at one moment: in which states it can, and what it changes; None where it never does."""

    possible: Callable[[State], bool]
    change: Callable[[State], State] | None = None

    def where(self, condition: Callable[[State], bool]) -> Step:
        """The same where the state is one of some."""
        return Step(lambda state: condition(state) and self.possible(state), self.change)


Way = tuple[Step, ...]
#: It needed nothing and changed nothing.
NOTHING: Way = ()

Test = Callable[[Device], bool]


def whichever(_: Device) -> bool:
    """Any device."""
    return True


def at(i: int, owners: Iterable[str], test: Test = whichever, **change: Any) -> Step:
    """A moment in which device `i` of the couple has one of the owners and passes the test."""
    owners = frozenset(owners)

    def possible(state: State) -> bool:
        device = state.devices[i]
        return device.owner in owners and test(device)

    def after(state: State) -> State:
        device = state.devices[i]._replace(**change)
        return state._replace(devices=(device, state.devices[1]) if i == 0 else (state.devices[0], device))

    return Step(possible, after if change else None)


def wanted(device: Device) -> bool:
    """A device that the driver takes."""
    return device.wanted


def unwanted(device: Device) -> bool:
    """A device that it doesn't take."""
    return not device.wanted


def listed(device: Device) -> bool:
    """Its slot is on the list."""
    return device.listed


def unlisted(device: Device) -> bool:
    """Its slot isn't."""
    return not device.listed


def reserved(device: Device) -> bool:
    """It is kept for the driver."""
    return device.reserved


def unreserved(device: Device) -> bool:
    """It isn't."""
    return not device.reserved


def loaded(state: State) -> bool:
    """While the module is there."""
    return state.loaded


def unloaded(state: State) -> bool:
    """While it isn't."""
    return not state.loaded


# (Ways that begin with the same step are followed as one: hence the caches.)


@cache
def claim(i: int, free: tuple[str, ...] = (NONE,)) -> Way:
    """The driver is offered a device that it wants, and claims it."""
    return at(i, free, wanted, owner=COMING), at(i, {COMING}, owner=OURS, reserved=False, permissive=False)


@cache
def in_vain(i: int, test: Test) -> Way:
    """The driver is offered a device, and it comes to nothing."""
    return at(i, {NONE}, test, owner=COMING), at(i, {COMING}, owner=NONE)


@cache
def release(i: int) -> Way:
    """The driver gives a device back."""
    return at(i, {OURS}, owner=GOING, permissive=False), at(i, {GOING}, owner=NONE)


@cache
def detach(i: int) -> list[Way]:
    """The driver core takes whatever driver the device has by then (drivers/base/bus.c, unbind_store())."""
    return [release(i), (at(i, {NATIVE}, owner=NONE),), (at(i, {NONE, NEW, ABSENT}),)]
