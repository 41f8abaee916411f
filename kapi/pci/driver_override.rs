// SPDX-License-Identifier: GPL-2.0

//! The `driver_override` of a device: the only driver that it may have.
//!
//! UPSTREAM(driver-override): device_match_driver_override() is an inline function, and nothing
//! takes an override back.
//!
//! C header: [`include/linux/device.h`](srctree/include/linux/device.h)

use super::{
    raw_dev,
    Locked, //
};
use crate::kapi::fault;
use kernel::{
    bindings,
    error::to_result,
    ffi::c_char,
    pci,
    prelude::*, //
};

/// Sets the device's `driver_override`, so that no driver of another name takes it.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
///
/// # Examples
///
/// ```ignore
/// override_driver(device, c"pciback")?;
/// withdraw_override(device, c"pciback");
/// ```
pub(crate) fn override_driver(device: &pci::Device, driver: &CStr) -> Result {
    fault::point("__device_set_driver_override")?;
    let text = driver.to_bytes();
    // SAFETY: The device is valid, and the text, of that length, is copied.
    to_result(unsafe {
        bindings::__device_set_driver_override(raw_dev(device), text.as_ptr().cast(), text.len())
    })
}

/// Clears the device's `driver_override` if it still names `driver`. What user space writes at the
/// same time stays.
pub(crate) fn withdraw_override(device: &pci::Device, driver: &CStr) {
    let withdrawn = with_override(device, |name| {
        // SAFETY: The lock is held.
        if !unsafe { is_name(*name, driver) } {
            return core::ptr::null();
        }
        core::mem::replace(name, core::ptr::null())
    });
    // SAFETY: Null, or a string that kstrndup() made (`__device_set_driver_override()`) and that
    // nobody else finds any more. Freed with the lock given back.
    unsafe { bindings::kfree(withdrawn.cast()) };
}

impl Locked<'_> {
    /// Returns `true` if the device's `driver_override` names this driver.
    ///
    /// The kernel's device_match_driver_override() is an inline function.
    pub(crate) fn is_overridden_to(&self, driver: &CStr) -> bool {
        // SAFETY: The lock of the string is held.
        with_override(self.device(), |name| unsafe { is_name(*name, driver) })
    }
}

/// Returns `true` if a `driver_override` is this name.
///
/// # Safety
///
/// The name must be that of a device's `driver_override`, whose lock is held.
unsafe fn is_name(name: *const c_char, driver: &CStr) -> bool {
    // SAFETY: One that isn't null is a C string, which the lock keeps as it is.
    !name.is_null() && unsafe { CStr::from_char_ptr(name) } == driver
}

/// Calls `look` with the pointer to the device's `driver_override` under its spinlock: user space
/// may replace the string at any other time.
fn with_override<T>(device: &pci::Device, look: impl FnOnce(&mut *const c_char) -> T) -> T {
    let dev = raw_dev(device);
    // SAFETY: The device is valid; the lock protects the string and the pointer to it.
    unsafe {
        let lock = &raw mut (*dev).driver_override.lock;
        bindings::spin_lock(lock);
        let result = look(&mut (*dev).driver_override.name);
        bindings::spin_unlock(lock);
        result
    }
}
