# SPDX-License-Identifier: GPL-2.0
"""The planner among many functions, on the host."""

import json
import subprocess

from lab.paths import CACHE, REPO
from samples import Samples

SOURCE = REPO / "tests" / "bench" / "planner" / "main.rs"
BUILT = CACHE / "build" / "planner"


def measure(samples: Samples) -> None:
    """Build and run it; it fails if the planner allocates."""
    BUILT.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["rustc", "--edition", "2021", "-O", "-C", "linker=gcc-14", SOURCE, "-o", BUILT],
        check=True,
    )
    out = subprocess.run([BUILT], check=True, capture_output=True, text=True).stdout
    for name, (few, many) in json.loads(out).items():
        samples.planner[name] = (few, many)
