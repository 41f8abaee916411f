// SPDX-License-Identifier: GPL-2.0

//! Suspend of dom0.
//!
//! The kernel itself saves and restores the configuration of a claimed device. That is enough for
//! one that nobody uses. A device that a guest uses would lose its power, and with it what the
//! guest has set up in it, without the guest's knowing. So dom0 doesn't sleep while a guest uses a
//! device.

use crate::{
    backend,
    device::{
        pm,
        registry, //
    },
    kapi::notifier::{
        PmListener,
        PmRegistration, //
    },
    pure::device_state::Holder, //
};
use kernel::prelude::*;

/// The registration, held as long as the driver is.
pub(crate) type PmGuard = PmRegistration<UsedDevices>;

/// The devices that guests use.
pub(crate) struct UsedDevices;

impl PmListener for UsedDevices {
    /// # Errors
    ///
    /// - `EBUSY`: a guest uses a device.
    /// - `ENOMEM`: no memory.
    fn about_to_sleep() -> Result {
        // Once this has succeeded, `woke` is called, even if another notifier prevents the sleep.
        pm::about_to_sleep(none_used)
    }

    fn woke() {
        pm::woke();
        // Guests get the devices that were listed meanwhile.
        backend::schedule_all();
    }
}

/// Fails if a guest uses a device, or is about to.
///
/// # Errors
///
/// - `EBUSY`: it does, which is in the log.
/// - `ENOMEM`: no memory.
fn none_used() -> Result {
    for claimed in registry::all()? {
        let holder = claimed.holder();
        if holder == Holder::Assigned {
            dev_err!(
                &claimed.device,
                "being given to a guest: dom0 can't sleep ({})\n",
                EBUSY.to_errno()
            );
            return Err(EBUSY);
        }
        if let Some(domain) = holder.domain() {
            dev_err!(
                &claimed.device,
                "used by domain {domain}: dom0 can't sleep ({})\n",
                EBUSY.to_errno()
            );
            return Err(EBUSY);
        }
    }
    Ok(())
}
