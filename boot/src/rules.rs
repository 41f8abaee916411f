// SPDX-License-Identifier: GPL-2.0

//! What is claimed at boot, and what must not be: decided from a machine's files alone. pcibackctl
//! asks the same rules (cli/src/main.rs), so that it says what will be done, and refuses what would
//! be refused.

pub(crate) mod device;
pub(crate) mod forbidden;
pub(crate) mod identity;
pub(crate) mod in_use;
pub(crate) mod options;
pub(crate) mod plan;
pub(crate) mod record;
pub(crate) mod refusal;
pub(crate) mod store;
pub(crate) mod tree;
pub(crate) mod wanted;
