# SPDX-License-Identifier: GPL-2.0
"""Memory that nothing points to any more, as the debug kernel "locks" finds it (kmemleak)."""

from .machine import Dom0
from .paths import DEBUG

FILE = "/sys/kernel/debug/kmemleak"
#: An object must be that old, in seconds, and found twice with the same content (mm/kmemleak.c).
AGE = 6


def _watched(dom0: Dom0) -> bool:
    return DEBUG == "locks" and dom0.flavour != "bare" and dom0.alive


def look_for_leaks(dom0: Dom0) -> None:
    """Have the kernel look; it says on the console what it finds, this time or the next."""
    if _watched(dom0):
        dom0.check(f"echo scan >{FILE}", 120)


def leaks_found(dom0: Dom0) -> str:
    """What has leaked so far, with the traces of where it came from."""
    return dom0.check(f"cat {FILE}") if _watched(dom0) else ""


def leaks_at_last(dom0: Dom0) -> str:
    """What has leaked by the end of a machine's life."""
    if not _watched(dom0):
        return ""
    return dom0.check(f"echo scan >{FILE}; sleep {AGE}; echo scan >{FILE}; echo scan >{FILE}; cat {FILE}", 180)


def forget_leaks(dom0: Dom0) -> None:
    """Say no more of what has leaked so far: it was somebody else who did."""
    if _watched(dom0):
        leaks_at_last(dom0)
        dom0.check(f"echo clear >{FILE}")
