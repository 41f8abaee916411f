// SPDX-License-Identifier: GPL-2.0

//! What a driver has the kernel do with registers that the kernel looks after: bus mastering, the
//! interrupt pin, the power state.
//!
//! UPSTREAM(device-core): the kernel crate has these for devices that are bound, or not at all.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

use super::{
    raw,
    Locked, //
};
use crate::kapi::fault;
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

    /// Returns `true` if the kernel takes the device to be in D0.
    pub(crate) fn is_awake(&self) -> bool {
        self.power_state() == 0
    }

    fn power_state(&self) -> bindings::pci_power_t {
        // SAFETY: The device is valid, and its lock is held.
        unsafe { (*raw(self.device())).current_state }
    }

    /// Returns `true` if the device has a power state, 0 to 3 for D0 to D3hot: D1 and D2 are
    /// optional.
    pub(crate) fn has_power_state(&self, state: u8) -> bool {
        // SAFETY: The device is valid; the bits are set when it is found.
        unsafe {
            match state {
                1 => bindings::pci_dev::d1_support_raw(raw(self.device())) != 0,
                2 => bindings::pci_dev::d2_support_raw(raw(self.device())) != 0,
                _ => state <= 3,
            }
        }
    }

    /// Puts the device into a power state, 0 to 3 for D0 to D3hot. One that comes from D3hot may
    /// have lost its registers; the kernel restores its addresses, not what it decodes. The kernel
    /// logs most failures.
    ///
    /// # Errors
    ///
    /// - `ENODEV`: it may have been removed.
    /// - `EIO`: it refuses, doesn't answer, or hasn't that state.
    /// - Any other errno of `pci_set_power_state()`, such as `EINVAL` for a state between that
    ///   which it is in and D0.
    pub(crate) fn set_power_state(&self, state: u8) -> Result {
        fault::point("pci_set_power_state")?;
        self.check_there()?;
        let state = bindings::pci_power_t::from(state.min(3));
        // SAFETY: The device is valid and there, and its lock is held.
        to_result(unsafe { bindings::pci_set_power_state(raw(self.device()), state) })?;
        // The kernel doesn't count it as an error if the device refuses.
        if self.power_state() == state {
            Ok(())
        } else {
            Err(EIO)
        }
    }
}
