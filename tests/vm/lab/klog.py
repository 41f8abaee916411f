# SPDX-License-Identifier: GPL-2.0
"""Find the lines in a console log that no test may cause unawares."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

#: What Linux says when something is wrong with it.
LINUX = (
    r"\bBUG:",
    r"kernel BUG at",
    r"\bWARNING:",
    r"\bOops\b",
    r"Call Trace:",
    r"general protection fault",
    r"[Uu]nable to handle",
    r"possible (?:recursive|circular|irq) lock",
    r"INFO: possible",
    r"inconsistent lock state",
    r"suspicious RCU usage",
    r"lock held when returning|held lock freed|bad unlock balance",
    r"scheduling while atomic",
    r"INFO: task .* blocked",
    r"rcu: INFO: .* stall|soft lockup|hard LOCKUP",
    r"refcount_t:",
    r"(?:list_add|list_del) corruption",
    r"\b(?:KASAN|KFENCE|UBSAN|KMSAN):",
    r"slab-out-of-bounds|use-after-free(?! debug)|Object .* was not freed",
    r"nobody cared",
    r"Kernel panic",
    r"sysfs: cannot create duplicate",
    r"unlocked secondary bus reset",
    r"rust_kernel: panicked|rust: panic|panicked at",
)

#: What Xen says.
XEN = (
    r"existing mapping",
    r"Setup of vPCI failed",
    r"ignored (?:guest |ROM )?BAR\b.*write",
    r"\(XEN\).*\bFATAL\b",
    r"\(XEN\).*Assertion .* failed",
    r"Xen (?:BUG|WARN) at",
    r"Panic on CPU",
    r"IO_PAGE_FAULT",
    r"Triple fault",
    r"\(XEN\).*domain_crash",
)

#: Reports of a debug kernel about the kernel itself: one with a line for each of these.
KERNELS_OWN = (
    # Late releases (DEBUG_KOBJECT_RELEASE) show kobjects embedded in what others free, or use again, by then.
    (r"kobject_delayed_cleanup", r"bdev_free_inode"),  # the queue of a disk that goes
    (r"refcount_t: addition on 0", r"pci_create_slot"),  # the slot of a port that has its driver again
    # A PV kernel keeps a process's second page directory where page tables have a lock that is too big
    # for its place, as with lockdep (xen_pgd_alloc(), struct ptdesc).
    (r"object is not in a slab page", r"\bpgd_free\b"),
    # With the first guest, in xenstored: gntdev takes a lock in mmap() under which its ioctl() writes to
    # user memory. (lockdep watches no more after that.)
    (r"possible circular locking dependency", r"gntdev_mmap"),
    # A network card's driver that is unbound takes its virtual functions along, without the lock for that
    # (sriov_numvfs_store() takes it, igb_remove() does not).
    (r"WARNING: drivers/pci/remove\.c.* pci_stop_and_remove_bus_device", r"\bigb_remove\b", r"\bunbind_store\b"),
)

#: The emulator delivers an interrupt of a hardware-virtualised guest a second time, before the first
#: instruction of its handler and whatever RFLAGS.IF says: helper_vmrun() of QEMU (svm_helper.c) leaves
#: the vector in exception_index, and a processor that is asked to leave its loop just then takes it for
#: an exception. The handler then runs with the user's GS, and dom0 dies.
_DELIVERED_TWICE = re.compile(r"RIP: 0010:asm_sysvec_xen_hvm_callback\+0x0/")
DELIVERED_TWICE = "the emulator delivered an interrupt twice"

_BAD = re.compile("|".join(LINUX + XEN))
_OPENS = re.compile(r"-{6,}\[ cut here \]")
_CLOSES = re.compile(r"---\[ end trace|</TASK>")
_TRACE = re.compile(r"Call Trace:")
#: A trace without an end mark is over by then.
_LONGEST = 120


@dataclass(frozen=True)
class Report:
    """One thing that went wrong: its first telling line, and all of its lines."""

    head: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return self.head if len(self.lines) == 1 else "\n    ".join(self.lines)


def reports(lines: Iterable[str]) -> list[Report]:
    """Everything bad in a log; a trace belongs to the line that announced it."""
    found: list[Report] = []
    block: list[str] = []
    last_bad = None

    def finish() -> None:
        bad = [line for line in block if _BAD.search(line)]
        if bad:
            found.append(Report(bad[0], tuple(block)))
        block.clear()

    open_block = False
    for line in lines:
        if _OPENS.search(line):
            finish()
            block.append(line)
            open_block = True
        elif open_block:
            block.append(line)
            if _CLOSES.search(line) or len(block) >= _LONGEST:
                finish()
                open_block = False
        elif _TRACE.search(line):
            # It continues a report that had no "cut here", or stands alone.
            previous = found.pop().lines if found and found[-1].lines[-1] == last_bad else ()
            block.extend([*previous, line])
            open_block = True
        elif _BAD.search(line):
            found.append(Report(line, (line,)))
            last_bad = line
    finish()
    return found


def unexpected(lines: Iterable[str], allowed: Iterable[str] = ()) -> list[Report]:
    """The reports of which no line matches one of the allowed patterns."""
    patterns = [re.compile(pattern) for pattern in allowed]
    return [
        report
        for report in reports(lines)
        if not any(pattern.search(line) for pattern in patterns for line in report.lines)
        and not any(all(_has(report, pattern) for pattern in own) for own in KERNELS_OWN)
    ]


def check(lines: Iterable[str]) -> None:
    """Nothing in them is unexpected; else an `AssertionError` that shows it."""
    bad = unexpected(lines)
    assert not bad, "\n  ".join(["unexpected on the console:", *map(str, bad)])


def cause_of_death(lines: Iterable[str], last_words: str) -> str:
    """Why a host with this log and these last words died."""
    return DELIVERED_TWICE if any(map(_DELIVERED_TWICE.search, lines)) else last_words


def _has(report: Report, pattern: str) -> bool:
    return any(re.search(pattern, line) for line in report.lines)
