// SPDX-License-Identifier: GPL-2.0

//! What `kernel::pci` lacks: more of what a PCI device is, and of what can be done to it.
//!
//! [`DeviceExt`] may be asked of any device at any time. [`Locked`] is a device that can't change
//! its driver, and has the rest. [`Registered`] is one that isn't removed meanwhile.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

mod config;
mod control;
mod driver_override;
mod drivers;
mod error_status;
mod lock;
mod power;
mod registered;
mod reset;
mod resource;
mod runtime_pm;
mod scan;
mod slot;
mod state;
mod unlocked;

pub(crate) use self::{
    driver_override::{
        override_driver,
        withdraw_override,
        Override, //
    },
    drivers::{
        attach,
        release_driver, //
    },
    lock::{
        CfgLocked,
        ConfigAccess,
        DeviceLock,
        DeviceLocks,
        Locked, //
    },
    registered::Registered,
    reset::listed_methods,
    resource::{
        Assigned,
        Region, //
    },
    runtime_pm::RuntimePm,
    scan::{
        for_each_child,
        PciDevices,
        RescanRemoveLock, //
    },
    state::{
        EnableCount,
        StoredState, //
    },
    unlocked::{
        DriverKind,
        PortDriver,
        Unlocked, //
    },
};

use crate::pure::{
    intx::Pin,
    sbdf::Sbdf, //
};
use kernel::{
    bindings,
    pci, //
};

/// Returns the C structure of a device.
pub(super) fn raw(device: &pci::Device) -> *mut bindings::pci_dev {
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

/// Returns the device that bridges to the bus of `device`: a host bridge's or a PCI bridge's.
pub(super) fn raw_bridge_device(device: &pci::Device) -> *mut bindings::device {
    // SAFETY: The device holds a reference to its bus, and the bus to its bridge.
    unsafe { (*(*raw(device)).bus).bridge }
}

/// The layout of a function's configuration header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// Type 0, an endpoint.
    Normal,
    /// Type 1, a PCI-to-PCI bridge.
    Bridge,
    /// Anything else.
    Other,
}

/// What a bridge leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecondaryLink {
    /// A PCI Express link.
    Express,
    /// The inside of a switch.
    Internal,
    /// A conventional bus.
    Conventional,
}

/// Properties of a PCI device that never change while a reference to it is held.
///
/// # Examples
///
/// ```ignore
/// if device.header() == Header::Normal && device.has_msix() {
///     dev_info!(device, "an endpoint with MSI-X\n");
/// }
/// ```
pub(crate) trait DeviceExt {
    /// Returns the device's address.
    fn sbdf(&self) -> Sbdf;

    /// Returns the layout of the header.
    fn header(&self) -> Header;

    /// Returns `true` if the function is a virtual one.
    fn is_virtual_function(&self) -> bool;

    /// Returns `true` if the function has an MSI capability.
    fn has_msi(&self) -> bool;

    /// Returns `true` if the function has an MSI-X capability.
    fn has_msix(&self) -> bool;

    /// Returns what is below the device, if it is a bridge.
    fn secondary_link(&self) -> SecondaryLink;

    /// Returns the legacy interrupt pin that the function uses, if any.
    fn pin(&self) -> Option<Pin>;

    /// Returns `true` if Alternative Routing-ID is in use on the device's bus, where a function
    /// number has 8 bits and there is but one device.
    fn ari_enabled(&self) -> bool;

    /// Returns the bridge that leads to the device's bus; `None` on a root bus, and on the bus of
    /// virtual functions that no bridge leads to.
    fn upstream_bridge(&self) -> Option<&pci::Device>;

    /// Returns the device itself and the bridges above it, towards the root.
    fn towards_root(&self) -> impl Iterator<Item = &pci::Device>;

    /// Returns `true` if the kernel has a quirk that reroutes this bridge's boot interrupts.
    fn reroutes_boot_interrupts(&self) -> bool;
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
            _ => Header::Other,
        }
    }

    fn is_virtual_function(&self) -> bool {
        // SAFETY: The device is valid; the bit is set before a virtual function is added.
        unsafe { bindings::pci_dev::is_virtfn_raw(raw(self)) != 0 }
    }

    fn has_msi(&self) -> bool {
        // SAFETY: The device is valid; the field is set when it is found.
        unsafe { (*raw(self)).msi_cap != 0 }
    }

    fn has_msix(&self) -> bool {
        // SAFETY: The device is valid; the field is set when it is found.
        unsafe { (*raw(self)).msix_cap != 0 }
    }

    fn secondary_link(&self) -> SecondaryLink {
        // SAFETY: The device is valid; the fields are set when it is found.
        let (express, flags) = unsafe { ((*raw(self)).pcie_cap != 0, (*raw(self)).pcie_flags_reg) };
        // The device/port type is in bits 7-4 (PCIe r6.0 sec 7.5.3.2).
        match u32::from(flags >> 4 & 0xf) {
            _ if !express => SecondaryLink::Conventional,
            bindings::PCI_EXP_TYPE_PCI_BRIDGE => SecondaryLink::Conventional,
            bindings::PCI_EXP_TYPE_UPSTREAM => SecondaryLink::Internal,
            _ => SecondaryLink::Express,
        }
    }

    fn pin(&self) -> Option<Pin> {
        // SAFETY: The device is valid; the field is set when it is found.
        Pin::from_register(unsafe { (*raw(self)).pin })
    }

    fn ari_enabled(&self) -> bool {
        self.upstream_bridge().is_some_and(|bridge| {
            // SAFETY: The bridge is valid; the bit changes only when a device is added below it.
            unsafe { bindings::pci_dev::ari_enabled_raw(raw(bridge)) != 0 }
        })
    }

    fn upstream_bridge(&self) -> Option<&pci::Device> {
        // SAFETY: The device holds a reference to its bus, and the bus to the bridge that it
        // belongs to (`struct pci_bus.bridge`, the same device), so both outlive `self`. A root
        // bus has no parent.
        unsafe {
            let bus = (*raw(self)).bus;
            if (*bus).parent.is_null() {
                return None;
            }
            (*bus).self_.cast::<pci::Device>().as_ref()
        }
    }

    fn towards_root(&self) -> impl Iterator<Item = &pci::Device> {
        core::iter::successors(Some(self), |device| device.upstream_bridge())
    }

    fn reroutes_boot_interrupts(&self) -> bool {
        // SAFETY: The device is valid; the field is set by a quirk when it is found.
        unsafe { bindings::pci_dev::irq_reroute_variant_raw(raw(self)) != 0 }
    }
}
