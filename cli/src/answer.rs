// SPDX-License-Identifier: GPL-2.0

//! The answers, made of a machine and of nothing else. They are what `--json` prints
//! (Documentation/pcibackctl.md), and what the views for people are made of.

pub(crate) mod device;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod tree;

use schemars::JsonSchema;
use serde::Serialize;

/// The version of all that `--json` prints. The number changes when something that was there is
/// gone or means something else; more can come without that.
pub(crate) const SCHEMA: &str = "pcibackctl/1";

/// What `--json` prints.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Document<T> {
    /// `pcibackctl/1`.
    pub(crate) schema: &'static str,
    /// The command that this answers, or `error`.
    pub(crate) command: &'static str,
    #[serde(flatten)]
    pub(crate) answer: T,
}

impl<T: Serialize> Document<T> {
    /// Puts an answer in.
    pub(crate) const fn new(command: &'static str, answer: T) -> Self {
        Self {
            schema: SCHEMA,
            command,
            answer,
        }
    }
}
