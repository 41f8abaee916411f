// SPDX-License-Identifier: GPL-2.0

//! Lines about a device that look as if its driver wrote them, whichever driver it has by now.
//!
//! C header: [`include/linux/dev_printk.h`](srctree/include/linux/dev_printk.h)

use super::pci::raw_dev;
use kernel::{bindings, device, ffi, pci, prelude::*};

/// How urgent a line is.
#[derive(Clone, Copy)]
pub(crate) enum Level {
    /// Something failed.
    Error,
    /// Something may be wrong.
    Warning,
    /// Something happened.
    Info,
}

impl Level {
    /// Returns the kernel's number (`LOGLEVEL_*` of include/linux/kern_levels.h).
    const fn number(self) -> ffi::c_int {
        match self {
            Self::Error => 3,
            Self::Warning => 4,
            Self::Info => 6,
        }
    }
}

/// Writes a line about a device, in the name of `driver`.
pub(crate) fn write(level: Level, driver: &CStr, device: &pci::Device, text: &CStr) {
    let dev: &device::Device = device.as_ref();
    // SAFETY: The device is valid, the format takes three strings, and these are three.
    unsafe {
        bindings::dev_printk_emit(
            level.number(),
            raw_dev(device),
            c"%s %s: %s\n".as_char_ptr(),
            driver.as_char_ptr(),
            dev.name().as_char_ptr(),
            text.as_char_ptr(),
        );
    }
}
