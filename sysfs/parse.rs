// SPDX-License-Identifier: GPL-2.0

//! Parsing what users write, and logging where it is malformed.

use crate::{
    kapi::log::log_limited,
    pure::bdf_grammar::{
        List,
        Malformed,
        Pattern, //
    },
};
use kernel::prelude::*;

/// Logs that what was written is no device address.
pub(super) fn malformed(file: &'static str) -> impl Fn(Malformed) -> Error {
    move |Malformed { at }| {
        log_limited!(pr_warn, "{file}: malformed at byte {at}\n");
        EINVAL
    }
}

/// Parses a list of addresses, all of it before anything is done.
///
/// # Errors
///
/// - `EINVAL`, after a line in the log: it is none.
pub(super) fn patterns<'a>(
    text: &'a [u8],
    file: &'static str,
) -> Result<impl Iterator<Item = Pattern> + Clone + use<'a>> {
    for pattern in List::new(text) {
        pattern.map_err(malformed(file))?;
    }
    Ok(List::new(text).filter_map(core::result::Result::ok))
}
