# SPDX-License-Identifier: GPL-2.0
"""Run tests/dom0/*.sh in dom0s: one test for each script and machine.

A script may say in a line of its own where it is to run, and what it provokes:

    # lab: TOPOLOGY FLAVOUR... [cpus=N]      (default: main pvh pv)
    # tier all: TOPOLOGY FLAVOUR...          there too, in that tier (conftest.py)
    # klog: REGEX                            a console line that it expects
    # mark: core                             a mark of pytest's (conftest.py)
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from lab.machine import Dom0
from lab.machine_spec import MachineSpec
from lab.paths import DOM0_TESTS, MODULE
from lab.script import succeed

#: Emulated, 50 cycles of loading take their time.
SECONDS = 400


def places(script: Path, word: str, default: list[str]) -> list[MachineSpec]:
    """Where a script runs, as its lines with that word say."""
    lines = re.findall(rf"^# {word}: (.*)$", script.read_text(), re.MULTILINE) or default
    specs = []
    for topology, *words in map(str.split, lines):
        options = {name: int(value) for name, _, value in (word.partition("=") for word in words) if value}
        specs += [MachineSpec(topology, word, **options) for word in words if "=" not in word]
    return specs


def expects(script: Path) -> pytest.MarkDecorator:
    """What it may put on the console."""
    return pytest.mark.klog_allow(*re.findall(r"^# klog: (.*)$", script.read_text(), re.MULTILINE))


def runs() -> list[object]:
    """Each script in each of its machines, as parameters."""

    def run(script: Path, spec: MachineSpec, *marks: pytest.MarkDecorator) -> object:
        said = re.findall(r"^# mark: (\w+)$", script.read_text(), re.MULTILINE)
        marks = (
            pytest.mark.xdist_group(str(spec)),
            expects(script),
            *(getattr(pytest.mark, word) for word in said),
            *marks,
        )
        return pytest.param(script, spec, id=f"{script.stem}-{spec}", marks=marks)

    scripts = sorted(DOM0_TESTS.glob("*.sh"))
    usual = [run(script, spec) for script in scripts for spec in places(script, "lab", ["main pvh pv"]) if spec.exists]
    seldom = [
        run(script, spec, pytest.mark.tier("all"))
        for script in scripts
        for spec in places(script, "tier all", [])
        if spec.exists
    ]
    return usual + seldom


@pytest.mark.parametrize(("script", "dom0"), runs(), indirect=["dom0"])
def test_script(dom0: Dom0, script: Path, figure: Callable[[str], None]) -> None:
    """All results of the script are good, and it left the module unloaded."""
    if not MODULE.exists():
        pytest.skip("no module was built")
    succeed(dom0, script.name, SECONDS, figure)
