#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Check the documents against each other and against the tree.

    docs.py [--words] [ROOT]

- Relative links and their #anchors lead somewhere.
- What stands in backticks and looks like a file, a script or a folder of the tree, a test, or a
  variable of the tests is there; and so are the documents that comments name.
- Tables are complete: parameters, steps of a claim, hypercalls, codes of what is missing upstream, locks.
- Each attribute and each parameter has an entry in the ABI file, and each entry one of those.
- All pages together have at most LIMIT words.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

#: Of all pages together, as `wc -w` counts, bars of tables included: 20,000 for the driver of HVM
#: guests, 500 for each thing that has a page of its own since (PV frontends, pcibackctl, kernels, packages,
#: real hardware), and 250 each for the interrupts of PV guests and for why one can trust it; 850 less for the
#: results of `make bench`, which were counted then.
LIMIT = 20_000 + 5 * 500 + 2 * 250 - 850
#: What a program has written into a page, which isn't counted.
WRITTEN = re.compile(r"<!-- results of make bench: begin -->.*<!-- results of make bench: end -->", re.DOTALL)

ABI = "Documentation/ABI/testing/sysfs-driver-pciback"
#: Files that the driver core makes for each PCI driver.
BY_DRIVER_CORE = {"bind", "unbind", "new_id", "remove_id"}
#: What looks like a name of the tree: a directory in xenstore, examples of names, a domctl.
ELSEWHERE = {"backend/pci", "foo.rs", "mod.rs", "test_assign_device"}
#: Endings of files that are in the tree where they are anywhere.
ENDINGS = (".rs", ".sh", ".py", ".md", ".toml", ".count", ".list", ".config")
#: Endings of files that may name a document; those without an ending are scripts.
SOURCES = (".rs", ".sh", ".py")

