// SPDX-License-Identifier: GPL-2.0

//! The uevent at the end of a reset.

use crate::{
    device::record::ResetRecord,
    kapi::{log::log_limited, uevent},
    pure::reset_plan::Rung,
};
use kernel::{pci, prelude::*, str::CString};

/// Tells user space how a reset of the device ended.
pub(super) fn send(device: &pci::Device, record: &ResetRecord) {
    if let Err(error) = try_send(device, record) {
        log_limited!(
            dev_warn,
            device,
            "reset_device: no uevent ({})\n",
            error.to_errno()
        );
    }
}

fn try_send(device: &pci::Device, record: &ResetRecord) -> Result {
    let state = record.cleanness.name();
    let method = record.by.map_or("none", Rung::name);
    let errno = record.error.map_or(0, Error::to_errno);
    let variables = [
        CString::try_from_fmt(fmt!("PCIBACK_STATE={state}"))?,
        CString::try_from_fmt(fmt!("PCIBACK_RESET_METHOD={method}"))?,
        CString::try_from_fmt(fmt!("PCIBACK_RESET_ERROR={errno}"))?,
    ];
    uevent::changed(device, &variables)
}
