#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Check commits against the rules of CONTRIBUTING.md.

    git log -z --format=%h%n%an%n%ae%n%B BASE.. | commits.py

- The subject is `part: what changed`, of at most 75 characters as the kernel wants it
  (Documentation/process/submitting-patches.rst), without a full stop.
- A blank line, and a body that says why.
- The author's `Signed-off-by:`, with which the Developer Certificate of Origin is certified.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

LONGEST_SUBJECT = 75
SUBJECT = re.compile(r'(Revert ")?[\w./-]+(, [\w./-]+)*: \S')
TRAILER = re.compile(r"[A-Z][A-Za-z-]+-by: |(Fixes|Link|Closes|Cc|Reported|Co-developed): ")
SIGNED = re.compile(r"Signed-off-by: (?P<name>.+) <(?P<mail>[^<>]+@[^<>]+)>")


def faults(name: str, mail: str, message: str) -> Iterator[str]:
    """What a message lacks, as a commit of the author with that name and address."""
    subject, *rest = message.rstrip().split("\n")
    if len(subject) > LONGEST_SUBJECT:
        yield f"the subject has {len(subject)} characters, at most {LONGEST_SUBJECT} may be"
    if not SUBJECT.match(subject):
        yield "the subject is not 'part: what changed'"
    if subject.endswith("."):
        yield "the subject ends with a full stop"
    if rest and rest[0]:
        yield "no blank line below the subject"
    if not any(line and not TRAILER.match(line) for line in rest):
        yield "no body that says why"
    signed = [match.group("name", "mail") for line in rest if (match := SIGNED.fullmatch(line))]
    if not any(name == by or mail == address for by, address in signed):
        yield f"no Signed-off-by of the author, {name}: git commit --amend -s"


def main() -> int:
    """Check what git says."""
    found = 0
    for commit in filter(None, sys.stdin.read().split("\0")):
        number, name, mail, message = commit.split("\n", 3)
        for why in faults(name, mail, message):
            print(f"{number} ({message.split(chr(10))[0]}): {why}")
            found = 1
    return found


if __name__ == "__main__":
    sys.exit(main())
