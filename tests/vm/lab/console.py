# SPDX-License-Identifier: GPL-2.0
"""The serial console: Xen's messages and dom0's kernel messages, nothing else.

A thread reads it as it comes, keeps all of it in memory and in a log file, and
recognises the last words of a host that has died, so that nobody waits for a
time-out on a dead machine.
"""

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from .klog import cause_of_death
from .paths import SLOWER

#: Printed last, after the trace that a person wants to read.
LAST_WORDS = re.compile(
    r"Manual reset required|Reboot in five seconds"
    r"|---\[ end Kernel panic"
    r"|Hardware Dom0 (?:halted|crashed|shutdown)|Domain 0 (?:halted|crashed|shutdown)"
    r"|Entering ACPI S5 state|reboot: (?:Power down|System halted)"
)
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Console:
    """Collects a console; `on_death` is called once, from the reading thread."""

    def __init__(self, stream: IO[bytes], log: Path, on_death: Callable[[str], None]) -> None:
        self._stream = stream
        self._log = log.open("ab")
        self._on_death = on_death
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self.death: str | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while raw := self._stream.readline():
            self._log.write(raw)
            self._log.flush()
            line = _ANSI.sub("", raw.decode("utf-8", "replace")).rstrip("\r\n")
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
            if self.death is None and LAST_WORDS.search(line):
                self._die(line)
        if self.death is None:
            self._die("QEMU has ended")
        self._log.close()

    def _die(self, why: str) -> None:
        why = cause_of_death(self._lines, why)
        with self._changed:
            self.death = why
            self._changed.notify_all()
        self._on_death(why)

    def mark(self) -> int:
        """A position to read on from."""
        return len(self._lines)

    def since(self, mark: int = 0) -> list[str]:
        """The lines that came after a mark."""
        return self._lines[mark:]

    def wait_for(self, pattern: str, seconds: float, mark: int = 0) -> str | None:
        """Wait for a line that matches; None when it did not come in time.

        A host that dies ends the wait too: what it said last is searched first.
        """
        regex = re.compile(pattern)
        deadline = time.monotonic() + seconds * SLOWER
        with self._changed:
            while True:
                for line in self._lines[mark:]:
                    if regex.search(line):
                        return line
                mark = len(self._lines)
                left = deadline - time.monotonic()
                if left <= 0 or self.death is not None:
                    return None
                self._changed.wait(left)

    def join(self, seconds: float) -> None:
        """Wait for the end of the stream."""
        self._thread.join(seconds)
