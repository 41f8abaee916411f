// SPDX-License-Identifier: GPL-2.0

//! Keeping a device, and so the bridges above it, from being suspended.
//!
//! UPSTREAM(runtime-pm): `pm_runtime_get_sync()` is an inline function and has no wrapper.

use super::raw_dev;
use core::marker::PhantomData;
use kernel::{
    bindings,
    ffi::c_int,
    pci, //
};

/// While this lives, neither the device nor any bridge above it is suspended at run time.
///
/// # Examples
///
/// ```ignore
/// let active = RuntimePm::new(device);
/// // Neither the device nor a bridge above it is suspended.
/// drop(active);
/// ```
pub(crate) struct RuntimePm<'a> {
    dev: *mut bindings::device,
    _device: PhantomData<&'a pci::Device>,
}

impl<'a> RuntimePm<'a> {
    /// Wakes them (`pm_runtime_get_sync()`). If one can't be woken, that is found out when it is
    /// used.
    pub(crate) fn new(device: &'a pci::Device) -> Self {
        let dev = raw_dev(device);
        // SAFETY: The device is valid. The result can be ignored: the use is counted in any case,
        // and a device whose run-time power management is off is not suspended by it.
        unsafe { bindings::__pm_runtime_resume(dev, bindings::RPM_GET_PUT as c_int) };
        Self {
            dev,
            _device: PhantomData,
        }
    }
}

impl Drop for RuntimePm<'_> {
    fn drop(&mut self) {
        let flags = bindings::RPM_GET_PUT | bindings::RPM_ASYNC;
        // SAFETY: The device outlives `self`; this gives back the use that `new` counted
        // (`pm_runtime_put()`).
        unsafe { bindings::__pm_runtime_idle(self.dev, flags as c_int) };
    }
}
