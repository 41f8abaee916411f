// SPDX-License-Identifier: GPL-2.0

//! `crate::stub::claimed`.

use crate::{
    pure::sbdf::Sbdf,
    sync::{CondVar, Mutex},
};

/// A claimed device.
pub(crate) struct Claimed {
    pub(crate) sbdf: Sbdf,
    pub(crate) reserved: Mutex<bool>,
    pub(crate) unreserved: CondVar,
}

impl Claimed {
    pub(crate) fn new(sbdf: Sbdf) -> Self {
        Self {
            sbdf,
            reserved: Mutex::new(false),
            unreserved: CondVar::new(),
        }
    }
}
