# SPDX-License-Identifier: GPL-2.0
"""Memory that nothing points to any more, as the debug kernel "locks" finds it (kmemleak)."""

import re

from .machine import Dom0
from .paths import DEBUG

FILE = "/sys/kernel/debug/kmemleak"
#: An object must be that old, in seconds, and found twice with the same content (mm/kmemleak.c).
AGE = 6
#: A leak of the kernel: where a driver's probe fails, xenbus has read the path of the other end and doesn't
#: free it (xenbus_dev_probe(), xenbus_dev_release()). The module doesn't read that node.
_OTHER_END = re.compile(rb"/local/domain/\d+/device/pci/\d+\0")


def _watched(dom0: Dom0) -> bool:
    return DEBUG == "locks" and dom0.flavour != "bare" and dom0.alive


def _content(leak: str) -> bytes:
    """The first bytes of an object, from its dump."""
    return bytes.fromhex("".join(re.findall(r"^    ((?:[0-9a-f]{2} )+)", leak, re.MULTILINE)))


def unexpected(report: str) -> str:
    """What is in a report but for the known leaks of the kernel."""
    leaks = re.split(r"^(?=unreferenced object)", report, flags=re.MULTILINE)
    return "".join(leak for leak in leaks if not ("xenbus_thread" in leak and _OTHER_END.match(_content(leak))))


def look_for_leaks(dom0: Dom0) -> str:
    """Have the kernel look; what it has found by now (some only the next time), with traces, each once."""
    if not _watched(dom0):
        return ""
    return unexpected(dom0.check(f"echo scan >{FILE}; cat {FILE}; echo clear >{FILE}", 120))


def leaks_at_last(dom0: Dom0) -> str:
    """What has leaked by the end of a machine's life."""
    if not _watched(dom0):
        return ""
    scans = f"echo scan >{FILE}; sleep {AGE}; echo scan >{FILE}; echo scan >{FILE}"
    return unexpected(dom0.check(f"{scans}; cat {FILE}", 180))


def forget_leaks(dom0: Dom0) -> None:
    """Say no more of what has leaked so far: it was somebody else who did."""
    if _watched(dom0):
        leaks_at_last(dom0)
        dom0.check(f"echo clear >{FILE}")
