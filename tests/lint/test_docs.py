# SPDX-License-Identifier: GPL-2.0
"""The lint of the documents, against trees that are good and bad."""

from collections.abc import Callable, Iterable

import pytest
from docs import ABI, LIMIT, Tree, abi, anchors, faults, links, named_by_comments, names, tables, total, words

ADMIN = """# Guide

See [below](#more-of-it), [resets](reset.md#the-kernels-own-resets) and [the ABI](ABI/testing/sysfs-driver-pciback).

| Parameter | Default |
|---|---|
| `hide` | empty |

## More of it

`stub/claim.rs`, `claim.rs`, `tools/vm`, `stub/`, `stub/*.rs`, `claim.sh`, `test_it`, `PCIBACK_SEED`, `kernel/current`.

    # Not a heading
    `no/such.rs` and [no link](nowhere.md)
"""
GOOD = {
    "README.md": "[guide](Documentation/admin-guide.md#more-of-it)",
    "Documentation/admin-guide.md": ADMIN,
    "Documentation/reset.md": "# Resets\n\n## The kernel's own resets\n",
    "Documentation/lab.md": "| Parameter | Effect |\n|---|---|\n| `fail_step` | |\n| `fail_call`, `fail_errno` | |\n",
    "Documentation/architecture.md": (
        "| Floor | What | Files |\n|---|---|---|\n| `stub/` | x | `claim.rs`, `stub.rs` |\n\n"
        "| Step | What |\n|---|---|\n| `known-to-xen` | x |\n\n"
        "| `physdev_op` | When |\n|---|---|\n| `setup_gsi` | claim |\n\n"
        "## Locks\n\n| Lock | Kind |\n|---|---|\n| hotplug lock | y |\n| `SLOTS` | mutex |\n\n## More\n"
    ),
    "Documentation/upstreaming.md": "| Code | What |\n|---|---|\n| `probe-type` | `kapi/pci.rs` |\n",
    ABI: (
        "What:\t\t/sys/bus/pci/drivers/pciback/slots\nWhat:\t\t/sys/bus/pci/drivers/pciback/permissive\n"
        + "".join(
            f"What:\t\t/sys/bus/pci/drivers/pciback/{name}\n" for name in ("bind", "unbind", "new_id", "remove_id")
        )
        + "What:\t\t/sys/bus/pci/devices/.../pciback/state\nWhat:\t\t/sys/bus/pci/devices/.../gsi\n"
        + "What:\t\t/sys/module/rust_pciback/parameters/hide\n"
    ),
    "params.rs": '/// `string_param!(NO, "no", "")`\nstring_param!(\n    /// A.\n    HIDE,\n    "hide",\n    ""\n);\n',
    "fault.rs": 'string_param!(\n    FAIL_STEP,\n    "fail_step",\n    ""\n);\n',
    "kapi/fault.rs": 'number_param!(FAIL_CALL, "fail_call", "");\nnumber_param!(FAIL_ERRNO, "fail_errno", "");\n',
    "kapi/physdev.rs": "/// `struct physdev_setup_gsi`, `PHYSDEVOP_setup_gsi` (21): configures.\n",
    "kapi/pci.rs": "//! UPSTREAM(probe-type): as `UPSTREAM(code)`.\n",
    "device/slots.rs": "global! {\n    /// Text.\n    static SLOTS(SLOT_LIST): Mutex<Option<u8>> = None;\n}\n",
    "pure/claim_step.rs": 'fn name() {\n        match self { Self::KnownToXen => "known-to-xen" }\n    }\n',
    "sysfs/driver.rs": '    const NAME: &\'static CStr = c"slots";\n',
    "sysfs/settings.rs": '    const NAME: &\'static CStr = c"permissive";\n',
    "sysfs/device.rs": 'Some(c"pciback"),\nshows!(\n    State, c"state", |claimed| 1\n);\n',
    "stub.rs": "//! See Documentation/reset.md.\n",
    "stub/claim.rs": "",
    "tools/vm": "PCIBACK_SEED=1",
    "tests/dom0/claim.sh": "",
    "tests/vm/test_it.py": "def test_it() -> None: ...\n",
}


def tree(**changes: str) -> Tree:
    """The good tree with some files changed: `reset_md` is Documentation/reset.md."""
    files = dict(GOOD)
    for name, text in changes.items():
        (path,) = [path for path in files if path.rpartition("/")[2].replace(".", "_").replace("-", "_") == name]
        files[path] = text
    return Tree(files)


def without(path: str) -> Tree:
    """The good tree without a file."""
    return Tree({name: text for name, text in GOOD.items() if name != path})


