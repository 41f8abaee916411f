# SPDX-License-Identifier: GPL-2.0
"""What dom0's kernel has in use."""

from .machine import Dom0


def in_slabs(dom0: Dom0) -> int:
    """Bytes in the slabs for all purposes, once the caches that free late have done so."""
    shrink = "for f in /sys/kernel/slab/*/shrink; do echo 1 >$f; done 2>/dev/null"
    total = "awk '/^kmalloc-[0-9k]* / { used += $2 * $4 } END { printf \"%d\", used }' /proc/slabinfo"
    return int(dom0.check(f"sync; echo 3 >/proc/sys/vm/drop_caches; {shrink}; {total}", 120))
