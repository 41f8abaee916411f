// SPDX-License-Identifier: GPL-2.0

//! Answers privcmd's `IOCTL_PRIVCMD_PCIDEV_GET_GSI`, by which the toolstack learns the GSI of a
//! device that it is about to give to a guest.

use crate::{
    kapi::{
        gsi_hook::{GsiSource, Registration},
        log::log_limited,
    },
    pure::{cleanness::Verdict, sbdf::Sbdf},
    reset::policy,
    stub::registry,
};
use kernel::prelude::*;

/// The registration, held as long as the driver is.
pub(crate) type Hook = Registration<ClaimedDevices>;

/// Knows the GSIs of the claimed devices.
pub(crate) struct ClaimedDevices;

impl GsiSource for ClaimedDevices {
    /// # Errors
    ///
    /// - `ENODEV`: this driver hasn't claimed the device.
    /// - `ENOENT`: the device has no GSI, which is fine: it has no legacy interrupt.
    /// - `EPERM`: no guest may have the device, because its reset failed, or because it was not
    ///   cleaned and `strict_reset` is set. The toolstack gives up then.
    fn gsi(sbdf: u32) -> Result<u32> {
        let sbdf = Sbdf::from_xen(sbdf);
        let (gsi, verdict, first) = registry::query(sbdf, |claimed| {
            let verdict = policy::verdict(claimed);
            let warns = verdict == Verdict::WithWarning;
            (claimed.gsi, verdict, warns && claimed.first_warning())
        })?;
        match verdict {
            Verdict::No => {
                log_limited!(
                    pr_err,
                    "{sbdf} is not given to a guest: see its pciback/state ({})\n",
                    EPERM.to_errno()
                );
                return Err(EPERM);
            }
            Verdict::WithWarning if first => {
                pr_warn!("{sbdf} is given to a guest without having been cleaned by a reset\n");
            }
            Verdict::WithWarning | Verdict::Yes => {}
        }
        gsi.ok_or(ENOENT)
    }
}
