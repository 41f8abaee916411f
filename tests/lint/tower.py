#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Check the tower: each part of the driver uses only parts below it, and no part has a circle in it.

    tower.py [--report] [ROOT]

The arrows are read from the `use` trees and from the paths (`crate::`, `self::`, `super::`) in
the code of each file. A name that a module only re-exports counts for the file that defines it,
so the head of a part (`reset.rs` beside `reset/`) may name what its files offer, but none
re-exports from a part above. Code for `#[cfg(test)]` does not count.

What it can't see: methods, and what a part above implements for a trait of a part below, since
calls of either name no module.

It also fails on a type name that two modules offer to others: a reader who meets it must know
which one is meant.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

#: The floors, from the ground up. Parts on one floor don't use each other.
FLOORS = (
    ("pure",),
    ("kapi",),
    ("fault", "params"),
    ("hypercall",),
    ("device",),
    ("reset", "gsi"),
    ("backend",),
    ("stub",),
    ("sysfs",),
)
ROOT = "rust_pciback"
HEIGHT = {part: floor for floor, parts in enumerate(FLOORS) for part in parts} | {ROOT: len(FLOORS)}

Path_ = tuple[str, ...]

TOKEN = re.compile(
    r"""(?P<skip>\s+ | //[^\n]* | /\*.*?\*/)
      | (?P<text>(?:b|c|br|cr|r)?\#*"(?:\\.|[^"\\])*"\#* | b?'(?:\\.[^']*|[^'\\])')
      | (?P<word>'?[A-Za-z_]\w*)
      | (?P<sign>:: | .)""",
    re.VERBOSE | re.DOTALL,
)


def tokens(source: str) -> list[str]:
    """The tokens of Rust source, without comments; a literal is `""`."""
    found = []
    for match in TOKEN.finditer(source):
        if match.lastgroup == "text":
            found.append('""')
        elif match.lastgroup != "skip":
            found.append(match.group())
    return without_tests(found)


def closing(code: list[str], at: int) -> int:
    """The place of the bracket that closes the one at that place."""
    pairs = {"{": "}", "(": ")", "[": "]"}
    stack = []
    for place in range(at, len(code)):
        if code[place] in pairs:
            stack.append(pairs[code[place]])
        elif stack and code[place] == stack[-1]:
            stack.pop()
            if not stack:
                return place
    raise ValueError("a bracket that is not closed")


def without_tests(code: list[str]) -> list[str]:
    """The same without items that are for tests only."""
    mark = ["#", "[", "cfg", "(", "test", ")", "]"]
    kept: list[str] = []
    at = 0
    while at < len(code):
        if code[at : at + len(mark)] != mark:
            kept.append(code[at])
            at += 1
            continue
        at += len(mark)
        while at < len(code) and code[at] not in ("{", ";"):
            at = closing(code, at) + 1 if code[at] in ("(", "[") else at + 1
        at = (closing(code, at) if code[at] == "{" else at) + 1
    return kept


class Use(NamedTuple):
    """One leaf of a `use` tree."""

    path: Path_
    #: What it is called from here on.
    name: str
    #: It is for others, too.
    public: bool


def leaves(code: list[str], at: int, stem: Path_ = ()) -> tuple[list[tuple[Path_, str]], int]:
    """The leaves of the tree that begins at that place, and the place after it."""
    path = stem
    while code[at] not in ("{", "}", ",", ";", "as"):
        if code[at] != "::":
            path = (*path, code[at])
        at += 1
    if code[at] == "as":
        return [(path, code[at + 1])], at + 2
    if code[at] != "{":
        return [(path, path[-1])], at
    found: list[tuple[Path_, str]] = []
    at += 1
    while code[at] != "}":
        if code[at] == ",":
            at += 1
            continue
        more, at = leaves(code, at, path)
        found += more
    return found, at + 1


class Module:
    """One file."""

    def __init__(self, path: Path_, source: str) -> None:
        self.path = path
        self.uses: list[Use] = []
        self.inline: list[Path_] = []
        self.types: list[str] = []
        self._read(tokens(source))

    def _read(self, code: list[str]) -> None:
        #: Words of the code, without those of `use` lines.
        self.words: set[str] = set()
        at = 0
        while at < len(code):
            if code[at] == "use" and (at == 0 or code[at - 1] in ("{", "}", ";", "]", ")", "pub")):
                public = self._is_public(code, at)
                found, at = leaves(code, at + 1)
                self.uses += [Use(path, name if name != "self" else path[-2], public) for path, name in found]
                continue
            self.words.add(code[at])
            if code[at] in ("struct", "enum", "trait", "union", "type") and self._is_public(code, at):
                self.types.append(code[at + 1])
            if code[at] in ("crate", "self", "super") and code[at + 1 : at + 2] == ["::"]:
                path, at = self._path(code, at)
                self.inline.append(path)
                continue
            at += 1

    @staticmethod
    def _is_public(code: list[str], at: int) -> bool:
        before = code[max(0, at - 6) : at]
        while before and before[-1] in ("unsafe", "const"):
            before.pop()
        if before and before[-1] == ")":
            return "pub" in before
        return bool(before) and before[-1] == "pub"

    @staticmethod
    def _path(code: list[str], at: int) -> tuple[Path_, int]:
        path = [code[at]]
        while code[at + 1 : at + 2] == ["::"] and re.match(r"\w", code[at + 2]):
            at += 2
            path.append(code[at])
        return tuple(path), at + 1


