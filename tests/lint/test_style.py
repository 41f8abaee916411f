# SPDX-License-Identifier: GPL-2.0
"""The lint of the style, against good and bad lines."""

from pathlib import Path

from style import asks, faults

GOOD = """
use super::raw;
use crate::{
    kapi::pci::{
        CfgLocked,
        DeviceExt, //
    },
    pure::sbdf::Sbdf, //
};
use kernel::{
    ffi::c_int,
    sync::{
        Arc,
        Mutex, //
    },
};

/// Returns `true` if it is. Xen tells why.
fn is(it: c_int) -> bool {}
"""


def lines(source: str) -> list[int]:
    """The lines that are found."""
    return [number for number, _ in faults(source)]


def test_good_lines_pass() -> None:
    """What the guidelines show is fine."""
    assert lines(GOOD) == []


def test_imports_side_by_side() -> None:
    """Two on a line, also in an inner list."""
    assert lines("use kernel::{pci, prelude::*};\n") == [1]
    assert lines("use crate::{\n    pure::{a, b},\n    gsi, //\n};\n") == [2]


def test_the_empty_comment() -> None:
    """Without it rustfmt would join the lines."""
    assert lines("use crate::{\n    gsi,\n    pure,\n};\n") == [3]


def test_words() -> None:
    """One rule a line."""
    assert lines("use core::sync::atomic::AtomicBool;\n") == [1]
    assert lines("use core::{\n    fmt,\n    sync::atomic::AtomicBool, //\n};\n") == [1]
    assert lines("use kernel::sync::atomic::{\n    Atomic,\n    Relaxed, //\n};\n") == []
    assert lines("fn f() -> ffi::c_int {}\n") == [1]
    assert lines("fn f(\n    number: ffi::c_int,\n) {}\n") == [2]
    assert lines("use kernel::ffi::c_int;\n") == []
    assert lines("/// Tells whether it is.\n") == [1]


def test_length_of_comments() -> None:
    """A hundred columns, indented or not. Strings may be longer: they can be searched for then."""
    assert lines(f"// {'x' * 97}\n    /// {'x' * 92}\n") == []
    assert lines(f"// {'x' * 98}\n    /// {'x' * 93}\n") == [1, 2]
    assert lines(f'    pr_err!("{"x" * 120}");\n') == []


def test_other_kernels() -> None:
    """They are for kapi/compat; test builds and debug options are for anybody."""
    for line in ('#[cfg(target_arch = "x86_64")]', "if cfg!(CONFIG_X86) {", "#[cfg(not(pciback_id_pointers))]"):
        assert list(asks(Path("kapi/xen.rs"), line))
        assert not list(asks(Path("kapi/compat/ids.rs"), line))
    for line in ("#[cfg(pciback_faults)]", "#[cfg(CONFIG_DEBUG_SPINLOCK)]", "#[cfg(test)]"):
        assert not list(asks(Path("kapi/log.rs"), line))
