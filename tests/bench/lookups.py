# SPDX-License-Identifier: GPL-2.0
"""Look-ups among many entries, on the host."""

import json
import os
import subprocess

from lab.paths import CACHE, REPO
from samples import Samples

SOURCE = REPO / "tests" / "bench" / "lookups"
#: The kernel's own trees.
KERNEL = CACHE / "kernel" / "current" / "build"
BUILT = CACHE / "build" / "lookups"


def measure(samples: Samples) -> None:
    """Build and run it."""
    BUILT.mkdir(parents=True, exist_ok=True)
    include = ["-I", KERNEL / "tools" / "include"]
    objects = []
    for file in (KERNEL / "tools" / "lib" / "rbtree.c", SOURCE / "rbtree.c"):
        objects.append(BUILT / f"{file.parent.name}-{file.stem}.o")
        subprocess.run(["gcc-14", "-O2", "-c", *include, file, "-o", objects[-1]], check=True)
    # Text that is included cannot begin with documentation of the file that it was.
    rbtree = BUILT / "rbtree.rs"
    rbtree.write_text((KERNEL / "rust" / "kernel" / "rbtree.rs").read_text().replace("\n//!", "\n//"))
    program = BUILT / "lookups"
    subprocess.run(
        ["rustc", "--edition", "2021", "-O", "-C", "linker=gcc-14", SOURCE / "main.rs", "-o", program]
        + [word for file in objects for word in ("-C", f"link-arg={file}")],
        check=True,
        env=os.environ | {"KERNEL_RBTREE": str(rbtree)},
    )
    out = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    for name, (few, many) in json.loads(out).items():
        samples.lookups[name] = (few, many)
