// SPDX-License-Identifier: GPL-2.0

//! Notifying Xen of a reset, and user space by a uevent.

use crate::{
    device::record::ResetRecord,
    fault,
    hypercall::{
        self,
        Notified,
        ResetKind, //
    },
    kapi::{
        log::log_limited,
        pci::{
            DeviceExt,
            Locked, //
        },
        uevent as kapi_uevent,
        xen::Dom0, //
    },
    pure::reset_plan::Rung, //
};
use kernel::{
    pci,
    prelude::*,
    str::CString, //
};

/// Notifies Xen that the device was reset by `rung` and is restored.
///
/// # Errors
///
/// - Xen's errno, see [`hypercall::notify_reset`].
pub(super) fn notify_xen(dom0: Dom0, locked: &Locked<'_>, rung: Rung) -> Result<Notified> {
    let kind = match rung {
        // A power-state reset counts as one, too: like an FLR it concerns this function only.
        Rung::Function(_) => ResetKind::Flr,
        Rung::Slot | Rung::Bus => ResetKind::Hot,
    };
    fault::notify_xen(locked.device().sbdf())?;
    hypercall::notify_reset(dom0, locked, kind)
}

/// Sends the uevent that says how a reset of the device ended.
pub(super) fn uevent(device: &pci::Device, record: &ResetRecord) {
    if let Err(error) = try_uevent(device, record) {
        log_limited!(
            dev_warn,
            device,
            "reset_device: no uevent ({})\n",
            error.to_errno()
        );
    }
}

fn try_uevent(device: &pci::Device, record: &ResetRecord) -> Result {
    let state = record.state.name();
    let method = record.by.map_or("none", Rung::name);
    let errno = record.error.map_or(0, Error::to_errno);
    let variables = [
        CString::try_from_fmt(fmt!("PCIBACK_STATE={state}"))?,
        CString::try_from_fmt(fmt!("PCIBACK_RESET_METHOD={method}"))?,
        CString::try_from_fmt(fmt!("PCIBACK_RESET_ERROR={errno}"))?,
    ];
    kapi_uevent::changed(device, &variables)
}
