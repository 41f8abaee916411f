// SPDX-License-Identifier: GPL-2.0

//! Attributes in the directory `pciback` of each claimed device.

use crate::{
    kapi::{
        attr::{attribute_groups, DeviceShow, Page},
        pci::DeviceExt,
    },
    reset::record::ResetRecord,
    stub::registry,
};
use core::{ffi::CStr, fmt::Write};
use kernel::{pci, prelude::*};

/// Finds what is known of the device's last reset.
fn last_reset(device: &pci::Device) -> Result<ResetRecord> {
    Ok(registry::find(device.sbdf()).ok_or(ENODEV)?.last_reset())
}

/// Writes a line.
fn line(page: &mut Page<'_>, text: core::fmt::Arguments<'_>) -> Result {
    page.write_fmt(text).map_err(|_| ENOSPC)
}

/// `state`: the state that the last reset left the device in.
struct State;

impl DeviceShow for State {
    const NAME: &'static CStr = c"state";

    fn show(device: &pci::Device, page: &mut Page<'_>) -> Result {
        line(page, format_args!("{}\n", last_reset(device)?.state()))
    }
}

/// `last_reset_method`: how the device was last reset, in the kernel's words.
struct LastResetMethod;

impl DeviceShow for LastResetMethod {
    const NAME: &'static CStr = c"last_reset_method";

    fn show(device: &pci::Device, page: &mut Page<'_>) -> Result {
        let name = last_reset(device)?
            .method()
            .map_or("none", |method| method.name());
        line(page, format_args!("{name}\n"))
    }
}

/// `last_reset_error`: 0, or the errno that ended the last reset.
struct LastResetError;

impl DeviceShow for LastResetError {
    const NAME: &'static CStr = c"last_reset_error";

    fn show(device: &pci::Device, page: &mut Page<'_>) -> Result {
        let errno = match last_reset(device)? {
            ResetRecord::Failed { error, .. } => error.to_errno(),
            ResetRecord::NotReset | ResetRecord::Reset { .. } => 0,
        };
        line(page, format_args!("{errno}\n"))
    }
}

/// `last_reset_time_us`: how long the last successful reset took, in microseconds.
struct LastResetTime;

impl DeviceShow for LastResetTime {
    const NAME: &'static CStr = c"last_reset_time_us";

    fn show(device: &pci::Device, page: &mut Page<'_>) -> Result {
        let micros = match last_reset(device)? {
            ResetRecord::Reset { micros, .. } => micros,
            ResetRecord::NotReset | ResetRecord::Failed { .. } => 0,
        };
        line(page, format_args!("{micros}\n"))
    }
}

/// `last_reset_xen`: whether Xen knows of the last reset.
struct LastResetXen;

impl DeviceShow for LastResetXen {
    const NAME: &'static CStr = c"last_reset_xen";

    fn show(device: &pci::Device, page: &mut Page<'_>) -> Result {
        let told = match last_reset(device)? {
            ResetRecord::Reset { told, .. } => told.name(),
            ResetRecord::NotReset | ResetRecord::Failed { .. } => "none",
        };
        line(page, format_args!("{told}\n"))
    }
}

attribute_groups!(
    GROUPS: DeviceAttribute,
    Some(c"pciback"),
    [
        STATE = DeviceAttribute::read_only::<State>(),
        METHOD = DeviceAttribute::read_only::<LastResetMethod>(),
        ERROR = DeviceAttribute::read_only::<LastResetError>(),
        TIME = DeviceAttribute::read_only::<LastResetTime>(),
        XEN = DeviceAttribute::read_only::<LastResetXen>(),
    ],
    []
);
