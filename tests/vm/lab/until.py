# SPDX-License-Identifier: GPL-2.0
"""Waiting in a shell for what has no event."""

from .paths import SLOWER


def until(condition: str, seconds: float, pause: float = 0.1) -> str:
    """A script that ends as soon as a shell condition holds, or fails when it has not in that time."""
    tries = round(seconds / pause) * SLOWER
    nap = f"usleep {round(pause * 1e6)} 2>/dev/null || sleep {pause}"  # what busybox has, or coreutils
    return f"for i in $(seq {tries}); do {condition} && exit 0; {nap}; done; exit 1"
