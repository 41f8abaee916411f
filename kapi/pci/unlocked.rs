// SPDX-License-Identifier: GPL-2.0

//! What can be asked of devices that others own, to decide whether a reset may reach them.
//!
//! No lock is held, so each answer may be outdated at once. None follows a pointer that the device
//! doesn't keep valid.

use super::{
    drivers::find_driver,
    raw,
    raw_dev,
    slot,
    DeviceExt, //
};
use kernel::{
    bindings,
    pci,
    prelude::*,
    str::CString, //
};

/// The kinds of drivers that a device can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DriverKind {
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
///
/// # Examples
///
/// ```ignore
/// let ports = PortDriver::find();
/// if device.driver(ports) == DriverKind::None && !device.is_disconnected() {
///     // Nobody had it a moment ago.
/// }
/// ```
pub(crate) trait Unlocked: DeviceExt {
    /// Returns `true` if both are the same device.
    fn is(&self, other: &pci::Device) -> bool;

    /// Returns what kind of driver the device has.
    fn driver(&self, ports: PortDriver) -> DriverKind;

    /// Returns the name of its driver, if it has one.
    fn driver_name(&self) -> Option<CString>;

    /// Returns a number that no other device has while a reference to this one is held.
    fn key(&self) -> usize;

    /// Returns the [`key`](Self::key) of its physical function, if it is a virtual one. The
    /// physical function may be gone.
    fn key_of_physical(&self) -> Option<usize>;

    /// Returns `true` if this is a virtual function of `other`.
    fn is_virtual_function_of(&self, other: &pci::Device) -> bool;

    /// Returns `true` if the function can have virtual ones.
    fn is_physical_function(&self) -> bool;

    /// Returns how many virtual functions the kernel has enabled. With the device's lock held, and
    /// no driver that adds some by itself, there are none where this is 0: `sriov_enable()` sets it
    /// under the lock, and `sriov_disable()` clears it when all are gone.
    fn enabled_virtual_functions(&self) -> usize;

    /// Returns `true` if the device is in a hot-plug slot of `bridge`, the one above it, that can
    /// be reset, as far as that can be told.
    fn is_in_slot_of(&self, bridge: &pci::Device) -> bool;

    /// Returns `true` if the kernel knows that the device doesn't survive a bus reset.
    fn never_reset_bus(&self) -> bool;

    /// Returns `true` if the device is the first on its bus, in the order of the kernel's list.
    fn is_first_on_bus(&self) -> bool;

    /// Returns `true` if nobody else is on the device's bus.
    fn is_alone_on_bus(&self) -> bool;

    /// Returns `true` if the kernel has a flag for the device (`PCI_DEV_FLAGS_*`), which a quirk
    /// sets when the device is found.
    fn has_flag(&self, flag: bindings::pci_dev_flags) -> bool;

    /// Returns `true` if the function has a Function Level Reset (PCIe r6.0 sec 7.5.3.3).
    fn is_flr_capable(&self) -> bool;

    /// Returns `true` if the function has a Power Management capability.
    fn has_pm_capability(&self) -> bool;

    /// Returns `true` if the device needs no time after a reset, so that the kernel gives it none.
    fn is_immediately_ready(&self) -> bool;

    /// Returns `true` if the kernel gave the device up: it was pulled out.
    fn is_disconnected(&self) -> bool;
}

impl Unlocked for pci::Device {
    fn is(&self, other: &pci::Device) -> bool {
        core::ptr::eq(self, other)
    }

    fn driver(&self, ports: PortDriver) -> DriverKind {
        // SAFETY: The device is valid. The pointer is compared, not followed.
        let driver = unsafe { (&raw const (*raw_dev(self)).driver).read_volatile() };
        if driver.is_null() {
            DriverKind::None
        } else if core::ptr::eq(driver, ports.0) {
            DriverKind::Port
        } else {
            DriverKind::Other
        }
    }

    fn driver_name(&self) -> Option<CString> {
        // SAFETY: The device is valid. The pointer is compared, not followed: the driver may go.
        let wanted = unsafe { (&raw const (*raw_dev(self)).driver).read_volatile() };
        find_driver(|candidate| {
            if !core::ptr::eq(candidate, wanted) {
                return None;
            }
            // SAFETY: The driver is registered during the call, and its name is a C string.
            let name = unsafe { CStr::from_char_ptr((*candidate).name) };
            Some(CString::try_from(name).ok())
        })
        .flatten()
    }

    fn key(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    fn key_of_physical(&self) -> Option<usize> {
        // SAFETY: The device is valid; the bit is set before a virtual function is added. Only
        // such a function has this member of the union; it is not followed.
        unsafe {
            (bindings::pci_dev::is_virtfn_raw(raw(self)) != 0)
                .then(|| (*raw(self)).__bindgen_anon_1.physfn.addr())
        }
    }

    fn is_virtual_function_of(&self, other: &pci::Device) -> bool {
        self.key_of_physical() == Some(other.key())
    }

    fn is_physical_function(&self) -> bool {
        // SAFETY: The device is valid; the bit is set when it is found.
        unsafe { bindings::pci_dev::is_physfn_raw(raw(self)) != 0 }
    }

    fn enabled_virtual_functions(&self) -> usize {
        // SAFETY: The device is valid. It keeps what the function reads until its own end
        // (`pci_iov_release()`).
        let many = unsafe { bindings::pci_num_vf(raw(self)) };
        usize::try_from(many).unwrap_or(0)
    }

    fn is_in_slot_of(&self, bridge: &pci::Device) -> bool {
        slot::could_reset(bridge, self)
    }

    fn never_reset_bus(&self) -> bool {
        self.has_flag(bindings::pci_dev_flags_PCI_DEV_FLAGS_NO_BUS_RESET)
    }

    fn is_first_on_bus(&self) -> bool {
        // SAFETY: The device is valid and keeps its bus valid. The list's head is compared with the
        // address of the device's own entry; nothing is followed.
        unsafe {
            let head = (&raw const (*(*raw(self)).bus).devices.next).read_volatile();
            core::ptr::eq(head, &raw const (*raw(self)).bus_list)
        }
    }

    fn is_alone_on_bus(&self) -> bool {
        // SAFETY: As above.
        let last = unsafe {
            let tail = (&raw const (*(*raw(self)).bus).devices.prev).read_volatile();
            core::ptr::eq(tail, &raw const (*raw(self)).bus_list)
        };
        last && self.is_first_on_bus()
    }

    fn has_flag(&self, flag: bindings::pci_dev_flags) -> bool {
        // CAST: The flags asked for are in the lower bits.
        let flag = flag as bindings::pci_dev_flags_t;
        // SAFETY: The device is valid.
        unsafe { (*raw(self)).dev_flags & flag != 0 }
    }

    fn is_flr_capable(&self) -> bool {
        // SAFETY: The device is valid; the field is set when it is found.
        unsafe { (*raw(self)).devcap & bindings::PCI_EXP_DEVCAP_FLR != 0 }
    }

    fn has_pm_capability(&self) -> bool {
        // SAFETY: The device is valid; the field is set when it is found.
        unsafe { (*raw(self)).pm_cap != 0 }
    }

    fn is_immediately_ready(&self) -> bool {
        // SAFETY: The device is valid; the bit is set when it is found.
        unsafe { bindings::pci_dev::imm_ready_raw(raw(self)) != 0 }
    }

    fn is_disconnected(&self) -> bool {
        // SAFETY: The device is valid; the state is a number that the kernel sets atomically.
        let state = unsafe { (&raw const (*raw(self)).error_state).read_volatile() };
        state == bindings::pci_channel_io_perm_failure
    }
}
