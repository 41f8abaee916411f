# SPDX-License-Identifier: GPL-2.0
"""What was measured: samples by line and driver, and what they come to."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Sample:
    """One measurement: microseconds that passed, and that processors were busy."""

    wall: float
    busy: float


@dataclass
class Samples:
    """All samples of a run, and the facts that are no times."""

    times: dict[str, dict[str, list[Sample]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    facts: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    #: Nanoseconds for a look-up among few and among many entries.
    lookups: dict[str, tuple[float, float]] = field(default_factory=dict)
    #: Nanoseconds for a device among few and among many functions.
    planner: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, line: str, driver: str, raw: dict[str, int], per: int = 1) -> None:
        """Keep what the stopwatch said; `per` things were done."""
        self.times[line][driver].append(Sample(raw["wall_us"] / per, raw["busy_us"] / per))

    def note(self, line: str, driver: str, value: float) -> None:
        """Keep a number that is no time."""
        self.facts[line][driver].append(value)

    def wall(self, line: str, driver: str) -> float:
        """The median of the time that passed, in microseconds."""
        return statistics.median(sample.wall for sample in self.times[line][driver])

    def busy(self, line: str, driver: str) -> float:
        """The median of the time that processors were busy, in microseconds."""
        return statistics.median(sample.busy for sample in self.times[line][driver])

    def span(self, line: str, driver: str) -> tuple[float, float]:
        """The shortest and the longest time."""
        walls = [sample.wall for sample in self.times[line][driver]]
        return min(walls), max(walls)

    def has(self, line: str, driver: str) -> bool:
        """Whether there is such a sample."""
        return bool(self.times[line][driver])

    def fact(self, line: str, driver: str) -> float:
        """The median of a number."""
        return statistics.median(self.facts[line][driver])

    def save(self, path: Path, about: dict[str, Any]) -> None:
        """Write all of it as JSON."""
        times = {
            line: {
                driver: [{"wall_us": sample.wall, "busy_us": sample.busy} for sample in samples]
                for driver, samples in drivers.items()
                if samples
            }
            for line, drivers in self.times.items()
        }
        facts = {line: dict(drivers) for line, drivers in self.facts.items()}
        host = {"lookups": self.lookups, "planner": self.planner}
        path.write_text(json.dumps({"about": about, "times": times, "facts": facts, **host}, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> tuple[Samples, dict[str, Any]]:
        """Read what `save` wrote."""
        raw = json.loads(path.read_text())
        samples = cls()
        for line, drivers in raw["times"].items():
            for driver, values in drivers.items():
                samples.times[line][driver] = [Sample(value["wall_us"], value["busy_us"]) for value in values]
        for line, drivers in raw["facts"].items():
            for driver, values in drivers.items():
                samples.facts[line][driver] = values
        samples.lookups = {name: tuple(values) for name, values in raw.get("lookups", {}).items()}
        samples.planner = {name: tuple(values) for name, values in raw.get("planner", {}).items()}
        return samples, raw["about"]
