# SPDX-License-Identifier: GPL-2.0
"""All that the emulator has of a device, as it would migrate it: taken from a machine, put in place of another's.

The stream is that of QEMU's migration/savevm.c. It has a section for each device: a byte, the section's number, the
device's name and two numbers, what the device has, and a footer with the section's number.
"""

from __future__ import annotations

import re
from pathlib import Path

from .machine import Dom0
from .paths import RUN

FULL, FOOTER, END = b"\x04", b"\x7e", b"\x00"


def _place(stream: bytes, driver: str) -> slice:
    """Where in a stream is what the only device of this kind has."""
    head = FULL + rb"(?P<number>.{4}).[0-9a-f:.]+/" + re.escape(driver.encode()) + rb".{8}"
    # Memory comes before the devices, and may hold anything.
    *_, found = re.finditer(head, stream, re.DOTALL)
    # Another section follows, or the end.
    footer = re.escape(FOOTER + found["number"]) + b"[" + FULL + END + b"]"
    end = re.compile(footer, re.DOTALL).search(stream, found.end())
    assert end is not None, f"no end of the section of {driver}"
    return slice(found.end(), end.start())


def device_state(dom0: Dom0, driver: str) -> bytes:
    """What the only device of this kind has now."""
    file = RUN / f"{dom0.name}.state"
    dom0.qmp.command("stop")
    dom0.qmp.command("xen-save-devices-state", filename=f"{file}", live=False)
    dom0.qmp.command("cont")
    stream = file.read_bytes()
    file.unlink()
    return stream[_place(stream, driver)]


def migrated(dom0: Dom0, driver: str, state: bytes) -> Path:
    """Stop a machine and save all that it has, in a file for `-incoming`; its device of this kind has that state."""
    file = RUN / f"{dom0.name}.migrated"
    dom0.qmp.command("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])
    mark = dom0.qmp.mark()
    dom0.qmp.command("migrate", uri=f"file:{file}")
    dom0.qmp.wait_event("MIGRATION", lambda data: data.get("status") == "completed", 120, mark)
    stream = bytearray(file.read_bytes())
    place = _place(stream, driver)
    assert place.stop - place.start == len(state)
    stream[place] = state
    file.write_bytes(stream)
    return file
