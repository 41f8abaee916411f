# SPDX-License-Identifier: GPL-2.0
"""Where things are, as seen from inside the lab's chroot."""

import os
from pathlib import Path

CACHE = Path("/cache")
IMAGE = CACHE / "image"
LOGS = CACHE / "log" / "vm"
RUN = CACHE / "run"
REPO = Path(__file__).resolve().parents[3]
MODULE = REPO / "rust_pciback.ko"
FAULTS_MODULE = CACHE / "build" / "faults" / "rust_pciback.ko"
DOM0_TESTS = REPO / "tests" / "dom0"
DOM0_HELPERS = CACHE / "build" / "dom0"


def shown(path: Path) -> str:
    """A path of the cache as a person outside the chroot knows it."""
    host = os.environ.get("PCIBACK_CACHE_PATH")
    return str(path).replace(str(CACHE), host, 1) if host else str(path)
