// SPDX-License-Identifier: GPL-2.0

//! What the driver needs to know of and do to a PCI device, beyond `kernel::pci`.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

mod config;
mod enabled;
mod lock;
mod scan;
mod state;

pub(crate) use self::{
    config::{quiesce, Command},
    enabled::Enabled,
    lock::{ConfigAccess, DeviceLock, Exclusive, Locked},
    scan::{HotplugLock, PciDevices},
    state::SavedState,
};

use crate::pure::{intx::Pin, sbdf::Sbdf};
use kernel::{bindings, error::to_result, pci, prelude::*};

/// `PCI_D0` (include/linux/pci.h): the device is on.
const PCI_D0: bindings::pci_power_t = 0;

/// Returns the C structure of a device.
fn raw(device: &pci::Device) -> *mut bindings::pci_dev {
    // CAST: `pci::Device` is a transparent wrapper of `Opaque<bindings::pci_dev>`.
    core::ptr::from_ref(device)
        .cast_mut()
        .cast::<bindings::pci_dev>()
}

/// Returns the generic device embedded in a PCI device.
pub(super) fn raw_dev(device: &pci::Device) -> *mut bindings::device {
    // SAFETY: By the type invariant of `pci::Device` the pointer is valid; this only computes an
    // address in it.
    unsafe { &raw mut (*raw(device)).dev }
}

/// Returns the physical function that a virtual function belongs to.
fn physfn(device: &pci::Device) -> Option<&pci::Device> {
    // SAFETY: The device is valid; the bit is set before a virtual function is added.
    if unsafe { bindings::pci_dev::is_virtfn_raw(raw(device)) == 0 } {
        return None;
    }
    // SAFETY: A virtual function has this member of the union, and holds a reference to what it
    // points to (pci_iov_add_virtfn() takes it).
    unsafe {
        (*raw(device))
            .__bindgen_anon_1
            .physfn
            .cast::<pci::Device>()
            .as_ref()
    }
}

/// The layout of a function's configuration header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// Type 0, an endpoint.
    Normal,
    /// Type 1, a PCI-to-PCI bridge.
    Bridge,
    /// Anything else, with the type's number.
    Other(u8),
}

/// How Xen wants a virtual function named: by its physical function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PhysFn {
    pub(crate) bus: u8,
    pub(crate) devfn: u8,
}

/// Properties and operations of a PCI device.
///
/// Methods that take no token are safe to call at any time, also while a driver comes or goes:
/// they read what never changes while a reference is held, or what may change at any time anyway.
pub(crate) trait DeviceExt {
    /// Returns the device's address.
    fn sbdf(&self) -> Sbdf;

    /// Returns the layout of the header.
    fn header(&self) -> Header;

    /// Tells whether the function has an MSI-X capability.
    fn has_msix(&self) -> bool;

    /// Returns the legacy interrupt pin that the function uses, if any.
    fn pin(&self) -> Option<Pin>;

    /// Returns the physical function, if this is a virtual one.
    fn physical_function(&self) -> Option<PhysFn>;

    /// Tells whether Alternative Routing-ID is in use on the device's bus, where a function number
    /// has 8 bits and there is but one device.
    fn ari_enabled(&self) -> bool;

    /// Returns the bridge above the device, or `None` on a root bus.
    fn upstream_bridge(&self) -> Option<&pci::Device>;

    /// Tells whether the kernel has a quirk that reroutes this bridge's boot interrupts.
    fn reroutes_boot_interrupts(&self) -> bool;

    /// Returns the reset methods that the kernel lists, see
    /// [`choose_function_level`](crate::pure::reset_method::choose_function_level).
    fn reset_methods(&self) -> [u8; 8];

    /// Tells whether the device answers a read of its vendor ID.
    fn is_present(&self) -> bool;

    /// Tells whether the device's `driver_override` names this driver.
    fn is_overridden_to(&self, driver: &core::ffi::CStr) -> bool;

