// SPDX-License-Identifier: GPL-2.0

//! What is known of a device's last reset, and of one that the kernel is carrying out.

use super::{
    canary::Canaries,
    saved_state::Quiet, //
};
use crate::{
    hypercall::Notified,
    pure::{
        canary::Proof,
        reset_method::Listed,
        reset_plan::Rung,
        reset_state::ResetState, //
    },
};
use kernel::{
    error::Error,
    time::{
        Instant,
        Monotonic, //
    },
};

/// The outcome of the last reset of a claimed device.
#[derive(Clone, Copy)]
pub(crate) struct ResetRecord {
    /// What it made of the device.
    pub(crate) state: ResetState,
    /// How it was done; `None` if it never was.
    pub(crate) by: Option<Rung>,
    /// What the canaries say.
    pub(crate) proof: Option<Proof>,
    /// From the quiescing to the return of the hardware, in microseconds.
    pub(crate) micros: i64,
    /// What Xen knows of it.
    pub(crate) xen: Option<Notified>,
    /// The error that ended it, if one did.
    pub(crate) error: Option<Error>,
}

impl ResetRecord {
    /// The device was never reset.
    pub(crate) const NONE: Self = Self {
        state: ResetState::NotReset,
        by: None,
        proof: None,
        micros: 0,
        xen: None,
        error: None,
    };

    /// Returns `true` if it made the device clean.
    pub(crate) fn is_clean(&self) -> bool {
        self.state == ResetState::Clean
    }

    /// The record of a reset that failed.
    pub(crate) const fn failed(by: Rung, error: Error) -> Self {
        Self {
            state: ResetState::Failed,
            by: Some(by),
            error: Some(error),
            ..Self::NONE
        }
    }

    /// The record of a reset that was carried out. The caller fills in what Xen knows.
    pub(crate) const fn executed(by: Rung, proof: Proof, micros: i64) -> Self {
        let state = match proof {
            Proof::Disproven => ResetState::Unproven,
            Proof::Proven | Proof::Unknown if by.is_weak() => ResetState::Weak,
            Proof::Proven | Proof::Unknown => ResetState::Clean,
        };
        Self {
            state,
            by: Some(by),
            proof: Some(proof),
            micros,
            ..Self::NONE
        }
    }
}

/// A reset that the kernel carries out by itself: what is kept from before it to after it.
pub(crate) struct KernelReset {
    pub(crate) quiet: Quiet,
    pub(crate) canaries: Canaries,
    pub(crate) start: Instant<Monotonic>,
    pub(crate) answered: bool,
    pub(crate) listed: Listed,
    pub(crate) alone: bool,
}
