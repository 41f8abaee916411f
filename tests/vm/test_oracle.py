# SPDX-License-Identifier: GPL-2.0
"""The oracle of the storm: histories that it must accept, and ones that it must refuse. No machine is started."""

import errno as errnos

import pytest
from lab.history import Operation, parse
from lab.oracle import Wrong, judge
from lab.rules import Traits
from lab.steps import NONE, Device, State

CLEAN = Traits(frozenset({"clean"}))
SLOT = Traits(frozenset({"clean", "not-reset"}), shared=True)
FREE = State((Device(NONE), Device(NONE)))
LISTED = State((Device(NONE, listed=True), Device(NONE, listed=True)))


def history(text: str) -> list[Operation]:
    """Operations as `KIND DEVICES BEGIN-END [ANSWER [DETAIL]]`; a leading `!` is a file that can't be opened."""
    operations = []
    for number, line in enumerate(filter(None, map(str.strip, text.splitlines()))):
        words = line.lstrip("!").split()
        kind, devices, times, answer, detail = words + ["0", "-"][len(words) - 3 :]
        begin, end = map(int, times.split("-"))
        places = () if devices == "-" else tuple(map(int, devices.split(",")))
        errno = getattr(errnos, answer) if answer.isalpha() else int(answer)
        operations.append(Operation("w", number, kind, places, begin, end, line[0] != "!", errno, detail))
    return operations


def verdict(text: str, state: State = LISTED, traits: Traits = CLEAN) -> list[Wrong]:
    """What is wrong with a history of two devices."""
    return judge(history(text), [traits, traits], state)


GOOD = {
    "a life": """
        take 0 1-2
        new_slot 0 3-4
        bind 0 5-8
        reset 0 9-12
        read_state 0 13-14 0 clean
        unbind 0 15-17
        native 0 18-19
        read_link 0 20-21 0 igb
    """,
    "answers that say why not": """
        bind 0 1-2 ENODEV
        bind 1 1-2 EBUSY
        take 0 0-0
        reset 0 3-4 ENODEV
        remove_slot 0 5-6 ENOENT
        unbind 0 7-8 ENODEV
        probe 0 9-10 ENODEV
        new_slot 1 11-12
        probe 1 13-14 EBUSY
        permissive 0 15-16 ENODEV
    """,
    "a claim outlives its slot, which is asked for at its begin": """
        take 0 0-1
        new_slot 0 2-3
        bind 0 10-100
        remove_slot 0 20-30
        reset 0 50-60 ENODEV
        reset 0 70-110
    """,
    "two claim at the same time": """
        take 0 0-1
        new_slot 0 2-3
        bind 0 10-20
        bind 0 11-21 EBUSY
        probe 0 12-22
    """,
    "a release that waits for a reset": """
        take 0 0-1
        new_slot 0 2-3
        bind 0 10-20
        reset 0 21-50
        unbind 0 22-60
        read_claimed - 40-41 0 1
        read_claimed - 61-62 0 0
    """,
    "somebody else's driver, by the driver core's look before it has the lock": """
        take 0 0-1
        new_slot 0 2-3
        bind 0 4-5
        unbind 0 10-100
        unbind 0 11-20
        native 0 21-30
        read_link 0 101-102 ENOENT
    """,
    "a shared slot is blocked by the other's release": """
        take 0 0-1
        take 1 0-1
        new_slot 0 2-3
        new_slot 1 2-3
        bind 0 4-5
        bind 1 4-5
        reset 0 10-20
        unbind 1 21-30
        reset_two 0,1 25-40 EBUSY
        reset 0 41-42 EBUSY
    """,
    "the module goes and comes": """
        take 0 0-1
        new_slot 0 2-3
        bind 0 4-5
        rmmod - 10-50
        reset 0 11-20
        bind 0 21-30 EBUSY
        !bind 0 45-49 ENOENT
        native 0 48-52
        !reset 0 55-56 ENOENT
        insmod - 60-70
        insmod - 61-70
        rmmod - 68-69 EAGAIN
        insmod - 71-72 EEXIST
        read_slots - 80-81 0 0
        read_link 0 82-83 0 igb
    """,
    "claimed while the module goes, and released with it": """
        take 0 0-1
        new_slot 0 2-3
        bind 0 4-5
        rmmod - 10-50
        bind 0 20-30
        read_link 0 60-61 ENOENT
    """,
    "a device that the driver looks at while it is loaded": """
        rmmod - 1-2
        take 0 3-4
        insmod - 10-50
        native 0 20-21
        read_link 0 60-61 ENOENT
    """,
    "a listed device comes": """
        new_slot 0 1-2
        unplug 0 3-9
        bind 0 10-11 ENODEV
        native 0 10-11 ENODEV
        plug 0 20-30
        settle 0 20-90
        bind 0 21-22 EAGAIN
        read_claimed - 80-81 0 1
    """,
    "a reservation ends with its slot": """
        new_slot 0 1-2
        unplug 0 3-9
        plug 0 20-30
        settle 0 20-90
        remove_slot 0 21-22
        native 0 40-41
        read_link 0 42-43 0 e1000
    """,
    "a reservation is for the driver, whoever offers the device": """
        new_slot 0 1-2
        unplug 0 3-9
        plug 0 20-30
        settle 0 20-31
        native 0 40-41
        read_link 0 42-43 0 pciback
        unbind 0 44-45
        remove_slot 0 46-47
        bind 0 48-49 ENODEV
    """,
    "a device that is pulled out of a reset": """
        take 0 0-1
        new_slot 0 2-3
        bind 0 4-5
        reset 0 10-20 EIO
        unplug 0 15-30
        reset 0 31-32 ENODEV
    """,
    "settings end with the claim": """
        take 0 0-1
        new_slot 0 2-3
        bind 0 4-5
        permissive 0 6-7
        read_permissive - 8-9 0 1
        unbind 0 10-11
        bind 0 12-13
        read_permissive - 14-15 0 0
    """,
}


