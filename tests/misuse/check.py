# SPDX-License-Identifier: GPL-2.0
"""Compares the errors that rustc found in misuse of the wrappers with those expected.

check.py SNIPPETS MESSAGES: the snippets say after `//~ ERROR` which error belongs to their
line (`//~^ ERROR`: to the line above; `-` stands for an error without a code). The messages
are those of `--error-format=json`, with what else the build wrote in between. A misuse that
compiles, and an error that nobody expects, are both failures: the latter may hide the former.
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path

EXPECTED = re.compile(r"//~(\^*) ERROR (E\d{4}|-)")


def expected(snippets: Path) -> Counter[tuple[int, str]]:
    """Return which errors the snippets ask for, by line."""
    found: Counter[tuple[int, str]] = Counter()
    for number, line in enumerate(snippets.read_text().splitlines(), start=1):
        for above, code in EXPECTED.findall(line):
            found[number - len(above), code] += 1
    return found


def line_in_snippets(span: dict) -> int | None:
    """Return the line of the snippets that a span, or the macro call behind it, is in."""
    while span:
        if Path(span["file_name"]).name == "misuse.rs":
            return span["line_start"]
        span = (span.get("expansion") or {}).get("span")
    return None


def found(messages: Path) -> tuple[Counter[tuple[int, str]], list[str]]:
    """Return the errors by line of the snippets, and those elsewhere."""
    inside: Counter[tuple[int, str]] = Counter()
    outside = []
    for text in messages.read_text(errors="replace").splitlines():
        if not text.startswith("{"):
            continue
        message = json.loads(text)
        spans = [span for span in message.get("spans", []) if span["is_primary"]]
        if message.get("level") != "error" or not spans:
            continue
        code = (message.get("code") or {}).get("code", "-")
        # What fails while a constant is evaluated is in a note, by whom that was called.
        notes = [span for note in message["children"] for span in note["spans"]]
        lines = {line_in_snippets(span) for span in spans} - {None}
        lines = lines or {line_in_snippets(span) for span in notes} - {None}
        if lines:
            inside[min(lines), code] += 1
        else:
            outside.append(message["rendered"])
    return inside, outside


def main() -> int:
    """Print the differences and return the status of the program."""
    snippets, messages = Path(sys.argv[1]), Path(sys.argv[2])
    wanted = expected(snippets)
    have, outside = found(messages)
    for line, code in sorted(wanted - have):
        print(f"{snippets}:{line}: compiles, but should be refused with {code}")
    for line, code in sorted(have - wanted):
        print(f"{snippets}:{line}: nobody expects {code}")
    for text in outside:
        print(f"error outside of the snippets: {text}")
    if not wanted:
        print(f"{snippets}: expects nothing")
    return int(not wanted or wanted != have or bool(outside))


if __name__ == "__main__":
    sys.exit(main())
