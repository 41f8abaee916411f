// SPDX-License-Identifier: GPL-2.0

//! Suspend of dom0.
//!
//! The kernel itself saves the configuration of a claimed device, and restores it. That is enough
//! for one that nobody uses. A guest's device would lose, with its power, what the guest has set up
//! in it, and nobody would tell the guest: so dom0 doesn't sleep while there is such a device.

use super::registry;
use crate::kapi::{pm_notifier, xen};
use kernel::prelude::*;

/// The registration, held as long as the driver is.
pub(crate) type Guard = pm_notifier::Registration<UsedDevices>;

/// The devices that guests use.
pub(crate) struct UsedDevices;

impl pm_notifier::Listener for UsedDevices {
    /// # Errors
    ///
    /// - `EBUSY`: a guest uses a device.
    /// - `ENOMEM`: no memory.
    fn about_to_sleep() -> Result {
        for claimed in registry::all()? {
            if let Some(domain) = xen::domain_of(&claimed.device) {
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
}
