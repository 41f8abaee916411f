# SPDX-License-Identifier: GPL-2.0
"""Where things are, as seen from inside the lab's chroot."""

import os
from pathlib import Path

CACHE = Path("/cache")
IMAGE = CACHE / "image"
LOGS = CACHE / "log" / "vm"
RUN = CACHE / "run"
REPO = Path(__file__).resolve().parents[3]
#: The kernel that dom0 has, if not the usual one: a debug kernel, or one of LAB_KERNELS (tools/lab.sh).
OTHER = os.environ.get("PCIBACK_KERNEL", "")
#: The debug kernel, if it is one.
DEBUG = OTHER if OTHER in ("locks", "kasan") else ""
#: Whether the machine is one for arm64.
ARM64 = OTHER.endswith("-arm64")
#: What each dom0's kernel is told besides.
CMDLINE = os.environ.get("PCIBACK_CMDLINE", "")
#: By what limits of time are multiplied, which a usual machine keeps: one that is shared is slow at times, and a
#: debug kernel always. How slow can't be measured before: it depends on the load that the tests themselves are.
SLOWER = int(os.environ.get("PCIBACK_SLOWER") or (8 if DEBUG else 4))
BUILD = CACHE / "build" / OTHER
#: Kernel and initramfs of dom0.
KERNEL = IMAGE / OTHER
#: Where another build of the module is that is to be tried, which has the fault knobs too (tests/mutants).
TRIED = os.environ.get("PCIBACK_MODULES", "")
MODULE = (Path(TRIED) if TRIED else BUILD / "module" if OTHER else REPO) / "rust_pciback.ko"
FAULTS_MODULE = (Path(TRIED) if TRIED else BUILD / "faults") / "rust_pciback.ko"
RENUMBERED_MODULE = BUILD / "renumbered" / "rust_pciback.ko"
MISUSE_MODULE = BUILD / "misuse-run" / "rust_pciback.ko"
#: Preloaded into QEMU where it needs that (tests/vm/src).
NOKVM = CACHE / "build" / "nokvm.so"
DOM0_TESTS = REPO / "tests" / "dom0"
DOM0_HELPERS = BUILD / "dom0"
#: The same for guests, whose kernel is the stock one.
GUEST_HELPERS = CACHE / "build" / "dom0"


def shown(path: Path) -> str:
    """A path of the cache as a person outside the chroot knows it."""
    host = os.environ.get("PCIBACK_CACHE_PATH")
    return str(path).replace(str(CACHE), host, 1) if host else str(path)
