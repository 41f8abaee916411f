// SPDX-License-Identifier: GPL-2.0

//! A reset that user space asks for.

use super::{
    function_level::{self, Failed},
    record::ResetRecord,
};
use crate::{
    kapi::{log::log_limited, pci::DeviceLock},
    pure::sbdf::Sbdf,
    stub::{claimed::Claimed, registry},
};
use kernel::{prelude::*, sync::Arc};

/// Resets the claimed device at `sbdf`, and tells Xen.
///
/// Sleeps for as long as the reset takes, and before that for as long as somebody else (another
/// reset, a driver coming or going) holds the device or the bridge above it.
///
/// # Errors
///
/// - `ENODEV`: this driver hasn't claimed such a device.
/// - `ENOTTY`: the device has no function-level reset, or the administrator took it out of
///   `reset_method`.
/// - `EIO`: the device doesn't answer, and nothing was tried; or it didn't take its state back.
/// - `ETIMEDOUT`: it didn't come back from the reset in a minute.
/// - The errno of another step of the reset, or Xen's errno when it refused to hear of it.
pub(crate) fn reset_device(sbdf: Sbdf) -> Result {
    let Some(claimed) = registry::find(sbdf) else {
        return Err(not_claimed(sbdf));
    };
    let lock = DeviceLock::new(&claimed.device);
    // The device may have been released, or released and claimed anew, before the lock was ours.
    let still = registry::find(sbdf).is_some_and(|now| Arc::ptr_eq(&now, &claimed));
    if !still {
        return Err(not_claimed(sbdf));
    }
    reset_locked(&claimed, &lock)
}

/// Says so in the log.
fn not_claimed(sbdf: Sbdf) -> Error {
    log_limited!(pr_warn, "reset_device: {sbdf} is not claimed\n");
    ENODEV
}

fn reset_locked(claimed: &Claimed, lock: &DeviceLock) -> Result {
    let device = &claimed.device;
    let Some(method) = function_level::plan(device) else {
        log_limited!(
            dev_warn,
            device,
            "reset_device: no function-level reset; not reset ({})\n",
            ENOTTY.to_errno()
        );
        return Err(ENOTTY);
    };
    match function_level::reset_claimed(&lock.exclusive(), method, claimed) {
        Ok(record) => {
            claimed.record(record);
            Ok(())
        }
        Err(Failed { step, error }) => {
            claimed.record(ResetRecord::Failed { method, error });
            log_limited!(
                dev_err,
                device,
                "reset_device: {step} by {method} failed ({})\n",
                error.to_errno()
            );
            Err(error)
        }
    }
}
