// SPDX-License-Identifier: GPL-2.0

//! What a driver has the kernel do with registers that the kernel looks after: bus mastering, the
//! interrupt pin.
//!
//! UPSTREAM(device-core): the kernel crate has these for devices that are bound, or not at all.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

use super::{
    raw,
    Locked, //
};
use kernel::{
    bindings,
    error::to_result,
    ffi::c_int,
    prelude::*, //
};

/// # Examples
///
/// ```ignore
/// locked.set_master(true);
/// locked.set_intx(false); // It sends messages.
/// ```
impl Locked<'_> {
    /// Turns bus mastering on or off, which the kernel remembers.
    pub(crate) fn set_master(&self, on: bool) {
        if self.check_there().is_err() {
            return;
        }
        // SAFETY: The device is there and its lock is held.
        unsafe {
            if on {
                bindings::pci_set_master(raw(self.device()));
            } else {
                bindings::pci_clear_master(raw(self.device()));
            }
        }
    }

    /// Turns Memory Write and Invalidate on or off.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the device doesn't take the size of a cache line.
    /// - `ENODEV`: it may have been removed.
    pub(crate) fn set_invalidate(&self, on: bool) -> Result {
        self.check_there()?;
        // SAFETY: The device is there and its lock is held.
        unsafe {
            if on {
                to_result(bindings::pci_set_mwi(raw(self.device())))
            } else {
                bindings::pci_clear_mwi(raw(self.device()));
                Ok(())
            }
        }
    }

    /// Lets the device use its interrupt pin, or not.
    pub(crate) fn set_intx(&self, on: bool) {
        if self.check_there().is_ok() {
            // SAFETY: The device is there and its lock is held.
            unsafe { bindings::pci_intx(raw(self.device()), c_int::from(on)) };
        }
    }
}
