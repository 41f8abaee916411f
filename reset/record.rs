// SPDX-License-Identifier: GPL-2.0

//! What is known of a device's last reset.

use crate::{hypercall::Told, pure::reset_method::Method};
use kernel::error::Error;

/// The outcome of the last reset of a claimed device.
#[derive(Clone, Copy)]
pub(crate) enum ResetRecord {
    /// There was none: the device has no function-level reset (or is a bridge).
    NotReset,
    /// The device was reset.
    Reset {
        /// By which method.
        method: Method,
        /// From the quiescing to the device's return, in microseconds.
        micros: i64,
        /// What Xen knows of it.
        told: Told,
    },
    /// A reset was tried and failed, or Xen refused to hear of it.
    Failed {
        /// The method tried.
        method: Method,
        /// The step's error.
        error: Error,
    },
}

impl ResetRecord {
    /// Returns the state that the last reset left the device in, as sysfs shows it.
    pub(crate) const fn state(&self) -> &'static str {
        match self {
            Self::NotReset => "not-reset",
            Self::Reset { .. } => "clean",
            Self::Failed { .. } => "failed",
        }
    }

    /// Returns the method of the last reset, if there was one.
    pub(crate) const fn method(&self) -> Option<Method> {
        match self {
            Self::NotReset => None,
            Self::Reset { method, .. } | Self::Failed { method, .. } => Some(*method),
        }
    }
}
