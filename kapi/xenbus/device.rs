// SPDX-License-Identifier: GPL-2.0

//! A device on xenbus, as its backend sees it.

use super::raw;
use crate::pure::{
    domid::DomId,
    xenbus::State, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    ffi::c_int,
    prelude::*,
    str::CString,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// A reference to a device on xenbus, which keeps its memory.
///
/// # Examples
///
/// ```ignore
/// device.error(EPERM, c"the device is not exported"); // For the log and the toolstack.
/// ```
///
/// # Invariants
///
/// It is a valid `struct xenbus_device` of which a reference is held.
pub(super) struct DeviceRef(NonNull<raw::XenbusDev>);

// SAFETY: References may be given back in any thread.
unsafe impl Send for DeviceRef {}

// SAFETY: Through `&DeviceRef` nothing of the device is written.
unsafe impl Sync for DeviceRef {}

impl DeviceRef {
    /// Takes a reference.
    ///
    /// # Safety
    ///
    /// `device` must be a valid `struct xenbus_device`.
    unsafe fn new(device: NonNull<raw::XenbusDev>) -> Self {
        // SAFETY: By the caller's promise.
        unsafe { bindings::get_device(&raw mut (*device.as_ptr()).dev) };
        // INVARIANT: The reference was just taken.
        Self(device)
    }

    /// Returns the device, which is valid as long as this lives.
    pub(super) fn as_ptr(&self) -> *mut raw::XenbusDev {
        self.0.as_ptr()
    }
}

impl Clone for DeviceRef {
    fn clone(&self) -> Self {
        // SAFETY: By the type invariant.
        unsafe { Self::new(self.0) }
    }
}

impl Drop for DeviceRef {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::put_device(&raw mut (*self.0.as_ptr()).dev) };
    }
}

/// A device on xenbus, with a reference to it.
///
/// The names are copies: the kernel frees the other end's when the driver is unbound.
pub(crate) struct XenbusDevice {
    device: DeviceRef,
    node: CString,
    other_end: CString,
    other_domain: DomId,
}

impl XenbusDevice {
    /// Takes a reference.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    /// - `EINVAL`: the other end's domain has no valid number.
    ///
    /// # Safety
    ///
    /// `device` must be a valid `struct xenbus_device` that is bound to a driver or being probed.
    pub(super) unsafe fn new(device: NonNull<raw::XenbusDev>) -> Result<Self> {
        // SAFETY: By the caller's promise; both names are C strings while a driver is bound.
        let (node, other_end, number) = unsafe {
            let raw = device.as_ptr();
            (
                CString::try_from(CStr::from_char_ptr((*raw).nodename))?,
                CString::try_from(CStr::from_char_ptr((*raw).otherend))?,
                (*raw).otherend_id,
            )
        };
        let number = u16::try_from(number).ok().and_then(DomId::new);
        let other_domain = number.ok_or(EINVAL)?;
        Ok(Self {
            // SAFETY: By the caller's promise.
            device: unsafe { DeviceRef::new(device) },
            node,
            other_end,
            other_domain,
        })
    }

    /// Returns a reference for what is to keep the device.
    pub(super) fn reference(&self) -> DeviceRef {
        self.device.clone()
    }

    /// Returns its directory in xenstore.
    pub(crate) fn node(&self) -> &CStr {
        &self.node
    }

    /// Returns the other end's directory.
    pub(crate) fn other_end(&self) -> &CStr {
        &self.other_end
    }

    /// Returns the domain of the other end.
    pub(crate) fn other_domain(&self) -> DomId {
        self.other_domain
    }

    /// Sets the state that xenbus takes the device to be in. sysfs shows it, and when the driver is
    /// unbound, xenbus closes a device that isn't closed yet. Not to be called after that.
    ///
    /// One thread at a time, so that the last state is the one that stays: `self` is exclusive.
    pub(crate) fn show_state(&mut self, state: State) {
        // SAFETY: The device is valid, so is the pointer, and it is aligned.
        // Xenbus reads and writes it plainly, without a lock, as one integer.
        let shown = unsafe { Atomic::from_ptr(&raw mut (*self.device.as_ptr()).state) };
        shown.store(state.number(), Relaxed);
    }

    /// Writes an error to the log and to xenstore (`error/.../error`).
    pub(crate) fn error(&self, error: Error, text: &CStr) {
        // SAFETY: The device is valid; the format takes one string.
        unsafe {
            raw::xenbus_dev_error(
                self.device.as_ptr(),
                errno(error),
                c"%s".as_char_ptr(),
                text.as_char_ptr(),
            )
        };
    }
}

fn errno(error: Error) -> c_int {
    error.to_errno()
}
