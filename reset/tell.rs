// SPDX-License-Identifier: GPL-2.0

//! Telling Xen of a reset.

use crate::{
    fault,
    hypercall::{self, ResetKind, Told},
    kapi::{pci::DeviceExt, xen::Dom0},
    pure::reset_plan::Rung,
};
use kernel::{pci, prelude::*};

/// Tells Xen that the device was reset by `rung` and is restored.
///
/// # Errors
///
/// - Xen's errno, see [`hypercall::reset_done`].
pub(super) fn tell(dom0: Dom0, device: &pci::Device, rung: Rung) -> Result<Told> {
    let kind = match rung {
        // Also of a power-state reset: like an FLR it concerned this function only.
        Rung::Function(_) => ResetKind::Flr,
        Rung::Slot | Rung::Bus => ResetKind::Hot,
    };
    fault::notify_xen(device.sbdf())?;
    hypercall::reset_done(dom0, device, kind)
}
