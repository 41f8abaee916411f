// SPDX-License-Identifier: GPL-2.0

//! The driver's keys and sets.

#[path = "../../../pure/bdf_grammar.rs"]
pub(crate) mod bdf_grammar;
#[path = "../../../pure/devfn_set.rs"]
pub(crate) mod devfn_set;
#[path = "../../../pure/sbdf.rs"]
pub(crate) mod sbdf;
