// SPDX-License-Identifier: GPL-2.0

//! What one needs to know of devices that others own, to judge whether a reset may reach them.
//!
//! No lock is held while these are asked, so each answer is one of the moment. None follows a
//! pointer that the device doesn't keep valid.

use super::{raw, raw_dev, slot, DeviceExt, Header};
use kernel::{bindings, pci, prelude::*, str::CString};

/// The kinds of drivers that a device can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    /// None.
    None,
    /// The kernel's driver for PCI Express ports.
    Port,
    /// Any other.
    Other,
}

/// The kernel's driver for PCI Express ports, which is never unloaded.
#[derive(Clone, Copy)]
pub(crate) struct PortDriver(*const bindings::device_driver);

impl PortDriver {
    /// Finds it.
    pub(crate) fn find() -> Self {
        // SAFETY: The bus exists, and the name is a C string.
        let driver = unsafe {
            bindings::driver_find(c"pcieport".as_char_ptr(), &raw const bindings::pci_bus_type)
        };
        Self(driver)
    }
}

/// Questions about any device, at any time.
pub(crate) trait Neighbour: DeviceExt {
    /// Tells whether both are the same device.
    fn is(&self, other: &pci::Device) -> bool;

    /// Returns what kind of driver the device has.
    fn driver(&self, ports: PortDriver) -> Driver;

    /// Returns the name of its driver, if it has one and its lock is free at the moment.
    fn driver_name(&self) -> Option<CString>;

    /// Tells whether this is a virtual function of `other`.
    fn is_virtual_function_of(&self, other: &pci::Device) -> bool;

    /// Tells whether the device is in a hot-plug slot that can be reset.
    fn can_reset_slot(&self) -> bool;

    /// Tells whether the kernel knows that the device doesn't survive a bus reset.
    fn never_reset_bus(&self) -> bool;

    /// Tells whether the kernel offered `bus` among the device's reset methods when it found it:
    /// it does so for one that has no neighbour then, so for the first on a bus below a bridge.
    fn was_offered_bus(&self) -> bool;

    /// Tells whether the device has the file `reset_method`, which it has if there was any method
    /// when it was found.
    fn has_reset_method_file(&self) -> bool;

    /// Tells whether the kernel gave the device up: it was pulled out.
    fn is_disconnected(&self) -> bool;
}

impl Neighbour for pci::Device {
    fn is(&self, other: &pci::Device) -> bool {
        core::ptr::eq(self, other)
    }

    fn driver(&self, ports: PortDriver) -> Driver {
        // SAFETY: The device is valid. The pointer is compared, not followed.
        let driver = unsafe { (&raw const (*raw_dev(self)).driver).read_volatile() };
        if driver.is_null() {
            Driver::None
        } else if core::ptr::eq(driver, ports.0) {
            Driver::Port
        } else {
            Driver::Other
        }
    }

    fn driver_name(&self) -> Option<CString> {
        // SAFETY: The device is valid. The lock keeps its driver, whose name is a C string; for
        // want of waiting, nobody can wait for us in turn.
        unsafe {
            if bindings::pci_dev_trylock(raw(self)) == 0 {
                return None;
            }
            let driver = (*raw_dev(self)).driver;
            let name = (!driver.is_null()).then(|| CStr::from_char_ptr((*driver).name));
            let name = name.and_then(|name| CString::try_from(name).ok());
            bindings::pci_dev_unlock(raw(self));
            name
        }
    }

    fn is_virtual_function_of(&self, other: &pci::Device) -> bool {
        // SAFETY: The device is valid; the bit is set before a virtual function is added. Only
        // such a function has this member of the union; it is compared, not followed.
        unsafe {
            bindings::pci_dev::is_virtfn_raw(raw(self)) != 0
                && core::ptr::eq((*raw(self)).__bindgen_anon_1.physfn, raw(other))
        }
    }

    fn can_reset_slot(&self) -> bool {
        slot::can_reset(self)
    }

    fn never_reset_bus(&self) -> bool {
        // CAST: The flag is in the lower bits.
        let flag = bindings::pci_dev_flags_PCI_DEV_FLAGS_NO_BUS_RESET as bindings::pci_dev_flags_t;
        // SAFETY: The device is valid; the flag is set by a quirk when it is found.
        unsafe { (*raw(self)).dev_flags & flag != 0 }
    }

    fn was_offered_bus(&self) -> bool {
        // SAFETY: The device is valid and keeps its bus valid. The list's head is compared with
        // the address of the device's own entry; nothing is followed.
        let first = unsafe {
            let head = (&raw const (*(*raw(self)).bus).devices.next).read_volatile();
            core::ptr::eq(head, &raw const (*raw(self)).bus_list)
        };
        first && self.header() == Header::Normal && self.upstream_bridge().is_some()
    }

    fn has_reset_method_file(&self) -> bool {
        // SAFETY: The device is valid, and so its directory, if it (still) has one; both functions
        // take that null for "nothing". The node found is given back.
        unsafe {
            let directory = (*raw_dev(self)).kobj.sd;
            if directory.is_null() {
                return false;
            }
            let name = c"reset_method".as_char_ptr();
            let node = bindings::kernfs_find_and_get_ns(directory, name, core::ptr::null());
            bindings::kernfs_put(node);
            !node.is_null()
        }
    }

    fn is_disconnected(&self) -> bool {
        // SAFETY: The device is valid; the state is a number that the kernel sets atomically.
        let state = unsafe { (&raw const (*raw(self)).error_state).read_volatile() };
        state == bindings::pci_channel_io_perm_failure
    }
}
