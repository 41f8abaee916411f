# SPDX-License-Identifier: GPL-2.0
"""What the driver promises of its speed, as ratios within one run."""

from __future__ import annotations

from dataclasses import dataclass

from samples import Samples

#: Devices in the targets that are about many.
MANY = 32


@dataclass(frozen=True)
class Target:
    """A promise and whether it was kept."""

    text: str
    value: str
    kept: bool


def faster(samples: Samples, line: str, least: float) -> Target:
    """At least that many times as fast as the C driver."""
    ratio = samples.wall(line, "C") / samples.wall(line, "Rust")
    return Target(f"{line}: at least {least:g}x faster than C", f"{ratio:.1f}x", ratio >= least)


def no_slower(samples: Samples, line: str) -> Target:
    """As fast as the C driver, give or take 5 %."""
    ratio = samples.wall(line, "Rust") / samples.wall(line, "C")
    return Target(f"{line}: at most 1.05 of C", f"{ratio:.3f}", ratio <= 1.05)


def overlap(samples: Samples, line: str, floor_line: str, floor_driver: str, nothing: str = "") -> Target:
    """At most 1.5 times one wait and the processor's time for all. `nothing` is what the same
    costs without any device, which is taken off both."""
    floor = samples.wall(floor_line, floor_driver)
    base = samples.wall(nothing, "Rust") if nothing else 0
    base_busy = samples.busy(nothing, "Rust") if nothing else 0
    wall = samples.wall(line, "Rust") - base
    own = (samples.busy(line, "Rust") - base_busy) / MANY
    limit = 1.5 * (floor + MANY * own)
    value = f"{wall / 1000:.0f} ms <= {limit / 1000:.0f} ms = 1.5 x ({floor / 1000:.0f} + {MANY} x {own / 1000:.1f})"
    return Target(f"{line}: at most 1.5 x (one wait + {MANY} x processor time)", value, wall <= limit)


def targets(samples: Samples) -> list[Target]:
    """All of them."""
    flr = "one FLR: pci's reset"
    claim, release, reset = f"claim {MANY} at load", f"release {MANY} by rmmod", f"reset {MANY}"
    gsi = samples.wall("read gsi", "Rust") / samples.wall("read irq", "Rust")
    return [
        faster(samples, claim, 5),
        faster(samples, release, 5),
        overlap(samples, claim, flr, "none", "load, nothing to claim"),
        overlap(samples, release, flr, "none", "unload, nothing claimed"),
        overlap(samples, reset, "reset 1", "Rust"),
        faster(samples, reset, 5),
        no_slower(samples, "claim 1 at load"),
        no_slower(samples, "bind of one"),
        no_slower(samples, "reset 1"),
        no_slower(samples, "release 1 by rmmod"),
        no_slower(samples, "unbind of one"),
        Target("read gsi: at most 1.1 of read irq", f"{gsi:.3f}", gsi <= 1.1),
    ]
