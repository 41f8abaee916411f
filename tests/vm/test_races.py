# SPDX-License-Identifier: GPL-2.0
"""Resets against whatever else can happen to the same devices, for some seconds each.

What each single request answers is a matter of luck. What is held: only errnos that have
a reason, nothing on the console, nobody waits for ever, and the devices work afterwards.
PV dom0s have two processors (a PVH dom0 is well with one only, see lab.md).
"""

import re
from dataclasses import dataclass

import pytest
from lab.machine import Dom0
from lab.paths import DEBUG
from lab.pciback import DEVICES, DRIVER, claim, give_back, load, unload
from lab.until import until

SECONDS = 16 if DEBUG else 4
ROUNDS = 20  # on a slow machine few of each fit into that time
FINE, EIO, EAGAIN, EBUSY, ENODEV, ENOTTY, ETIMEDOUT = "0", "5", "11", "16", "19", "25", "110"


@dataclass
class Loop:
    """A command that is repeated, each time printing a word."""

    name: str
    command: str
    #: What it may print, and what it must print at least once.
    may: set[str]
    must: set[str]


def reset(name: str, text: str, may: set[str], must: set[str] | None = None) -> Loop:
    """Resets of the devices in `text`, by the errno of each."""
    command = f"printf '{text}' | /tests/pbtool write {DRIVER}/reset_device"
    return Loop(name, command, may | {FINE}, {FINE} if must is None else must)


def reader(bdfs: list[str]) -> Loop:
    """Reads all that is shown of the devices."""
    files = " ".join(f"{DEVICES}/{bdf}/pciback/*" for bdf in bdfs)
    return Loop("reader", f"cat {files} {DRIVER}/slots >/dev/null 2>&1; echo read", {"read"}, {"read"})


def race(dom0: Dom0, loops: list[Loop]) -> None:
    """Run all at the same time, and once more if one hadn't the luck to print what it must.

    The first ends after its time, the others when the first has ended.
    """
    first, *others = loops
    script = [
        "rm -f /run/race.*; trap 'kill 0' TERM",
        f"(end=$(($(cut -d. -f1 /proc/uptime) + {SECONDS}));"
        f"while [ $(cut -d. -f1 /proc/uptime) -lt $end ]; do {first.command}; done >/run/race.{first.name} 2>&1;"
        "touch /run/race.over) &",
    ]
    for loop in others:
        script.append(f"(until [ -e /run/race.over ]; do {loop.command}; done >/run/race.{loop.name} 2>&1) &")
    script.append("wait")
    missing = {loop.name: loop.must for loop in loops}
    for _ in range(ROUNDS):
        dom0.check("\n".join(script), seconds=SECONDS + 90)
        for loop in loops:
            words = set(dom0.check(f"cat /run/race.{loop.name}").split("\n")[:-1])
            assert words <= loop.may, f"{loop.name}: {sorted(words - loop.may)}"
            missing[loop.name] = missing[loop.name] - words
        if not any(missing.values()):
            return
    raise AssertionError(f"never: { {name: sorted(words) for name, words in missing.items() if words} }")


def tidy(dom0: Dom0, *bdfs: str) -> None:
    """To their drivers, whatever became of them, with the module unloaded."""
    dom0.run(f"for d in {' '.join(bdfs)}; do echo $d >{DRIVER}/remove_slot; done")
    dom0.run("rmmod rust_pciback")  # unless a test has done so
    assert "rust_pciback" not in dom0.check("cat /proc/modules")
    for bdf in bdfs:
        give_back(dom0, bdf)
        dom0.check(until(f"cat {DEVICES}/{bdf}/net/*/address >/dev/null 2>&1", 10))
        mac = dom0.check(f"cat {DEVICES}/{bdf}/net/*/address")
        assert re.search("..:..:..:..:..:..", mac), bdf


def both(test: object) -> object:
    """In PVH with one, in PV with two processors: a test of two flavours has one name."""
    return pytest.mark.dom0("shared", "pvh", "pv", pv_cpus=2, seldom="pvh")(test)


@both
def test_resets_of_one_slot(dom0: Dom0) -> None:
    """Two of the same device, one of its neighbour, one of both: each waits for the others."""
    one, two = dom0.bdf("pair.0"), dom0.bdf("pair.1")
    load(dom0)
    claim(dom0, one, two)
    loops = [
        reset("same", one, set()),
        reset("again", one, set()),
        reset("neighbour", two, set()),
        reset("both", f"{one} {two}", set()),
        reader([one, two]),
    ]
    race(dom0, loops)
    for bdf in (one, two):
        assert dom0.check(f"cat {DEVICES}/{bdf}/pciback/state") == "clean\n"
    tidy(dom0, one, two)


