# SPDX-License-Identifier: GPL-2.0
"""Print "passed failed skipped" of a JUnit file; see tools/test-vm.

A test that fails and whose machine then complains as well is one failed test.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

PASSED, SKIPPED, FAILED = range(3)


def state(case: ElementTree.Element) -> int:
    """What became of one test, or of its tear-down."""
    if case.find("failure") is not None or case.find("error") is not None:
        return FAILED
    return PASSED if case.find("skipped") is None else SKIPPED


def counts(xml: str) -> tuple[int, int, int]:
    """Passed, failed, skipped."""
    worst: dict[tuple[str | None, str | None], int] = {}
    for case in ElementTree.fromstring(xml).iter("testcase"):  # noqa: S314 (our own pytest wrote it)
        name = case.get("classname"), case.get("name")
        worst[name] = max(state(case), worst.get(name, PASSED))
    states = list(worst.values())
    return states.count(PASSED), states.count(FAILED), states.count(SKIPPED)


if __name__ == "__main__":
    print(*counts(Path(sys.argv[1]).read_text()))
