// SPDX-License-Identifier: GPL-2.0

//! Answers as people read them.

pub(crate) mod graph;
pub(crate) mod list;
pub(crate) mod paint;
pub(crate) mod svg;
pub(crate) mod texts;
pub(crate) mod tree;
