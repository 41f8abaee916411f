# SPDX-License-Identifier: GPL-2.0
"""How large the modules are, both stripped of what only debuggers want."""

import re
import subprocess
from collections import Counter
from pathlib import Path

from lab.paths import CACHE, MODULE
from samples import Samples

#: Where the stripped modules are put.
MODULES = CACHE / "build" / "bench"
#: What the code of one part of the driver is called here.
PART = "code of {}"
#: In a mangled name: the driver and the part that the code is in, or that uses what it is a copy of.
IN_PART = re.compile(r"12rust_pciback(\d+)(\w+)")


def measure(samples: Samples) -> None:
    """Strip both, and note sizes: of the files, of code and constants, of data."""
    MODULES.mkdir(parents=True, exist_ok=True)
    stock = next((CACHE / "kernel" / "current" / "stock").rglob("xen-pciback.ko*"))
    for driver, source, name in (("C", stock, "xen-pciback.ko"), ("Rust", MODULE, "rust_pciback.ko")):
        stripped = MODULES / name
        unpacked = subprocess.run(["xz", "-dcf", source], check=True, capture_output=True).stdout
        stripped.write_bytes(unpacked)
        subprocess.run(["strip", "--strip-debug", "--remove-section=.comment", stripped], check=True)
        out = subprocess.run(["size", stripped], check=True, capture_output=True, text=True).stdout
        text, data, bss = map(int, out.splitlines()[1].split()[:3])
        samples.note("size of the file", driver, stripped.stat().st_size)
        samples.note("text (code and constants)", driver, text)
        samples.note("data and bss", driver, data + bss)
    for part, code in sorted(parts(MODULES / "rust_pciback.ko").items(), key=lambda pair: -pair[1]):
        samples.note(PART.format(part), "Rust", code)


def parts(module: Path) -> Counter[str]:
    """Bytes of code in each part of the driver, by the table of symbols."""
    out = subprocess.run(["nm", "--print-size", module], check=True, capture_output=True, text=True).stdout
    found: Counter[str] = Counter()
    for line in out.splitlines():
        match line.split():
            case [_, length, "t" | "T", name]:
                owner = IN_PART.search(name)
                found[owner[2][: int(owner[1])] if owner else "the kernel's crates"] += int(length, 16)
    return found
