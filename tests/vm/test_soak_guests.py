# SPDX-License-Identifier: GPL-2.0
"""Two guests with two devices each, which come and go, reboot and crash for an hour by a seeded plan.

PCIBACK_SEED=NUMBER and PCIBACK_SECONDS=NUMBER try the same again, or something else.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from lab.endpoint import IGB, NVME, Endpoint
from lab.guest import Guest
from lab.machine import Dom0
from lab.memory import in_slabs
from lab.paths import DEBUG
from lab.stub import RUST, config_space
from lab.until import until

SEED = int(os.environ.get("PCIBACK_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
SECONDS = int(os.environ.get("PCIBACK_SECONDS", "3600"))

#: A disk and a card for each guest. Which of them a guest has is the plan's.
DEVICES = [replace(kind, name=f"{kind.name[:-1]}{number}") for kind in (NVME, IGB) for number in range(2)]
#: More may be in use at the end than after the first of each, in bytes: what the kernel keeps for later, and less
#: for each step than the smallest of what the driver keeps for a device.
KEPT, KEPT_BY_STEP = 64 << 10, 150
#: Lines in the log that one step may make, of the driver: a few for each device.
LINES = 12


@dataclass
class Owner:
    """A guest, its kind and what it has now."""

    dom0: Dom0
    guest: Guest
    kind: str
    has: list[Endpoint]
    #: What tells each card from others, and in the same way each disk.
    identities: dict[str, str]

    def use_all(self) -> None:
        """Each of its devices works, and is the one that it was given."""
        for endpoint in self.has:
            slot = endpoint.in_guest(self.guest)
            assert endpoint.use(self.guest, slot) > 0, endpoint
            if endpoint.is_disk:
                serial = self.guest.check(f"cat /sys/bus/pci/devices/{slot}/nvme/nvme*/serial").strip()
                assert serial == endpoint.name
            else:
                assert endpoint.identity(self.guest, slot) == self.identities[endpoint.name]

    def attach(self, endpoint: Endpoint) -> None:
        """Give it one more."""
        self.guest.attach(self.dom0.bdf(endpoint.name))
        self.has.append(endpoint)
        self.use_all()

    def detach(self, endpoint: Endpoint) -> None:
        """Take one away."""
        self.guest.detach(self.dom0.bdf(endpoint.name))
        self.has.remove(endpoint)
        self.idle([endpoint])
        self.use_all()

    def begin(self, endpoints: list[Endpoint]) -> None:
        """Make it, with these."""
        # A PV guest that has a device from the start may lose its frontend (lab/guest.py).
        self.guest.create()
        for endpoint in endpoints:
            self.attach(endpoint)

    def end(self) -> list[Endpoint]:
        """End it; returns what it had."""
        had, self.has = self.has, []
        self.guest.destroy()
        self.idle(had)
        return had

    def idle(self, endpoints: list[Endpoint]) -> None:
        """Those that it has no more are clean."""
        for endpoint in endpoints:
            bdf = self.dom0.bdf(endpoint.name)
            RUST.wait_idle(self.dom0, bdf)
            self.dom0.check(until(f"grep -qx clean /sys/bus/pci/devices/{bdf}/pciback/state", 30), 60)
            RUST.check_clean(self.dom0, bdf)


class Plan:
    """What is done next, by chance; the same for the same seed."""

    #: A PV guest that reboots with devices may lose its frontend.
    STEPS: ClassVar[dict[str, tuple[str, ...]]] = {
        "hvm": ("attach", "detach", "swap", "again", "crash", "reboot", "migrate"),
        "pv": ("attach", "detach", "swap", "again", "crash", "migrate"),
    }

    def __init__(self, owners: list[Owner]) -> None:
        self.owners, self.done = owners, Counter[str]()
        self._chance = random.Random(SEED)

    def step(self) -> None:
        """Do one thing with one guest, if it can be done now."""
        owner = self._chance.choice(self.owners)
        what = self._chance.choice(self.STEPS[owner.kind]) if owner.has else "attach"
        began = time.monotonic()
        if getattr(self, f"_{what}")(owner):
            self.done[f"{owner.kind} {what}"] += 1
            print(f"{owner.kind} {what}: {time.monotonic() - began:.0f} s", flush=True)

    def _free(self, owner: Owner) -> list[Endpoint]:
        """What nobody has, of a kind that this guest lacks: it must be able to tell its devices apart."""
        taken = {endpoint.name for one in self.owners for endpoint in one.has}
        kinds = {endpoint.driver for endpoint in owner.has}
        return [one for one in DEVICES if one.name not in taken and one.driver not in kinds]

    def _attach(self, owner: Owner) -> bool:
        free = self._free(owner)
        if free:
            owner.attach(self._chance.choice(free))
        return bool(free)

    def _detach(self, owner: Owner) -> bool:
        had = list(owner.has)
        if had:
            owner.detach(self._chance.choice(had))
        return bool(had)

    def _swap(self, owner: Owner) -> bool:
        """The other guest gets what this one has."""
        other = next(one for one in self.owners if one is not owner)
        kinds = {endpoint.driver for endpoint in other.has}
        wanted = [endpoint for endpoint in owner.has if endpoint.driver not in kinds]
        if wanted:
            one = self._chance.choice(wanted)
            owner.detach(one)
            other.attach(one)
        return bool(wanted)

    def _again(self, owner: Owner) -> bool:
        """It is destroyed and made anew with what it had."""
        owner.begin(owner.end())
        return True

    def _crash(self, owner: Owner) -> bool:
        had, owner.has = owner.has, []
        owner.guest.crash()
        owner.idle(had)
        owner.begin(had)
        return True

    def _reboot(self, owner: Owner) -> bool:
        owner.guest.reboot()
        owner.use_all()
        return True

    def _migrate(self, owner: Owner) -> bool:
        """Xen refuses that while there are devices, and the guest goes on."""
        if owner.has:
            name = owner.guest.name
            refused = owner.dom0.run(f"xl migrate -s '' {name} 'xl migrate-receive'", 120)
            assert not refused.ok
            assert "logdirty" in refused.out, refused.out
            assert not owner.dom0.run(f"xl domid {name}--incoming").ok
            owner.use_all()
        return bool(owner.has)


def nodes(dom0: Dom0, owners: list[Owner]) -> set[str]:
    """The nodes of backends in xenstore, with guests' names for their numbers."""
    found = dom0.check("xenstore-ls -f /local/domain/0/backend")
    for owner in owners:
        found = found.replace(f"/{owner.guest.domid}/", f"/{owner.kind}/").replace(
            f"/{owner.guest.domid} ", f"/{owner.kind} "
        )
    return {line.partition(" = ")[0] for line in found.splitlines()}


