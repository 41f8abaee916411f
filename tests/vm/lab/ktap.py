# SPDX-License-Identifier: GPL-2.0
"""Read KTAP, the kernel's dialect of TAP, nested tests included.

A subtest's lines are indented and come before the result line of the test they
belong to: https://docs.kernel.org/dev-tools/ktap.html
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_RESULT = re.compile(r"(?P<not>not )?ok(?: (?P<number>\d+))?(?: -)?(?: (?P<rest>.*))?$")
_PLAN = re.compile(r"1\.\.(?P<count>\d+)(?:\s*#\s*(?:SKIP|skip)\s*(?P<skip>.*))?")
_DIRECTIVE = re.compile(r"(?:^|\s)#\s*(?P<word>SKIP|XFAIL|TODO)\b\s*(?P<reason>.*)$", re.IGNORECASE)
_VERSION = re.compile(r"K?TAP version \d+$")

PASS, FAIL, SKIP = "pass", "fail", "skip"


@dataclass
class Case:
    """One test and its subtests. `status` is pass, fail or skip."""

    name: str
    status: str = PASS
    reason: str = ""
    notes: list[str] = field(default_factory=list)
    cases: list["Case"] = field(default_factory=list)

    def leaves(self, prefix: str = "") -> Iterator[tuple[str, "Case"]]:
        """The tests that have no subtests, by their path."""
        if not self.cases:
            yield prefix or self.name, self
        for case in self.cases:
            yield from case.leaves(f"{prefix}/{case.name}" if prefix else case.name)


@dataclass
class _Level:
    """A list of results that is being read, at one indentation."""

    indent: int
    plan: int | None = None
    skip: str | None = None
    cases: list[Case] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def problems(self) -> list[str]:
        """What contradicts the plan."""
        if self.plan is None:
            return ["no plan (1..N)"] if self.cases else ["no results"]
        if self.plan != len(self.cases):
            return [f"planned {self.plan} tests, saw {len(self.cases)}"]
        return []


def parse(text: str, name: str = "ktap") -> Case:
    """Read a whole report. What is no KTAP is kept as a note of what follows it.

    A report that breaks its own plan, or that bails out, has status fail.
    """
    levels = [_Level(0)]
    bail = None
    for line in text.splitlines():
        body = line.lstrip(" ")
        indent = len(line) - len(body)
        if body.startswith("Bail out!"):
            bail = body
        elif _VERSION.match(body) or body.startswith("# Subtest:"):
            # The version line at the top opens what is open already.
            if indent > levels[-1].indent:
                levels.append(_Level(indent))
        elif plan := _PLAN.match(body):
            if indent > levels[-1].indent:
                levels.append(_Level(indent))
            levels[-1].plan = int(plan["count"])
            levels[-1].skip = plan["skip"]
        elif result := _RESULT.match(body):
            _result(levels, indent, result)
        elif body:
            levels[-1].notes.append(line)
    while len(levels) > 1:  # a test that ended without a result of its own
        lost = levels.pop()
        case = Case("(unfinished)", FAIL, "its subtests have no result line", lost.notes, lost.cases)
        levels[-1].cases.append(case)
    top = levels[0]
    problems = [bail] if bail else top.problems()
    if top.plan == 0 and not bail:
        return Case(name, SKIP, (top.skip or "").strip(), top.notes)
    status = _summary(top.cases)
    if problems:
        status = FAIL
    return Case(name, status, "; ".join(problems), top.notes, top.cases)


def figures(text: str) -> list[str]:
    """What a script says is to be quoted."""
    return re.findall(r"^ *# figure: (.*)$", text, re.MULTILINE)


def _result(levels: list[_Level], indent: int, result: re.Match[str]) -> None:
    """Take a result line: it closes the deeper level, if there is one."""
    inner: _Level | None = None
    while len(levels) > 1 and levels[-1].indent > indent:
        inner = levels.pop()
    level = levels[-1]
    rest = result["rest"] or ""
    status, reason = (FAIL if result["not"] else PASS), ""
    if directive := _DIRECTIVE.search(rest):
        rest, reason = rest[: directive.start()], directive["reason"].strip()
        word = directive["word"].upper()
        status = SKIP if word == "SKIP" else PASS
    number = result["number"]
    case = Case(rest.strip() or f"test {number or len(level.cases) + 1}", status, reason, level.notes)
    level.notes = []
    if number is not None and int(number) != len(level.cases) + 1:
        case.status, case.reason = FAIL, f"numbered {number}, expected {len(level.cases) + 1}"
    if inner is not None:
        case.cases = inner.cases
        case.notes = case.notes + inner.notes
        problems = inner.problems()
        if problems and case.status != SKIP:
            case.status, case.reason = FAIL, "; ".join(problems)
        elif case.status == PASS and _summary(inner.cases) == FAIL:
            case.status, case.reason = FAIL, "a subtest failed"
    level.cases.append(case)


def _summary(cases: list[Case]) -> str:
    """The status of a group: fail if any fails, skip if all skip."""
    states = {case.status for case in cases}
    if FAIL in states:
        return FAIL
    return SKIP if states == {SKIP} else PASS
