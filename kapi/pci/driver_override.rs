// SPDX-License-Identifier: GPL-2.0

//! The `driver_override` of a device: the only driver that it may have.
//!
//! UPSTREAM(driver-override): device_match_driver_override() is an inline function, and nothing
//! sets an override where there is none, or takes one's own back.
//!
//! C header: [`include/linux/device.h`](srctree/include/linux/device.h)

use super::{
    raw_dev,
    Locked, //
};
use crate::kapi::fault;
use kernel::{
    bindings,
    ffi::c_char,
    pci,
    prelude::*, //
};

/// An override that was set here: where its text is. That of the same text from user space is
/// elsewhere, also later: the kernel keeps memory of another size elsewhere.
pub(crate) struct Override(*const c_char);

/// The memory of a text: more than user space's takes that is as short.
const ROOM: usize = 64;

// SAFETY: The pointer is compared, not followed.
unsafe impl Send for Override {}

/// Sets the device's `driver_override`, so that no driver of another name takes it. One that it has
/// already stays: `None`.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
/// - `EINVAL`: the name is too long.
///
/// # Examples
///
/// ```ignore
/// if let Some(ours) = override_driver(device, c"pciback")? {
///     withdraw_override(device, c"pciback", ours);
/// }
/// ```
pub(crate) fn override_driver(device: &pci::Device, driver: &CStr) -> Result<Option<Override>> {
    let mut room = [0; ROOM];
    let name = driver.to_bytes_with_nul();
    room.get_mut(..name.len())
        .ok_or(EINVAL)?
        .copy_from_slice(name);
    fault::point("kmemdup")?;
    // SAFETY: So much is copied. It is a C string.
    let text = unsafe {
        bindings::kmemdup_noprof(room.as_ptr().cast(), ROOM, bindings::GFP_KERNEL).cast::<c_char>()
    };
    if text.is_null() {
        return Err(ENOMEM);
    }
    let set = with_override(device, |name| {
        let free = name.is_null();
        if free {
            *name = text;
        }
        free
    });
    if !set {
        // SAFETY: Made above, and nobody else has found it.
        unsafe { bindings::kfree(text.cast()) };
    }
    Ok(set.then_some(Override(text)))
}

/// Clears the device's `driver_override` if it is still `ours`, which names `driver`. What user
/// space writes, before or at the same time, stays.
pub(crate) fn withdraw_override(device: &pci::Device, driver: &CStr, ours: Override) {
    let withdrawn = with_override(device, |name| {
        // SAFETY: The lock is held.
        if !core::ptr::eq(*name, ours.0) || !unsafe { is_name(*name, driver) } {
            return core::ptr::null();
        }
        core::mem::replace(name, core::ptr::null())
    });
    // SAFETY: Null, or memory of kmemdup() that nobody else finds any more. Freed with the lock
    // given back.
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