def in_use(dom0: Dom0) -> dict[str, int]:
    """What must not grow: memory of the kernel, interrupts that Xen has for domains."""
    memory = in_slabs(dom0)
    said = dom0.check("xl dmesg -c >/dev/null; xl debug-keys i; xl dmesg")
    # Also those that nobody has bound.
    pirqs = len(re.findall(r"^.*(?:in-flight=.*\bd\d+: *\d+\(|PCI-MSI.*unbound)", said, re.MULTILINE))
    pages = dom0.check("awk '/^(VmallocUsed|Percpu|KernelStack):/ { used += $2 } END { print used }' /proc/meminfo")
    return {"memory": memory, "pages": int(pages) << 10, "pirqs": pirqs}


@pytest.mark.tier("debug")
@pytest.mark.timeout(2 * SECONDS + 1800)
@pytest.mark.skipif(bool(DEBUG), reason="the stock kernel's memory is measured")
@pytest.mark.dom0("two-guests", "pv", xl=True, fresh=True)
@pytest.mark.usefixtures("discard")
def test_two_guests(dom0: Dom0, figure: Callable[[str], None]) -> None:
    """Memory, log, xenstore and Xen's interrupts are then as they were after each guest had been made once."""
    print(f"seed {SEED}", flush=True)
    figure(f"seed {SEED}")
    bdfs = [dom0.bdf(endpoint.name) for endpoint in DEVICES]
    identities = {endpoint.name: endpoint.in_dom0(dom0) for endpoint in DEVICES}
    RUST.load(dom0)
    for bdf in bdfs:
        dom0.check(f"xl pci-assignable-add {bdf}")
    before = [config_space(dom0, bdf) for bdf in bdfs]
    owners = []
    for kind in Plan.STEPS:
        config = 'passthrough = "enabled"' if kind == "hvm" else ""
        guest = Guest(dom0, kind, kind=kind, cold=kind == "hvm", config=config)
        owners.append(Owner(dom0, guest, kind, [], identities))
    halves = [DEVICES[number::2] for number in range(2)]
    for owner, half in zip(owners, halves, strict=True):
        owner.begin(half)
        owner.begin(owner.end())
    first, listed = in_use(dom0), nodes(dom0, owners)
    mark, began = dom0.console.mark(), time.monotonic()
    plan = Plan(owners)
    while time.monotonic() - began < SECONDS:
        plan.step()
    # As it was at first: each has two.
    for owner in owners:
        owner.end()
    for owner, half in zip(owners, halves, strict=True):
        owner.begin(half)
    last = in_use(dom0)
    said = [line for line in dom0.console.since(mark) if "pciback" in line]
    steps = plan.done.total()
    figure(f"{SECONDS} s, {steps} steps: {dict(plan.done)}; {first} -> {last}; {len(said)} lines")
    if SECONDS >= 3600:
        assert all(plan.done[f"{kind} {what}"] for kind, all_of in Plan.STEPS.items() for what in all_of), plan.done
    for what in ("memory", "pages"):
        assert last[what] - first[what] < KEPT + steps * KEPT_BY_STEP, (first, last)
    assert nodes(dom0, owners) == listed, nodes(dom0, owners) ^ listed
    assert last["pirqs"] == first["pirqs"], (first, last)
    assert len(said) <= LINES * (steps + 2), "\n".join(said[-40:])
    for owner in owners:
        owner.end()
    assert [config_space(dom0, bdf) for bdf in bdfs] == before
    for bdf in bdfs:
        dom0.check(f"xl pci-assignable-remove -r {bdf}")
    assert {endpoint.name: endpoint.in_dom0(dom0) for endpoint in DEVICES} == identities
    RUST.unload(dom0)