@pytest.mark.parametrize("name", GOOD)
def test_right(name: str) -> None:
    """What the documentation allows is accepted."""
    traits = SLOT if "shared" in name else CLEAN
    assert judge(history(GOOD[name]), [traits, traits]) == []


BAD = {
    "claimed twice": "bind 0 1-2\nbind 0 3-4",
    "claimed without being listed": "remove_slot 0 1-2\nbind 0 3-4",
    "not claimed though listed": "bind 0 1-2 ENODEV",
    "busy without a driver": "bind 0 1-2 EBUSY",
    "claimed by two at once": "bind 0 1-5\nbind 0 2-6",
    "released twice": "bind 0 1-2\nunbind 0 3-4\nunbind 0 5-6",
    "released, and then not": "bind 0 1-2\nunbind 0 3-4 ENODEV",
    "reset long after its release": "bind 0 1-2\nunbind 0 3-4\nreset 0 10-11",
    "reset before its claim": "new_slot 0 0-1\nreset 0 1-2",
    "a claimed device that isn't": "bind 0 1-2\nreset 0 3-4 ENODEV",
    "two of which one isn't claimed": "bind 0 1-2\nreset_two 0,1 3-4",
    "two that are claimed": "bind 0 1-2\nbind 1 1-2\nreset_two 0,1 3-4 ENODEV",
    "blocked by a neighbour that isn't reached": "bind 0 1-2\nreset 0 3-4 EBUSY",
    "another reset that wasn't there": "bind 0 1-2\nreset 0 3-4 EAGAIN",
    "broken": "bind 0 1-2\nreset 0 3-4 EIO",
    "taken off the list twice": "remove_slot 0 1-2\nremove_slot 0 3-4",
    "not on the list": "remove_slot 0 1-2 ENOENT",
    "the list, wrongly": "read_slots - 1-2 0 1",
    "the claimed, wrongly": "bind 0 1-2\nread_claimed - 3-4 0 2",
    "lists that go back": "bind 0 1-9\nread_claimed - 2-3 0 1\nread_claimed - 4-5 0 0",
    "a word that it can't be": "bind 0 1-2\nread_state 0 3-4 0 not-reset",
    "a link to nobody": "bind 0 1-2\nread_link 0 3-4 ENOENT",
    "permissive after its claim": "bind 0 1-2\npermissive 0 3-4\nunbind 0 5-6\nbind 0 7-8\nread_permissive - 9-10 0 1",
    "given to nobody": "native 0 1-2\nread_link 0 3-4 ENOENT",
    "no file though loaded": "!reset 0 1-2 ENOENT",
    "a file though unloaded": "rmmod - 1-2\nreset 0 3-4 ENODEV",
    "kept by an unloaded module": "bind 0 1-2\nrmmod - 3-4\nread_link 0 5-6 0 pciback",
    "listed over an unloading": "rmmod - 1-2\ninsmod - 3-4\nbind 0 5-6",
    "unloaded twice": "rmmod - 1-2\nrmmod - 3-4",
    "in use": "rmmod - 1-2 EAGAIN",
    "native though reserved": "unplug 0 1-2\nplug 0 3-4\nsettle 0 3-9\nread_link 0 10-11 0 e1000",
    "claimed though absent": "unplug 0 1-2\nbind 0 3-4",
    "an errno that it can't be": "bind 0 1-2 5",
}


@pytest.mark.parametrize("name", BAD)
def test_wrong(name: str) -> None:
    """What it rules out is refused, at the operation that is wrong, and said with it."""
    found = verdict(BAD[name])
    assert len(found) == 1
    last = history(BAD[name])[-1]
    assert found[0].operation == last
    assert str(found[0].operation) in str(found[0])


@pytest.mark.parametrize(
    "text",
    [
        "bind 0 1-2\nbind 1 1-2\nreset 0 3-4 EBUSY",  # nothing blocks it
        "bind 0 1-2\nreset 0 3-4 EBUSY\nreset 0 5-6 EAGAIN",
    ],
)
def test_wrong_in_a_slot(text: str) -> None:
    """A shared slot is an excuse only where it is one."""
    assert verdict(text, LISTED, SLOT)


def test_couples_are_apart() -> None:
    """Each couple is judged by itself, and by what concerns all."""
    good = "bind 2 1-2\nread_claimed - 3-4 0 4\nrmmod - 5-6"
    assert judge(history(good), [CLEAN] * 4, LISTED) == []
    found = judge(history(good.replace("0 4", "0 5")), [CLEAN] * 4, LISTED)
    assert [wrong.couple for wrong in found] == [0]


def test_parse() -> None:
    """The lines of storm.c, and no others."""
    text = "0 7 reset_two 2,3 10 20 io 19 -\n1 0 rmmod - 11 12 io 0 -\n2 5 read_state 4 1 2 open 2 -\n"
    two, all_of_them, state = parse(text)
    assert (two.worker, two.number, two.kind, two.devices, two.errno) == ("0", 7, "reset_two", (2, 3), errnos.ENODEV)
    assert (two.begin, two.end, two.opened) == (10, 20, True)
    assert all_of_them.devices == ()
    assert not state.opened
    for line in ("", "hung 0 1 bind 2: schedule", "0 1 bind 2 3 4 io 0", "0 1 bind 2 3 4 where 0 -"):
        with pytest.raises(ValueError, match="no operation"):
            parse(text + line + "\n")
