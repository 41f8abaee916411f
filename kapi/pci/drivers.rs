// SPDX-License-Identifier: GPL-2.0

//! The drivers of the PCI bus: finding one, and having the driver core bind and release a device.
//!
//! C header: [`include/linux/device/bus.h`](srctree/include/linux/device/bus.h)

use super::raw_dev;
use crate::kapi::fault;
use kernel::{
    bindings,
    error::to_result,
    ffi::{
        c_int,
        c_void, //
    },
    pci,
    prelude::*, //
};

/// Binds a registered PCI driver, by its name, to a device, like a write to its file `bind`.
/// Sleeps until the device's lock is free and the probe has ended.
///
/// As with that file the bus is asked first (`bind_store()`). It offers no device that isn't set up
/// yet (`pci_dev_binding_disallowed()`), nor one whose `driver_override` names another driver.
///
/// # Errors
///
/// - `ENODEV`: there is no such driver, the bus doesn't offer the device to it, the device is about
///   to be removed, or the driver doesn't want it.
/// - `EBUSY`: the device has a driver.
/// - Any other errno of the probe.
///
/// # Examples
///
/// ```ignore
/// attach(device, c"pciback")?; // As `echo BDF > bind`.
/// ```
pub(crate) fn attach(device: &pci::Device, driver: &CStr) -> Result {
    fault::point("device_driver_attach")?;
    let dev = raw_dev(device);
    find_driver(|candidate| {
        // SAFETY: The driver is registered during the call, its name is a C string, and the device
        // is valid and on the driver's bus. The bus's function takes locks of its own.
        unsafe {
            if CStr::from_char_ptr((*candidate).name) != driver {
                return None;
            }
            let offered = (bindings::pci_bus_type.match_)
                .is_none_or(|offers| offers(dev, candidate.cast_const()) > 0);
            Some(if offered {
                to_result(bindings::device_driver_attach(candidate, dev))
            } else {
                Err(ENODEV)
            })
        }
    })
    .unwrap_or(Err(ENODEV))
}

/// Calls `look` with each driver of the PCI bus until it returns something. The driver stays
/// registered during the call: its unregistration waits for the walk.
pub(super) fn find_driver<T, F>(look: F) -> Option<T>
where
    F: FnMut(*mut bindings::device_driver) -> Option<T>,
{
    /// The function that looks, and what it found.
    struct Search<T, F> {
        look: F,
        found: Option<T>,
    }

    /// # Safety
    ///
    /// To be called by `bus_for_each_drv()`: `data` is a `Search`, used by nobody else.
    unsafe extern "C" fn visit<T, F>(
        driver: *mut bindings::device_driver,
        data: *mut c_void,
    ) -> c_int
    where
        F: FnMut(*mut bindings::device_driver) -> Option<T>,
    {
        // SAFETY: By the caller's promise.
        let search = unsafe { &mut *data.cast::<Search<T, F>>() };
        search.found = (search.look)(driver);
        c_int::from(search.found.is_some())
    }

    let mut search = Search { look, found: None };
    // SAFETY: The bus exists; `visit` is called with the search, which outlives the call.
    unsafe {
        bindings::bus_for_each_drv(
            &raw const bindings::pci_bus_type,
            core::ptr::null_mut(),
            (&raw mut search).cast(),
            Some(visit::<T, F>),
        );
    }
    search.found
}

/// Unbinds the device from its driver. Sleeps until its lock is free and the
/// driver is done with it, so the caller must hold no device's lock and be in no notifier.
pub(crate) fn release_driver(device: &pci::Device) {
    // SAFETY: The device is valid; one without a driver, or that was removed, is left alone.
    unsafe { bindings::device_release_driver(raw_dev(device)) };
}
