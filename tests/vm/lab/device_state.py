# SPDX-License-Identifier: GPL-2.0
"""All that the emulator has of a device, as it would migrate it: taken from a machine, put in place of another's.

The stream is that of QEMU's migration/savevm.c. It has a section for each device: a byte, the section's number, the
device's name with its length before it, two numbers, what the device has, and a footer with the section's number.
"""

from __future__ import annotations

import re
from pathlib import Path

from .machine import Dom0
from .paths import RUN

FULL, FOOTER, END = b"\x04", b"\x7e", b"\x00"


def _place(stream: bytes, driver: str) -> slice:
    """Where in a stream is what the only device of this kind has."""
    head = re.compile(
        FULL + rb"(?P<number>.{4})(?P<length>.)(?P<name>[0-9a-f:.]+/" + re.escape(driver.encode()) + rb").{8}",
        re.DOTALL,
    )
    heads = [found for found in head.finditer(stream) if found["length"][0] == len(found["name"])]
    assert len(heads) == 1, f"{len(heads)} sections of {driver}"
    # Another section follows, or the end.
    footer = re.escape(FOOTER + heads[0]["number"]) + b"[" + FULL + END + b"]"
    end = re.compile(footer, re.DOTALL).search(stream, heads[0].end())
    assert end is not None, f"no end of the section of {driver}"
    return slice(heads[0].end(), end.start())


def device_state(dom0: Dom0, driver: str) -> bytes:
    """What the only device of this kind has now."""
    file = RUN / f"{dom0.name}.state"
    dom0.qmp.command("stop")
    try:
        dom0.qmp.command("xen-save-devices-state", filename=f"{file}", live=False)
        stream = file.read_bytes()
    finally:
        dom0.qmp.command("cont")
        file.unlink(missing_ok=True)
    return stream[_place(stream, driver)]


def _migration(dom0: Dom0, command: str, file: Path) -> None:
    """Have a migration begin, and wait for its end."""
    dom0.qmp.command("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])
    mark = dom0.qmp.mark()
    dom0.qmp.command(command, uri=f"file:{file}")
    ends = ("completed", "failed")
    event = dom0.qmp.wait_event("MIGRATION", lambda data: data.get("status") in ends, 120, mark)
    assert event["data"]["status"] == "completed", dom0.qmp.command("query-migrate")


def save(dom0: Dom0, file: Path, driver: str, state: bytes) -> None:
    """Stop a machine and save all that it has; in the file its device of this kind has that state."""
    _migration(dom0, "migrate", file)
    stream = bytearray(file.read_bytes())
    place = _place(stream, driver)
    assert place.stop - place.start == len(state)
    stream[place] = state
    file.write_bytes(stream)


def restore(dom0: Dom0, file: Path) -> None:
    """Give what was saved to a machine that was started with `-S -incoming defer`. It stands still then."""
    _migration(dom0, "migrate-incoming", file)