#: Blocks of code: indented after an empty line, or fenced.
BLOCK = re.compile(r"(?<=\n\n)(?: {4,}[^\n]*\n+)+|^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.*)$", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")


class Tree:
    """All files, by their paths from the root."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files
        self.folders = {folder for path in files for folder in parents(path)}
        self.names = {path.rpartition("/")[2] for path in files}
        self.pages = {path: text for path, text in files.items() if is_page(path)}

    @classmethod
    def read(cls, root: Path) -> Tree:
        """Read the files below a folder, without what builds leave."""
        files = {}
        for file in sorted(root.rglob("*")):
            path = file.relative_to(root).as_posix()
            if file.is_file() and not re.search(r"(^|/)(\.git|target|__pycache__)(/|$)|\.(k?o|cmd|mod(\.c)?)$", path):
                files[path] = file.read_text(errors="replace")
        return cls(files)

    def has(self, name: str, page: str = "") -> bool:
        """Whether there is such a file or folder: by its path, by its name alone, or from a page's folder."""
        name = name.rstrip("/")
        if "*" in name:
            return any(fnmatch(path, name) for path in self.files)
        here = resolve(page, name) if page else name
        return name in self.files or name in self.folders or name in self.names or here in self.files

    def text(self, *patterns: str) -> str:
        """All files whose paths fit, in one."""
        fits = [text for path, text in self.files.items() if any(fnmatch(path, pattern) for pattern in patterns)]
        return "\n".join(fits)


def parents(path: str) -> Iterator[str]:
    """The folders that a file is in."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def is_page(path: str) -> bool:
    """Whether a file is one of the pages: those at the root, and in Documentation."""
    return re.fullmatch(r"(Documentation/)?[^/]+\.md", path) is not None


def is_counted(path: str) -> bool:
    """Whether a page's words count. The changelog grows with each release."""
    return is_page(path) and path != "CHANGELOG.md"


def resolve(page: str, target: str) -> str:
    """The path from the root of what a page links to."""
    parts = page.split("/")[:-1]
    for part in target.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and GitLab make them."""
    found: dict[str, int] = {}
    result = set()
    for heading in HEADING.findall(BLOCK.sub("", text)):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        number = found.get(slug, 0)
        found[slug] = number + 1
        result.add(f"{slug}-{number}" if number else slug)
    return result


def links(tree: Tree) -> Iterator[str]:
    """Links that lead nowhere."""
    for page, text in tree.pages.items():
        for target in LINK.findall(BLOCK.sub("", text)):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            to = resolve(page, path) if path else page
            if to not in tree.files and to not in tree.folders:
                yield f"{page}: {target}: there is no {to}"
            elif anchor and anchor not in anchors(tree.files[to]):
                yield f"{page}: {target}: there is no such heading in {to}"


def names(tree: Tree) -> Iterator[str]:
    """Names in backticks of what isn't there."""
    tests = set(re.findall(r"\bdef (test_\w+)", tree.text("tests/*.py")))
    variables = set(re.findall(r"\bPCIBACK_[A-Z_]+", tree.text("tests/*", "tools/*", "*.rs")))
    tops = {path.partition("/")[0] for path in tree.files if "/" in path}
    for page, text in tree.pages.items():
        for name in CODE.findall(BLOCK.sub("", text)):
            if name in ELSEWHERE:
                continue
            if re.fullmatch(r"test_\w+", name) and name not in tests:
                yield f"{page}: there is no test {name}"
            elif re.fullmatch(r"PCIBACK_\w+", name) and name not in variables:
                yield f"{page}: nothing knows {name}"
            elif not re.fullmatch(r"[\w.*/-]+", name):
                continue
            elif (name.endswith(ENDINGS) or ("/" in name and name.partition("/")[0] in tops)) and not tree.has(
                name, page
            ):
                yield f"{page}: there is no {name}"


def named_by_comments(tree: Tree) -> Iterator[str]:
    """Documents, and files of the driver's parts, that sources name and that aren't there."""
    parts = "|".join(path.removesuffix(".rs") for path in tree.files if re.fullmatch(r"\w+\.rs", path))
    name_of = re.compile(rf"(?<![\w/.])(?:Documentation/[\w/-]+\.md|(?:{parts})/[\w/]+\.rs)\b")
    for path, text in tree.files.items():
        if path.endswith((*SOURCES, ".c")) or "." not in path.rpartition("/")[2]:
            for name in name_of.findall(text):
                if not path.startswith("tests/lint/") and name not in tree.files:
                    yield f"{path}: there is no {name}"


def table(page: str, head: str) -> list[list[str]]:
    """The rows of the first table of a page whose first column has that head, each as its cells."""
    rows = []
    for line in page.split("\n"):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if rows or (line.startswith("|") and cells[0] == head):
            if not line.startswith("|"):
                break
            rows.append(cells)
    return rows[2:]


def first_column(page: str, head: str) -> set[str]:
    """The names in backticks in the first column of a table."""
    return {name for row in table(page, head) for name in CODE.findall(row[0])}


def parameters(tree: Tree, *patterns: str) -> set[str]:
    """The module parameters that files declare."""
    source = "\n".join(line for line in tree.text(*patterns).split("\n") if not line.lstrip().startswith("//"))
    return set(re.findall(r"\b(?:string|switch|number)_param!\(\s*\w+,\s*\"(\w+)\"", source))


def differ(what: str, documented: Iterable[str], there: Iterable[str]) -> Iterator[str]:
    """What is in one and not in the other."""
    documented, there = set(documented), set(there)
    for name in sorted(there - documented):
        yield f"{what}: {name} is missing"
    for name in sorted(documented - there):
        yield f"{what}: there is no {name}"


def floors(tree: Tree, page: str) -> Iterator[str]:
    """Files that the table of the tower has on a floor where they aren't."""
    rows = table(page, "Floor")
    if page and not rows:
        yield "architecture.md, the tower: no table"
    for floor, *rest in rows:
        for folder in (name for name in CODE.findall(floor) if name.endswith("/")):
            for name in CODE.findall(rest[-1]):
                if name.endswith(".rs") and f"{folder}{name}" not in tree.files and f"{folder[:-1]}.rs" != name:
                    yield f"architecture.md, the tower: there is no {folder}{name}"


def tables(tree: Tree) -> Iterator[str]:
    """Tables that don't say what the source does."""
    page = {path.rpartition("/")[2]: text for path, text in tree.pages.items()}
    yield from floors(tree, page.get("architecture.md", ""))
    yield from differ(
        "admin-guide.md, parameters",
        first_column(page.get("admin-guide.md", ""), "Parameter"),
        parameters(tree, "params.rs"),
    )
    yield from differ(
        "lab.md, parameters",
        first_column(page.get("lab.md", ""), "Parameter"),
        parameters(tree, "fault.rs", "kapi/fault.rs"),
    )
    steps = re.search(r"fn name\(.*?\n    }\n", tree.text("pure/claim_step.rs"), re.DOTALL)
    yield from differ(
        "architecture.md, steps of a claim",
        first_column(page.get("architecture.md", ""), "Step"),
        re.findall(r'=> "([\w-]+)"', steps.group()) if steps else [],
    )
    yield from differ(
        "architecture.md, hypercalls",
        first_column(page.get("architecture.md", ""), "`physdev_op`"),
        re.findall(r"^/// .*`PHYSDEVOP_(\w+)`", tree.text("kapi/physdev.rs"), re.MULTILINE),
    )
    upstreaming = page.get("upstreaming.md", "")
    codes = [name for row in re.findall(r"^\| (`[^|]*) \|", upstreaming, re.MULTILINE) for name in CODE.findall(row)]
    drivers = [path for path in tree.files if path.endswith(".rs") and not path.startswith("tests/")]
    source = "\n".join(tree.files[path] for path in drivers)
    yield from differ(
        "upstreaming.md, codes",
        (code for code in codes if re.fullmatch(r"[a-z]+(-[a-z]+)*", code)),
        set(re.findall(r"\bUPSTREAM\(([a-z-]+)\)", source)) - {"code"},
    )
    locks = re.search(r"^## Locks\n(.*?)(?=^## |\Z)", page.get("architecture.md", ""), re.MULTILINE | re.DOTALL)
    yield from differ(
        "architecture.md, global locks",
        {
            name
            for row in table(locks.group(1) if locks else "", "Lock")
            for name in CODE.findall(row[0])
            if name.isupper()
        },
        re.findall(r"^    static ([A-Z_]+)\([A-Z_]+\): (?:Mutex|SpinLock)<", source, re.MULTILINE),
    )


def attributes(source: str) -> set[str]:
    """The names of the attributes in a file of sysfs/."""
    return set(re.findall(r"(?:NAME: &'static CStr = |^\s*\w+, )c\"(\w+)\"", source, re.MULTILINE))


def abi(tree: Tree) -> Iterator[str]:
    """Attributes and parameters without an entry, and entries without one."""
    what = re.findall(r"^What:\s+(\S+)$", tree.files.get(ABI, ""), re.MULTILINE)
    entries = {folder: {path.removeprefix(folder) for path in what if path.startswith(folder)} for folder in FOLDERS}
    driver, device, module = (entries[folder] for folder in FOLDERS)
    yield from differ(
        f"{ABI}, driver",
        driver,
        attributes(tree.text("sysfs/driver.rs", "sysfs/settings.rs")) | BY_DRIVER_CORE,
    )
    yield from differ(f"{ABI}, device", device, attributes(tree.text("sysfs/device.rs")))
    yield from differ(f"{ABI}, parameters", module, parameters(tree, "params.rs"))


FOLDERS = (
    "/sys/bus/pci/drivers/pciback/",
    "/sys/bus/pci/devices/.../pciback/",
    "/sys/module/rust_pciback/parameters/",
)


def words(text: str) -> int:
    """How many words a page has, without what a program has written."""
    return len(WRITTEN.sub("", text).split())


def total(tree: Tree) -> int:
    """How many words all pages have."""
    return sum(words(text) for path, text in tree.pages.items() if is_counted(path))


def too_long(tree: Tree) -> Iterator[str]:
    """Whether the pages are too long."""
    if (found := total(tree)) > LIMIT:
        yield f"all pages have {found} words, of at most {LIMIT}: what is said twice?"


def faults(tree: Tree) -> list[str]:
    """All that is wrong."""
    checks = (links, names, named_by_comments, tables, abi, too_long)
    return [fault for check in checks for fault in check(tree)]


def main(arguments: list[str]) -> int:
    """Check the tree, or count."""
    rest = [argument for argument in arguments if argument != "--words"]
    tree = Tree.read(Path(rest[0] if rest else "."))
    if "--words" in arguments:
        for path in filter(is_counted, tree.pages):
            print(f"{words(tree.pages[path]):6} {path}")
        print(f"{total(tree):6} of at most {LIMIT}")
    found = faults(tree)
    print("\n".join(found), end="\n" if found else "")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
