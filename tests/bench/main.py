# SPDX-License-Identifier: GPL-2.0
"""What `make bench` does once all is built: measure both drivers, and write down the results."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import guests
import lookups
import planner
import report
import sizes
from lab.machine import Dom0
from lab.paths import REPO
from measure import Bench, accesses, in_pv, in_pvh, pv_topology
from samples import Samples

DOCUMENT = REPO / "Documentation" / "performance.md"
RAW, PLOT = DOCUMENT.with_suffix(".json"), DOCUMENT.with_suffix(".svg")


def rounds(count: int, flavour: str, topology: Any, measure: Callable[[Bench], None], samples: Samples) -> str:
    """Boot a dom0 and measure in it, that many times; returns what ran there."""
    about = ""
    for number in range(count):
        began = time.monotonic()
        with Dom0(topology(), flavour, name="bench") as dom0:
            measure(Bench(dom0, samples, swapped=number % 2 == 1))
            if not about:
                xen = dom0.check("cd /sys/hypervisor/version && echo $(cat major).$(cat minor)$(cat extra)").strip()
                about = f"Xen {xen}, Linux {dom0.check('uname -r').strip()}"
        print(f"  {flavour} round {number + 1} of {count}: {time.monotonic() - began:.0f} s", flush=True)
    return about


def host() -> str:
    """The machine that all of it is emulated on."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    assert model
    assert memory
    return f"{os.cpu_count()} processors ({model[1].strip()}), {round(int(memory[1]) / 1048576)} GiB"


def emulator() -> str:
    """What emulates it."""
    out = subprocess.run(["qemu-system-x86_64", "--version"], check=True, capture_output=True, text=True).stdout
    return "QEMU " + out.split()[3] + " without KVM (TCG); the dom0 has one processor"


def main() -> int:
    """Measure, print, write, judge."""
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--report", action="store_true", help="no measurements: write the report of the last ones anew")
    args = parser.parse_args()
    if args.report:
        samples, about = Samples.load(RAW)
    else:
        samples = Samples()
        sizes.measure(samples)
        lookups.measure(samples)
        planner.measure(samples)
        began = time.monotonic()
        software = rounds(args.rounds, "pv", pv_topology, in_pv, samples)
        rounds(args.rounds, "pvh", lambda: "many", in_pvh, samples)
        rounds(1, "pv", lambda: "main", accesses, samples)
        guests.measure((args.rounds + 1) // 2, samples)
        method = f"{args.rounds} boots of each kind of dom0, the drivers in turn in each"
        about = {
            "software": software,
            "emulator": emulator(),
            "machine": host(),
            "method": f"{method}; {time.monotonic() - began:.0f} s",
        }
        samples.save(RAW, about)
    new = report.text(samples, about)
    print(new)
    report.insert(DOCUMENT, new)
    report.plot(samples, PLOT)
    return 0 if all(target.kept for target in report.targets(samples)) else 1


if __name__ == "__main__":
    sys.exit(main())
