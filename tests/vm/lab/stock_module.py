# SPDX-License-Identifier: GPL-2.0
"""Modules of the stock kernel that no dom0 of the lab has from the start."""

from __future__ import annotations

import lzma

from .machine import Dom0
from .paths import CACHE


def insert_stock_modules(dom0: Dom0, *names: str) -> None:
    """Load them in this order."""
    release = dom0.check("uname -r").strip()
    for name in names:
        file = next((CACHE / "kernel" / release / "stock").glob(f"**/lib/modules/{release}/**/{name}.ko.xz"))
        dom0.write(f"/root/{name}.ko", lzma.decompress(file.read_bytes()))
        dom0.check(f"insmod /root/{name}.ko")
