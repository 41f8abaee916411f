# SPDX-License-Identifier: GPL-2.0
"""Which code of the module runs in a dom0: the counters of a build that has them (tools/coverage-driver).

They are read from the kernel's memory before each unloading, and at the machine's end: what unloading runs, and a
loading that fails, isn't counted.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from .agent import Result
from .paths import DOM0_HELPERS, MODULE

#: Where the counters of each machine are put, if the module has them.
FOLDER = os.environ.get("PCIBACK_COUNTED", "")
#: Of LLVM's: what is counted where, the counters, and the names of functions.
SECTIONS = ("__llvm_prf_data", "__llvm_prf_cnts", "__llvm_prf_names")
IN_DOM0 = "/run/counted"
#: Where scripts have what unloads the module.
LIB = "/tests/lib/pciback.sh"
#: Before each command. (busybox's shell runs its own rmmod, whatever is in the PATH.)
PRELUDE = f'rmmod() {{ {IN_DOM0}/keep; command rmmod "$@"; }}\n' if FOLDER else ""


class Machine(Protocol):
    """What of a dom0 is needed here."""

    name: str
    put: Callable[[Path, str], None]
    write: Callable[[str, bytes, int], None]
    check: Callable[..., str]
    run: Callable[..., Result]


def lengths() -> dict[str, int]:
    """How long each of the sections is."""
    out = subprocess.run(["readelf", "-SW", MODULE], check=True, capture_output=True, text=True).stdout
    found = {}
    for name in SECTIONS:
        line = re.search(rf"\] {name} +PROGBITS +\w+ \w+ (\w+) ", out)
        assert line, f"{MODULE} has no {name}"
        found[name] = int(line[1], 16)
    return found


def begin(dom0: Machine) -> None:
    """Have the counters kept whenever the module goes."""
    if not FOLDER:
        return
    dom0.check(f"mkdir -p {IN_DOM0}")
    dom0.put(DOM0_HELPERS / "counters", f"{IN_DOM0}/counters")
    sections = " ".join(f"{name}={length}" for name, length in lengths().items())
    keep = f"[ ! -e /sys/module/rust_pciback ] || {IN_DOM0}/counters {IN_DOM0} {sections}"
    dom0.write(f"{IN_DOM0}/keep", f"#!/bin/sh\n{keep}\n".encode(), 0o755)


def begin_tests(dom0: Machine) -> None:
    """The same for the scripts of tests/dom0, which are there now."""
    if FOLDER:
        dom0.check(f"echo '{PRELUDE}' >>{LIB}")


def end(dom0: Machine) -> None:
    """Fetch them."""
    if not FOLDER:
        return
    dom0.run(f"{IN_DOM0}/keep")
    if not dom0.run(f"[ -e {IN_DOM0}/{SECTIONS[0]} ]").ok:
        return
    folder = Path(FOLDER) / dom0.name
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*SECTIONS, "addresses"):
        found = dom0.run(f"cat {IN_DOM0}/{name}", 60)
        assert found.ok, found.out
        (folder / name).write_bytes(found.raw)
