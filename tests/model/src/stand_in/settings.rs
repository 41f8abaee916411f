// SPDX-License-Identifier: GPL-2.0

//! `crate::device::settings`.

/// What the administrator allows a guest.
pub(crate) struct Settings;

impl Settings {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn end_use(&self) {}
}