@both
def test_resets_and_claims(dom0: Dom0) -> None:
    """The neighbour is released and claimed all the time, and the device itself as well."""
    one, two = dom0.bdf("pair.0"), dom0.bdf("pair.1")
    load(dom0)
    claim(dom0, one, two)

    def comes_and_goes(bdf: str) -> str:
        return f"printf {bdf} | /tests/pbtool write {DRIVER}/unbind; printf {bdf} | /tests/pbtool write {DRIVER}/bind"

    # Without a driver it is not ours; while it is being claimed it has ours, but isn't yet.
    answers = {EBUSY, EAGAIN}
    loops = [
        reset("resets", one, answers, set()),
        Loop("claims", comes_and_goes(two), {FINE}, {FINE}),
        reader([one, two]),
    ]
    race(dom0, loops)
    loops = [
        reset("resets", two, answers | {ENODEV}, set()),
        reset("others", one, answers, set()),
        Loop("claims", comes_and_goes(two), {FINE}, {FINE}),
        reader([one, two]),
    ]
    race(dom0, loops)
    dom0.check(f"echo {one} >{DRIVER}/reset_device; cat {DEVICES}/{two}/pciback/state")
    tidy(dom0, one, two)


@both
def test_resets_and_unloading(dom0: Dom0) -> None:
    """The module goes and comes in the middle of resets."""
    one, two = dom0.bdf("pair.0"), dom0.bdf("pair.1")
    for bdf in (one, two):
        dom0.check(f"echo {bdf} >{DEVICES}/{bdf}/driver/unbind")
    resets = f"$(cat /run/race.resets 2>/dev/null | grep -c '^{FINE}$')"
    load = (
        f"before={resets}; insmod /root/rust_pciback.ko 'hide=({one})({two})' &&"
        f"({until(f'[ {resets} -gt $before ]', 20)}); rmmod rust_pciback; echo $?"
    )
    quiet = f"[ -e {DRIVER}/reset_device ] || exit 0"
    loops = [
        Loop("module", load, {"0"}, {"0"}),
        Loop(
            "resets",
            f"({quiet}; printf '{one} {two}' | /tests/pbtool write {DRIVER}/reset_device 2>/dev/null)",
            {FINE, ENODEV, EBUSY, EAGAIN},
            {FINE},
        ),
        Loop(
            "other",
            f"({quiet}; printf '{two}' | /tests/pbtool write {DRIVER}/do_flr 2>/dev/null)",
            {FINE, ENODEV, EBUSY, EAGAIN},
            set(),
        ),
        reader([one, two]),
    ]
    race(dom0, loops)
    tidy(dom0, one, two)


@both
def test_resets_and_methods(dom0: Dom0) -> None:
    """The administrator writes reset_method all the time; what he left holds at the end."""
    one, two = dom0.bdf("pair.0"), dom0.bdf("pair.1")
    load(dom0)
    claim(dom0, one, two)
    file = f"{DEVICES}/{two}/reset_method"
    # (That of function 0 cannot be restored: the kernel lists `bus` for the first of a bus only.)
    loops = [
        reset("resets", two, {EBUSY, EAGAIN, ENOTTY}),
        reset("others", one, {EBUSY, EAGAIN, ENOTTY}),
        Loop("methods", f"echo >{file}; echo pm >{file}; echo written", {"written"}, {"written"}),
        reader([one, two]),
    ]
    race(dom0, loops)
    assert dom0.check(f"cat {file}") == "pm\n"
    dom0.check(f"echo {two} >{DRIVER}/reset_device")
    tidy(dom0, one, two)


@both
@pytest.mark.usefixtures("discard")
def test_resets_and_removal(dom0: Dom0) -> None:
    """Both functions are asked back by the slot's button in the middle of resets."""
    one, two = dom0.bdf("pair.0"), dom0.bdf("pair.1")
    load(dom0)
    claim(dom0, one, two)
    dom0.check(
        f"(while [ -e {DEVICES}/{one} ]; do printf '{one} {two}' | /tests/pbtool write {DRIVER}/reset_device;"
        "done >/run/answers 2>&1; touch /run/ended) </dev/null >/dev/null 2>&1 &"
    )
    dom0.unplug("pair.0")
    dom0.wait_path(f"{DEVICES}/{one}", there=False, seconds=60)
    dom0.wait_path("/run/ended", seconds=90)
    answers = set(dom0.check("cat /run/answers").split())
    assert answers <= {FINE, EIO, EAGAIN, EBUSY, ENODEV, ENOTTY, ETIMEDOUT}, answers
    assert FINE in answers
    unload(dom0, 60)
