# SPDX-License-Identifier: GPL-2.0
"""Parts of a long test, of which one that fails doesn't hide what the others find."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Parts:
    """What is looked at between the steps of a test.

        with part("the other function goes on"):
            assert ...

    A part that fails is remembered, and the test goes on, as long as the machine is `alive`. So a part
    only looks; what the rest of the test depends on is done outside of it.
    """

    def __init__(self, alive: Callable[[], bool]) -> None:
        self._alive = alive
        #: The name of each part that failed, and where.
        self.failed: list[str] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """One part."""
        try:
            yield
        except Exception as error:
            if not self._alive():
                raise
            self.failed.append(f"{name}:\n{''.join(traceback.format_exception(error))}")
