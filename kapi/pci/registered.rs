// SPDX-License-Identifier: GPL-2.0

//! The token that proves that a device is there.
//!
//! A reference keeps the memory of a device, not what belongs to it: when it is removed, its
//! directory in sysfs goes, and a virtual function gives back its physical one.

use super::{
    raw,
    raw_dev,
    DeviceExt,
    Locked, //
};
use core::{
    marker::PhantomData,
    ops::Deref, //
};
use kernel::{
    bindings,
    device::Core,
    pci,
    prelude::*, //
};

/// A device that is in the kernel's list of devices and in sysfs, and isn't removed while this
/// lives.
#[derive(Clone, Copy)]
pub(crate) struct Registered<'a> {
    device: &'a pci::Device,
    // The callback in which this was made keeps it, or a lock that the thread holds.
    _not_send: PhantomData<*mut ()>,
}

impl<'a> Registered<'a> {
    /// The driver core calls a driver for such a device only: it is unbound before it is removed.
    pub(crate) fn by_driver_core(device: &'a pci::Device<Core<'_>>) -> Self {
        // SAFETY: See above.
        unsafe { Self::assume(device) }
    }

    /// For what else keeps a device.
    ///
    /// # Safety
    ///
    /// The device must be registered, and not be removed for as long as the result lives.
    pub(in crate::kapi) unsafe fn assume(device: &'a pci::Device) -> Self {
        Self {
            device,
            _not_send: PhantomData,
        }
    }

    /// Returns the physical function that a virtual function belongs to, `None` for any other.
    pub(crate) fn physical_function(self) -> Option<&'a pci::Device> {
        if !self.is_virtual_function() {
            return None;
        }
        // SAFETY: A virtual function has this member of the union, and holds a reference to what it
        // points to until it was removed (pci_iov_remove_virtfn()).
        unsafe {
            (*raw(self.device))
                .__bindgen_anon_1
                .physfn
                .cast::<pci::Device>()
                .as_ref()
        }
    }
}

impl Deref for Registered<'_> {
    type Target = pci::Device;

    fn deref(&self) -> &pci::Device {
        self.device
    }
}

impl Locked<'_> {
    /// Returns the device as one that stays registered, if it has a driver.
    ///
    /// # Examples
    ///
    /// ```ignore
    /// let registered = locked.registered().ok_or(ENODEV)?;
    /// let physical = registered.physical_function(); // `None` if it isn't a virtual function.
    /// ```
    ///
    /// A device that was removed can be locked, too. But a locked device that still has a driver
    /// wasn't removed: its removal (device_del()) first unbinds it, which takes the lock. In a
    /// driver's callbacks the driver is set (really_probe(), __device_release_driver()). Of a
    /// device without a driver nothing is known.
    pub(crate) fn registered(&self) -> Option<Registered<'_>> {
        // SAFETY: The device is valid. The pointer is not followed; it is written with the lock
        // held, which is held here.
        let driver = unsafe { (&raw const (*raw_dev(self.device())).driver).read() };
        // SAFETY: See above.
        (!driver.is_null()).then(|| unsafe { Registered::assume(self.device()) })
    }

    /// Checks that the device wasn't removed, and isn't as long as its lock is held: it has a
    /// driver, or is a bridge with a bus below it, which is taken away before the bridge is
    /// (`pci_remove_bus_device()`).
    ///
    /// One that was removed lacks what the kernel's functions use. From a virtual function they go
    /// to its physical one, and to the bridge above that (`pci_upstream_bridge()`). All registers
    /// are reached by way of the host bridge, which may go with its driver (vmd).
    ///
    /// # Errors
    ///
    /// - `ENODEV`: it may have been removed.
    pub(crate) fn check_there(&self) -> Result {
        // SAFETY: The device is valid. The pointer is not followed.
        let below = unsafe { (&raw const (*raw(self.device())).subordinate).read_volatile() };
        if self.registered().is_none() && below.is_null() {
            return Err(ENODEV);
        }
        Ok(())
    }

    /// Returns the physical function that a virtual function belongs to, `None` for any other, and
    /// for one that may have been removed: it has no driver.
    pub(crate) fn physical_function(&self) -> Option<&pci::Device> {
        self.registered()?.physical_function()
    }

    /// Returns `true` if the device answers a read of its vendor ID (for a virtual function, which
    /// has none, whether its physical function does). One that may have been removed doesn't.
    pub(crate) fn is_present(&self) -> bool {
        let there = crate::kapi::fault::point("pci_device_is_present").and(self.check_there());
        // SAFETY: The device is valid and there, and so is the physical function of a virtual one.
        there.is_ok() && unsafe { bindings::pci_device_is_present(raw(self.device())) }
    }
}
