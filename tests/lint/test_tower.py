# SPDX-License-Identifier: GPL-2.0
"""The lint of the tower, against trees that are good and bad."""

from tower import Tower


def tower(**files: str) -> Tower:
    """A tree of files: `kapi__pci` is kapi/pci.rs, `rust_pciback` the root."""
    return Tower({tuple(name.split("__")) if name != "rust_pciback" else (): text for name, text in files.items()})


def test_down_is_fine() -> None:
    """Down is fine."""
    good = tower(sysfs="use crate::{kapi::pci, pure};", kapi__pci="", kapi="", pure="")
    assert good.upward() == []


def test_up_is_found_in_nested_braces() -> None:
    """Up is found in nested braces."""
    text = "use crate::{\n    kapi::pci::{self, Locked},\n    stub::{claim::{Claim as C}, release}, //\n};"
    bad = tower(reset=text, kapi="", kapi__pci="", stub="", stub__claim="pub struct Claim;", stub__release="")
    assert bad.upward() == [(("reset",), ("stub", "claim")), (("reset",), ("stub", "release"))]


def test_paths_in_the_code_count() -> None:
    """Paths in the code count."""
    bad = tower(rust_pciback="static FAIL: u8 = 0;", kapi="", kapi__fault="fn f() -> u8 { crate::FAIL }")
    assert bad.upward() == [(("kapi", "fault"), ())]
    bad = tower(kapi="", kapi__pci="fn f() { super::super::device::g() }", device="")
    assert bad.upward() == [(("kapi", "pci"), ("device",))]


def test_parts_of_one_floor_are_apart() -> None:
    """Parts of one floor are apart."""
    assert tower(reset="use crate::gsi;", gsi="").upward() == [(("reset",), ("gsi",))]


def test_comments_strings_and_tests_do_not_count() -> None:
    """Comments strings and tests do not count."""
    text = """
        //! See crate::stub::claim.
        const TEXT: &str = "crate::stub";
        #[cfg(test)]
        mod tests { use crate::stub; }
        #[cfg(test)]
        use crate::stub;
    """
    assert tower(pure=text, stub="").upward() == []


def test_a_part_without_a_floor() -> None:
    """A part without a floor."""
    assert tower(attic="").strangers() == ["attic"]


def test_two_files() -> None:
    """Two files."""
    bad = tower(sysfs="", sysfs__a="use super::b::f;", sysfs__b="use super::a::g;")
    assert bad.circles() == [[("sysfs", "a"), ("sysfs", "b")]]


def test_head_and_file() -> None:
    """Head and file."""
    bad = tower(stub="use self::a::f;\nfn g() {}", stub__a="use super::g;")
    assert bad.circles() == [[("stub",), ("stub", "a")]]


def test_a_head_may_name_what_its_files_offer() -> None:
    """A head may name what its files offer."""
    head = "pub(crate) use self::{a::A, b::B};\npub(super) fn raw() {}"
    good = tower(kapi="", kapi__pci=head, kapi__pci__a="use super::{raw, B};", kapi__pci__b="use super::raw;")
    assert good.circles() == []


def test_but_not_use_it_itself() -> None:
    """But not use it itself."""
    head = "pub(crate) use self::a::A;\npub(super) fn raw() {}\nimpl A {}"
    bad = tower(kapi="", kapi__pci=head, kapi__pci__a="use super::raw;")
    assert bad.circles() == [[("kapi", "pci"), ("kapi", "pci", "a")]]


def test_types_for_others() -> None:
    """Types for others."""
    bad = tower(gsi="pub(crate) struct Entry;", backend="pub(super) enum Entry {}", stub="struct Entry;")
    assert bad.twins() == [("Entry", [("gsi",), ("backend",)])]


def test_no_reexport_from_above() -> None:
    """Not even where the name is not used."""
    bad = tower(kapi="pub(crate) use crate::stub::Stub;", stub="pub(crate) struct Stub;")
    assert bad.upward() == [(("kapi",), ("stub",))]


def test_no_other_name_of_the_crate() -> None:
    """Another name of the crate hides what is used."""
    bad = tower(kapi="use crate as c;\nfn f() { c::stub::g() }", stub="pub(crate) fn g() {}")
    assert bad.renamed_roots() == [("kapi",)]
