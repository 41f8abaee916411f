// SPDX-License-Identifier: GPL-2.0

//! Answers privcmd's `IOCTL_PRIVCMD_PCIDEV_GET_GSI`, by which the toolstack learns the GSI of a
//! device that it is about to give to a guest.

use crate::{
    device::registry,
    kapi::{
        gsi_hook::{
            GsiHook,
            GsiSource, //
        },
        log::log_limited, //
    },
    pure::{
        device_state::{
            Permitted,
            Refused, //
        },
        sbdf::Sbdf, //
    },
};
use kernel::prelude::*;

/// The registration, held as long as the driver is.
pub(crate) type Hook = GsiHook<ClaimedDevices>;

/// Knows the GSIs of the claimed devices.
pub(crate) struct ClaimedDevices;

impl GsiSource for ClaimedDevices {
    /// # Errors
    ///
    /// - `ENODEV`: this driver hasn't claimed the device.
    /// - `ENOENT`: the device has no GSI, which is fine: it has no legacy interrupt. Or it was
    ///   released while a domain used it: the toolstack takes nothing else for an answer when it
    ///   ends that domain, and leaves it alive.
    /// - `EPERM`: no guest may have the device, because its reset failed, or because it was not
    ///   cleaned and `strict_reset` is set. The toolstack gives up then.
    /// - `EAGAIN`: it is being cleaned after its last guest, or reset.
    fn gsi(sbdf: u32) -> Result<u32> {
        let sbdf = Sbdf::from_xen(sbdf);
        let asked = registry::query(sbdf, |claimed| {
            let answer = claimed.assign();
            let warns = answer == Ok(Permitted::WithWarning);
            (
                claimed.interrupts.gsi.map(|gsi| gsi.number),
                answer,
                warns && claimed.first_warning(),
            )
        });
        let (gsi, answer, first) = match asked {
            Err(ENODEV) if registry::was_released_in_use(sbdf) => return Err(ENOENT),
            asked => asked?,
        };
        let refused = |why: &str, error: Error| {
            log_limited!(
                pr_err,
                "{sbdf} is not given to a guest: {why} ({})\n",
                error.to_errno()
            );
            Err(error)
        };
        match answer {
            Ok(_) => {}
            Err(Refused::Gone) => return Err(ENODEV),
            Err(Refused::Leaving) => {
                return refused("its last guest is still giving it back", EAGAIN)
            }
            Err(Refused::Reserved) => return refused("it is being reset", EAGAIN),
            Err(Refused::Unclean | Refused::UsedBy(_)) => {
                return refused("see its pciback/state", EPERM);
            }
        }
        if first {
            pr_warn!("{sbdf} is given to a guest without having been cleaned by a reset\n");
        }
        gsi.ok_or(ENOENT)
    }
}
