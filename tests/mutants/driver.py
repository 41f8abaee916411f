# SPDX-License-Identifier: GPL-2.0
"""Break one rule of the driver after the other, and see that VM tests notice.

    driver.py TREE SCRATCH [--only TEXT] [--from N] [--missing] [--mutated-only] MAKE-ARGUMENT...

Runs in the lab's chroot. SCRATCH has a copy of the sources for each worker, in which each mutation
of driver.toml is made and built for the prepared TREE, with the fault knobs, so that one module serves
all tests. Its tests must fail then. That they pass without a mutation is tried first.

Prints a row of a table for each mutation; the status is non-zero if one was not noticed. It is noticed if a
test fails: one that can't even be set up shows nothing. What was noticed goes into noticed.list.
PCIBACK_WORKERS (2) at a time.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import queue
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

REPO = Path(__file__).resolve().parents[2]
#: Which test noticed each mutation, and when.
NOTICED = Path(__file__).parent / "noticed.list"
#: What the module is built of.
KINDS = ("*.rs", "*.c", "*.h", "Kbuild")
#: What pytest ends with: https://docs.pytest.org/en/stable/reference/exit-codes.html
PASSED, FAILED = 0, 1
#: So much of the first failure is told.
REASON = 160
#: The longest that a run of tests may take, in seconds.
PATIENCE = 7200


class Mutation(NamedTuple):
    """One rule that is broken, and the tests that are to notice."""

    rule: str
    file: str
    old: str
    new: str
    tests: str

    @property
    def digest(self) -> str:
        """Tells whether it was another one that was noticed."""
        return hashlib.sha256("\0".join((self.old, self.new, self.tests)).encode()).hexdigest()[:8]

    @contextmanager
    def made(self, root: Path) -> Iterator[None]:
        """The file is changed meanwhile."""
        path = root / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            sys.exit(f"{self.file} has {text.count(self.old)} times what '{self.rule}' changes")
        path.write_text(text.replace(self.old, self.new))
        try:
            yield
        finally:
            path.write_text(text)


class Lab:
    """Where modules are built and tried."""

    def __init__(self, tree: str, scratch: Path, make: list[str]) -> None:
        self.scratch = scratch
        # Not -Dwarnings: what a mutation no longer uses is unused.
        self._make = ["make", "-C", tree, f"M={scratch}", "KRUSTFLAGS=--cfg pciback_faults", *make, "modules"]

    def mirror(self) -> None:
        """Bring the copy of the sources up to date."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        aside = {"tests", "tools", "cli", "boot", "packaging", "debian", ".git"}
        for kind in KINDS:
            for path in REPO.rglob(kind):
                part = path.relative_to(REPO)
                if part.parts[0] not in aside and not path.name.endswith(".mod.c"):
                    (self.scratch / part).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(path, self.scratch / part)

    def build(self) -> str:
        """Build the module; returns why that can't be."""
        done = subprocess.run(self._make, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    def tests(self, expression: str) -> tuple[int | None, str]:
        """Run these VM tests with it, up to the first that fails; returns pytest's status, and which failed and why.
        `None`: the tests came to no end, or not to their begin."""
        command = [sys.executable, "-m", "pytest", "tests/vm", "-x", "-q", "-rfE", "--tb=line", "-k", expression]
        environment = os.environ | {"PCIBACK_MODULES": str(self.scratch), "PCIBACK_TIER": "all", "COLUMNS": "300"}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, cwd=REPO, env=environment, timeout=PATIENCE
            )
        except subprocess.TimeoutExpired:
            return None, f"after {PATIENCE} s the tests had not ended"
        lines = [line for line in done.stdout.splitlines() if line.startswith("FAILED") or is_said(line)]
        failed = [line.split("::", 1)[1].replace("|", "/")[:REASON] for line in lines]
        if failed or done.returncode != FAILED:
            return done.returncode, failed[0] if failed else done.stdout[-2000:]
        return None, done.stdout[-2000:]

    def try_one(self, mutation: Mutation) -> tuple[str, bool]:
        """Break the rule, for a while; returns its row of the table, and whether that was noticed."""
        begun = time.monotonic()
        with mutation.made(self.scratch):
            why = self.build()
            status, by = (None, f"it doesn't build: {why}") if why else self.tests(mutation.tests)
        if status == PASSED:
            by = "**nothing**"
        elif status != FAILED:
            by = f"**nothing** ({status}): {by}"
        else:
            record(mutation, by.split(" - ")[0])
        return f"| {mutation.rule} | {mutation.file} | {by} | {time.monotonic() - begun:.0f} |", status == FAILED


