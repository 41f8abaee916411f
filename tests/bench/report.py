# SPDX-License-Identifier: GPL-2.0
"""The results as tables, and as a plot."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from measure import COUNTS, RUST, C
from samples import Samples
from targets import targets

BEGIN, END = "<!-- results of make bench: begin -->", "<!-- results of make bench: end -->"


def millis(micros: float) -> str:
    """Microseconds as milliseconds, with three digits that count."""
    return f"{micros / 1000:,.{3 if micros < 1000 else 1 if micros < 100_000 else 0}f}"


def cell(samples: Samples, line: str, driver: str) -> str:
    """Median and span, in milliseconds."""
    if not samples.has(line, driver):
        return ""
    low, high = samples.span(line, driver)
    return f"{millis(samples.wall(line, driver))} ({millis(low)}-{millis(high)})"


def ratio(samples: Samples, line: str) -> str:
    """Of the medians, Rust to C."""
    if not (samples.has(line, "C") and samples.has(line, "Rust")):
        return ""
    return f"{samples.wall(line, 'Rust') / samples.wall(line, 'C'):.2f}"


def markdown(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    """A table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def times(samples: Samples) -> list[str]:
    """What took time."""
    rows = []
    for line, drivers in samples.times.items():
        if "none" in drivers:
            rows.append([line, cell(samples, line, "none"), "", "", ""])
            continue
        busy = [millis(samples.busy(line, name)) if samples.has(line, name) else "-" for name in ("C", "Rust")]
        cells = [cell(samples, line, name) for name in ("C", "Rust")]
        if "(PVH)" in line and not cells[0]:
            cells[0] = "cannot"
        rows.append([line, *cells, ratio(samples, line), "/".join(busy)])
    return markdown(["ms: median (min-max)", "C", "Rust", "Rust/C", "processor: C/Rust"], rows)


def facts(samples: Samples) -> list[str]:
    """What is no time."""
    rows = []
    for line in samples.facts:
        values = [
            f"{samples.fact(line, name):,.2f}".removesuffix(".00") if samples.facts[line][name] else ""
            for name in ("C", "Rust")
        ]
        rows.append([line, *values])
    return markdown(["median", "C", "Rust"], rows)


def lookups(samples: Samples) -> list[str]:
    """How long it takes to find something."""
    rows = [[name, f"{few:.0f} ns", f"{many:.0f} ns"] for name, (few, many) in samples.lookups.items()]
    return markdown(["to find, on the host, a", "among 64", "among 4,096"], rows)


def planner(samples: Samples) -> list[str]:
    """How long the planner takes for a device."""
    rows = [[name, f"{few:.0f} ns", f"{many:.0f} ns"] for name, (few, many) in samples.planner.items()]
    return markdown(["for each device, on the host, to", "among 100", "among 10,000"], rows) if rows else []


def text(samples: Samples, about: dict[str, Any]) -> str:
    """All of it, in Markdown."""
    lines = [f"{key.capitalize()}: {value}.  " for key, value in about.items()]
    lines += ["", *times(samples), "", *facts(samples), "", *lookups(samples), "", *planner(samples), ""]
    rows = [[target.text, target.value, "yes" if target.kept else "**no**"] for target in targets(samples)]
    return "\n".join(lines + markdown(["target", "measured", "met"], rows)) + "\n"


def insert(path: Path, new: str) -> None:
    """Replace the results in a document."""
    before, _, rest = path.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n\n{new}\n{END}{after}")


def plot(samples: Samples, path: Path) -> None:
    """Time over the number of devices, both drivers: claims, resets and releases, each in a plot of its own."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "rust-pciback"
    from matplotlib import pyplot

    questions = {
        "claim {} at load": "until insmod returns (hide=)",
        "reset {}": "until all are reset",
        "release {} by rmmod": "until rmmod returns",
    }
    figure, places = pyplot.subplots(1, len(questions), figsize=(13, 4.2))
    floor = samples.wall("one FLR: pci's reset", "none") / 1e6
    for axes, (question, label) in zip(places, questions.items(), strict=True):
        draw(axes, samples, question)
        axes.axhline(floor, linestyle=":", color="tab:blue", label="one FLR")
        axes.set_title(label)
        axes.set_xlabel("virtual functions of an nvme (PV dom0)")
        axes.set_xticks(COUNTS)
        axes.set_ylim(bottom=0)
        axes.margins(x=0.08)
        axes.grid(alpha=0.3)
    places[0].set_ylabel("seconds (median, min - max)")
    places[0].legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def draw(axes: Any, samples: Samples, question: str) -> None:
    """A line for each driver."""
    for driver, colour in ((C.name, "tab:gray"), (RUST.name, "tab:orange")):
        tried = [count for count in COUNTS if samples.has(question.format(count), driver)]
        lines = [question.format(count) for count in tried]
        medians = [samples.wall(line, driver) / 1e6 for line in lines]
        spans = [samples.span(line, driver) for line in lines]
        below = [median - low / 1e6 for median, (low, _) in zip(medians, spans, strict=True)]
        above = [high / 1e6 - median for median, (_, high) in zip(medians, spans, strict=True)]
        label = "xen-pciback (C)" if driver == C.name else "rust-pciback"
        axes.errorbar(tried, medians, [below, above], marker="o", capsize=3, color=colour, label=label)
        for count, median in zip(tried, medians, strict=True):
            side, place = ("right", (-6, 7)) if driver == C.name else ("left", (6, 7))
            axes.annotate(
                f"{median:.2f} s", (count, median), textcoords="offset points", xytext=place, ha=side, fontsize=8
            )
