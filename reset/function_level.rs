// SPDX-License-Identifier: GPL-2.0

//! One function-level reset: decode off, reset, restore.
//!
//! Telling Xen comes after all of that (see [`hypercall::reset_done`]): the order matters. After an
//! FLR the BARs read 0; were Xen told before they are restored, it would find the device's MSI-X
//! table at guest frame 0, among dom0's memory, and refuse.

use super::record::ResetRecord;
use crate::{
    hypercall::{self, ResetKind},
    kapi::pci::{listed_methods, DeviceExt, Exclusive, Header, SavedState},
    pure::reset_method::{choose_function_level, Method},
    stub::claimed::Claimed,
};
use kernel::{pci, prelude::*};

/// A successful reset.
pub(crate) struct Done {
    /// From the quiescing to the device's return, in microseconds.
    pub(crate) micros: i64,
}

/// A reset that failed, and at which step.
pub(crate) struct Failed {
    /// The step, for the log.
    pub(crate) step: &'static str,
    /// Its error.
    pub(crate) error: Error,
}

impl Failed {
    /// Returns what makes a step's error into this.
    pub(crate) fn at(step: &'static str) -> impl Fn(Error) -> Self {
        move |error| Self { step, error }
    }
}

/// Returns how the device can be reset by itself, or `None` where it can't (no method is listed,
/// or it is a bridge, below which a reset would reach everything).
pub(crate) fn plan(device: &pci::Device) -> Option<Method> {
    match device.header() {
        Header::Normal => choose_function_level(&listed_methods(device)),
        Header::Bridge | Header::Other => None,
    }
}

/// Resets the device and restores `state`; the state is restored also where the reset fails.
///
/// # Errors
///
/// - `EIO`: the device doesn't answer, and nothing was tried; or it didn't take its state back.
/// - `ETIMEDOUT`: it didn't come back from the reset.
/// - The errno of the step that failed: wake, the reset itself, restore.
pub(crate) fn reset(
    device: &Exclusive<'_>,
    method: Method,
    state: &SavedState,
) -> Result<Done, Failed> {
    // A reset of a device that is gone would wait a minute for it to come back.
    if !device.is_present() {
        return Err(Failed::at("presence check")(EIO));
    }
    device.wake().map_err(Failed::at("wake to D0"))?;
    let attempt = device.reset(method, state);
    attempt.reset.map_err(Failed::at("reset"))?;
    attempt.restored.map_err(Failed::at("restore"))?;
    Ok(Done {
        micros: attempt.duration.as_micros_ceil(),
    })
}

/// Resets a claimed device to the state saved at its claim, and tells Xen.
///
/// # Errors
///
/// - As for [`reset`].
/// - Xen's errno, step "notify".
pub(crate) fn reset_claimed(
    device: &Exclusive<'_>,
    method: Method,
    claimed: &Claimed,
) -> Result<ResetRecord, Failed> {
    let Done { micros } = reset(device, method, &claimed.state)?;
    let told = hypercall::reset_done(claimed.dom0, device.device(), ResetKind::Flr)
        .map_err(Failed::at("notify"))?;
    Ok(ResetRecord::Reset {
        method,
        micros,
        told,
    })
}
