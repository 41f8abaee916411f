# SPDX-License-Identifier: GPL-2.0
"""Run a script of tests/dom0 in a dom0, or words of their library."""

from collections.abc import Callable

import pytest

from . import ktap
from .machine import Dom0

#: Before shell words that use functions of tests/dom0/lib.
LIB = "here=/tests; { . /tests/lib/pciback.sh; . /tests/lib/reset.sh; } >/dev/null;"


def succeed(dom0: Dom0, name: str, seconds: float, figure: Callable[[str], None], variables: str = "") -> None:
    """Require that all results of a script are good, and that it left the module unloaded.

    `variables` are put before its command, as in a shell. What it says is to be quoted goes to `figure`.
    """
    result = dom0.run(f"cd /tests && {variables} sh ./{name}", seconds)
    report = ktap.parse(result.out, name.removesuffix(".sh"))
    bad = [
        f"{path}: {case.reason}\n  " + "\n  ".join(case.notes)
        for path, case in report.leaves()
        if case.status == ktap.FAIL
    ]
    loaded = dom0.run("grep -q rust_pciback /proc/modules && rmmod rust_pciback").ok
    if report.status == ktap.SKIP:
        pytest.skip(report.reason or "all of it")
    for text in ktap.figures(result.out):
        figure(text)
    assert not bad, "\n".join(bad)
    assert report.status == ktap.PASS, f"{report.reason}\n{result.out}"
    assert result.ok, f"status {result.status}\n{result.out}"
    assert not loaded, "left the module loaded"
