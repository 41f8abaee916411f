// SPDX-License-Identifier: GPL-2.0

//! Answers privcmd's `IOCTL_PRIVCMD_PCIDEV_GET_GSI`, by which the toolstack learns the GSI of a
//! device that it is about to give to a guest.

use crate::{
    kapi::gsi_hook::{GsiSource, Registration},
    pure::sbdf::Sbdf,
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
    fn gsi(sbdf: u32) -> Result<u32> {
        registry::gsi(Sbdf::from_xen(sbdf))?.ok_or(ENOENT)
    }
}
