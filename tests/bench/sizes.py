# SPDX-License-Identifier: GPL-2.0
"""How large the modules are, both stripped of what only debuggers want."""

import subprocess

from lab.paths import CACHE, MODULE
from samples import Samples

#: Where the stripped modules are put.
MODULES = CACHE / "build" / "bench"


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
