# SPDX-License-Identifier: GPL-2.0
"""What the driver promises of its speed, as ratios within one run."""

from __future__ import annotations

from dataclasses import dataclass

from guests import CLEAN, PV_RATE
from guests import SOME as GUEST_HAS
from measure import COUNTS, DO_FLR
from samples import Samples
from sizes import PART

#: Devices in the targets that are about many, about few and about most.
MANY, FEW, MOST = 32, 8, max(COUNTS)


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


def do_flr(samples: Samples) -> Target:
    """The file that libxl writes adds nothing to a reset."""
    ratio = samples.wall(DO_FLR, "Rust") / samples.wall("reset 1", "Rust")
    return Target(f"{DO_FLR}: at most 1.05 of reset_device", f"{ratio:.3f}", ratio <= 1.05)


def guest(samples: Samples, fact: str, at_least: bool) -> Target:
    """A number next to the C driver's, with 5 % for noise."""
    ratio = samples.fact(fact, "Rust") / samples.fact(fact, "C")
    kept = ratio >= 0.95 if at_least else ratio <= 1.05
    return Target(f"{fact}: at {'least 0.95' if at_least else 'most 1.05'} of C", f"{ratio:.3f}", kept)


def size(samples: Samples) -> Target:
    """Code without what serves PV frontends."""
    parts = [line for line in samples.facts if line.startswith(PART.format("")) and line != PART.format("backend")]
    code = sum(samples.fact(line, "Rust") for line in parts)
    return Target("code without the part for PV frontends: at most 100,000 bytes", f"{code:,.0f}", code <= 100_000)


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


def flat(samples: Samples, what: str, floor_line: str, floor_driver: str, nothing: str = "") -> Target:
    """Most take one wait and what each of few takes of the processor, times 1.25: what each takes doesn't grow
    with their number. `nothing` as above."""
    floor = samples.wall(floor_line, floor_driver)
    base = samples.wall(nothing, "Rust") if nothing else 0
    base_busy = samples.busy(nothing, "Rust") if nothing else 0
    each = (samples.busy(what.format(FEW), "Rust") - base_busy) / FEW
    wall = samples.wall(what.format(MOST), "Rust") - base
    limit = floor + 1.25 * MOST * each
    value = f"{wall / 1000:.0f} ms <= {limit / 1000:.0f} ms = {floor / 1000:.0f} + 1.25 x {MOST} x {each / 1000:.1f}"
    line = what.format(MOST)
    return Target(
        f"{line}: at most one wait and 1.25 x what each of {FEW} takes of the processor", value, wall <= limit
    )


def like_pci(samples: Samples) -> Target:
    """A claim in a PVH dom0 against what the PCI core takes to enable, save, reset and restore the same devices."""
    own = samples.busy("claim 16 endpoints once more (PVH)", "Rust") - samples.busy(
        "load, nothing to claim (PVH)", "Rust"
    )
    lines = [f"{what} 16 endpoints: pci's own (PVH)" for what in ("enable", "reset")]
    core = sum(samples.busy(line, "none") for line in lines)
    value = f"{own / 1000:.0f} ms <= {1.5 * core / 1000:.0f} ms"
    return Target(
        "claim 16 endpoints once more (PVH): at most 1.5 x pci's own enable and reset", value, own <= 1.5 * core
    )


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
        flat(samples, "claim {} at load", flr, "none", "load, nothing to claim"),
        flat(samples, "release {} by rmmod", flr, "none", "unload, nothing claimed"),
        flat(samples, "reset {}", "reset 1", "Rust"),
        like_pci(samples),
        no_slower(samples, "claim 1 at load"),
        no_slower(samples, "bind of one"),
        no_slower(samples, "reset 1"),
        no_slower(samples, "release 1 by rmmod"),
        no_slower(samples, "unbind of one"),
        do_flr(samples),
        # (Their beginning is mostly a boot, whose time varies, and an HVM guest's end libxl's wait for its emulator.)
        *(guest(samples, CLEAN.format("PV", count), False) for count in GUEST_HAS),
        *(guest(samples, PV_RATE.format(what), True) for what in ("words", "interrupts")),
        size(samples),
        Target("read gsi: at most 1.1 of read irq", f"{gsi:.3f}", gsi <= 1.1),
    ]
