// SPDX-License-Identifier: GPL-2.0

//! One function-level reset: decode off, reset, restore.
//!
//! Telling Xen comes after all of that and is the caller's (see [`crate::hypercall::reset_done`]):
//! the order matters. After an FLR the BARs read 0; were Xen told before they are restored, it
//! would find the device's MSI-X table at guest frame 0, among dom0's memory, and refuse.

use crate::{
    kapi::pci::{quiesce, Command, DeviceExt, Exclusive, Header, SavedState},
    pure::reset_method::{choose_function_level, Run},
};
use kernel::{
    pci,
    prelude::*,
    time::{Instant, Monotonic},
};

/// A successful reset.
pub(crate) struct Done {
    /// From the quiescing to the device's return, in microseconds.
    pub(crate) micros: i64,
}

/// Returns how the device can be reset by itself, or `None` where it can't (no method is listed,
/// or it is a bridge, below which a reset would reach everything).
pub(crate) fn plan(device: &pci::Device) -> Option<Run> {
    match device.header() {
        Header::Normal => choose_function_level(&device.reset_methods()),
        Header::Bridge | Header::Other(_) => None,
    }
}

/// A reset that failed, and at which step.
pub(crate) struct Failed {
    /// The step, for the log.
    pub(crate) step: &'static str,
    /// Its error.
    pub(crate) error: Error,
}

/// Resets the device and restores `state`, with bus mastering off; the state is restored also where
/// the reset fails.
///
/// # Errors
///
/// - `EIO`: the device doesn't answer; nothing was tried.
/// - The errno of the step that failed: wake, the reset itself, restore.
pub(crate) fn reset(
    device: &pci::Device,
    how: Run,
    state: &SavedState,
    exclusive: &Exclusive<'_>,
) -> Result<Done, Failed> {
    let at = |step| move |error| Failed { step, error };
    // A reset of a device that is gone would wait a minute for it to come back.
    if !device.is_present() {
        return Err(at("presence check")(EIO));
    }
    device.wake(exclusive).map_err(at("wake to D0"))?;
    let start = Instant::<Monotonic>::now();
    quiesce(device, exclusive);
    let reset = match how {
        Run::Flr => device.flr(exclusive),
        Run::FirstListed(_) => device.reset_as_listed(exclusive),
    };
    let micros = start.elapsed().as_micros_ceil();
    let restored = restore(device, state, exclusive);
    reset.map_err(at("reset"))?;
    restored.map_err(at("restore"))?;
    Ok(Done { micros })
}

/// Restores `state` to a device that decodes nothing, with bus mastering off.
///
/// # Errors
///
/// - `EINVAL`: the device's capabilities are no longer those saved.
pub(crate) fn restore(
    device: &pci::Device,
    state: &SavedState,
    exclusive: &Exclusive<'_>,
) -> Result {
    let restored = state.restore(device, exclusive);
    Command::read(device)
        .without_master()
        .write(device, exclusive);
    restored
}
