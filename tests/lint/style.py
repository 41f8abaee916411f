#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Check the style of rust/kernel where rustfmt and clippy don't.

    style.py [ROOT]

- Imports are vertical, one a line, with an empty comment behind the last that keeps rustfmt from
  joining them (Documentation/rust/coding-guidelines.rst).
- Atomics are those of the kernel's memory model (`kernel::sync::atomic`).
- The types of C are imported and stand bare: `c_int`.
- A function that answers yes or no says "Returns `true` if".
- Comments have at most 100 columns, as code has by rustfmt.
- Only kapi/compat asks which kernel or machine it is built for.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

USE = re.compile(r"^[ \t]*(?:pub(?:\([^)]*\))? )?use [^;$]*;", re.MULTILINE)
ATOMIC = "kernel::sync::atomic has the kernel's memory model"
#: What a `use` of them is, without the blanks and comments in it.
CORE_ATOMIC = re.compile(r"usecore::.*\bsync::(\{.*)?atomic\b")
RULES = (
    (re.compile(r"\bcore::sync::atomic\b"), ATOMIC),
    (re.compile(r"\bffi::c_[a-z]+\b"), "the types of C are imported, and stand bare"),
    (re.compile(r"//[/!].*\b[Tt]ells whether\b"), "say 'Returns `true` if'"),
    (re.compile(r"^(?=.{101}) *//"), "a comment of more than 100 columns"),
)
#: Options of debug kernels change structures, and are no other kernels; `faults` are test builds.
KERNELS = re.compile(r"\bcfg(_attr)?\b!?\(.*\b(target_arch\b|CONFIG_(?!DEBUG_)|pciback_(?!faults\b))")


def asks(place: Path, source: str) -> Iterator[tuple[int, str]]:
    """Lines that ask which kernel or machine it is, where that is nobody's business."""
    if place.as_posix().startswith("kapi/compat"):
        return
    for number, line in enumerate(source.split("\n"), 1):
        if KERNELS.search(line):
            yield number, "what differs between kernels and machines belongs into kapi/compat"


def faults(source: str) -> Iterator[tuple[int, str]]:
    """Lines that are not in the style, and why."""
    for use in USE.finditer(source):
        first = source.count("\n", 0, use.start()) + 1
        lines = use.group().split("\n")
        for number, line in enumerate(lines):
            if re.search(r"\{\s*[^\s}]", line):
                yield first + number, "one import a line"
            following = lines[number + 1].strip() if number + 1 < len(lines) else ""
            if following.startswith("}") and not line.rstrip().endswith((", //", "},")):
                yield first + number, "the last import of a list has an empty comment behind it"
        if CORE_ATOMIC.search(re.sub(r"\s|//", "", use.group())):
            yield first, ATOMIC
    code = USE.sub(lambda use: "\n" * use.group().count("\n"), source)
    for number, line in enumerate(code.split("\n"), 1):
        for pattern, why in RULES:
            if pattern.search(line):
                yield number, why


def main(arguments: list[str]) -> int:
    """Check the driver's files."""
    root = Path(arguments[0] if arguments else ".")
    found = 0
    for file in sorted(root.rglob("*.rs")):
        place = file.relative_to(root)
        if place.parts[0] in ("tests", "target"):
            continue
        text = file.read_text()
        for number, why in [*faults(text), *asks(place, text)]:
            print(f"{place}:{number}: {why}")
            found = 1
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
