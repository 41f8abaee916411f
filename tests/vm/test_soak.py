# SPDX-License-Identifier: GPL-2.0
"""A thousand loads, and a thousand claims, leave the memory in use as it was."""

from collections.abc import Callable

import pytest
from lab.machine import Dom0
from lab.paths import DEBUG
from lab.script import succeed


@pytest.mark.tier("all")
@pytest.mark.timeout(7200)
@pytest.mark.skipif(bool(DEBUG), reason="the stock kernel's memory is measured; a debug kernel looks for leaks itself")
@pytest.mark.dom0("main", "pv", fresh=True)
def test_a_thousand_cycles(dom0: Dom0, figure: Callable[[str], None]) -> None:
    """tests/dom0/cycles.sh with 1,000 of each."""
    succeed(dom0, "cycles.sh", 1800, figure, "CYCLES=1000")