    /// Wakes the device to D0.
    ///
    /// # Errors
    ///
    /// - The errno of `pci_set_power_state()`, such as `EIO` for a device that doesn't wake.
    fn wake(&self, locked: &Locked<'_>) -> Result;

    /// Marks the device as given to a guest, or takes the mark away. Other parts of the kernel
    /// (SR-IOV of its physical function) keep off a marked device.
    fn set_assigned(&self, locked: &Locked<'_>, assigned: bool);

    /// Resets the function by PCIe FLR; returns when it answers again, 100 ms to 60 s later.
    ///
    /// # Errors
    ///
    /// - `ENOTTY`: the function has no FLR, or the kernel knows it to be broken.
    /// - `ENOTTY` also when the function doesn't come back in time (`pci_dev_wait()`).
    /// - Any errno of the IOMMU driver that had to be stopped first.
    fn flr(&self, locked: &Locked<'_>) -> Result;

    /// Resets the function by the first of [`reset_methods`](Self::reset_methods) that works.
    ///
    /// # Errors
    ///
    /// - `ENOTTY`: no method works.
    /// - The errno of the method that failed.
    fn reset_as_listed(&self, locked: &Locked<'_>) -> Result;
}

impl DeviceExt for pci::Device {
    fn sbdf(&self) -> Sbdf {
        // The domain's number is in architecture-dependent places, but every PCI device is named
        // after it (pci_setup_device()).
        let dev: &kernel::device::Device = self.as_ref();
        let domain = dev
            .name()
            .to_bytes()
            .iter()
            .map_while(|byte| char::from(*byte).to_digit(16))
            .fold(0u32, |domain, digit| (domain << 4) | digit);
        // SAFETY: The device is valid; it holds a reference to its bus, and neither the bus's
        // number nor devfn changes once the device was added.
        let (bus, devfn) = unsafe { ((*(*raw(self)).bus).number, (*raw(self)).devfn) };
        // CAST: devfn has 8 bits by definition.
        Sbdf::new(domain, bus, devfn as u8)
    }

    fn header(&self) -> Header {
        // SAFETY: The device is valid; the field is set when it is found.
        match unsafe { (*raw(self)).hdr_type } {
            0 => Header::Normal,
            1 => Header::Bridge,
            other => Header::Other(other),
        }
    }

    fn has_msix(&self) -> bool {
        // SAFETY: The device is valid; the field is set when it is found.
        unsafe { (*raw(self)).msix_cap != 0 }
    }

    fn pin(&self) -> Option<Pin> {
        // SAFETY: The device is valid; the field is set when it is found.
        Pin::from_register(unsafe { (*raw(self)).pin })
    }

    fn physical_function(&self) -> Option<PhysFn> {
        let sbdf = physfn(self)?.sbdf();
        Some(PhysFn {
            bus: sbdf.bus(),
            devfn: sbdf.devfn(),
        })
    }

    fn ari_enabled(&self) -> bool {
        self.upstream_bridge().is_some_and(|bridge| {
            // SAFETY: The bridge is valid; the bit changes only when a device is added below it.
            unsafe { bindings::pci_dev::ari_enabled_raw(raw(bridge)) != 0 }
        })
    }

    fn upstream_bridge(&self) -> Option<&pci::Device> {
        // A virtual function may be on a bus number of its own, which no bridge leads to.
        let on_bus = physfn(self).unwrap_or(self);
        // SAFETY: The device holds a reference to its bus, and the bus to the bridge that it
        // belongs to (`struct pci_bus.bridge`, the same device), so both outlive `self`; a
        // virtual function holds one to its physical function. A root bus has no parent.
        unsafe {
            let bus = (*raw(on_bus)).bus;
            if (*bus).parent.is_null() {
                return None;
            }
            (*bus).self_.cast::<pci::Device>().as_ref()
        }
    }

    fn reroutes_boot_interrupts(&self) -> bool {
        // SAFETY: The device is valid; the field is set by a quirk when it is found.
        unsafe { bindings::pci_dev::irq_reroute_variant_raw(raw(self)) != 0 }
    }

    fn reset_methods(&self) -> [u8; 8] {
        // SAFETY: The device is valid. The kernel rewrites the list when `reset_method` is
        // written, without a lock that we could take; each entry is a byte, so the worst that is
        // read is a mixture of the old and the new list, of which every entry is (or was) allowed.
        unsafe { core::ptr::addr_of!((*raw(self)).reset_methods).read_volatile() }
    }

    fn is_present(&self) -> bool {
        // SAFETY: The device is valid.
        unsafe { bindings::pci_device_is_present(raw(self)) }
    }

    fn is_overridden_to(&self, driver: &core::ffi::CStr) -> bool {
        super::pci_driver::driver_override_is(self, driver)
    }

    fn wake(&self, _: &Locked<'_>) -> Result {
        // SAFETY: The device is valid, and its lock is held.
        to_result(unsafe { bindings::pci_set_power_state(raw(self), PCI_D0) })
    }

    fn set_assigned(&self, _: &Locked<'_>, assigned: bool) {
        // CAST: The flag is in the lower bits.
        let flag = bindings::pci_dev_flags_PCI_DEV_FLAGS_ASSIGNED as bindings::pci_dev_flags_t;
        // SAFETY: The device is valid. The other flags are written when the device is found; this
        // one only by the device's driver, and its lock is held.
        unsafe {
            if assigned {
                (*raw(self)).dev_flags |= flag;
            } else {
                (*raw(self)).dev_flags &= !flag;
            }
        }
    }

    fn flr(&self, _: &Locked<'_>) -> Result {
        // SAFETY: The device is valid and its lock is held, so no driver uses it meanwhile.
        to_result(unsafe { bindings::pcie_reset_flr(raw(self), false) })
    }

    fn reset_as_listed(&self, _: &Locked<'_>) -> Result {
        // SAFETY: The device is valid and its lock is held, as the function demands.
        to_result(unsafe { bindings::__pci_reset_function_locked(raw(self)) })
    }
}

/// Returns the device that bridges to the bus of `device`: a host bridge's or a PCI bridge's.
pub(super) fn raw_bridge_device(device: &pci::Device) -> *mut bindings::device {
    // SAFETY: The device holds a reference to its bus, and the bus to its bridge.
    unsafe { (*(*raw(device)).bus).bridge }
}
