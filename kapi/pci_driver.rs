// SPDX-License-Identifier: GPL-2.0

//! A PCI driver with what `kernel::pci::Adapter` doesn't set: driver and device attributes, and
//! DMA that is managed by somebody else.
//!
//! The adapter here fills in those fields and lets the kernel's own adapter do the rest.

use super::attr::{DeviceAttribute, DriverAttribute, Groups};
use core::{ffi::CStr, marker::PhantomData};
use kernel::{bindings, driver, pci, prelude::*, types::Opaque, ThisModule};

/// What a stub driver adds to [`pci::Driver`].
pub(crate) trait StubDriver: pci::Driver {
    /// Attributes in the driver's directory, from registration to unregistration.
    const DRIVER_GROUPS: &'static Groups<DriverAttribute>;

    /// Attributes in the directory of each bound device, from after `probe` to before `unbind`.
    const DEVICE_GROUPS: &'static Groups<DeviceAttribute>;
}

/// A type for [`driver::Registration`] that registers `T`.
pub(crate) struct Adapter<T: StubDriver>(PhantomData<T>);

// SAFETY:
// - `bindings::pci_driver` is `repr(C)` and embeds a `struct device_driver` at the given offset.
// - `T::Data` is what the kernel's adapter, to which registration is delegated, stores.
unsafe impl<T: StubDriver> driver::DriverLayout for Adapter<T> {
    type DriverType = bindings::pci_driver;
    type DriverData<'bound> = T::Data<'bound>;
    const DEVICE_DRIVER_OFFSET: usize =
        <pci::Adapter<T> as driver::DriverLayout>::DEVICE_DRIVER_OFFSET;
}

// SAFETY: `unregister` undoes a successful `register`, as the kernel's adapter guarantees.
unsafe impl<T: StubDriver> driver::RegistrationOps for Adapter<T> {
    unsafe fn register(
        driver: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: The driver isn't registered yet, so its fields may be set. The groups are static
        // and valid; the kernel doesn't write to them (the C type is not const by history).
        unsafe {
            (*driver.get()).groups = T::DRIVER_GROUPS.as_ptr();
            (*driver.get()).dev_groups = T::DEVICE_GROUPS.as_ptr();
            // The guest's DMA is not the kernel's business: keep the IOMMU's default domain out.
            (*driver.get()).driver_managed_dma = true;
        }
        // SAFETY: The caller's promises are those that this function asks for.
        unsafe { <pci::Adapter<T> as driver::RegistrationOps>::register(driver, name, module) }
    }

    unsafe fn unregister(driver: &Opaque<Self::DriverType>) {
        // SAFETY: The caller's promises are those that this function asks for.
        unsafe { <pci::Adapter<T> as driver::RegistrationOps>::unregister(driver) }
    }
}

/// Tells whether the device's `driver_override` names `driver`.
///
/// The kernel's device_match_driver_override() is an inline function.
pub(super) fn driver_override_is(device: &pci::Device, driver: &CStr) -> bool {
    let dev = super::pci::raw_dev(device);
    // SAFETY: The device is valid; the lock protects the string, which user space may replace at
    // any time.
    unsafe {
        let lock = &raw mut (*dev).driver_override.lock;
        bindings::spin_lock(lock);
        let name = (*dev).driver_override.name;
        let matches = !name.is_null() && CStr::from_char_ptr(name) == driver;
        bindings::spin_unlock(lock);
        matches
    }
}
