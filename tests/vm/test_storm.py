# SPDX-License-Identifier: GPL-2.0
"""Everything at the same time, at random, for a while: nothing hangs, no answer is wrong, the devices live.

What the workers in dom0 do follows from the seed (tests/dom0/src/storm.c), and so does what is done to
the machine meanwhile. How it meets is chance. To have one again:

    PCIBACK_STORM_SEED=N PCIBACK_STORM_SECONDS=N tools/test --tier debug vm -- -k storm
"""

import os
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest
from lab.history import Operation, parse
from lab.machine import Dom0
from lab.oracle import judge
from lab.paths import LOGS, shown
from lab.pciback import load, unload
from lab.rules import Traits
from lab.until import until

#: With the default there is some of everything in the first seconds.
SEED = int(os.environ.get("PCIBACK_STORM_SEED", "132"), 0)
SECONDS = int(os.environ.get("PCIBACK_STORM_SECONDS", "60"))
WORKERS = 8
#: How long storm.c waits for a worker, and some more.
PATIENCE = 300
#: (The addresses that the library would look for are not needed here.)
LIB = "FLR_DEVICES= PLAIN_DEVICES= here=/tests; { . /tests/lib/pciback.sh; . /tests/lib/reset.sh; } >/dev/null;"

RESET = Traits(frozenset({"clean"}))
SLOT = Traits(frozenset({"clean", "not-reset"}))
#: The devices, two by two.
DEVICES = {
    "igb0": RESET,
    "nvme0": RESET,
    "e1000e0": SLOT,
    "hot0": Traits(SLOT.words | {"failed"}),
    "pair.0": Traits(SLOT.words, shared=True),
    "pair.1": Traits(SLOT.words, shared=True),
    "card.0": Traits(RESET.words | {"failed"}),
    "card.1": Traits(RESET.words | {"failed"}),
}
HOT = list(DEVICES).index("hot0")


class Weather:
    """What is done to the machine during a storm."""

    def __init__(self, dom0: Dom0, storm: Future[None]) -> None:
        self._dom0, self._storm = dom0, storm
        self._chance = random.Random(SEED)
        self._port = dom0.bdf("rp-hot0")
        self._settling = 0
        self.history: list[Operation] = []
        self.errors = Counter[str]()

    def rage(self) -> None:
        """Until the storm is over; the device that comes and goes is there then."""
        while not wait([self._storm], timeout=self._chance.uniform(0.5, 2)).done:
            self._chance.choice((self._replug, self._inject, self._inject))()
        self._settled()

    def _now(self) -> int:
        """The time in dom0, where operations take theirs."""
        return int(self._dom0.check("/tests/storm --now", channel=1))

    def _did(self, kind: str, begin: int, end: int) -> None:
        self.history.append(Operation("weather", len(self.history), kind, (HOT,), begin, end))

    def _settled(self) -> None:
        if self._settling:
            self._did("settle", self._settling, self._now())
            self._settling = 0

    def _replug(self) -> None:
        """By the slot's button, with the same name at the same place."""
        self._settled()
        begin = self._now()
        self._dom0.unplug("hot0", 120)
        self._did("unplug", begin, self._now())
        begin = self._now()
        self._dom0.plug("e1000", "hot0", "rp-hot0")
        # The power indicator stops blinking when the kernel has offered the device to drivers, but for
        # those that it probes in a thread of their own.
        done = f"[ $((0x$(pci_byte {self._port} 0x6d) & 3)) = 1 ]"
        self._dom0.check(f"{LIB} {until(done, 60)}", 120, channel=1)
        self._did("plug", begin, self._now())
        self._settling = begin

    def _inject(self) -> None:
        """An error of the card. Where a driver without error handlers has a part of it, recovery fails,
        and in a device that is just being reset nothing is reported."""
        mark = self._dom0.console.mark()
        self._dom0.qmp.human(f"pcie_aer_inject_error card.{self._chance.randrange(2)} POISON_TLP")
        line = self._dom0.console.wait_for("AER: device recovery", 5, mark)
        self.errors["unseen" if line is None else line.split()[-1]] += 1


def replay(history: list[Operation], weather: Weather) -> str:
    """What was done, in a line for people."""
    kinds = Counter(operation.kind for operation in history)
    answers = Counter(f"{o.kind}={o.errno}" for o in history if o.kind in ("bind", "reset", "reset_two", "unbind"))
    return f"seed {SEED}, {SECONDS} s, {len(history)} operations: {kinds}; {answers}; errors: {weather.errors}"


def say(dom0: Dom0, command: str) -> dict[str, str]:
    """A line about each device, by a function of tests/dom0/lib."""
    lines = (f"echo {name} $({command} {dom0.bdf(name)})" for name in DEVICES)
    found = dom0.check(f"{LIB} {'; '.join(lines)}", 300).splitlines()
    return {line.partition(" ")[0]: line.partition(" ")[2] for line in found}


def serve(dom0: Dom0) -> None:
    """Use each device through its native driver."""
    for name in DEVICES:
        result = dom0.run(f"{LIB} serves {dom0.bdf(name)}", 90)
        assert result.ok, f"{name} does not work (seed {SEED}, {SECONDS} s): {result.out}"


@pytest.mark.tier("debug")
@pytest.mark.timeout(3600)  # where much was under way at the same time, judging takes minutes
@pytest.mark.dom0("storm", "pvh", "pv", pv_cpus=2)
@pytest.mark.usefixtures("discard")
@pytest.mark.klog_allow(r"AER:|PCIe Bus Error|error status/mask|\[12\] TLP|PCI Express error")
def test_storm(dom0: Dom0, figure: Callable[[str], None]) -> None:
    """Eight workers over eight devices, hot-plug, errors, and the module itself."""
    dom0.run("modprobe e1000; echo 60 >/proc/sys/kernel/hung_task_timeout_secs")
    drivers, identities = say(dom0, "pci_driver"), say(dom0, "identity")
    assert "" not in {*drivers.values(), *identities.values()}, (drivers, identities)
    # Also because Xen 4.20 gives a PVH dom0 no interrupt of a pin that was set up by a claim before the
    # first native use. (It is the same with the C driver.)
    serve(dom0)
    bdfs = " ".join(dom0.bdf(name) for name in DEVICES)
    load(dom0)

    def storm() -> None:
        dom0.run(f"/tests/storm {SEED} {SECONDS} {WORKERS} {bdfs} >/run/storm.log 2>&1", SECONDS + PATIENCE)

    with ThreadPoolExecutor(1) as pool:
        weather = Weather(dom0, pool.submit(storm))
        weather.rage()
    text = dom0.check("cat /run/storm.log", channel=1)
    kept = LOGS / f"{dom0.name}.{SEED}.storm"
    kept.write_text(text + "".join(f"# {operation}\n" for operation in weather.history))
    why = f"seed {SEED}, {SECONDS} s, log: {shown(kept)}"
    hung = [line for line in text.splitlines() if line.startswith("hung")]
    assert not hung, "\n".join([why, *hung])

    history = parse(text)
    figure(replay(history, weather))
    wrong = judge([*history, *weather.history], list(DEVICES.values()))
    assert not wrong, "\n".join([why, *map(str, wrong)])

    unload(dom0, 60)
    for name in DEVICES:
        dom0.check(f'{LIB} d={dom0.bdf(name)}; [ -n "$(pci_driver $d)" ] || echo $d >/sys/bus/pci/drivers_probe')
    assert say(dom0, "pci_driver") == drivers, why
    assert say(dom0, "identity") == identities, why
    serve(dom0)
