# SPDX-License-Identifier: GPL-2.0
"""A guest's devices come and go, and one call or one allocation on the way fails: each of them once.

The guest and the toolstack are what they write to xenstore (lab/toolstack.py). Calls fail by the test
build's switch (kapi/fault.rs), allocations by the kernel's fail-nth in the threads that do the backend's
work, counted only below the module's own functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from lab.machine import Dom0
from lab.paths import DEBUG
from lab.stub import config_space
from lab.toolstack import INITIALISED, PciBackend, assignable, shown, wait_idle, wait_until

pytestmark = pytest.mark.tier("all")
PARAMETERS = "/sys/module/rust_pciback/parameters"
MOST = 400
#: Where the backend is not even bound to the device on xenbus.
PROBE_FAILED = "dmesg | grep -q 'pci-7-0: probe with driver'"


class Calls:
    """Calls into the kernel, Xen and xenstore."""

    name = "calls"

    def __init__(self, dom0: Dom0) -> None:
        self.dom0 = dom0

    def arm(self, nth: int) -> None:
        """Have the nth call from now on fail."""
        self.dom0.check(f"dmesg -c >/dev/null; echo {nth} >{PARAMETERS}/fail_call")

    def disarm(self) -> bool:
        """End that; whether one has failed."""
        return self.dom0.check(f"cat {PARAMETERS}/fail_call; echo 0 >{PARAMETERS}/fail_call").strip() == "0"


class Allocations:
    """Allocations in kernel threads, below functions of the module."""

    name = "allocations"

    def __init__(self, dom0: Dom0) -> None:
        self.dom0 = dom0
        if not dom0.run("test -e /proc/self/fail-nth").ok:
            pytest.skip("this kernel's allocations don't fail on demand")
        if DEBUG == "locks" and dom0.flavour == "pvh":
            pytest.skip("takes long, and is done in a PV dom0, and with kasan in a PVH dom0")
        dom0.check("here=/tests; { . /tests/lib/pciback.sh; . /tests/lib/sweep.sh; } >/dev/null; ours_only")

    def _with_files(self, commands: str) -> str:
        """Run shell commands with the files of all threads that may do the work."""
        threads = "grep -lE '^(kworker|xenwatch)' /proc/[0-9]*/comm | sed 's/comm$/fail-nth/'"
        return self.dom0.check(f"{{ set -- $({threads}); {commands}; }} 2>/dev/null; true")

    def arm(self, nth: int) -> None:
        """Have the nth allocation of each thread fail."""
        self._with_files(f"dmesg -c >/dev/null; for f; do echo {nth} >$f; done")

    def disarm(self) -> bool:
        """End that; whether one has failed. A thread that has come since has none."""
        return "0" in self._with_files('cat "$@"; for f; do echo 0 >$f; done').split()


@pytest.fixture
def igb(dom0: Dom0) -> Iterator[str]:
    """A claimed and clean device, of the test build."""
    dom0.check("cp /root/rust_pciback.ko /root/normal.ko; cp /root/faults/rust_pciback.ko /root/rust_pciback.ko")
    with assignable(dom0, ("igb0",)) as (bdf,):
        yield bdf
    dom0.check("mv /root/normal.ko /root/rust_pciback.ko")


def settle(dom0: Dom0, guest: PciBackend) -> None:
    """Wait until the backend has done what it can with what is in xenstore."""
    done = f"xenstore-read {guest.back}/state 2>/dev/null | grep -qx '[3568]'"
    refused = f"xenstore-exists error/backend/pci/{guest.domain}"
    wait_until(dom0, f"{{ {done} || {refused} || {PROBE_FAILED}; }}")


def one_by_one(faults: Calls | Allocations, attempt: Callable[[int], bool]) -> str:
    """Attempt with the first failing, the second, and so on, until none is left; says how many did."""
    for nth in range(1, MOST):
        if not attempt(nth):
            assert nth > 1, "nothing can fail?"
            return f"{nth - 1} {faults.name} failed"
    raise AssertionError(f"more than {MOST} {faults.name}")


# Some 100 attempts (110 in a PV dom0, 83 in a PVH one), each of 3 to 10 seconds.
@pytest.mark.timeout(4800)
@pytest.mark.dom0("main", "pvh", "pv", xl=True)
@pytest.mark.parametrize("kind", [Calls, Allocations])
def test_attach(dom0: Dom0, igb: str, kind: type[Calls | Allocations], figure: Callable[[str], None]) -> None:
    """The device is exported, or it isn't and the toolstack can see that; then it is the next guest's."""
    faults = kind(dom0)
    before = config_space(dom0, igb)

    def attempt(nth: int) -> bool:
        guest = PciBackend(dom0, 7)
        faults.arm(nth)
        guest.create(igb)
        settle(dom0, guest)
        failed = faults.disarm()
        if not failed:
            guest.wait("state", INITIALISED)
        used = shown(dom0, igb, "used_by") == ["7"]
        state, error = guest.read("state"), guest.error()
        if not used:
            assert state in ("5", "6") or error or dom0.run(PROBE_FAILED).ok, nth
        guest.remove()
        wait_idle(dom0, igb)
        if shown(dom0, igb, "state") != ["clean"]:
            dom0.check(f"echo {igb} >/sys/bus/pci/drivers/pciback/reset_device")
        assert shown(dom0, igb, "state", "assignable") == ["clean", "yes"], nth
        assert config_space(dom0, igb) == before, nth
        return failed

    figure(one_by_one(faults, attempt))


@pytest.mark.dom0("main", "pvh", "pv", xl=True)
@pytest.mark.parametrize("kind", [Calls, Allocations])
def test_detach(dom0: Dom0, igb: str, kind: type[Calls | Allocations], figure: Callable[[str], None]) -> None:
    """The device is nobody's afterwards, and clean, or said not to be."""
    faults = kind(dom0)
    before = config_space(dom0, igb)

    def attempt(nth: int) -> bool:
        guest = PciBackend(dom0, 7)
        guest.create(igb)
        guest.wait("state", INITIALISED)
        faults.arm(nth)
        guest.remove()
        wait_idle(dom0, igb)
        failed = faults.disarm()
        state, assignable_now = shown(dom0, igb, "state", "assignable")
        assert state in ("clean", "failed", "used"), nth
        assert (state == "failed") == (assignable_now == "no"), nth
        if not failed:
            assert state == "clean", nth
        dom0.check(f"echo {igb} >/sys/bus/pci/drivers/pciback/reset_device")
        assert shown(dom0, igb, "state", "assignable") == ["clean", "yes"], nth
        assert config_space(dom0, igb) == before, nth
        return failed

    figure(one_by_one(faults, attempt))