def test_a_good_tree_passes() -> None:
    """With links, names and tables as they should be."""
    assert faults(tree()) == []


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("nowhere.md", "there is no Documentation/nowhere.md"),
        ("../nowhere.md", "there is no nowhere.md"),
        ("reset.md#nowhere", "there is no such heading in Documentation/reset.md"),
        ("#nowhere", "there is no such heading in Documentation/admin-guide.md"),
    ],
)
def test_links(target: str, why: str) -> None:
    """To a file, and to a heading."""
    assert list(links(tree(admin_guide_md=f"{ADMIN}\n[it]({target})\n"))) == [
        f"Documentation/admin-guide.md: {target}: {why}"
    ]
    assert list(links(tree(admin_guide_md=f"{ADMIN}\n[it](https://example.org/nowhere.md)\n"))) == []


def test_anchors() -> None:
    """As the forges make them."""
    text = '# The kernel\'s `own` resets?\n\n## It: "so", FLR\n\n## Twice\n\n## Twice\n\n    # no\n\n```\n# no\n```\n'
    assert anchors(text) == {"the-kernels-own-resets", "it-so-flr", "twice", "twice-1"}


@pytest.mark.parametrize(
    "name",
    [
        "reset/ladder.rs",
        "ladder.rs",
        "tools/vn",
        "stub/*.c",
        "clam.sh",
        "tests/dom1/",
        "test_no_such.py",
        "test_no_such",
        "PCIBACK_NO_SUCH",
    ],
)
def test_names(name: str) -> None:
    """Of files, scripts, folders, tests, variables."""
    assert len(list(names(tree(reset_md=f"`{name}`")))) == 1


def test_names_of_others() -> None:
    """Functions, files of the kernel and of the cache are not the tree's."""
    assert list(names(tree(reset_md="`pci_reset_function()` `drivers/pci` `stamp/kernel` `0000:01:00.0` `a b`"))) == []


def test_documents_in_comments() -> None:
    """They are there."""
    assert list(named_by_comments(tree(stub_rs="//! Documentation/backend.md"))) == [
        "stub.rs: there is no Documentation/backend.md"
    ]
    assert list(named_by_comments(tree(vm="# Documentation/backend.md"))) != []
    assert list(named_by_comments(tree(stub_rs="// See stub/x.rs and src/x.rs"))) == ["stub.rs: there is no stub/x.rs"]


@pytest.mark.parametrize(
    ("check", "name", "old", "new"),
    [
        (tables, "params_rs", '"hide"', '"hid"'),
        (tables, "admin_guide_md", "| `hide` |", "| `hid` |"),
        (tables, "lab_md", "`fail_call`, ", ""),
        (tables, "fault_rs", None, None),
        (tables, "claim_step_rs", '"known-to-xen"', '"known"'),
        (tables, "architecture_md", "`known-to-xen`", "`known`"),
        (tables, "architecture_md", "`claim.rs`", "`clam.rs`"),
        (tables, "physdev_rs", "PHYSDEVOP_setup_gsi", "PHYSDEVOP_map_pirq"),
        (tables, "architecture_md", "`setup_gsi`", "`setup_irq`"),
        (tables, "architecture_md", "`SLOTS`", "`SLOT`"),
        (tables, "slots_rs", "static SLOTS", "static SLOT"),
        (tables, "upstreaming_md", "`probe-type`", "`probe`"),
        (tables, "pci_rs", "UPSTREAM(probe-type)", "UPSTREAM(probe)"),
        (abi, "driver_rs", 'c"slots"', 'c"slot"'),
        (abi, "settings_rs", 'c"permissive"', 'c"lax"'),
        (abi, "device_rs", 'c"state"', 'c"stat"'),
        (abi, "params_rs", '"hide"', '"hid"'),
    ],
)
def test_tables(check: Callable[[Tree], Iterable[str]], name: str, old: str | None, new: str | None) -> None:
    """A name that is another in the source, or in the document: it is missing, and a stranger is there."""
    if old is None or new is None:
        assert list(check(without("fault.rs"))) == ["lab.md, parameters: there is no fail_step"]
        return
    path = next(path for path in GOOD if path.rpartition("/")[2].replace(".", "_").replace("-", "_") == name)
    assert old in GOOD[path]
    assert list(check(tree(**{name: GOOD[path].replace(old, new)}))) != []


@pytest.mark.parametrize("entry", [line for line in GOOD[ABI].split("\n") if line and "/gsi" not in line])
def test_entries_of_the_abi(entry: str) -> None:
    """One that is missing, and one too many."""
    assert len(list(abi(Tree({**GOOD, ABI: GOOD[ABI].replace(entry, "")})))) == 1
    assert len(list(abi(Tree({**GOOD, ABI: f"{GOOD[ABI]}{entry}_more\n"})))) == 1


def test_words() -> None:
    """As `wc -w` counts; the pages share one limit, but for the changelog."""
    assert words("| one | 2 | - |\n|---|---|---|\n") == 8
    assert total(Tree({**GOOD, "CHANGELOG.md": "one two"})) == total(tree())
    long = "word " * (LIMIT - total(tree()))
    assert faults(tree(reset_md=GOOD["Documentation/reset.md"] + long)) == []
    assert len(faults(tree(reset_md=GOOD["Documentation/reset.md"] + long + "word"))) == 1