class Tower:
    """All files of the driver."""

    def __init__(self, sources: dict[Path_, str]) -> None:
        self.modules = {path: Module(path, source) for path, source in sources.items()}

    @classmethod
    def read(cls, root: Path) -> Tower:
        """Read the files below a folder."""
        sources: dict[Path_, str] = {}
        for file in sorted(root.rglob("*.rs")):
            parts = file.relative_to(root).with_suffix("").parts
            if parts[0] in ("boot", "cli", "tests", "target") or parts[-1].endswith("_tests"):
                continue
            sources[() if parts == (ROOT,) else parts] = file.read_text()
        return cls(sources)

    def _absolute(self, module: Path_, path: Path_) -> Path_ | None:
        """The path from the crate's root; None where it leads out of the crate."""
        if path[0] == "crate":
            return path[1:]
        if path[0] == "self":
            return (*module, *path[1:])
        if path[0] == "super":
            here = module
            while path and path[0] == "super":
                here, path = here[:-1], path[1:]
            return (*here, *path)
        return (*module, *path) if (*module, path[0]) in self.modules else None

    def _owner(self, path: Path_, seen: frozenset[Path_] = frozenset()) -> Path_ | None:
        """The module that defines what an absolute path names."""
        known = path
        while known and known not in self.modules:
            known = known[:-1]
        rest = path[len(known) :]
        if not rest or known not in self.modules or path in seen:
            return known if known in self.modules else None
        for use in self.modules[known].uses:
            if use.name == rest[0]:
                target = self._absolute(known, use.path)
                return None if target is None else self._owner((*target, *rest[1:]), seen | {path})
        return known

    def arrows(self) -> Iterator[tuple[Path_, Path_]]:
        """From each module to those that it uses."""
        for path, module in self.modules.items():
            targets = set()
            for use in module.uses:
                target = self._target(path, use.path)
                leaves_part = target is not None and self.part(target) != self.part(path)
                if not use.public or leaves_part or use.name in module.words:
                    targets.add(target)
            targets |= {self._target(path, inline) for inline in module.inline}
            for target in sorted(targets - {None, path}, key=str):
                assert target is not None
                yield path, target

    def _target(self, module: Path_, path: Path_) -> Path_ | None:
        if path[-1] in ("*", "self"):
            path = path[:-1]
        absolute = self._absolute(module, path)
        return None if absolute is None else self._owner(absolute)

    @staticmethod
    def part(path: Path_) -> str:
        """The part that a module belongs to."""
        return path[0] if path else ROOT

    def renamed_roots(self) -> list[Path_]:
        """Modules that give the crate another name, which hides what they use."""
        roots = ("crate",), ("crate", "self"), ("super",), ("super", "self")
        return [path for path, module in self.modules.items() if any(use.path in roots for use in module.uses)]

    def strangers(self) -> list[str]:
        """Parts without a floor."""
        return sorted({self.part(path) for path in self.modules} - set(HEIGHT))

    def upward(self) -> list[tuple[Path_, Path_]]:
        """Arrows to the same floor or a higher one."""
        return [
            (one, two)
            for one, two in self.arrows()
            if self.part(one) != self.part(two)
            and HEIGHT.get(self.part(one), -1) <= HEIGHT.get(self.part(two), len(FLOORS))
        ]

    def circles(self) -> list[list[Path_]]:
        """Groups of modules of one part that use each other in a circle."""
        graph: dict[Path_, set[Path_]] = {path: set() for path in self.modules}
        for one, two in self.arrows():
            if self.part(one) == self.part(two):
                graph[one].add(two)
        reach = {path: reachable(graph, path) for path in graph}
        found: list[list[Path_]] = []
        for path in sorted(graph):
            group = sorted(other for other in graph if other in reach[path] and path in reach[other])
            if len(group) > 1 and group not in found:
                found.append(group)
        return found

    def twins(self) -> list[tuple[str, list[Path_]]]:
        """Type names that several modules offer."""
        where: dict[str, list[Path_]] = {}
        for path, module in self.modules.items():
            for name in dict.fromkeys(module.types):
                where.setdefault(name, []).append(path)
        return sorted((name, paths) for name, paths in where.items() if len(paths) > 1)


def reachable(graph: dict[Path_, set[Path_]], start: Path_) -> set[Path_]:
    """What can be reached from a module."""
    found: set[Path_] = set()
    todo = list(graph[start])
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            todo += graph[path]
    return found


def name(path: Iterable[str]) -> str:
    """A module as its file is called."""
    return ("/".join(path) or ROOT) + ".rs"


def main(arguments: list[str]) -> int:
    """Check the tree, or report on it."""
    report = "--report" in arguments
    rest = [argument for argument in arguments if argument != "--report"]
    tower = Tower.read(Path(rest[0] if rest else "."))
    upward, circles, twins, strangers = tower.upward(), tower.circles(), tower.twins(), tower.strangers()
    renamed = tower.renamed_roots()
    for path in renamed:
        print(f"{name(path)} has another name for `crate` or `super`: what it uses can't be told")
    for part in strangers:
        print(f"{part}: a part without a floor: see FLOORS in tests/lint/tower.py")
    for one, two in upward:
        print(f"{name(one)} uses {name(two)}, which is not on a floor below")
    for circle in circles:
        print("in a circle: " + ", ".join(map(name, circle)))
    for twin, paths in twins:
        print(f"several types are called {twin}: in " + ", ".join(map(name, paths)))
    if report:
        arrows = list(tower.arrows())
        print(f"{len(tower.modules)} files, {len(arrows)} arrows, {len(upward)} of them upward,", end=" ")
        print(f"{len(circles)} circles, {len(twins)} names twice")
    return int(bool(upward or circles or twins or strangers or renamed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