def is_said(line: str) -> bool:
    """Whether a line of pytest's is of what is looked at after each test: what the host said or did, and parts."""
    said = ("unexpected on the console", "the host died", "a part failed")
    return line.startswith("ERROR") and any(words in line for words in said)


def rows(text: str) -> list[list[str]]:
    """Those of noticed.list, whose text this is: rule, file, test, day, digest."""
    return [row.split(" | ") for row in text.partition("\n\n")[2].splitlines()]


def noticed() -> set[tuple[str, str, str]]:
    """The rules, files and digests that noticed.list has."""
    return {(rule, file, digest) for rule, file, _test, _day, digest in rows(NOTICED.read_text())}


def record(mutation: Mutation, test: str) -> None:
    """Note which test noticed it, today. Other workers and programs wait meanwhile."""
    row = [mutation.rule, mutation.file, test.strip(), f"{datetime.now(UTC):%Y-%m-%d}", mutation.digest]
    with NOTICED.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = file.read()
        kept = [other for other in rows(text) if other[:2] != row[:2]]
        file.seek(0)
        file.truncate()
        file.write(text.partition("\n\n")[0] + "\n\n")
        file.writelines(" | ".join(each) + "\n" for each in [*kept, row])


def main() -> int:
    """Try all of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tree")
    parser.add_argument("scratch", type=Path)
    parser.add_argument("--only", default="", help="those whose rule or file has this text")
    parser.add_argument("--from", type=int, default=1, dest="first", help="those from the Nth in the list")
    parser.add_argument("--missing", action="store_true", help="those that noticed.list doesn't have")
    parser.add_argument("--mutated-only", action="store_true", help="the tests are known to pass without")
    options, make = parser.parse_known_args()
    table = tomllib.loads((Path(__file__).parent / "driver.toml").read_text())["mutation"]
    mutations = [Mutation(**row) for row in table][options.first - 1 :]
    chosen = [mutation for mutation in mutations if options.only in mutation.rule + mutation.file]
    if options.missing:
        known = noticed()
        chosen = [mutation for mutation in chosen if (mutation.rule, mutation.file, mutation.digest) not in known]
    workers = int(os.environ.get("PCIBACK_WORKERS", "2"))
    labs: queue.SimpleQueue[Lab] = queue.SimpleQueue()
    for number in range(workers):
        lab = Lab(options.tree, options.scratch / str(number), make)
        lab.mirror()
        if why := lab.build():
            sys.exit(f"the driver as it is doesn't build:\n{why}")
        labs.put(lab)
    if not options.mutated_only:
        together = " or ".join(f"({expression})" for expression in sorted({mutation.tests for mutation in chosen}))
        status, failed = lab.tests(together)
        if status != PASSED:
            sys.exit(f"without a mutation: status {status}: {failed}")

    def in_a_lab(mutation: Mutation) -> bool:
        lab = labs.get()
        try:
            row, was_noticed = lab.try_one(mutation)
        finally:
            labs.put(lab)
        print(row, flush=True)
        return was_noticed

    print("| Rule | File | Noticed by | s |\n|---|---|---|---|", flush=True)
    with ThreadPoolExecutor(workers) as pool:
        missed = list(pool.map(in_a_lab, chosen)).count(False)
    print(f"{len(chosen)} mutations, {missed} not noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
