# SPDX-License-Identifier: GPL-2.0
"""Fixtures: a dom0 for each spec of machine that tests ask for.

A test names its machine with a mark, and gets it as the fixture `dom0`:

    @pytest.mark.dom0("main")                         a PVH dom0
    @pytest.mark.dom0("vfs", "pvh", "pv")             run it in each flavour
    @pytest.mark.dom0("main", xl=True, fresh=True)    with the toolstack; not a used one
    @pytest.mark.dom0("main", "pvh", "pv", fresh="pvh")
                                                      not a used one in that flavour
    @pytest.mark.dom0(["main", "vfs"])                run it with each of these topologies
    @pytest.mark.dom0("vfs", "pvh", "pv", seldom="pvh")
                                                      in that flavour in the tier `all` only
    @pytest.mark.dom0("none", "bare")                 without Xen

Topologies are in lab/topology.py, by named devices: a test never writes an address. `kernel` and `xen`
are options for their command lines.

Tests of one spec of machine share it and run in one worker, so each must leave it
as it was; after one that fails the next gets a new machine. After every test the
console is searched for what it must not show; `@pytest.mark.klog_allow(REGEX...)`
names what a test expects.

A test belongs to the tier `test`, which must pass before a change is sent, unless it says

    @pytest.mark.tier("all")                          takes minutes, or is rare; make test-all
    @pytest.mark.tier("debug")                        takes longer; make test-debug
    @pytest.mark.c_driver                             the C driver, for comparison; make test-all only

A tier has what is in those before it. PCIBACK_TIER says which one is run.

On each other kernel that the driver is for, some are run (tools/test-kernels), whatever tier they
are in, and of those that say `smoke` some more often:

    @pytest.mark.core                                 what differs between kernels shows here
    @pytest.mark.smoke                                it loads, claims, resets and lets go

On a machine for arm64 (ARCH=arm64) those are run that say so, and nowhere else:

    @pytest.mark.arm64
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from lab import klog
from lab.leaks import forget_leaks, leaks_at_last, look_for_leaks
from lab.libvirt import libvirtd
from lab.machine import Dom0
from lab.machine_spec import MachineSpec
from lab.parts import Parts
from lab.paths import ARM64, DEBUG, OTHER, shown

TIERS = ("test", "all", "debug")
TIER = os.environ.get("PCIBACK_TIER", "test")
#: After which no test begins, so that a result is there before a CI's own limit. In seconds since 1970; 0: never.
END = float(os.environ.get("PCIBACK_END") or 0)


class Pool:
    """At most one machine at a time in each worker: they are big and slow."""

    def __init__(self) -> None:
        self._spec: MachineSpec | None = None
        self._dom0: Dom0 | None = None

    def get(self, spec: MachineSpec, fresh: bool) -> Dom0:
        """The running machine if it is of this spec and well, else a new one."""
        machine = self._dom0
        if machine is None or not machine.alive or machine.spoilt or fresh or spec != self._spec:
            self.drop()
            machine = self._dom0 = spec.boot()
            self._spec = spec
        return machine

    def drop(self) -> None:
        """End the machine: nobody else shall have it."""
        machine, self._dom0, self._spec = self._dom0, None, None
        if machine is not None:
            leaks = leaks_at_last(machine)
            machine.stop()
            assert not leaks, f"leaks in {machine.name}:\n{leaks}"


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks."""
    config.addinivalue_line(
        "markers", "dom0(topologies, *flavours, seldom='', xl=False, fresh=False, kernel='', xen='', pv_cpus=1)"
    )
    config.addinivalue_line("markers", "tier(name): the first tier that it is in, if not the first of all")
    config.addinivalue_line("markers", "c_driver: the C driver with a guest, for comparison; in the tier `all` only")
    config.addinivalue_line("markers", "arm64: for machines for arm64, and for no others")
    config.addinivalue_line("markers", "core: one of those for other kernels")
    config.addinivalue_line("markers", "smoke: one of those for other kernels, and for a first look")
    if TIER not in TIERS:
        raise pytest.UsageError(f"unknown tier {TIER!r}: PCIBACK_TIER is one of {', '.join(TIERS)}")
    config.addinivalue_line("markers", "klog_allow(*regexes): console lines that the test expects")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One run of the test for each flavour, all of a spec in one worker."""
    mark = metafunc.definition.get_closest_marker("dom0")
    if mark is None or "dom0" not in metafunc.fixturenames:
        return
    first, *flavours = mark.args
    topologies = [first] if isinstance(first, str) else first
    options = {key: value for key, value in mark.kwargs.items() if key not in ("fresh", "pv_cpus", "seldom")}
    cpus = {"pv": {"cpus": mark.kwargs.get("pv_cpus", 1)}}
    specs = [
        MachineSpec(topology, flavour, **options, **cpus.get(flavour, {}))
        for topology in topologies
        for flavour in flavours or ["pvh"]
    ]
    seldom = mark.kwargs.get("seldom")
    params = [
        pytest.param(
            spec,
            id=str(spec),
            marks=[pytest.mark.xdist_group(str(spec)), *([pytest.mark.tier("all")] if spec.flavour == seldom else [])],
        )
        for spec in specs
        if spec.exists
    ]
    metafunc.parametrize("dom0", params, indirect=True)


def is_in_tier(item: pytest.Item) -> bool:
    """Whether the test is one of the tier that is run."""
    if bool(item.get_closest_marker("arm64")) != ARM64:
        return False
    if item.get_closest_marker("c_driver"):
        # What that one does doesn't change with this project, and the debug kernels lack it.
        return TIER == "all"
    if OTHER and not DEBUG and item.get_closest_marker("core"):
        # These are for such kernels, in whatever tier.
        return True
    marks = list(item.iter_markers("tier"))
    return all(TIERS.index(mark.args[0]) <= TIERS.index(TIER) for mark in marks)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out other tiers, and keep tests of one spec together, whatever files they are in."""
    left_out = [item for item in items if not is_in_tier(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if is_in_tier(item)]

    def kind_of(item: pytest.Item) -> str:
        callspec = getattr(item, "callspec", None)
        return str(callspec.params.get("dom0", "")) if callspec else ""

    items.sort(key=kind_of)  # stable: the order within a spec is that of the files


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin no test with a machine when the time is over."""
    if END and time.time() > END and "dom0" in getattr(item, "fixturenames", ()):
        pytest.skip("the time is over (PCIBACK_MINUTES): the machine is slow")


@pytest.fixture(scope="session")
def _pool() -> Iterator[Pool]:
    pool = Pool()
    yield pool
    pool.drop()


@pytest.fixture
def dom0(request: pytest.FixtureRequest, _pool: Pool) -> Iterator[Dom0]:
    """The machine that the test's mark asks for, watched while the test runs."""
    mark = request.node.get_closest_marker("dom0")
    fresh = mark is not None and mark.kwargs.get("fresh")
    machine = _pool.get(request.param, fresh is True or fresh == request.param.flavour)
    start = machine.sync_console(f"begin {request.node.name}")
    yield machine
    allowed = [regex for found in request.node.iter_markers("klog_allow") for regex in found.args]
    leaks = ""
    if machine.alive:
        leaks = look_for_leaks(machine)
        if "kmemleak" in allowed:
            forget_leaks(machine)
            leaks = ""
        machine.sync_console(f"end {request.node.name}")
    lines = machine.console.since(start)
    bad = klog.unexpected(lines, allowed)
    death = machine.console.death
    if death is not None:
        _pool.drop()
        if any(re.search(regex, death) for regex in allowed):
            death = None
    found = [*map(str, bad), *([f"the host died: {death}"] if death else []), *([leaks] if leaks else [])]
    if found:
        text = "\n  ".join(found)
        pytest.fail(f"unexpected on the console ({shown(machine.log)}):\n  {text}", pytrace=False)


@pytest.fixture
def libvirt(dom0: Dom0) -> Iterator[None]:
    """Its daemon."""
    with libvirtd(dom0):
        yield


@pytest.fixture
def part(dom0: Dom0) -> Iterator[Parts]:
    """For the parts of a long test: it fails at its end if any of them did."""
    parts = Parts(lambda: dom0.alive)
    yield parts
    if parts.failed:
        pytest.fail("a part failed: " + "\n".join(parts.failed), pytrace=False)


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes what a report about the tests is to quote, as how much was tried."""
    return lambda text: request.node.user_properties.append(("figure", text))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures, of tests that failed as well."""
    stats = terminalreporter.stats
    ended = [*stats.get("passed", []), *stats.get("failed", [])]
    reports = [report for report in ended if report.when == "call"]
    told = [(report.nodeid, text) for report in reports for name, text in report.user_properties if name == "figure"]
    if told:
        terminalreporter.section("figures")
    for test, text in told:
        terminalreporter.line(f"{test.rpartition('::')[2].partition('@')[0]}: {text}")


@pytest.fixture
def discard(_pool: Pool) -> Iterator[None]:
    """For a test that cannot leave its machine as it was: the next gets a new one."""
    yield
    _pool.drop()


def name_cause(report: pytest.TestReport) -> None:
    """Have the message say it that the emulator ended the test: by that the test is run again (pyproject.toml).

    That of several errors in one teardown, in which fixtures all meet a machine that is gone, says none of them.
    """
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None and klog.DELIVERED_TWICE in report.longreprtext:
        crash.message += f" ({klog.DELIVERED_TWICE})"


# Within the hook of pytest-rerunfailures, which reads that.
@pytest.hookimpl(hookwrapper=True, trylast=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Iterator[None]:
    """Show the end of the console of a machine whose test failed, and use it no more."""
    outcome = yield
    report = outcome.get_result()
    name_cause(report)
    machine = getattr(item, "funcargs", {}).get("dom0")
    if report.failed and isinstance(machine, Dom0):
        machine.spoilt = True
        tail = "\n".join(machine.console.since()[-40:])
        report.sections.append((f"console ({shown(machine.log)})", tail))
